//! Stopping a script: for a while at the end of its slice, or for good.
//!
//! The watchdog's signal sets a hook, which the VM calls at its next instruction, also in compiled loops. The hook
//! suspends the script's coroutine, and the worker goes on with other things. Where the VM is inside a C function that
//! cannot be suspended, or in a coroutine of the script's own, the hook looks again a little later; a script that must
//! end there is ended by errors, one after the other, until nothing catches them.

use std::ffi::c_int;

use mlua::ffi::{self, lua_Debug, lua_State};

use super::{CURRENT, Slot};

/// Why a script is being stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It needs shards that others hold.
    Widen,
    /// Somebody wants it gone.
    Killed,
    /// A command has panicked.
    Panicked,
}

unsafe extern "C-unwind" {
    /// LuaJIT's: whether the coroutine can be suspended here.
    fn lua_isyieldable(state: *mut lua_State) -> c_int;
}

/// Instructions until the hook looks again where it could not suspend.
const SOON: c_int = 2_000;

/// Called by the watchdog's signal on the worker's thread, anywhere.
pub(crate) extern "C" fn on_signal(_: c_int) {
    let slot = CURRENT.get();
    if !slot.is_null() {
        // SAFETY: CURRENT is only set while the VM lives; LuaJIT allows setting a hook from a signal handler.
        unsafe { ffi::lua_sethook((*slot).main, Some(on_hook), ffi::LUA_MASKCOUNT, 1) };
    }
}

pub(super) unsafe extern "C-unwind" fn on_hook(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: called by the VM; nothing with a destructor is alive where this raises or suspends.
    unsafe {
        match verdict(state) {
            Verdict::Go => {}
            Verdict::Suspend => {
                ffi::lua_yield(state, 0);
            }
            Verdict::Raise => {
                ffi::lua_pushlstring_(state, c"stopped".as_ptr(), 7);
                ffi::lua_error(state);
            }
        }
    }
}

enum Verdict {
    Go,
    Suspend,
    Raise,
}

#[inline(never)]
unsafe fn verdict(state: *mut lua_State) -> Verdict {
    let slot = CURRENT.get();
    // SAFETY: a hook runs on the VM's thread; the slot is null when the slice is over.
    unsafe {
        if slot.is_null() || (*slot).context.is_null() {
            ffi::lua_sethook(state, None, 0, 0);
            return Verdict::Go;
        }
        let slot = &mut *slot;
        if slot.stop.is_none() && !slot.pulse.is_slice_over() {
            ffi::lua_sethook(state, None, 0, 0);
            return Verdict::Go;
        }
        register(slot);
        let killed = slot.registration.as_ref().is_some_and(|registration| registration.running.is_killed());
        if killed && slot.stop.is_none() {
            slot.stop = Some(Stop::Killed);
        }
        if may_suspend(slot, state) {
            ffi::lua_sethook(state, None, 0, 0);
            slot.preempted = true;
            return Verdict::Suspend;
        }
        if slot.stop.is_some() {
            ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, 1);
            return Verdict::Raise;
        }
        ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, SOON);
        Verdict::Go
    }
}

/// Puts a script that has outlived its first slice on the list of those that can be killed.
fn register(slot: &mut Slot) {
    if slot.registration.is_some() {
        return;
    }
    // SAFETY: the context belongs to the running slice.
    let context = unsafe { &*slot.context };
    if let Some(script) = &slot.script {
        slot.registration = Some(context.register(script));
    }
}

unsafe fn may_suspend(slot: &Slot, state: *mut lua_State) -> bool {
    // SAFETY: a live state.
    state == slot.coroutine && unsafe { lua_isyieldable(state) } != 0
}

/// Ends the slice of a script that is to be stopped for good, from a C function.
pub(super) unsafe fn halt(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of the running slice.
    unsafe {
        let slot = &*CURRENT.get();
        if may_suspend(slot, state) {
            return ffi::lua_yield(state, 0);
        }
        ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, 1);
        ffi::lua_pushlstring_(state, c"stopped".as_ptr(), 7);
        ffi::lua_error(state)
    }
}
