//! `cjson.encode`.

use std::ffi::c_int;

use crate::library::Shared;
use crate::library::cjson::config::{self, InvalidNumbers};
use crate::library::cjson::keys::{Name, collect_keys};
use crate::library::cjson::{BIG_NUMBER, Config, DEEPEST, integer_length};
use crate::library::number::write_general;
use crate::stack::{Kind, Outcome, Raise, Stack};

pub(crate) fn encode(stack: Stack, shared: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return Err(Raise::Argument(1, c"expected 1 argument"));
    }
    let config = *config::of(stack, shared);
    shared.output.clear();
    shared.keys.clear();
    Encoder { stack, shared, config }.value(0)?;
    shared.push_output(stack);
    Ok(1)
}

struct Encoder<'a> {
    stack: Stack,
    shared: &'a mut Shared,
    config: Config,
}

impl Encoder<'_> {
    /// Writes the value on top, which stays there.
    fn value(&mut self, depth: i32) -> Result<(), Raise> {
        self.shared.check_budget()?;
        match self.stack.kind(-1) {
            Kind::String => write_string(&mut self.shared.output, self.stack.bytes(-1)),
            Kind::Number => self.number(self.stack.number(-1))?,
            Kind::Boolean => {
                let text: &[u8] = if self.stack.boolean(-1) { b"true" } else { b"false" };
                self.shared.output.extend_from_slice(text);
            }
            Kind::Nil => self.shared.output.extend_from_slice(b"null"),
            Kind::LightUserdata if self.stack.is_null_pointer(-1) => {
                self.shared.output.extend_from_slice(b"null")
            }
            Kind::Table if self.config.exact_integers && self.big_number() => {}
            Kind::Table => self.table(depth + 1)?,
            _ => return Err(self.refuse("type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, depth: i32) -> Result<(), Raise> {
        if depth > self.config.encode_depth.min(DEEPEST) || !self.stack.reserve(3) {
            return Err(self.shared.fail(format_args!("Cannot serialise, excessive nesting ({depth})")));
        }
        let table = self.stack.top();
        match self.array_length(table)? {
            Some(length) => self.array(table, length, depth),
            None => self.object(table, depth),
        }
    }

    /// Writes the table on top if it stands for a whole number.
    fn big_number(&mut self) -> bool {
        self.stack.push_bytes(BIG_NUMBER);
        self.stack.raw_get(-2);
        let digits = if self.stack.kind(-1) == Kind::String { self.stack.bytes(-1) } else { b"" };
        let is_number = integer_length(digits) == Some(digits.len());
        if is_number {
            self.shared.output.extend_from_slice(digits);
        }
        self.stack.pop(1);
        is_number
    }

    /// The largest index of a table that has only positive whole numbers as keys and is not too sparse.
    fn array_length(&mut self, table: c_int) -> Result<Option<c_int>, Raise> {
        let stack = self.stack;
        let (mut largest, mut items) = (0_i32, 0_i32);
        stack.push_nil();
        while stack.next(table) {
            stack.pop(1);
            let key = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { 0.0 };
            if key < 1.0 || (key as i64 as f64 != key && key < WHOLE) {
                stack.pop(1);
                return Ok(None);
            }
            if key > f64::from(largest) {
                largest = cut(key);
            }
            items = items.wrapping_add(1);
        }
        let Config { sparse_ratio, sparse_safe, sparse_as_object, .. } = self.config;
        if sparse_ratio > 0 && largest > items.wrapping_mul(sparse_ratio) && largest > sparse_safe {
            if !sparse_as_object {
                return Err(self.refuse("excessively sparse array"));
            }
            return Ok(None);
        }
        Ok((largest > 0).then_some(largest))
    }

    fn array(&mut self, table: c_int, length: c_int, depth: i32) -> Result<(), Raise> {
        self.shared.output.push(b'[');
        for position in 1..=length {
            if position > 1 {
                self.shared.output.push(b',');
            }
            self.stack.raw_get_position(table, position);
            self.value(depth)?;
            self.stack.pop(1);
        }
        self.shared.output.push(b']');
        Ok(())
    }

    fn object(&mut self, table: c_int, depth: i32) -> Result<(), Raise> {
        let base = self.shared.keys.len();
        if !collect_keys(self.stack, self.shared, table) {
            return Err(self.refuse_key(table));
        }
        self.shared.output.push(b'{');
        for index in base..self.shared.keys.len() {
            if index > base {
                self.shared.output.push(b',');
            }
            let key = self.shared.keys[index];
            match key.name() {
                Name::Number(number) => {
                    self.shared.output.push(b'"');
                    self.number(number)?;
                    self.shared.output.push(b'"');
                }
                name @ Name::String { .. } => write_string(&mut self.shared.output, name.bytes()),
            }
            self.shared.output.push(b':');
            key.push_value(self.stack, table);
            self.value(depth)?;
            self.stack.pop(1);
            // The nested value has put its own keys behind ours and taken them away again.
        }
        self.shared.keys.truncate(base);
        self.stack.set_top(table);
        self.shared.output.push(b'}');
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), Raise> {
        if !number.is_finite() {
            match self.config.encode_invalid {
                InvalidNumbers::Refuse => {
                    return Err(self
                        .shared
                        .fail(format_args!("Cannot serialise number: must not be NaN or Inf")));
                }
                InvalidNumbers::Write if number.is_nan() => {
                    self.shared.output.extend_from_slice(b"nan");
                    return Ok(());
                }
                InvalidNumbers::Write => {}
                InvalidNumbers::Null => {
                    self.shared.output.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        let whole = crate::stack::truncate(number);
        if self.config.exact_integers && (whole as f64).to_bits() == number.to_bits() {
            self.shared.output.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        } else {
            write_general(&mut self.shared.output, number, self.config.precision as usize);
        }
        Ok(())
    }

    /// The error for the value on top.
    fn refuse(&mut self, reason: &str) -> Raise {
        let name = self.stack.type_name(-1);
        self.shared.fail(format_args!("Cannot serialise {name}: {reason}"))
    }

    /// The error for the table's first key that is neither number nor string.
    fn refuse_key(&mut self, table: c_int) -> Raise {
        self.stack.push_nil();
        while self.stack.next(table) {
            self.stack.pop(1);
            if !matches!(self.stack.kind(-1), Kind::Number | Kind::String) {
                break;
            }
        }
        self.refuse("table key must be a number or string")
    }
}

/// From here on every double is a whole number.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A double as a C `int` the way x86-64 casts it: out of range is `i32::MIN`.
fn cut(value: f64) -> i32 {
    if value <= f64::from(i32::MAX) { value as i32 } else { i32::MIN }
}

fn write_string(output: &mut Vec<u8>, text: &[u8]) {
    output.reserve(text.len() + 2);
    output.push(b'"');
    let mut written = 0;
    for (position, &byte) in text.iter().enumerate() {
        if !NEEDS_ESCAPE[byte as usize] {
            continue;
        }
        output.extend_from_slice(&text[written..position]);
        written = position + 1;
        let short = match byte {
            b'"' | b'\\' | b'/' => byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |half: u8| DIGITS[usize::from(half)];
                output.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
                continue;
            }
        };
        output.extend_from_slice(&[b'\\', short]);
    }
    output.extend_from_slice(&text[written..]);
    output.push(b'"');
}

static NEEDS_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'/' as usize] = true;
    table[127] = true;
    table
};
