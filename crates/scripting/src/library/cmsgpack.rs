//! `cmsgpack`: MessagePack as lua-cmsgpack 0.4.0 writes and reads it: whole numbers as the shortest integer, others as
//! float where that is exact, tables with the keys 1 to n as arrays, nesting cut at 16 levels, `bin` and `ext` refused.

use std::ffi::c_int;

use crate::library::Shared;
use crate::library::fields::{Field, Name};
use crate::library::text::{Cycles, Pace};
use crate::library::walk::{self, LONG, Measured, Notation, ROOM, Written};
use crate::lua::{Operation, Turns};
use crate::stack::{Kind, Outcome, Raise, Stack, register, truncate};

const DEEPEST: usize = 16;
const NIL: u8 = 0xc0;
/// Values in one table: more, and the VM has no table for it.
const LARGEST: usize = 1 << 26;
/// Values that a table has room for before they are known: what the input says of itself may be untrue.
const PREPARED: usize = 64;

pub(crate) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 8);
    // SAFETY: the caller's.
    unsafe {
        register(stack, shared, "pack", pack);
        register(stack, shared, "unpack", |stack, shared| read_values(stack, shared, 0, 0));
        register(stack, shared, "unpack_one", unpack_one);
        register(stack, shared, "unpack_limit", unpack_limit);
    }
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

fn pack(stack: Stack, shared: &mut Shared) -> Outcome {
    let arguments = stack.top();
    if arguments == 0 {
        return Err(Raise::Argument(0, c"MessagePack pack needs input."));
    }
    walk::write(MessagePack, stack, shared, arguments)
}

#[derive(Clone, Copy)]
struct MessagePack;

impl Notation for MessagePack {
    #[inline(always)]
    fn scalar(&self, stack: Stack, shared: &mut Shared, index: c_int) -> Result<Written, Raise> {
        match stack.kind(index) {
            Kind::String => {
                let text = stack.bytes(index);
                if text.len() > LONG {
                    return Ok(Written::Text);
                }
                self.begin_text(shared, text.len());
                shared.output.extend_from_slice(text);
            }
            Kind::Boolean => shared.output.push(0xc2 + u8::from(stack.boolean(index))),
            Kind::Number => write_number(&mut shared.output, stack.number(index)),
            Kind::Table => return Ok(Written::Table),
            _ => shared.output.push(NIL),
        }
        Ok(Written::Whole)
    }

    fn open(&self, stack: Stack, shared: &mut Shared, depth: usize) -> Result<bool, Raise> {
        if depth > DEEPEST {
            shared.output.push(NIL);
            return Ok(false);
        }
        if !shared.walk.reserve(stack, ROOM) {
            return Err(no_slots(shared, "in function mp_encode_lua_table_as_map"));
        }
        Ok(true)
    }

    #[inline]
    fn measure(&self, key: f64, measured: &mut Measured) -> bool {
        if key <= 0.0 || f64::from(key as i32) != key {
            return false;
        }
        measured.largest = measured.largest.max(key as i32);
        measured.count += 1;
        true
    }

    /// The length of a table whose keys are 1 to n.
    fn array_length(&self, _: Stack, _: &mut Shared, measured: Measured) -> Result<Option<c_int>, Raise> {
        Ok((measured.largest == measured.count).then_some(measured.count))
    }

    fn begin_array(&self, shared: &mut Shared, length: c_int) {
        write_length(&mut shared.output, length as usize, Some((0x90, 16)), None, 0xdc);
    }

    fn between(&self, _: &mut Shared) {}

    fn end_array(&self, _: &mut Shared) {}

    fn check_others(&self, _: Stack, _: &mut Shared, _: c_int) -> Result<(), Raise> {
        Ok(())
    }

    fn begin_fields(&self, shared: &mut Shared, count: usize) {
        write_length(&mut shared.output, count, Some((0x80, 16)), None, 0xde);
    }

    #[inline]
    fn key(&self, shared: &mut Shared, field: Field, _: bool) -> Result<(), Raise> {
        match field.name() {
            Name::Number(number) => write_number(&mut shared.output, number),
            Name::String(text) => {
                self.begin_text(shared, text.len());
                shared.output.extend_from_slice(text);
            }
        }
        Ok(())
    }

    fn end_fields(&self, _: &mut Shared) {}

