//! Building long strings: `string.rep`, `upper`, `lower`, `reverse`, `table.concat`.

use std::ffi::c_int;

use mlua::ffi;

use super::collect::Cycles;
use super::pattern::Pace;
use crate::library::Shared;
use crate::lua::{Donation, Operation, Turns};
use crate::stack::{Kind, Outcome, Raise, Stack};

/// Strings up to so many bytes are made at once.
const SHORT: usize = 64 * 1024;
/// Bytes that are written at one go.
const STRIDE: usize = 64 * 1024;
/// The work that this is.
const STRIDE_WORK: u32 = 2048;

/// The longest string that the VM has.
const LONGEST: usize = 0x7fff_ff00;

/// Text that grows, in pieces, so that it is never moved.
#[derive(Default)]
pub(crate) struct Chunks {
    pieces: Vec<Vec<u8>>,
    length: usize,
}

const PIECE: usize = 1024 * 1024;

impl Chunks {
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) fn extend(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        if let Some(last) = self.pieces.last_mut() {
            let (fitting, rest) = bytes.split_at(bytes.len().min(PIECE - last.len()));
            last.extend_from_slice(fitting);
            bytes = rest;
        }
        for piece in bytes.chunks(PIECE) {
            let mut fresh = Vec::with_capacity(if self.pieces.is_empty() { 0 } else { PIECE });
            fresh.extend_from_slice(piece);
            self.pieces.push(fresh);
        }
    }

    /// Pushes the text as a string; false if that is not finished. `finish` keeps how far it has come.
    pub(crate) fn push(
        &self,
        finish: &mut Option<Finish>,
        stack: Stack,
        shared: &mut Shared,
        turns: &mut Turns,
    ) -> Result<bool, Raise> {
        if finish.is_none() && self.length <= SHORT {
            // Short text is one piece.
            stack.push_bytes(self.pieces.first().map_or(&[], Vec::as_slice));
            return Ok(true);
        }
        if shared.heap.is_null() {
            shared.output.clear();
            self.pieces.iter().for_each(|piece| shared.output.extend_from_slice(piece));
            shared.push_output(stack);
            return Ok(true);
        }
        let finish = finish.get_or_insert_default();
        let length = self.length;
        finish.go_on(stack, shared, turns, length, |text, at| {
            let piece = &self.pieces[at / PIECE][at % PIECE..];
            let count = piece.len().min(STRIDE);
            text.write(at, &piece[..count]);
            count
        })
    }
}

/// A string that is being made.
#[derive(Default)]
pub(crate) struct Finish {
    cycles: Cycles,
    text: Option<Donation>,
    written: usize,
}

impl Finish {
    /// Finds room, writes, pushes; false if that is not finished. `write` writes some bytes at a place, and says how many.
    fn go_on(
        &mut self,
        stack: Stack,
        shared: &mut Shared,
        turns: &mut Turns,
        length: usize,
        mut write: impl FnMut(&mut Donation, usize) -> usize,
    ) -> Result<bool, Raise> {
        if length > LONGEST || shared.heap.is_null() {
            return Err(Raise::NoRoom);
        }
        if self.text.is_none() {
            // SAFETY: the VM's heap, which nobody else refers to meanwhile.
            let cost = Donation::cost(unsafe { &*shared.heap }, length);
            if !self.cycles.make_room(stack, shared, cost, turns)? {
                return Ok(false);
            }
            // SAFETY: operations end before their VM.
            self.text = unsafe { Donation::new(shared.heap, length) };
        }
        let text = self.text.as_mut().ok_or(Raise::NoRoom)?;
        while self.written < length {
            self.written += write(text, self.written);
            if turns.spend(STRIDE_WORK) {
                return Ok(false);
            }
        }
        if let Some(text) = self.text.take() {
            // SAFETY: the operation's own VM; a C function has a free slot.
            unsafe { text.push(stack.state()) };
        }
        Ok(true)
    }
}

pub(super) fn rep(stack: Stack, shared: &mut Shared) -> Outcome {
    let text = stack.check_bytes(1)?;
    let count = stack.check_integer(2)? as i32;
    let length = text.len().saturating_mul(usize::try_from(count).unwrap_or(0));
    if length > SHORT && !shared.heap.is_null() {
        shared.operation = Some(Box::new(Repeat { finish: Finish::default(), length }));
        return Err(Raise::Unfinished);
    }
    if length > LONGEST {
        return Err(Raise::NoRoom);
    }
    shared.output.clear();
    if let [byte] = *text {
        shared.output.resize(length, byte);
    } else {
        while shared.output.len() < length {
            shared.output.extend_from_slice(text);
        }
    }
    shared.push_output(stack);
    Ok(1)
}

struct Repeat {
    finish: Finish,
    length: usize,
}

impl Operation for Repeat {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let (unit, length) = (stack.bytes(1), self.length);
        let finished = self.finish.go_on(stack, shared, turns, length, |text, at| {
            if at < unit.len() || unit.len() > STRIDE {
                let rest = &unit[at % unit.len()..];
                let count = rest.len().min(STRIDE);
                text.write(at, &rest[..count]);
                return count;
            }
            // What is written are whole units; more of them are copied.
            let count = (at.min(STRIDE) / unit.len() * unit.len()).min(length - at);
            text.repeat_beginning(at, count);
            count
        })?;
        Ok(finished.then_some(1))
    }
}

pub(super) fn upper(stack: Stack, shared: &mut Shared) -> Outcome {
    transform(stack, shared, |bytes, to| to.extend(bytes.iter().map(u8::to_ascii_uppercase)), false)
}

