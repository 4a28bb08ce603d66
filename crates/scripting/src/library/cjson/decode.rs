//! `cjson.decode`.

use std::ffi::c_int;

use crate::library::Shared;
use crate::library::cjson::{BIG_NUMBER, Config, DEEPEST, LARGEST_EXACT, config, integer_length};
use crate::library::text::{Cycles, Pace};
use crate::library::{number, scan};
use crate::lua::{Operation, Turns};
use crate::stack::{GRANTED, Outcome, Raise, Stack};

/// Values in one container: more, and the VM has no table for it.
const LARGEST: c_int = 1 << 26;
/// Bytes of a string that are looked at block by block.
const NEAR: usize = 64;
/// Every whole number of so many digits is a double of its own.
const EXACT_DIGITS: usize = 15;
/// Room that a table has before the first of its fields is known.
const USUAL_FIELDS: c_int = 4;

pub(crate) fn decode(stack: Stack, shared: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return Err(Raise::Argument(1, c"expected 1 argument"));
    }
    let input = stack.check_bytes(1)?;
    if input.len() >= 2 && (input[0] == 0 || input[1] == 0) {
        return Err(shared.fail(format_args!("JSON parser does not support UTF-16 or UTF-32")));
    }
    let config = *config::of(stack, shared);
    let mut place = Place { position: 0, expected: Expected::Value };
    shared.containers.clear();
    let room = stack.top() + GRANTED;
    if go_on(stack, shared, &config, &mut place, room, &mut Turns::of_function(stack))? {
        return Ok(1);
    }
    let containers = std::mem::take(&mut shared.containers);
    shared.operation = Some(Box::new(Decoding { config, place, containers, cycles: Cycles::default() }));
    Err(Raise::Unfinished)
}

/// How far a text is read.
#[derive(Clone, Copy)]
struct Place {
    position: usize,
    expected: Expected,
}

/// What comes next in the innermost container.
#[derive(Clone, Copy)]
enum Expected {
    Value,
    /// A value or the array's end.
    Element,
    /// A key or the object's end.
    Field,
    Key,
}

/// An array or object that is being filled.
#[derive(Clone, Copy)]
pub(crate) struct Container {
    table: c_int,
    /// Values so far.
    count: c_int,
    is_object: bool,
}

/// A text that is read in slices.
struct Decoding {
    config: Config,
    place: Place,
    containers: Vec<Container>,
    cycles: Cycles,
}

impl Operation for Decoding {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        if !self.cycles.make_room(stack, shared, 0, turns)? {
            return Ok(None);
        }
        self.cycles = Cycles::default();
        shared.containers = std::mem::take(&mut self.containers);
        if go_on(stack, shared, &self.config, &mut self.place, 0, turns)? {
            return Ok(Some(1));
        }
        self.containers = std::mem::take(&mut shared.containers);
        Ok(None)
    }
}

