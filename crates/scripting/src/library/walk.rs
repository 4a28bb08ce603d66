//! Writing values with all that is in them, in slices: what `cjson.encode` and `cmsgpack.pack` have in common.
//!
//! Where the walk is stands in levels and on the Lua stack, not in frames, so that it can be left at any value: the table of each
//! level lies on the stack, above it values that wait and the key that is next to be looked at.

use std::ffi::c_int;

use super::Shared;
use super::fields::{Field, Fields, Part, hold};
use super::text::{Chunks, Cycles, Finish, Pace};
use crate::lua::{Operation, Turns};
use crate::stack::{GRANTED, Kind, Outcome, Raise, Stack};

/// How values are written.
pub(super) trait Notation: Copy + 'static {
    /// Writes the value at `index`, unless it is a table or a long text that it leaves to the walk.
    fn scalar(&self, stack: Stack, shared: &mut Shared, index: c_int) -> Result<Written, Raise>;
    /// The table on top is to be opened, as the `depth`th. False: something was written instead.
    fn open(&self, stack: Stack, shared: &mut Shared, depth: usize) -> Result<bool, Raise>;
    /// Takes a key of a table into account (0 stands for what is no number); false if it makes the table no array.
    fn measure(&self, key: f64, measured: &mut Measured) -> bool;
    /// The length of a table on top that may be an array, if it is written as one.
    fn array_length(
        &self,
        stack: Stack,
        shared: &mut Shared,
        measured: Measured,
    ) -> Result<Option<c_int>, Raise>;
    fn begin_array(&self, shared: &mut Shared, length: c_int);
    fn between(&self, shared: &mut Shared);
    fn end_array(&self, shared: &mut Shared);
    /// The table has keys that are neither numbers nor strings.
    fn check_others(&self, stack: Stack, shared: &mut Shared, table: c_int) -> Result<(), Raise>;
    fn begin_fields(&self, shared: &mut Shared, count: usize);
    /// Writes a key, and what stands between it and what was written before.
    fn key(&self, shared: &mut Shared, field: Field, is_first: bool) -> Result<(), Raise>;
    fn end_fields(&self, shared: &mut Shared);
    fn begin_text(&self, shared: &mut Shared, length: usize);
    fn text(&self, shared: &mut Shared, part: &[u8]);
    fn end_text(&self, shared: &mut Shared);
}

/// What became of a value.
pub(super) enum Written {
    Whole,
    Table,
    Text,
}

/// What is known of a table's keys.
#[derive(Clone, Copy, Default)]
pub(super) struct Measured {
    pub(super) largest: i32,
    pub(super) count: i32,
}

/// Texts from this length on are written in parts.
pub(super) const LONG: usize = 64 * 1024;
const PART: usize = 16 * 1024;
/// Slots that a table's level takes above it, but for values that wait.
pub(super) const ROOM: c_int = 6;
/// Elements of an array that lie above it before they are popped.
const LEFT: c_int = 4;
/// Bytes that are written to one place before they are moved away.
const MOVED: usize = 256 * 1024;

/// A walk, as far as it has come.
#[derive(Default)]
pub(crate) struct Walk {
    levels: Vec<Level>,
    fields: Fields,
    depth: usize,
    /// The stack slot up to which there is known to be room.
    room: c_int,
    /// What is written, but for what is in `Shared::output`.
    written: Chunks,
    cycles: Cycles,
    finish: Option<Finish>,
}

impl Walk {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.levels.is_empty() && self.depth == 0
    }

    /// Makes room for `slots` more values; false when Lua's limit for a C function is reached.
    #[inline]
    pub(super) fn reserve(&mut self, stack: Stack, slots: c_int) -> bool {
        let needed = stack.top() + slots;
        if needed > self.room {
            if !stack.reserve(slots) {
                return false;
            }
            self.room = needed;
        }
        true
    }

    /// Forgets all, and gives back what was unusually large.
    pub(crate) fn release(&mut self, kept_bytes: usize) {
        self.levels.clear();
        self.fields.release(kept_bytes);
        self.depth = 0;
        self.cycles = Cycles::default();
        if self.written.length() > 0 || self.finish.is_some() {
            *self = Walk::default();
        }
    }
}

