//! `table.insert` and `table.remove` far from the end of a table.

use std::ffi::c_int;

use super::pattern::Pace;
use crate::library::Shared;
use crate::lua::{Operation, Turns};
use crate::stack::{Outcome, Raise, Stack};

/// Arguments: table, position, value, and the table's length.
pub(super) fn insert(stack: Stack, shared: &mut Shared) -> Outcome {
    // As C converts it.
    let position = i64::from(stack.check_integer(2)? as i32);
    let length = stack.check_integer(4)?;
    shared.operation = Some(Box::new(Insert { at: length + 1, position }));
    Err(Raise::Unfinished)
}

/// The hole is at `at`, and moves down to the position.
struct Insert {
    at: i64,
    position: i64,
}

impl Operation for Insert {
    fn work(&mut self, stack: Stack, _: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        while self.at > self.position {
            stack.raw_get_position(1, self.at as c_int - 1);
            stack.raw_set_position(1, self.at as c_int);
            self.at -= 1;
            if turns.spend(1) {
                return Ok(None);
            }
        }
        stack.push_value(3);
        stack.raw_set_position(1, self.position as c_int);
        Ok(Some(0))
    }
}

/// Arguments: table, position, and the table's length. Result: what was there.
pub(super) fn remove(stack: Stack, shared: &mut Shared) -> Outcome {
    let position = stack.check_integer(2)?;
    let length = stack.check_integer(3)?;
    stack.set_top(3);
    // What is removed is kept as another argument.
    stack.raw_get_position(1, position as c_int);
    shared.operation = Some(Box::new(Remove { at: position, length }));
    Err(Raise::Unfinished)
}

/// The hole is at `at`, and moves up to the end.
struct Remove {
    at: i64,
    length: i64,
}

impl Operation for Remove {
    fn work(&mut self, stack: Stack, _: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        while self.at < self.length {
            stack.raw_get_position(1, self.at as c_int + 1);
            stack.raw_set_position(1, self.at as c_int);
            self.at += 1;
            if turns.spend(1) {
                return Ok(None);
            }
        }
        stack.push_nil();
        stack.raw_set_position(1, self.length as c_int);
        stack.push_value(4);
        Ok(Some(1))
    }
}