fn go_on(
    stack: Stack,
    shared: &mut Shared,
    config: &Config,
    place: &mut Place,
    room: c_int,
    turns: &mut Turns,
) -> Result<bool, Raise> {
    let mut parser = Parser {
        stack,
        shared,
        input: stack.bytes(1),
        position: place.position,
        token_start: 0,
        room,
        deepest: config.decode_depth.min(DEEPEST),
        invalid_numbers: config.decode_invalid,
        exact_integers: config.exact_integers,
    };
    if let Some(expected) = parser.read(place.expected, turns)? {
        *place = Place { position: parser.position, expected };
        return Ok(false);
    }
    match parser.token() {
        Token::End => {
            shared.release();
            Ok(true)
        }
        token => Err(parser.expected("the end", token)),
    }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Colon,
    Comma,
    End,
    /// A string, as it stands between its quotes.
    Plain(&'a [u8]),
    /// A string whose meaning is in the shared text buffer.
    Unescaped,
    Number(f64),
    /// A whole number that a double cannot hold, as it stands.
    BigNumber(&'a [u8]),
    Boolean(bool),
    Null,
    Error(&'static str),
}

impl Token<'_> {
    fn name(self) -> &'static str {
        match self {
            Token::ObjectStart => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayStart => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Plain(_) | Token::Unescaped => "T_STRING",
            Token::Number(_) | Token::BigNumber(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Error(text) => text,
        }
    }
}

/// The input is a Lua string on the stack, so it is followed by a NUL, which reads as the end.
struct Parser<'a> {
    stack: Stack,
    shared: &'a mut Shared,
    input: &'a [u8],
    position: usize,
    /// Where the last token began, or where it was found to be wrong.
    token_start: usize,
    /// The stack slot up to which there is known to be room.
    room: c_int,
    deepest: i32,
    invalid_numbers: bool,
    exact_integers: bool,
}

impl<'a> Parser<'a> {
    /// Reads on, and leaves the whole value on top; or says what is expected where it has to stop.
    fn read(&mut self, mut expected: Expected, turns: &mut Turns) -> Result<Option<Expected>, Raise> {
        loop {
            let from = self.position;
            let mut byte = self.skip_spaces();
            let inside = match (expected, byte) {
                (Expected::Element, b']') | (Expected::Field, b'}') => {
                    self.position += 1;
                    self.shared.containers.pop();
                    None
                }
                (Expected::Field | Expected::Key, _) => {
                    if byte != b'"' {
                        return Err(self.unexpected("object key string"));
                    }
                    self.push_string("object key string")?;
                    if self.skip_spaces() != b':' {
                        return Err(self.unexpected("colon"));
                    }
                    self.position += 1;
                    byte = self.skip_spaces();
                    self.value(byte)?
                }
                _ => self.value(byte)?,
            };
            expected = match inside {
                Some(expected) => expected,
                None => match self.settle()? {
                    Some(expected) => expected,
                    None => return Ok(None),
                },
            };
            if turns.spend(1 + (self.position - from) as u32 / 64) {
                return Ok(Some(expected));
            }
        }
    }

    /// Pushes the value that begins here with `byte`. What comes next, if it is a container, which is open now.
    #[inline(always)]
    fn value(&mut self, byte: u8) -> Result<Option<Expected>, Raise> {
        match byte {
            b'"' => self.push_string("value")?,
            b'{' => {
                self.open(true)?;
                return Ok(Some(Expected::Field));
            }
            b'[' => {
                self.open(false)?;
                return Ok(Some(Expected::Element));
            }
            b'1'..=b'9' => self.push_digits()?,
            _ => self.push_plain()?,
        }
        Ok(None)
    }

    #[inline(always)]
    fn push_string(&mut self, wanted: &str) -> Result<(), Raise> {
        match self.string() {
            Token::Plain(text) => self.stack.push_bytes(text),
            Token::Unescaped => self.stack.push_bytes(&self.shared.text),
            token => return Err(self.expected(wanted, token)),
        }
        Ok(())
    }

    /// Pushes the number that begins here with a digit other than 0.
    fn push_digits(&mut self) -> Result<(), Raise> {
        let mut number = 0_u64;
        let mut end = self.position;
        while let Some(digit @ b'0'..=b'9') = self.input.get(end) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            end += 1;
        }
        if end - self.position > EXACT_DIGITS || matches!(self.byte(end), b'.' | b'e' | b'E') {
            return self.push_plain();
        }
        self.position = end;
        self.stack.push_number(number as f64);
        Ok(())
    }

    /// Pushes a value that is neither a string nor a container.
    fn push_plain(&mut self) -> Result<(), Raise> {
        match self.token() {
            Token::Number(number) => self.stack.push_number(number),
            Token::BigNumber(digits) => {
                if !self.stack.reserve(3) {
                    return Err(self.too_deep());
                }
                self.stack.push_table(0, 1);
                self.stack.push_bytes(BIG_NUMBER);
                self.stack.push_bytes(digits);
                self.stack.raw_set(-3);
            }
            Token::Boolean(value) => self.stack.push_boolean(value),
            Token::Null => self.stack.push_null_pointer(),
            token => return Err(self.expected("value", token)),
        }
        Ok(())
    }

    /// Opens the container that begins here.
    fn open(&mut self, is_object: bool) -> Result<(), Raise> {
        self.position += 1;
        let depth = self.shared.containers.len() as i32 + 1;
        let table = self.stack.top() + 1;
        if depth > self.deepest || !self.reserve(table, if is_object { 3 } else { 2 }) {
            self.shared.containers.push(Container { table: 0, count: 0, is_object });
            return Err(self.too_deep());
        }
        if is_object {
            self.stack.push_table(0, USUAL_FIELDS);
        } else {
            self.stack.push_table(USUAL_FIELDS, 0);
        }
        self.shared.containers.push(Container { table, count: 0, is_object });
        Ok(())
    }

    /// Makes room for `slots` values from slot `first` on, which is the next one.
    #[inline]
    fn reserve(&mut self, first: c_int, slots: c_int) -> bool {
        let needed = first - 1 + slots;
        if needed > self.room {
            if !self.stack.reserve(slots) {
                return false;
            }
            self.room = needed;
        }
        true
    }

    /// Puts the value on top into the container that waits for it, and so on outwards while containers end by that. What comes next;
    /// nothing if no container waits.
    #[inline(always)]
    fn settle(&mut self) -> Result<Option<Expected>, Raise> {
        while let Some(container) = self.shared.containers.last_mut() {
            container.count += 1;
            let Container { table, count, is_object } = *container;
            if count > LARGEST {
                return Err(Raise::NoRoom);
            }
            if is_object {
                self.stack.raw_set(table);
            } else {
                self.stack.raw_set_position(table, count);
            }
            match (self.skip_spaces(), is_object) {
                (b',', _) => {
                    self.position += 1;
                    return Ok(Some(if is_object { Expected::Key } else { Expected::Value }));
                }
                (b'}', true) | (b']', false) => {
                    self.position += 1;
                    self.shared.containers.pop();
                }
                (_, true) => return Err(self.unexpected("comma or object end")),
                (_, false) => return Err(self.unexpected("comma or array end")),
            }
        }
        Ok(None)
    }

    #[cold]
    fn too_deep(&mut self) -> Raise {
        let (depth, position) = (self.shared.containers.len(), self.position);
        self.shared
            .fail(format_args!("Found too many nested data structures ({depth}) at character {position}"))
    }

    /// The error for the token that stands here.
    #[cold]
    fn unexpected(&mut self, wanted: &str) -> Raise {
        let token = self.token();
        self.expected(wanted, token)
    }

    #[cold]
    fn expected(&mut self, wanted: &str, found: Token<'_>) -> Raise {
        let position = self.token_start + 1;
        self.shared.fail(format_args!("Expected {wanted} but found {} at character {position}", found.name()))
    }

    #[inline]
    fn byte(&self, position: usize) -> u8 {
        self.input.get(position).copied().unwrap_or(0)
    }

    /// The first byte that is no space, which is where the position is then.
    #[inline(always)]
    fn skip_spaces(&mut self) -> u8 {
        loop {
            let byte = self.byte(self.position);
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return byte;
            }
            self.position += 1;
        }
    }

    fn token(&mut self) -> Token<'a> {
        let byte = self.skip_spaces();
        self.token_start = self.position;
        let token = match byte {
            b'{' => Token::ObjectStart,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayStart,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Token::End,
            b'"' => return self.string(),
            b'1'..=b'9' => return self.number(),
            b'-' | b'0' => {
                if !self.invalid_numbers && self.is_invalid_number() {
                    return Token::Error("invalid number");
                }
                return self.number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.word(),
            _ => return Token::Error("invalid token"),
        };
        self.position += 1;
        token
    }

    fn word(&mut self) -> Token<'a> {
        let rest = &self.input[self.position..];
        for (text, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if rest.starts_with(text.as_bytes()) {
                self.position += text.len();
                return token;
            }
        }
        if self.invalid_numbers && self.is_invalid_number() {
            return self.number();
        }
        Token::Error("invalid token")
    }

    fn number(&mut self) -> Token<'a> {
        let text = &self.input[self.position..];
        match number::read(text) {
            Some((value, taken)) => {
                self.position += taken;
                if self.exact_integers
                    && value.abs() >= LARGEST_EXACT as f64
                    && integer_length(text) == Some(taken)
                {
                    return Token::BigNumber(&text[..taken]);
                }
                Token::Number(value)
            }
            None => Token::Error("invalid number"),
        }
    }

    /// Whether a number begins here that JSON does not have: a plus sign, hexadecimal, a leading zero, inf, nan.
    fn is_invalid_number(&self) -> bool {
        let mut position = self.position;
        if self.byte(position) == b'+' {
            return true;
        }
        if self.byte(position) == b'-' {
            position += 1;
        }
        let first = self.byte(position);
        if first == b'0' {
            let second = self.byte(position + 1);
            return second | 0x20 == b'x' || second.is_ascii_digit();
        }
        if first <= b'9' {
            return false;
        }
        self.input[position..]
            .get(..3)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan"))
    }

    #[inline(always)]
    fn string(&mut self) -> Token<'a> {
        let start = self.position + 1;
        if let Some(block) = self.input.get(start..).and_then(|rest| rest.first_chunk()) {
            let end = start + scan::quotes(block).trailing_zeros() as usize;
            if self.byte(end) == b'"' && end < start + scan::BLOCK {
                self.position = end + 1;
                return Token::Plain(&self.input[start..end]);
            }
        }
        self.long_string(start)
    }

    #[inline(never)]
    fn long_string(&mut self, start: usize) -> Token<'a> {
        let input = self.input;
        let near = input.len().min(start + NEAR);
        let mut end = start + scan::quoted(&input[start..near]);
        if end == near {
            let rest = &input[near..];
            end += memchr::memchr3(b'"', b'\\', 0, rest).unwrap_or(rest.len());
        }
        if self.byte(end) == b'"' {
            self.position = end + 1;
            return Token::Plain(&input[start..end]);
        }
        self.shared.text.clear();
        self.shared.text.extend_from_slice(&input[start..end]);
        self.position = end;
        self.escaped_string()
    }

    /// Goes on with a string in the shared text buffer, from its first escape to its end.
    fn escaped_string(&mut self) -> Token<'a> {
        loop {
            match self.byte(self.position) {
                b'"' => break,
                0 => return self.error_here("unexpected end of string"),
                b'\\' => {
                    let meaning = match self.byte(self.position + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => 9,
                        b'n' => 10,
                        b'f' => 12,
                        b'r' => 13,
                        b'u' => {
                            if !self.unicode_escape() {
                                return self.error_here("invalid unicode escape code");
                            }
                            continue;
                        }
                        _ => return self.error_here("invalid escape code"),
                    };
                    self.shared.text.push(meaning);
                    self.position += 2;
                }
                _ => {
                    let rest = &self.input[self.position..];
                    self.position += scan::append_quoted(&mut self.shared.text, rest);
                }
            }
        }
        self.position += 1;
        Token::Unescaped
    }

    fn error_here(&mut self, text: &'static str) -> Token<'a> {
        self.token_start = self.position;
        Token::Error(text)
    }

    fn unicode_escape(&mut self) -> bool {
        let Some(mut code) = self.hexadecimal(self.position + 2) else { return false };
        let mut length = 6;
        if code & 0xF800 == 0xD800 {
            if code & 0x400 != 0
                || self.byte(self.position + 6) != b'\\'
                || self.byte(self.position + 7) != b'u'
            {
                return false;
            }
            let Some(low) = self.hexadecimal(self.position + 8) else { return false };
            if low & 0xFC00 != 0xDC00 {
                return false;
            }
            code = (((code & 0x3FF) << 10) | (low & 0x3FF)) + 0x1_0000;
            length = 12;
        }
        let Some(character) = char::from_u32(code) else { return false };
        self.shared.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.position += length;
        true
    }

    fn hexadecimal(&self, position: usize) -> Option<u32> {
        (position..position + 4)
            .try_fold(0, |code, place| Some((code << 4) | char::from(self.byte(place)).to_digit(16)?))
    }
}
