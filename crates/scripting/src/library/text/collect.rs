//! Collecting garbage, in steps.

use std::ffi::c_int;

use mlua::ffi;

use super::pattern::Pace;
use crate::library::Shared;
use crate::lua::{Operation, Turns};
use crate::stack::{Outcome, Raise, Stack};

/// How many of the collector's cycles have ended since somebody began to count.
#[derive(Default)]
pub(crate) struct Cycles(u32);

/// The work of one step of the collector.
const STEP_WORK: u32 = 128;

impl Cycles {
    /// Waits for room for so many bytes, collecting what there is; false if that is not finished.
    pub(crate) fn make_room(
        &mut self,
        stack: Stack,
        shared: &mut Shared,
        bytes: usize,
        turns: &mut Turns,
    ) -> Result<bool, Raise> {
        while !shared.has_room(bytes) {
            if self.0 == 2 {
                return Err(Raise::NoRoom);
            }
            if !self.step(stack, turns) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A step; false: it is time to stop.
    fn step(&mut self, stack: Stack, turns: &mut Turns) -> bool {
        // SAFETY: a live VM outside of the collector; finalizers here are C functions of ours, which raise nothing.
        self.0 += u32::from(unsafe { ffi::lua_gc(stack.state(), ffi::LUA_GCSTEP, 0) } != 0);
        !turns.spend(STEP_WORK)
    }
}

/// `collectgarbage('collect')`: the present cycle to its end, and another.
pub(super) fn collect(_: Stack, shared: &mut Shared) -> Outcome {
    shared.operation = Some(Box::new(Collect { cycles: Cycles::default() }));
    Err(Raise::Unfinished)
}

struct Collect {
    cycles: Cycles,
}

impl Operation for Collect {
    fn work(&mut self, stack: Stack, _: &mut Shared, turns: &mut Turns) -> Result<Option<c_int>, Raise> {
        while self.cycles.0 < 2 {
            if !self.cycles.step(stack, turns) {
                return Ok(None);
            }
        }
        stack.push_number(0.0);
        Ok(Some(1))
    }
}
