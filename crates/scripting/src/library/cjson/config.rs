//! The settings of `cjson` and the functions that show and change them.

use std::ffi::{c_int, c_void};

use crate::library::Shared;
use crate::stack::{Kind, Outcome, Raise, Stack};

/// The settings of one `cjson` table. The default is what Redis starts with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    pub(crate) sparse_as_object: bool,
    pub(crate) sparse_ratio: i32,
    pub(crate) sparse_safe: i32,
    pub(crate) encode_depth: i32,
    pub(crate) decode_depth: i32,
    pub(crate) precision: i32,
    pub(crate) keep_buffer: bool,
    pub(crate) encode_invalid: InvalidNumbers,
    pub(crate) decode_invalid: bool,
    pub(crate) exact_integers: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            sparse_as_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: InvalidNumbers::Refuse,
            decode_invalid: true,
            exact_integers: false,
        }
    }
}

/// What becomes of infinities and NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum InvalidNumbers {
    Refuse,
    Write,
    Null,
}

/// The settings that the running function works with: those of its own table, or the run's.
pub(crate) fn of(stack: Stack, shared: &mut Shared) -> &mut Config {
    let own: *mut c_void = stack.owner();
    if own.is_null() {
        return &mut shared.run.json;
    }
    // SAFETY: an owner is null or a userdata that holds a `Config`, alive with the function, used by it alone.
    unsafe { &mut *own.cast::<Config>() }
}

pub(crate) fn encode_sparse_array(stack: Stack, shared: &mut Shared) -> Outcome {
    accept(stack, 3)?;
    let mut config = *of(stack, shared);
    let outcome = switch(stack, shared, 1, &mut config.sparse_as_object)
        .and_then(|()| integer(stack, shared, 2, &mut config.sparse_ratio, 0, i32::MAX))
        .and_then(|()| integer(stack, shared, 3, &mut config.sparse_safe, 0, i32::MAX));
    *of(stack, shared) = config;
    outcome.map(|()| 3)
}

pub(crate) fn encode_max_depth(stack: Stack, shared: &mut Shared) -> Outcome {
    number(stack, shared, |config| &mut config.encode_depth, i32::MAX)
}

pub(crate) fn decode_max_depth(stack: Stack, shared: &mut Shared) -> Outcome {
    number(stack, shared, |config| &mut config.decode_depth, i32::MAX)
}

pub(crate) fn encode_number_precision(stack: Stack, shared: &mut Shared) -> Outcome {
    number(stack, shared, |config| &mut config.precision, 14)
}

/// Shown and settable as in Redis; our buffer is kept in either case.
pub(crate) fn encode_keep_buffer(stack: Stack, shared: &mut Shared) -> Outcome {
    on_or_off(stack, shared, |config| &mut config.keep_buffer)
}

pub(crate) fn decode_invalid_numbers(stack: Stack, shared: &mut Shared) -> Outcome {
    on_or_off(stack, shared, |config| &mut config.decode_invalid)
}

/// Ours: whole numbers come and go as they are, those that a double cannot hold as `{big_number = digits}`.
pub(crate) fn exact_integers(stack: Stack, shared: &mut Shared) -> Outcome {
    on_or_off(stack, shared, |config| &mut config.exact_integers)
}

pub(crate) fn encode_invalid_numbers(stack: Stack, shared: &mut Shared) -> Outcome {
    accept(stack, 1)?;
    match stack.kind(1) {
        Kind::Nil => {}
        Kind::Boolean => {
            let write = stack.boolean(1);
            of(stack, shared).encode_invalid =
                if write { InvalidNumbers::Write } else { InvalidNumbers::Refuse };
        }
        _ => {
            let chosen = choice(stack, shared, 1, &["off", "on", "null"])?;
            of(stack, shared).encode_invalid =
                [InvalidNumbers::Refuse, InvalidNumbers::Write, InvalidNumbers::Null][chosen];
        }
    }
    match of(stack, shared).encode_invalid {
        InvalidNumbers::Refuse => stack.push_boolean(false),
        InvalidNumbers::Write => stack.push_boolean(true),
        InvalidNumbers::Null => stack.push_bytes(b"null"),
    }
    Ok(1)
}

/// Refuses more than `count` arguments and makes the missing ones nil.
fn accept(stack: Stack, count: c_int) -> Result<(), Raise> {
    if stack.top() > count {
        return Err(Raise::Argument(count + 1, c"found too many arguments"));
    }
    stack.set_top(count);
    Ok(())
}

fn on_or_off(stack: Stack, shared: &mut Shared, field: fn(&mut Config) -> &mut bool) -> Outcome {
    accept(stack, 1)?;
    let mut config = *of(stack, shared);
    switch(stack, shared, 1, field(&mut config))?;
    *of(stack, shared) = config;
    Ok(1)
}

fn number(stack: Stack, shared: &mut Shared, field: fn(&mut Config) -> &mut i32, largest: i32) -> Outcome {
    accept(stack, 1)?;
    let mut value = *field(of(stack, shared));
    integer(stack, shared, 1, &mut value, 1, largest)?;
    *field(of(stack, shared)) = value;
    Ok(1)
}

/// Takes a new value from the argument unless it is nil, and pushes the value. An error names argument 1, whichever
/// it was, as lua-cjson does.
fn integer(
    stack: Stack,
    shared: &mut Shared,
    argument: c_int,
    value: &mut i32,
    least: i32,
    most: i32,
) -> Result<(), Raise> {
    if stack.kind(argument) != Kind::Nil {
        let wanted = stack.check_integer(argument)? as i32;
        if wanted < least || wanted > most {
            return Err(shared.fail_argument(1, format_args!("expected integer between {least} and {most}")));
        }
        *value = wanted;
    }
    stack.push_number(f64::from(*value));
    Ok(())
}

fn switch(stack: Stack, shared: &mut Shared, argument: c_int, value: &mut bool) -> Result<(), Raise> {
    match stack.kind(argument) {
        Kind::Nil => {}
        Kind::Boolean => *value = stack.boolean(argument),
        _ => *value = choice(stack, shared, argument, &["off", "on"])? == 1,
    }
    stack.push_boolean(*value);
    Ok(())
}

fn choice(stack: Stack, shared: &mut Shared, argument: c_int, options: &[&str]) -> Result<usize, Raise> {
    let text = stack.check_bytes(argument)?;
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    if let Some(chosen) = options.iter().position(|option| option.as_bytes() == text) {
        return Ok(chosen);
    }
    shared.set_message(format_args!("invalid option '"));
    shared.message.extend_from_slice(text);
    shared.message.push(b'\'');
    Err(Raise::ArgumentMessage(argument))
}