    fn begin_text(&self, shared: &mut Shared, length: usize) {
        write_length(&mut shared.output, length, Some((0xa0, 32)), Some(0xd9), 0xda);
    }

    fn text(&self, shared: &mut Shared, part: &[u8]) {
        shared.output.extend_from_slice(part);
    }

    fn end_text(&self, _: &mut Shared) {}
}

fn write_number(output: &mut Vec<u8>, value: f64) {
    let integer = truncate(value);
    if integer as f64 == value && value.is_finite() {
        write_integer(output, integer);
    } else if f64::from(value as f32) == value {
        output.push(0xca);
        output.extend_from_slice(&(value as f32).to_be_bytes());
    } else {
        output.push(0xcb);
        output.extend_from_slice(&value.to_be_bytes());
    }
}

fn write_integer(output: &mut Vec<u8>, value: i64) {
    match value {
        -0x20..=0x7f => output.push(value as u8),
        0x80..=0xff => output.extend_from_slice(&[0xcc, value as u8]),
        -0x80..=-0x21 => output.extend_from_slice(&[0xd0, value as u8]),
        0x100..=0xffff => write_tagged(output, 0xcd, &(value as u16).to_be_bytes()),
        -0x8000..=-0x81 => write_tagged(output, 0xd1, &(value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => write_tagged(output, 0xce, &(value as u32).to_be_bytes()),
        -0x8000_0000..=-0x8001 => write_tagged(output, 0xd2, &(value as u32).to_be_bytes()),
        0x1_0000_0000.. => write_tagged(output, 0xcf, &value.to_be_bytes()),
        _ => write_tagged(output, 0xd3, &value.to_be_bytes()),
    }
}

fn write_tagged(output: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    output.push(tag);
    output.extend_from_slice(bytes);
}

/// A length in the shortest of its forms: within the tag (below the given bound), one byte, two bytes, four bytes.
fn write_length(output: &mut Vec<u8>, length: usize, within: Option<(u8, usize)>, byte: Option<u8>, two: u8) {
    match (within, byte) {
        (Some((tag, bound)), _) if length < bound => output.push(tag | length as u8),
        (_, Some(tag)) if length <= 0xff => output.extend_from_slice(&[tag, length as u8]),
        _ if length <= 0xffff => write_tagged(output, two, &(length as u16).to_be_bytes()),
        _ => write_tagged(output, two + 1, &(length as u32).to_be_bytes()),
    }
}

fn unpack_one(stack: Stack, shared: &mut Shared) -> Outcome {
    let offset = stack.integer_or(2, 0)?;
    stack.set_top(1);
    read_values(stack, shared, 1, offset)
}

fn unpack_limit(stack: Stack, shared: &mut Shared) -> Outcome {
    let limit = stack.check_integer(2)?;
    let offset = stack.integer_or(3, 0)?;
    stack.set_top(1);
    read_values(stack, shared, limit, offset)
}

/// Pushes up to `limit` values from `offset` on, preceded by the offset of what is left (-1 for nothing); everything,
/// without an offset, when both are 0.
fn read_values(stack: Stack, shared: &mut Shared, limit: i64, offset: i64) -> Outcome {
    let input = stack.check_bytes(1)?;
    let everything = limit == 0 && offset == 0;
    if limit < 0 || offset < 0 {
        return Err(shared.fail(format_args!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            input.len() as i32
        )));
    }
    if offset as usize > input.len() {
        return Err(shared.fail(format_args!(
            "Start offset {} greater than input length {}.",
            offset as i32,
            input.len() as i32
        )));
    }
    let limit = if everything { i64::from(i32::MAX) } else { limit };
    shared.levels.clear();
    let mut reading = Reading { at: offset as usize, results: 0, limit, everything };
    match reading.go_on(stack, shared, &mut Turns::of_function(stack))? {
        Some(results) => Ok(results),
        None => {
            let levels = std::mem::take(&mut shared.levels);
            shared.operation = Some(Box::new(LongReading { reading, levels, cycles: Cycles::default() }));
            Err(Raise::Unfinished)
        }
    }
}

/// Values that are read.
struct Reading {
    /// Where the rest of the input begins.
    at: usize,
    /// Values that are complete.
    results: c_int,
    limit: i64,
    everything: bool,
}

/// The same in slices.
struct LongReading {
    reading: Reading,
    levels: Vec<Level>,
    cycles: Cycles,
}

impl Reading {
    fn go_on(
        &mut self,
        stack: Stack,
        shared: &mut Shared,
        turns: &mut Turns,
    ) -> Result<Option<c_int>, Raise> {
        let input = stack.bytes(1);
        let mut reader = Reader { rest: &input[self.at..] };
        while !shared.levels.is_empty() || (!reader.rest.is_empty() && i64::from(self.results) < self.limit) {
            let before = reader.rest.len();
            if reader.push_next(stack, shared)? {
                self.results += 1;
            }
            if turns.spend(1 + ((before - reader.rest.len()) / 64) as u32) {
                self.at = input.len() - reader.rest.len();
                return Ok(None);
            }
        }
        if self.everything {
            return Ok(Some(self.results));
        }
        reserve(stack, shared, 1, "in function mp_unpack_full")?;
        let next = if reader.rest.is_empty() { -1.0 } else { (input.len() - reader.rest.len()) as f64 };
        stack.push_number(next);
        stack.insert(2);
        Ok(Some(self.results + 1))
    }
}

impl Operation for LongReading {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        if !self.cycles.make_room(stack, shared, 0, turns)? {
            return Ok(None);
        }
        self.cycles = Cycles::default();
        shared.levels = std::mem::take(&mut self.levels);
        let done = self.reading.go_on(stack, shared, turns)?;
        self.levels = std::mem::take(&mut shared.levels);
        Ok(done)
    }
}

