//! `string.find`, `string.match`, `string.gmatch`.

use std::ffi::c_int;

use memchr::memmem;
use mlua::ffi;

use super::pattern::{Captured, MAX_CAPTURES, Malformed, Matcher, Pace, Search, is_plain, visible};
use crate::library::Shared;
use crate::lua::{Operation, Turns};
use crate::stack::{Outcome, Raise, Stack, push_function};

pub(super) fn find(stack: Stack, shared: &mut Shared) -> Outcome {
    let subject = stack.check_bytes(1)?;
    let text = stack.check_bytes(2)?;
    let start = beginning(stack, subject)?;
    if stack.boolean(4) || is_plain(text) {
        let mut operation = FindPlain { start };
        return begin(operation.work(stack, shared, &mut Turns::of_function(stack)), shared, operation);
    }
    search(stack, shared, subject, text, start, true)
}

/// How long a subject the engine's own functions may have with this pattern; -1: none.
pub(super) fn reach(stack: Stack, _: &mut Shared) -> Outcome {
    let reach = super::pattern::reach(stack.check_bytes(1)?);
    stack.push_number(reach.map_or(-1.0, |longest| longest as f64));
    Ok(1)
}

pub(super) fn match_(stack: Stack, shared: &mut Shared) -> Outcome {
    let subject = stack.check_bytes(1)?;
    let pattern = stack.check_bytes(2)?;
    let start = beginning(stack, subject)?;
    search(stack, shared, subject, pattern, start, false)
}

/// Results of work that is done at once, or the work, left for later.
fn begin(
    done: Result<Option<c_int>, Raise>,
    shared: &mut Shared,
    operation: impl Operation + 'static,
) -> Outcome {
    match done? {
        Some(results) => Ok(results),
        None => {
            shared.operation = Some(Box::new(operation));
            Err(Raise::Unfinished)
        }
    }
}

/// Argument 3, counted from 0.
fn beginning(stack: Stack, subject: &[u8]) -> Result<usize, Raise> {
    if stack.top() < 3 {
        return Ok(0);
    }
    let given = stack.integer_or(3, 1)?;
    let length = subject.len() as i64;
    let from = if given < 0 { given.saturating_add(length).saturating_add(1) } else { given };
    Ok((from.max(1) - 1).min(length) as usize)
}

#[inline]
fn search(
    stack: Stack,
    shared: &mut Shared,
    subject: &[u8],
    pattern: &[u8],
    start: usize,
    with_positions: bool,
) -> Outcome {
    let pattern = visible(pattern);
    let (pattern, anchored) = match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let mut turns = Turns::of_function(stack);
    shared.matcher.begin(start);
    match shared.matcher.search(subject, pattern, anchored, &mut turns) {
        Ok(Search::Found(from, to)) => {
            let matcher = &raw const shared.matcher;
            // SAFETY: pushing raises at most; the matcher is the VM's and stays where it is.
            push_match(stack, shared, unsafe { &*matcher }, subject, (from, to), with_positions)
        }
        Ok(Search::Missing) => {
            stack.push_nil();
            Ok(1)
        }
        Ok(Search::Unfinished) => {
            let matcher = std::mem::take(&mut shared.matcher);
            shared.operation = Some(Box::new(FindPattern { matcher, with_positions }));
            Err(Raise::Unfinished)
        }
        Err(Malformed(text)) => Err(shared.fail(format_args!("{text}"))),
    }
}

/// Pushes the positions, if wanted, and the captures, or the match itself where there is nothing else.
#[inline]
fn push_match(
    stack: Stack,
    shared: &mut Shared,
    matcher: &Matcher,
    subject: &[u8],
    whole: (usize, usize),
    with_positions: bool,
) -> Outcome {
    if with_positions {
        stack.push_number((whole.0 + 1) as f64);
        stack.push_number(whole.1 as f64);
        Ok(push_captures(stack, shared, matcher, subject, whole, matcher.captured())? + 2)
    } else {
        push_captures(stack, shared, matcher, subject, whole, matcher.captured().max(1))
    }
}

/// Pushes the first `count` captures.
#[inline]
pub(super) fn push_captures(
    stack: Stack,
    shared: &mut Shared,
    matcher: &Matcher,
    subject: &[u8],
    whole: (usize, usize),
    count: usize,
) -> Outcome {
    if count > 8 {
        stack.reserve(MAX_CAPTURES as c_int);
    }
    for index in 0..count {
        match matcher.capture(index, whole) {
            Ok(Captured::Text(from, to)) => stack.push_bytes(&subject[from..to]),
            Ok(Captured::Position(position)) => stack.push_number(position as f64),
            Err(Malformed(text)) => return Err(shared.fail(format_args!("{text}"))),
        }
    }
    Ok(count as c_int)
}

/// `find` and `match` with a pattern, later.
struct FindPattern {
    matcher: Matcher,
    with_positions: bool,
}