#[derive(Clone, Copy)]
enum Level {
    /// The arguments of the function.
    Arguments {
        next: c_int,
        count: c_int,
    },
    /// A table of which it is not known whether it is an array.
    Measure {
        table: c_int,
        measured: Measured,
    },
    Array {
        table: c_int,
        next: c_int,
        length: c_int,
        /// Elements that lie above the table, done with.
        left: c_int,
    },
    Collect {
        table: c_int,
        part: Part,
    },
    Fields {
        table: c_int,
        part: Part,
        is_first: bool,
    },
    /// The fields whose keys are neither numbers nor strings.
    Others {
        table: c_int,
        part: Part,
        at_value: bool,
    },
    /// The text on top.
    Text {
        at: usize,
    },
}

/// Writes the first `count` arguments.
pub(super) fn write<N: Notation>(notation: N, stack: Stack, shared: &mut Shared, count: c_int) -> Outcome {
    shared.forget_unfinished();
    shared.walk.levels.push(Level::Arguments { next: 1, count });
    shared.walk.room = stack.top() + GRANTED;
    let is_written = go_on(&notation, stack, shared, &mut Turns::of_function(stack))?;
    if is_written && shared.walk.written.length() == 0 {
        shared.push_output(stack);
        return Ok(1);
    }
    let (walk, output) = (std::mem::take(&mut shared.walk), std::mem::take(&mut shared.output));
    shared.operation = Some(Box::new(Writing { notation, walk, output, is_written }));
    Err(Raise::Unfinished)
}

struct Writing<N> {
    notation: N,
    walk: Walk,
    output: Vec<u8>,
    is_written: bool,
}

impl<N: Notation> Operation for Writing<N> {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        if !self.is_written {
            shared.walk = std::mem::take(&mut self.walk);
            shared.walk.room = 0;
            shared.output = std::mem::take(&mut self.output);
            self.is_written = go_on(&self.notation, stack, shared, turns)?;
            self.walk = std::mem::take(&mut shared.walk);
            self.output = std::mem::take(&mut shared.output);
        }
        if !self.is_written {
            return Ok(None);
        }
        self.walk.written.extend(&std::mem::take(&mut self.output));
        let Walk { written, finish, .. } = &mut self.walk;
        Ok(written.push(finish, stack, shared, turns)?.then_some(1))
    }
}

/// True: all is written.
fn go_on<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
) -> Result<bool, Raise> {
    while let Some(&level) = shared.walk.levels.last() {
        if shared.output.len() > MOVED && !move_away(stack, shared, turns)? {
            return Ok(false);
        }
        let goes_on = match level {
            Level::Arguments { next, count } => arguments(notation, stack, shared, turns, next, count)?,
            Level::Measure { table, measured } => measure(notation, stack, shared, turns, table, measured)?,
            Level::Array { table, next, length, left } => {
                if left > 0 {
                    stack.set_top(table);
                }
                array(notation, stack, shared, turns, table, next, length)?
            }
            Level::Collect { table, part } => collect(notation, stack, shared, turns, table, part, false)?,
            Level::Fields { table, part, is_first } => {
                fields(notation, stack, shared, turns, table, part, is_first)?
            }
            Level::Others { table, part, at_value } => {
                others(notation, stack, shared, turns, table, part, at_value)?
            }
            Level::Text { at } => text(notation, stack, shared, turns, at),
        };
        if !goes_on {
            return Ok(false);
        }
    }
    check_limit(shared)?;
    Ok(true)
}

fn check_limit(shared: &mut Shared) -> Result<(), Raise> {
    if shared.walk.written.length() + shared.output.len() <= shared.output_limit_bytes {
        return Ok(());
    }
    shared.set_message(format_args!("not enough memory"));
    Err(Raise::Bare)
}

