//! `string.gsub`.
//!
//! With a text or a plain table as replacement it is one operation. With a function (or a table that answers by a
//! metamethod) the loop is Lua's, in `prelude.lua`, so that the function can be suspended: `gsub_begin` makes a state, and each
//! `gsub_step` takes the replacement for the last match and gives the captures of the next.

use std::ffi::c_int;

use mlua::ffi;

use super::build::Chunks;
use super::collect::Cycles;
use super::pattern::{Captured, Malformed, Matcher, Pace, Search, visible};
use super::search::push_captures;
use crate::library::Shared;
use crate::lua::{Operation, Turns, should_stop};
use crate::stack::{Kind, Outcome, Raise, Stack, register};

pub(super) fn gsub(stack: Stack, shared: &mut Shared) -> Outcome {
    let subject = stack.check_bytes(1)?;
    stack.check_bytes(2)?;
    let limit = stack.integer_or(4, subject.len() as i64 + 1)? as i32;
    match stack.kind(3) {
        Kind::String | Kind::Number => {
            stack.bytes(3);
        }
        Kind::Table => {}
        _ => return Err(Raise::Argument(3, c"string/function/table expected")),
    }
    let walk = Walk::new(limit, std::mem::take(&mut shared.matcher));
    shared.operation = Some(Box::new(Replace { walk, cycles: Cycles::default(), finished: None }));
    Err(Raise::Unfinished)
}

/// The way through the subject, and what has come out so far.
struct Walk {
    matcher: Matcher,
    output: Chunks,
    /// Where the next match is looked for.
    position: usize,
    /// Whether the matcher is in the middle of a search.
    searching: bool,
    count: i64,
    limit: i64,
    /// The match whose replacement is awaited.
    found: Option<(usize, usize)>,
    /// What lies between matches is copied up to here.
    copied: usize,
    at_end: bool,
    /// The first capture is all that is asked for.
    only_first: bool,
}

enum Next {
    Match(usize, usize),
    End,
    Later,
}

impl Walk {
    fn new(limit: i32, matcher: Matcher) -> Self {
        Walk {
            matcher,
            output: Chunks::default(),
            position: 0,
            searching: false,
            count: 0,
            limit: i64::from(limit),
            found: None,
            copied: 0,
            at_end: false,
            only_first: false,
        }
    }

    /// The next match.
    fn next(&mut self, subject: &[u8], pattern: &[u8], pace: &mut impl Pace) -> Result<Next, Malformed> {
        let pattern = visible(pattern);
        let (pattern, anchored) = match pattern.strip_prefix(b"^") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        if !self.searching {
            if self.at_end || self.count >= self.limit || (anchored && self.count > 0) {
                return Ok(Next::End);
            }
            self.matcher.begin(self.position);
            self.searching = true;
        }
        let found = match self.matcher.search(subject, pattern, anchored, pace)? {
            Search::Unfinished => return Ok(Next::Later),
            Search::Missing => None,
            Search::Found(from, to) => Some((from, to)),
        };
        self.searching = false;
        let Some((from, to)) = found else {
            self.at_end = true;
            return Ok(Next::End);
        };
        self.count += 1;
        self.found = found;
        // After an empty match one byte is passed over.
        self.position = if to > from { to } else { to + 1 };
        self.at_end = self.position > subject.len();
        Ok(Next::Match(from, to))
    }

    /// Copies what lies before the match; `kept`: and the match itself.
    fn copy_up_to_match(&mut self, subject: &[u8], kept: bool) {
        if let Some((from, to)) = self.found.take() {
            self.output.extend(&subject[self.copied..if kept { to } else { from }]);
            self.copied = to;
        }
    }
}

/// `gsub` without a function.
struct Replace {
    walk: Walk,
    cycles: Cycles,
    finished: Option<super::build::Finish>,
}

