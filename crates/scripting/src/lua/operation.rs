//! Library functions whose work may outlive a slice.
//!
//! LuaJIT cannot suspend a C function and come back to it. So such a function leaves what it has to do as an
//! [`Operation`], suspends the coroutine that has called it, and the host goes on with the operation, slice by slice, without
//! the VM; its results are what the coroutine is resumed with, so that to the script the function has returned them.
//! Where the VM is inside another C function that cannot be suspended, the work is done at once, and only a reason to end the
//! script interrupts it.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::preempt::{self, Turn};
use super::{CURRENT, Slot};
use crate::library::{Pace, Shared};
use crate::stack::{Raise, Stack, raise};
use crate::watchdog::Pulse;

/// Work that is done in pieces.
pub(crate) trait Operation {
    /// Works until it is done, and then pushes the function's results and returns their number, or until the pace says
    /// that it is time to stop: `None`. On the stack are at first the function's arguments, and what was left there by the function; later
    /// what the last slice has left.
    ///
    /// # Errors
    /// What the function raises.
    fn work(&mut self, stack: Stack, shared: &mut Shared, pace: &mut Turns) -> Result<Option<c_int>, Raise>;
}

/// An operation whose function's coroutine is suspended.
pub(crate) struct Pending {
    operation: Box<dyn Operation>,
    /// A stack for it, and the reference that keeps that.
    stack: *mut lua_State,
    reference: c_int,
    /// Who called the function.
    pub(super) coroutine: *mut lua_State,
}

/// Says when a slice is over.
pub(crate) struct Turns {
    left: u32,
    clock: SliceClock,
}

enum SliceClock {
    /// A C function of the script works.
    Function(*mut lua_State),
    /// The host works.
    Host(*const Pulse),
}

/// Work between two looks at the time: some ten microseconds.
const WORK: u32 = 4096;

impl Turns {
    /// For a C function.
    pub(crate) fn of_function(stack: Stack) -> Self {
        Turns { left: WORK, clock: SliceClock::Function(stack.state()) }
    }

    fn of_host(pulse: &Pulse) -> Self {
        Turns { left: WORK, clock: SliceClock::Host(pulse) }
    }

    #[cold]
    fn look(&mut self) -> bool {
        self.left = WORK;
        // SAFETY: the function's state is live while it works; the pulse while the host does.
        unsafe {
            match self.clock {
                SliceClock::Function(state) => preempt::turn(state) != Turn::GoOn,
                SliceClock::Host(pulse) => (*pulse).is_slice_over(),
            }
        }
    }
}

impl Pace for Turns {
    #[inline]
    fn spend(&mut self, work: u32) -> bool {
        match self.left.checked_sub(work) {
            Some(left) => {
                self.left = left;
                false
            }
            None => self.look(),
        }
    }
}

/// Does, or leaves for the next slices, what the function has left in `shared.operation`. Returns what a C function
/// returns.
///
/// # Safety
/// The last thing that a C function does; `stack` holds its arguments.
pub(crate) unsafe fn complete(stack: Stack, shared: *mut Shared) -> c_int {
    let state = stack.state();
    // SAFETY: the caller's; the operation is the block's, so that an error that unwinds this frame leaves it there.
    unsafe {
        loop {
            match preempt::turn(state) {
                Turn::GoOn => {}
                Turn::Stop => {
                    (*shared).operation = None;
                    return preempt::halt(state);
                }
                Turn::Suspend => {
                    if let Some(operation) = (*shared).operation.take() {
                        return suspend(state, operation);
                    }
                }
            }
            let Some(operation) = &mut (*shared).operation else { return 0 };
            let operation: *mut dyn Operation = &raw mut **operation;
            match (*operation).work(stack, &mut *shared, &mut Turns::of_function(stack)) {
                Ok(Some(results)) => {
                    (*shared).operation = None;
                    return results;
                }
                Ok(None) => {}
                Err(error) => {
                    (*shared).operation = None;
                    return raise(stack, shared, error);
                }
            }
        }
    }
}

unsafe fn suspend(state: *mut lua_State, operation: Box<dyn Operation>) -> c_int {
    // SAFETY: the caller's; the limit is lifted, so that nothing raises before the operation is stored. The main stack has free slots
    // while a coroutine runs; a fresh one has room for as many values as any C function has.
    unsafe {
        let slot = &mut *CURRENT.get();
        slot.heap.set_unlimited(true);
        let stack = ffi::lua_newthread(slot.main);
        let reference = ffi::luaL_ref(slot.main, ffi::LUA_REGISTRYINDEX);
        let count = ffi::lua_gettop(state);
        ffi::lua_checkstack(stack, count);
        ffi::lua_xmove(state, stack, count);
        slot.heap.set_unlimited(false);
        slot.pending = Some(Pending { operation, stack, reference, coroutine: state });
        ffi::lua_sethook(state, None, 0, 0);
        slot.preempted = true;
        ffi::lua_yield(state, 0)
    }
}

/// What a function that was suspended raises.
pub(super) struct Failure {
    /// Who called it.
    pub(super) coroutine: *mut lua_State,
    pub(super) text: Vec<u8>,
    /// The place of the call stands before the text.
    pub(super) with_place: bool,
}

/// How a slice of an operation ended.
pub(super) enum Progress {
    Unfinished,
    /// So many results are on top of the operation's stack.
    Results(c_int),
    Failed(Raise),
}

impl Pending {
    /// A slice of the work.
    ///
    /// # Safety
    /// No script code runs, the memory limit is lifted.
    pub(super) unsafe fn work(&mut self, slot: *mut Slot, shared: *mut Shared) -> Progress {
        // SAFETY: the caller's.
        unsafe {
            let mut turns = Turns::of_host(&(*slot).pulse);
            match self.operation.work(Stack::new(self.stack), &mut *shared, &mut turns) {
                Ok(None) => Progress::Unfinished,
                Ok(Some(results)) => Progress::Results(results),
                Err(error) => Progress::Failed(error),
            }
        }
    }

    /// Hands the results over to a coroutine that waits for them.
    ///
    /// # Safety
    /// As [`Pending::work`].
    pub(super) unsafe fn hand_over(&self, results: c_int, to: *mut lua_State) {
        // SAFETY: the results lie on top; the coroutine has room for what a C function may return.
        unsafe {
            ffi::lua_checkstack(to, results);
            ffi::lua_xmove(self.stack, to, results);
        }
    }

    /// Lets go of its stack.
    ///
    /// # Safety
    /// As [`Pending::work`].
    pub(super) unsafe fn release(self, main: *mut lua_State) {
        // SAFETY: made by luaL_ref in `suspend`.
        unsafe { ffi::luaL_unref(main, ffi::LUA_REGISTRYINDEX, self.reference) };
    }
}