/// Moves the output to where it can grow without being copied; false if there is no room yet.
fn move_away(stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<bool, Raise> {
    check_limit(shared)?;
    let bytes = shared.walk.written.length() + shared.output.len() + shared.walk.fields.used_bytes();
    let mut cycles = std::mem::take(&mut shared.walk.cycles);
    let has_room = cycles.make_room(stack, shared, bytes, turns);
    shared.walk.cycles = cycles;
    if !has_room? {
        return Ok(false);
    }
    let Shared { walk, output, .. } = shared;
    walk.written.extend(output);
    output.clear();
    Ok(true)
}

/// Sets the innermost level.
#[inline]
fn stay(shared: &mut Shared, level: Level) {
    if let Some(last) = shared.walk.levels.last_mut() {
        *last = level;
    }
}

/// Closes the innermost level, and pops its table.
fn close(stack: Stack, shared: &mut Shared, table: c_int) {
    shared.walk.levels.pop();
    shared.walk.depth -= 1;
    stack.set_top(table - 1);
}

/// Writes the value at `index`. False: it has become the innermost level, after the present one was set to this.
#[inline(always)]
fn value_at<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    index: c_int,
    level: impl FnOnce() -> Level,
) -> Result<bool, Raise> {
    let written = notation.scalar(stack, shared, index)?;
    if matches!(written, Written::Whole) {
        return Ok(true);
    }
    stay(shared, level());
    stack.push_value(index);
    enter(notation, stack, shared, matches!(written, Written::Table))
}

/// Writes the value on top and pops it; as `value_at`.
fn value<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    level: impl FnOnce() -> Level,
) -> Result<bool, Raise> {
    let written = notation.scalar(stack, shared, -1)?;
    if matches!(written, Written::Whole) {
        stack.pop(1);
        return Ok(true);
    }
    stay(shared, level());
    enter(notation, stack, shared, matches!(written, Written::Table))
}

/// Opens the table or long text on top. True: it was written, and popped, nevertheless.
fn enter<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    is_table: bool,
) -> Result<bool, Raise> {
    let level = if is_table {
        let depth = shared.walk.depth + 1;
        if !notation.open(stack, shared, depth)? {
            stack.pop(1);
            return Ok(true);
        }
        shared.walk.depth = depth;
        stack.push_nil();
        Level::Measure { table: stack.top() - 1, measured: Measured::default() }
    } else {
        notation.begin_text(shared, stack.bytes(-1).len());
        Level::Text { at: 0 }
    };
    shared.walk.levels.push(level);
    Ok(false)
}

// The steps of a level. True: the innermost level, whichever it is now, is to go on; false: later.

fn arguments<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    mut next: c_int,
    count: c_int,
) -> Result<bool, Raise> {
    while next <= count {
        if !shared.walk.reserve(stack, 1) {
            return Err(shared.fail(format_args!("stack overflow (in function mp_check)")));
        }
        stack.push_value(next);
        next += 1;
        let level = || Level::Arguments { next, count };
        if !value(notation, stack, shared, level)? {
            return Ok(true);
        } else if turns.spend(1) {
            stay(shared, level());
            return Ok(false);
        }
    }
    shared.walk.levels.pop();
    Ok(true)
}

fn measure<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    table: c_int,
    mut measured: Measured,
) -> Result<bool, Raise> {
    let mut may_be_array = true;
    while stack.next(table) {
        let key = if stack.kind(-2) == Kind::Number { stack.number(-2) } else { 0.0 };
        may_be_array = notation.measure(key, &mut measured);
        if !may_be_array {
            break;
        }
        stack.pop(1);
        if turns.spend(1) {
            stay(shared, Level::Measure { table, measured });
            return Ok(false);
        }
    }
    let length = if may_be_array { notation.array_length(stack, shared, measured)? } else { None };
    if let Some(length) = length {
        notation.begin_array(shared, length);
        return array(notation, stack, shared, turns, table, 1, length);
    }
    // Mostly the first key has shown it, and is the first one to be collected.
    let at_value = !may_be_array && measured.count == 0 && !stack.has_metatable(table);
    if !at_value {
        stack.set_top(table);
        hold(stack);
        stack.push_nil();
    }
    let part = shared.walk.fields.begin();
    collect(notation, stack, shared, turns, table, part, at_value)
}