/// A table that is being read. They stand in [`Shared::levels`], not in frames: input may nest as deep as the Lua stack
/// allows, which is deeper than a thread's.
#[derive(Clone, Copy)]
pub(crate) struct Level {
    table: c_int,
    /// Values still to come: two for each field of a map.
    remaining: usize,
    /// Elements of an array so far; `None` in a map.
    position: Option<c_int>,
}

/// What was at the front of the input.
enum Item {
    Value,
    Array(usize),
    Map(usize),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Pushes the next item and puts it where it belongs. True: it has completed a value that stands by itself.
    #[inline]
    fn push_next(&mut self, stack: Stack, shared: &mut Shared) -> Result<bool, Raise> {
        match self.push_item(stack, shared)? {
            Item::Value => {}
            Item::Array(length) | Item::Map(length) if length.min(self.rest.len()) > LARGEST => {
                return Err(Raise::NoRoom);
            }
            Item::Array(length) => {
                reserve(stack, shared, 2, "in function mp_decode_to_lua_array")?;
                // It grows as it is filled: the length that Lua finds in an array with nils depends on that.
                stack.push_table(0, 0);
                open(stack, shared, length, Some(0));
                if length > 0 {
                    return Ok(false);
                }
            }
            Item::Map(fields) => {
                reserve(stack, shared, 3, "in function mp_decode_to_lua_hash")?;
                stack.push_table(0, fields.min(self.rest.len() / 2).min(PREPARED) as c_int);
                open(stack, shared, fields * 2, None);
                if fields > 0 {
                    return Ok(false);
                }
            }
        }
        close(stack, shared)
    }

    /// Takes one item from the input, and pushes it unless it is a table.
    fn push_item(&mut self, stack: Stack, shared: &mut Shared) -> Result<Item, Raise> {
        let Some(&tag) = self.rest.first() else { return Err(missing_bytes(shared)) };
        // A table that is open has room for its values.
        if shared.levels.is_empty() {
            reserve(
                stack,
                shared,
                1,
                "too many return values at once; use unpack_one or unpack_limit instead.",
            )?;
        }
        let number = match tag {
            0x00..=0x7f => self.skip(f64::from(tag)),
            0xe0..=0xff => self.skip(f64::from(tag as i8)),
            0xca => f64::from(f32::from_bits(self.unsigned(shared, 4)? as u32)),
            0xcb => f64::from_bits(self.unsigned(shared, 8)?),
            0xcc => self.unsigned(shared, 1)? as f64,
            0xcd => self.unsigned(shared, 2)? as f64,
            0xce => self.unsigned(shared, 4)? as f64,
            // Above 2^63 the reference reads a negative number, too.
            0xcf => self.unsigned(shared, 8)? as i64 as f64,
            0xd0 => f64::from(self.unsigned(shared, 1)? as i8),
            0xd1 => f64::from(self.unsigned(shared, 2)? as i16),
            0xd2 => f64::from(self.unsigned(shared, 4)? as i32),
            0xd3 => self.unsigned(shared, 8)? as i64 as f64,
            _ => return self.push_other(stack, shared, tag),
        };
        stack.push_number(number);
        Ok(Item::Value)
    }