impl Operation for FindPattern {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let (subject, pattern) = (stack.bytes(1), visible(stack.bytes(2)));
        let (pattern, anchored) = match pattern.strip_prefix(b"^") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        match self.matcher.search(subject, pattern, anchored, turns) {
            Ok(Search::Unfinished) => Ok(None),
            Ok(Search::Missing) => {
                stack.push_nil();
                Ok(Some(1))
            }
            Ok(Search::Found(from, to)) => {
                push_match(stack, shared, &self.matcher, subject, (from, to), self.with_positions).map(Some)
            }
            Err(Malformed(text)) => Err(shared.fail(format_args!("{text}"))),
        }
    }
}

/// `find` without a pattern.
struct FindPlain {
    start: usize,
}

/// Bytes that are looked through at one go.
const WINDOW: usize = 256 * 1024;

impl Operation for FindPlain {
    fn work(&mut self, stack: Stack, _: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let (subject, text) = (stack.bytes(1), stack.bytes(2));
        loop {
            let end = subject.len().min(self.start + WINDOW.max(text.len()) + text.len());
            if let Some(offset) = memmem::find(&subject[self.start..end], text) {
                let from = self.start + offset;
                stack.push_number((from + 1) as f64);
                stack.push_number((from + text.len()) as f64);
                return Ok(Some(2));
            }
            if end == subject.len() {
                stack.push_nil();
                return Ok(Some(1));
            }
            self.start = end + 1 - text.len();
            if turns.spend((WINDOW / 64) as u32) {
                return Ok(None);
            }
        }
    }
}

/// Adds `gmatch` to the table on top.
///
/// # Safety
/// As [`push_function`].
pub(super) unsafe fn push_gmatch(stack: Stack, shared: *mut Shared) {
    // SAFETY: the caller's.
    unsafe { push_function(stack, shared, gmatch) };
    stack.set_field(-2, "gmatch");
}

/// The iterator is a function with what it needs in its upvalues: the VM's block, subject, pattern, position.
fn gmatch(stack: Stack, shared: &mut Shared) -> Outcome {
    stack.check_bytes(1)?;
    stack.check_bytes(2)?;
    let state = stack.state();
    // SAFETY: a C function with free slots.
    unsafe {
        ffi::lua_pushlightuserdata(state, std::ptr::from_mut(shared).cast());
        stack.push_value(1);
        stack.push_value(2);
        stack.push_number(0.0);
        ffi::lua_pushcclosure(state, crate::stack::entry_of(next_match), 4);
    }
    Ok(1)
}

const SUBJECT: c_int = 2;
const PATTERN: c_int = 3;
const POSITION: c_int = 4;

fn next_match(stack: Stack, shared: &mut Shared) -> Outcome {
    let upvalue = |number: c_int| ffi::lua_upvalueindex(number);
    let (subject, pattern) = (stack.bytes(upvalue(SUBJECT)), visible(stack.bytes(upvalue(PATTERN))));
    let start = stack.number(upvalue(POSITION)) as usize;
    stack.set_top(0);
    if start > subject.len() {
        return Ok(0);
    }
    shared.matcher.begin(start);
    match shared.matcher.search(subject, pattern, false, &mut Turns::of_function(stack)) {
        Ok(Search::Found(from, to)) => {
            stack.push_number((if to == from { to + 1 } else { to }) as f64);
            // SAFETY: the top is a number, the upvalue is the running function's.
            unsafe { ffi::lua_replace(stack.state(), upvalue(POSITION)) };
            let matcher = &raw const shared.matcher;
            // SAFETY: as in `search`.
            push_match(stack, shared, unsafe { &*matcher }, subject, (from, to), false)
        }
        Ok(Search::Missing) => {
            stack.push_number((subject.len() + 1) as f64);
            // SAFETY: as above.
            unsafe { ffi::lua_replace(stack.state(), upvalue(POSITION)) };
            Ok(0)
        }
        Ok(Search::Unfinished) => {
            // The operation finds its function again to set the position.
            stack.push_value(upvalue(SUBJECT));
            stack.push_value(upvalue(PATTERN));
            stack.push_running_function();
            let matcher = std::mem::take(&mut shared.matcher);
            shared.operation = Some(Box::new(FindNext { matcher }));
            Err(Raise::Unfinished)
        }
        Err(Malformed(text)) => Err(shared.fail(format_args!("{text}"))),
    }
}

/// A call of `gmatch`'s iterator, later. Arguments: subject, pattern, the iterator.
struct FindNext {
    matcher: Matcher,
}

impl Operation for FindNext {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let (subject, pattern) = (stack.bytes(1), visible(stack.bytes(2)));
        let found = match self.matcher.search(subject, pattern, false, turns) {
            Ok(Search::Unfinished) => return Ok(None),
            Ok(Search::Missing) => None,
            Ok(Search::Found(from, to)) => Some((from, to)),
            Err(Malformed(text)) => return Err(shared.fail(format_args!("{text}"))),
        };
        let position = found.map_or(subject.len() + 1, |(from, to)| if to == from { to + 1 } else { to });
        stack.push_number(position as f64);
        // SAFETY: argument 3 is the iterator, which has such an upvalue.
        unsafe { ffi::lua_setupvalue(stack.state(), 3, POSITION) };
        match found {
            Some(whole) => push_match(stack, shared, &self.matcher, subject, whole, false).map(Some),
            None => Ok(Some(0)),
        }
    }
}