fn array<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    table: c_int,
    mut next: c_int,
    length: c_int,
) -> Result<bool, Raise> {
    let mut left = 0;
    while next <= length {
        if next > 1 {
            notation.between(shared);
        }
        stack.raw_get_position(table, next);
        next = next.saturating_add(1);
        let level = |left| Level::Array { table, next, length, left };
        let written = notation.scalar(stack, shared, -1)?;
        if !matches!(written, Written::Whole) {
            stay(shared, level(left));
            return enter(notation, stack, shared, matches!(written, Written::Table));
        }
        left += 1;
        if left == LEFT {
            stack.set_top(table);
            left = 0;
        }
        let is_over = turns.spend(1);
        if is_over || shared.output.len() > MOVED {
            stay(shared, level(left));
            return Ok(!is_over);
        }
    }
    notation.end_array(shared);
    close(stack, shared, table);
    Ok(true)
}

fn collect<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    table: c_int,
    mut part: Part,
    at_value: bool,
) -> Result<bool, Raise> {
    let Walk { fields: all, room, .. } = &mut shared.walk;
    let is_complete = all.collect(&mut part, stack, table, at_value, room, turns);
    if !is_complete {
        stay(shared, Level::Collect { table, part });
        let bytes = shared.walk.fields.used_bytes();
        return if shared.has_room(bytes) { Ok(false) } else { Err(Raise::NoRoom) };
    }
    let count = shared.walk.fields.count(&part) + part.others as usize;
    if part.others > 0 {
        notation.check_others(stack, shared, table)?;
    }
    notation.begin_fields(shared, count);
    fields(notation, stack, shared, turns, table, part, true)
}

fn fields<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    table: c_int,
    mut part: Part,
    mut is_first: bool,
) -> Result<bool, Raise> {
    while let Some(field) = shared.walk.fields.take(&mut part) {
        notation.key(shared, field, is_first)?;
        is_first = false;
        let level = || Level::Fields { table, part, is_first };
        // A table that is opened puts its own fields behind these and takes them away again.
        let is_whole = if field.value != 0 {
            value_at(notation, stack, shared, field.value, level)?
        } else {
            field.push_value(stack, table);
            value(notation, stack, shared, level)?
        };
        if !is_whole {
            return Ok(true);
        }
        let is_over = turns.spend(2);
        if is_over || shared.output.len() > MOVED {
            stay(shared, level());
            return Ok(!is_over);
        }
    }
    if part.others > 0 {
        stack.set_top(table);
        stack.push_nil();
        stay(shared, Level::Others { table, part, at_value: false });
        return Ok(true);
    }
    notation.end_fields(shared);
    shared.walk.fields.end(&part);
    close(stack, shared, table);
    Ok(true)
}

fn others<N: Notation>(
    notation: &N,
    stack: Stack,
    shared: &mut Shared,
    turns: &mut Turns,
    table: c_int,
    part: Part,
    at_value: bool,
) -> Result<bool, Raise> {
    if at_value {
        // The key is on top.
        stack.push_value(-1);
        stack.raw_get(table);
        let level = || Level::Others { table, part, at_value: false };
        stay(shared, level());
        value(notation, stack, shared, level)?;
        return Ok(true);
    }
    while stack.next(table) {
        stack.pop(1);
        if turns.spend(1) {
            return Ok(false);
        }
        if !matches!(stack.kind(-1), Kind::String | Kind::Number) {
            if !shared.walk.reserve(stack, 2) {
                return Err(
                    shared.fail(format_args!("stack overflow (in function mp_encode_lua_table_as_map)"))
                );
            }
            stack.push_value(-1);
            let level = || Level::Others { table, part, at_value: true };
            stay(shared, level());
            value(notation, stack, shared, level)?;
            return Ok(true);
        }
    }
    notation.end_fields(shared);
    shared.walk.fields.end(&part);
    close(stack, shared, table);
    Ok(true)
}

fn text<N: Notation>(notation: &N, stack: Stack, shared: &mut Shared, turns: &mut Turns, at: usize) -> bool {
    let bytes = stack.bytes(-1);
    let rest = &bytes[at..];
    let part = &rest[..rest.len().min(PART)];
    notation.text(shared, part);
    if part.len() == rest.len() {
        notation.end_text(shared);
        shared.walk.levels.pop();
        stack.pop(1);
        return true;
    }
    stay(shared, Level::Text { at: at + part.len() });
    !turns.spend(PART as u32 / 16)
}