impl Operation for Replace {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        let (subject, pattern) = (stack.bytes(1), stack.bytes(2));
        if self.finished.is_none() {
            loop {
                if !self.cycles.make_room(stack, shared, self.walk.output.length(), turns)? {
                    return Ok(None);
                }
                let next = self.walk.next(subject, pattern, turns);
                match next.map_err(|Malformed(text)| shared.fail(format_args!("{text}")))? {
                    Next::Later => return Ok(None),
                    Next::End => break,
                    Next::Match(from, to) => {
                        if stack.kind(3) == Kind::Table {
                            self.look_up(stack, shared, subject, (from, to))?;
                        } else {
                            self.expand(stack, shared, subject, (from, to))?;
                        }
                        if turns.spend(8) {
                            return Ok(None);
                        }
                    }
                }
            }
            self.walk.output.extend(&subject[self.walk.copied..]);
            shared.matcher = std::mem::take(&mut self.walk.matcher);
        }
        let output = &mut self.walk.output;
        if !output.push(&mut self.finished, stack, shared, turns)? {
            return Ok(None);
        }
        stack.push_number(self.walk.count as f64);
        Ok(Some(2))
    }
}

impl Replace {
    /// Replaces by argument 3, a text in which `%1` is a capture.
    fn expand(
        &mut self,
        stack: Stack,
        shared: &mut Shared,
        subject: &[u8],
        whole: (usize, usize),
    ) -> Result<(), Raise> {
        self.walk.copy_up_to_match(subject, false);
        let mut rest = stack.bytes(3);
        while let Some(percent) = memchr::memchr(b'%', rest) {
            self.walk.output.extend(&rest[..percent]);
            // A text that ends with it: Lua takes the NUL that follows.
            let next = rest.get(percent + 1).copied().unwrap_or(0);
            rest = rest.get(percent + 2..).unwrap_or(&[]);
            match next {
                b'0' => self.walk.output.extend(&subject[whole.0..whole.1]),
                b'1'..=b'9' => match self.walk.matcher.capture(usize::from(next - b'1'), whole) {
                    Ok(Captured::Text(from, to)) => self.walk.output.extend(&subject[from..to]),
                    Ok(Captured::Position(position)) => {
                        self.walk.output.extend(position.to_string().as_bytes())
                    }
                    Err(Malformed(text)) => return Err(shared.fail(format_args!("{text}"))),
                },
                other => self.walk.output.extend(&[other]),
            }
        }
        self.walk.output.extend(rest);
        Ok(())
    }

    /// Replaces by what argument 3, a table, has under the first capture.
    fn look_up(
        &mut self,
        stack: Stack,
        shared: &mut Shared,
        subject: &[u8],
        whole: (usize, usize),
    ) -> Result<(), Raise> {
        push_captures(stack, shared, &self.walk.matcher, subject, whole, 1)?;
        stack.raw_get(3);
        add_value(stack, shared, &mut self.walk, subject)?;
        stack.pop(1);
        Ok(())
    }
}

/// Takes the value on top as the replacement of the last match; it stays.
fn add_value(stack: Stack, shared: &mut Shared, walk: &mut Walk, subject: &[u8]) -> Result<(), Raise> {
    match stack.kind(-1) {
        Kind::String | Kind::Number => {
            walk.copy_up_to_match(subject, false);
            walk.output.extend(stack.bytes(-1));
            Ok(())
        }
        Kind::Nil => {
            walk.copy_up_to_match(subject, true);
            Ok(())
        }
        Kind::Boolean if !stack.boolean(-1) => {
            walk.copy_up_to_match(subject, true);
            Ok(())
        }
        _ => {
            let name = stack.type_name(-1);
            Err(shared.fail(format_args!("invalid replacement value (a {name})")))
        }
    }
}

/// Adds `gsub_begin` and `gsub_step` to the table on top.
///
/// # Safety
/// As [`register`].
pub(super) unsafe fn push_steps(stack: Stack, shared: *mut Shared) {
    let state = stack.state();
    // SAFETY: the caller's; the metatable is `gsub_begin`'s second upvalue.
    unsafe {
        stack.push_table(0, 1);
        ffi::lua_pushcclosure(state, drop_walk, 0);
        stack.set_field(-2, "__gc");
        ffi::lua_pushlightuserdata(state, shared.cast());
        stack.insert(-2);
        ffi::lua_pushcclosure(state, crate::stack::entry_of(gsub_begin), 2);
        stack.set_field(-2, "gsub_begin");
        register(stack, shared, "gsub_step", gsub_step);
    }
}