pub(super) fn lower(stack: Stack, shared: &mut Shared) -> Outcome {
    transform(stack, shared, |bytes, to| to.extend(bytes.iter().map(u8::to_ascii_lowercase)), false)
}

pub(super) fn reverse(stack: Stack, shared: &mut Shared) -> Outcome {
    transform(stack, shared, |bytes, to| to.extend(bytes.iter().rev()), true)
}

fn transform(stack: Stack, shared: &mut Shared, map: Map, backwards: bool) -> Outcome {
    let text = stack.check_bytes(1)?;
    if text.len() > SHORT && !shared.heap.is_null() {
        shared.operation = Some(Box::new(Transform { finish: Finish::default(), map, backwards }));
        return Err(Raise::Unfinished);
    }
    shared.output.clear();
    map(text, &mut shared.output);
    shared.push_output(stack);
    Ok(1)
}

type Map = fn(&[u8], &mut Vec<u8>);

struct Transform {
    finish: Finish,
    map: Map,
    backwards: bool,
}

impl Operation for Transform {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let text = stack.bytes(1);
        let (map, backwards) = (self.map, self.backwards);
        let mut piece = std::mem::take(&mut shared.text);
        let finished = self.finish.go_on(stack, shared, turns, text.len(), |to, at| {
            let count = (text.len() - at).min(STRIDE);
            let from = if backwards { text.len() - at - count } else { at };
            piece.clear();
            map(&text[from..from + count], &mut piece);
            to.write(at, &piece);
            count
        });
        shared.text = piece;
        Ok(finished?.then_some(1))
    }
}

pub(super) fn concat(stack: Stack, shared: &mut Shared) -> Outcome {
    let separator = match stack.kind(2) {
        Kind::None | Kind::Nil => &[],
        _ => stack.check_bytes(2)?,
    };
    if stack.kind(1) != Kind::Table {
        return Err(Raise::Type(1, c"table"));
    }
    let first = stack.integer_or(3, 1)? as i32;
    let last = match stack.kind(4) {
        Kind::None | Kind::Nil => stack.length(1) as i32,
        _ => stack.check_integer(4)? as i32,
    };
    shared.output.clear();
    let mut at = i64::from(first);
    while at <= i64::from(last) {
        let bytes = element(stack, shared, at)?;
        if shared.output.len() + bytes.len() > SHORT && !shared.heap.is_null() {
            stack.pop(1);
            shared.release();
            let (first, last) = (i64::from(first), i64::from(last));
            let (at, length, part, finish) = (first, 0, 0, None);
            shared.operation = Some(Box::new(Concat { first, last, at, length, part, finish }));
            return Err(Raise::Unfinished);
        }
        shared.output.extend_from_slice(bytes);
        stack.pop(1);
        if at < i64::from(last) {
            shared.output.extend_from_slice(separator);
        }
        at += 1;
    }
    shared.push_output(stack);
    Ok(1)
}

/// Pushes the table's element and gives its text.
#[inline]
fn element<'a>(stack: Stack, shared: &mut Shared, at: i64) -> Result<&'a [u8], Raise> {
    stack.raw_get_position(1, at as c_int);
    match stack.kind(-1) {
        Kind::String | Kind::Number => Ok(stack.bytes(-1)),
        _ => {
            let name = stack.type_name(-1);
            Err(shared.fail(format_args!("invalid value ({name}) at index {at} in table for 'concat'")))
        }
    }
}

/// First the length is found out, then the text is written where it stays.
struct Concat {
    first: i64,
    last: i64,
    /// The element that is next.
    at: i64,
    length: usize,
    /// Bytes of the element, and of the separator behind it, that are written.
    part: usize,
    finish: Option<Finish>,
}

/// Elements that are written at one go.
const ELEMENTS: usize = 128;

impl Operation for Concat {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let separator: &[u8] = if stack.kind(2) == Kind::String { stack.bytes(2) } else { &[] };
        while self.finish.is_none() {
            if self.at > self.last {
                self.at = self.first;
                self.finish = Some(Finish::default());
                break;
            }
            let behind = if self.at < self.last { separator.len() } else { 0 };
            self.length += element(stack, shared, self.at)?.len() + behind;
            stack.pop(1);
            self.at += 1;
            if turns.spend(8) {
                return Ok(None);
            }
        }
        let Self { last, at, length, part, .. } = self;
        let finish = self.finish.get_or_insert_default();
        let finished = finish.go_on(stack, shared, turns, *length, |text, written| {
            let (mut end, wanted) = (written, (written + STRIDE).min(*length));
            for _ in 0..ELEMENTS {
                if end == wanted {
                    break;
                }
                assert!(*at <= *last, "the table is what it was");
                stack.raw_get_position(1, *at as c_int);
                let bytes = stack.bytes(-1);
                let behind = if *at < *last { separator } else { &[] };
                for (from, source) in [(0, bytes), (bytes.len(), behind)] {
                    let rest = &source[(*part - from.min(*part)).min(source.len())..];
                    let rest = &rest[..rest.len().min(wanted - end)];
                    text.write(end, rest);
                    (end, *part) = (end + rest.len(), *part + rest.len());
                }
                if *part == bytes.len() + behind.len() {
                    (*at, *part) = (*at + 1, 0);
                }
                stack.pop(1);
            }
            end - written
        })?;
        Ok(finished.then_some(1))
    }
}

impl Stack {
    /// The raw length of a table or string.
    fn length(self, index: c_int) -> usize {
        // SAFETY: as for the other methods.
        unsafe { ffi::lua_objlen(self.state(), index) }
    }
}