    fn push_other(&mut self, stack: Stack, shared: &mut Shared, tag: u8) -> Result<Item, Raise> {
        match tag {
            NIL => {
                self.skip(0.0);
                stack.push_nil();
            }
            0xc2 | 0xc3 => {
                self.skip(0.0);
                stack.push_boolean(tag == 0xc3);
            }
            0xa0..=0xbf => {
                self.skip(0.0);
                self.push_string(stack, shared, usize::from(tag & 31))?;
            }
            0xd9..=0xdb => {
                let length = self.unsigned(shared, 1 << (tag - 0xd9))? as usize;
                self.push_string(stack, shared, length)?;
            }
            0x90..=0x9f => {
                self.skip(0.0);
                return Ok(Item::Array(usize::from(tag & 15)));
            }
            0xdc | 0xdd => return Ok(Item::Array(self.unsigned(shared, 2 << (tag - 0xdc))? as usize)),
            0x80..=0x8f => {
                self.skip(0.0);
                return Ok(Item::Map(usize::from(tag & 15)));
            }
            0xde | 0xdf => return Ok(Item::Map(self.unsigned(shared, 2 << (tag - 0xde))? as usize)),
            _ => return Err(shared.fail(format_args!("Bad data format in input."))),
        }
        Ok(Item::Value)
    }

    fn skip(&mut self, value: f64) -> f64 {
        self.rest = &self.rest[1..];
        value
    }

    /// The big-endian number of `size` bytes behind the tag.
    fn unsigned(&mut self, shared: &mut Shared, size: usize) -> Result<u64, Raise> {
        let Some((field, rest)) = self.rest[1..].split_at_checked(size) else {
            return Err(missing_bytes(shared));
        };
        self.rest = rest;
        Ok(field.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    fn push_string(&mut self, stack: Stack, shared: &mut Shared, length: usize) -> Result<(), Raise> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(missing_bytes(shared));
        };
        self.rest = rest;
        stack.push_bytes(bytes);
        Ok(())
    }
}

/// The new table on top is to be filled with `remaining` values.
fn open(stack: Stack, shared: &mut Shared, remaining: usize, position: Option<c_int>) {
    if remaining > 0 {
        shared.levels.push(Level { table: stack.top(), remaining, position });
    }
}

/// Puts the finished value on top into the table that waits for it, and so on outwards while tables are finished by
/// that. True when no table waits any more.
fn close(stack: Stack, shared: &mut Shared) -> Result<bool, Raise> {
    while let Some(level) = shared.levels.last_mut() {
        level.remaining -= 1;
        let remaining = level.remaining;
        let table = level.table;
        match &mut level.position {
            Some(position) => {
                *position += 1;
                let position = *position;
                stack.raw_set_position(table, position);
            }
            // A key: its value comes next.
            None if remaining % 2 == 1 => return Ok(false),
            None => set_field(stack, shared, table)?,
        }
        if remaining > 0 {
            return Ok(false);
        }
        shared.levels.pop();
    }
    Ok(true)
}

fn set_field(stack: Stack, shared: &mut Shared, table: c_int) -> Result<(), Raise> {
    let refused = match stack.kind(-2) {
        Kind::Nil => "nil",
        Kind::Number if stack.number(-2).is_nan() => "NaN",
        _ => {
            stack.raw_set(table);
            return Ok(());
        }
    };
    shared.set_message(format_args!("table index is {refused}"));
    Err(Raise::Bare)
}

fn missing_bytes(shared: &mut Shared) -> Raise {
    shared.fail(format_args!("Missing bytes in input."))
}

fn reserve(stack: Stack, shared: &mut Shared, slots: c_int, place: &str) -> Result<(), Raise> {
    if stack.reserve(slots) { Ok(()) } else { Err(no_slots(shared, place)) }
}

#[cold]
fn no_slots(shared: &mut Shared, place: &str) -> Raise {
    shared.fail(format_args!("stack overflow ({place})"))
}