unsafe extern "C-unwind" fn drop_walk(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the finalizer of a state of `gsub_begin`, which holds null or a walk of its own.
    unsafe {
        let walk = ffi::lua_touserdata(state, 1).cast::<*mut Walk>().replace(std::ptr::null_mut());
        if !walk.is_null() {
            drop(Box::from_raw(walk));
        }
    }
    0
}

/// The state of a `gsub` with a function: arguments as `gsub`'s.
fn gsub_begin(stack: Stack, shared: &mut Shared) -> Outcome {
    let subject = stack.check_bytes(1)?;
    stack.check_bytes(2)?;
    let limit = stack.integer_or(4, subject.len() as i64 + 1)? as i32;
    // SAFETY: the walk is stored as soon as it is made, and nothing in between raises.
    unsafe {
        let place = ffi::lua_newuserdata(stack.state(), size_of::<*mut Walk>()).cast::<*mut Walk>();
        place.write(std::ptr::null_mut());
        stack.push_value(ffi::lua_upvalueindex(2));
        ffi::lua_setmetatable(stack.state(), -2);
        let mut walk = Box::new(Walk::new(limit, std::mem::take(&mut shared.matcher)));
        walk.only_first = stack.kind(3) == Kind::Table;
        place.write(Box::into_raw(walk));
    }
    Ok(1)
}

/// Arguments: state, subject, pattern, the replacement of the last match. Results: the captures of the next match; or at
/// the end nil, the text, and the number of replacements; or nil and a message.
fn gsub_step(stack: Stack, shared: &mut Shared) -> Outcome {
    // SAFETY: the prelude passes what `gsub_begin` has made.
    let walk = unsafe { &mut **ffi::lua_touserdata(stack.state(), 1).cast::<*mut Walk>() };
    let subject = stack.bytes(2);
    if walk.found.is_some() && add_value(stack, shared, walk, subject).is_err() {
        return fail(stack, shared);
    }
    let (mut cycles, mut turns) = (Cycles::default(), Turns::of_function(stack));
    while !cycles.make_room(stack, shared, walk.output.length(), &mut turns)? {
        if should_stop() {
            return Err(Raise::Stop);
        }
    }
    stack.set_top(3);
    let mut step = Step { finished: None };
    match step.work(stack, shared, &mut Turns::of_function(stack))? {
        Some(results) => Ok(results),
        None => {
            shared.operation = Some(Box::new(step));
            Err(Raise::Unfinished)
        }
    }
}

fn fail(stack: Stack, shared: &mut Shared) -> Outcome {
    stack.push_nil();
    stack.push_bytes(&shared.message);
    Ok(2)
}

/// A step, later.
struct Step {
    finished: Option<super::build::Finish>,
}

impl Operation for Step {
    fn work(&mut self, stack: Stack, shared: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        // SAFETY: as in `gsub_step`; the state is an argument, so it lives.
        let walk = unsafe { &mut **ffi::lua_touserdata(stack.state(), 1).cast::<*mut Walk>() };
        let (subject, pattern) = (stack.bytes(2), stack.bytes(3));
        if self.finished.is_none() {
            match walk.next(subject, pattern, turns) {
                Ok(Next::Later) => return Ok(None),
                Ok(Next::Match(from, to)) => {
                    let count = if walk.only_first { 1 } else { walk.matcher.captured().max(1) };
                    let pushed = push_captures(stack, shared, &walk.matcher, subject, (from, to), count);
                    return pushed.or_else(|_| fail(stack, shared)).map(Some);
                }
                Ok(Next::End) => {
                    walk.output.extend(&subject[walk.copied..]);
                    shared.matcher = std::mem::take(&mut walk.matcher);
                }
                Err(Malformed(text)) => {
                    shared.set_message(format_args!("{text}"));
                    return fail(stack, shared).map(Some);
                }
            }
        }
        stack.push_nil();
        if !walk.output.push(&mut self.finished, stack, shared, turns)? {
            stack.pop(1);
            return Ok(None);
        }
        stack.push_number(walk.count as f64);
        Ok(Some(3))
    }
}
