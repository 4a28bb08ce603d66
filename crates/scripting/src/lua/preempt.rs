//! Stopping a script: for a while at the end of its slice, or for good.
//!
//! The watchdog's signal sets a hook, which the VM calls at its next instruction, also in compiled loops. The hook
//! suspends the running coroutine, and the worker goes on with other things. If that was one of the script's own
//! coroutines, those who had resumed it follow by [`pause`], from the inside out. Where the VM is inside a C function that
//! cannot be suspended, the hook looks again a little later; a script that must end there is ended by errors, one
//! after the other, until nothing catches them.

use std::ffi::c_int;

use mlua::ffi::{self, lua_Debug, lua_State};

use super::debug::{on_line, rest};
use super::operation::Failure;
use super::profile::sample;
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
    /// It wants to be undone.
    Aborted,
    /// It met a limit.
    Limit(Limit),
}

/// The limits that end a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `script-memory-limit`
    Memory,
    /// `script-hard-time-limit`
    Time,
    /// `script-max-writes`
    Writes,
}

/// What a library function that works for long is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Go on.
    GoOn,
    /// Leave the rest for the next slice.
    Suspend,
    /// The script is to end: see [`halt`].
    Stop,
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
    // The debugger's hook looks at the time by itself.
    // SAFETY: CURRENT is only set while the VM lives; LuaJIT allows setting a hook from a signal handler.
    unsafe {
        if !slot.is_null() && (*slot).debugged.is_none() {
            // First none. The VM notes its mode, then writes its dispatch table. If it was about to write that for another mode
            // when an earlier signal came, that signal's hook is noted, but not in the table: compiled code is left for
            // the hook, nobody calls it, compiled code is entered again, and so on for ever, since to set what is noted
            // already changes nothing.
            ffi::lua_sethook((*slot).main, None, 0, 0);
            ffi::lua_sethook((*slot).main, Some(on_hook), ffi::LUA_MASKCOUNT, 1);
        }
    }
}

/// Has the hook look at the running script as soon as it executes an instruction.
pub(super) fn interrupt(main: *mut lua_State) {
    if !main.is_null() {
        // SAFETY: the VM lives; LuaJIT allows setting a hook anywhere.
        unsafe { ffi::lua_sethook(main, Some(on_hook), ffi::LUA_MASKCOUNT, 1) };
    }
}

pub(super) unsafe extern "C-unwind" fn on_hook(state: *mut lua_State, record: *mut lua_Debug) {
    // SAFETY: called by the VM; nothing with a destructor is alive where this raises or suspends.
    unsafe {
        let is_line = (*record).event == ffi::LUA_HOOKLINE;
        match if is_line { on_line(state, record) } else { verdict(state) } {
            Verdict::Go => {}
            Verdict::Fail => {
                ffi::lua_error(state);
            }
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

/// What a hook does.
pub(super) enum Verdict {
    Go,
    /// Raise what is on top.
    Fail,
    Suspend,
    Raise,
}

#[inline(never)]
pub(super) unsafe fn verdict(state: *mut lua_State) -> Verdict {
    let slot = CURRENT.get();
    // SAFETY: a hook runs on the VM's thread; the slot is null when the slice is over.
    unsafe {
        if !slot.is_null() && (*slot).probing {
            ffi::lua_sethook(state, None, 0, 0);
            (*slot).preempted = true;
            return Verdict::Raise;
        }
        if slot.is_null() || (*slot).context.is_null() {
            ffi::lua_sethook(state, None, 0, 0);
            return Verdict::Go;
        }
        let slot = &mut *slot;
        if slot.preempted {
            // On the way out already: the next is to go by `pause`.
            rest(state, slot);
            return Verdict::Go;
        }
        if slot.sampled && slot.pulse.take_tick() {
            sample(slot, state);
        }
        if let Some(failure) = &slot.failure {
            if failure.coroutine != state && !has_ended(failure.coroutine) {
                // It is called by this one, as soon as this one has gone on.
                return Verdict::Go;
            }
            if push_failure(state, slot) {
                interrupt(slot.main);
                return Verdict::Fail;
            }
        }
        if slot.stop.is_none() && !is_over(slot) {
            rest(state, slot);
            return Verdict::Go;
        }
        find_reason(slot);
        if lua_isyieldable(state) != 0 {
            rest(state, slot);
            slot.preempted = true;
            return Verdict::Suspend;
        }
        if slot.stop.is_some() {
            ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, 1);
            return Verdict::Raise;
        }
        if slot.debugged.is_none() {
            ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, SOON);
        }
        Verdict::Go
    }
}

/// Called by a library function now and then while it works for long.
pub(crate) unsafe fn turn(state: *mut lua_State) -> Turn {
    let slot = CURRENT.get();
    // SAFETY: a C function of a VM; the slot is null where no script runs.
    unsafe {
        if slot.is_null() || (*slot).context.is_null() || (*slot).preempted {
            return Turn::GoOn;
        }
        let slot = &mut *slot;
        if slot.stop.is_none() && !is_over(slot) {
            return Turn::GoOn;
        }
        find_reason(slot);
        if slot.stop.is_some() {
            return Turn::Stop;
        }
        if lua_isyieldable(state) != 0 { Turn::Suspend } else { Turn::GoOn }
    }
}

/// Whether a C function that cannot be suspended is to give up, because the script is to end. It may be asked anywhere.
pub(crate) fn should_stop() -> bool {
    let slot = CURRENT.get();
    // SAFETY: the slot is null where no script runs; it is used on the VM's thread alone.
    unsafe {
        if slot.is_null() || (*slot).context.is_null() || (*slot).preempted {
            return false;
        }
        let slot = &mut *slot;
        if slot.stop.is_none() && is_over(slot) {
            find_reason(slot);
        }
        slot.stop.is_some()
    }
}

/// Whether the slice is over: its time, or the memory that it may use.
fn is_over(slot: &Slot) -> bool {
    slot.heap.exceeded() || slot.heap.is_ahead() || slot.pulse.is_slice_over()
}

/// At the end of a slice: whether the script goes on in another.
fn find_reason(slot: &mut Slot) {
    register(slot);
    if slot.stop.is_some() {
        return;
    }
    if slot.heap.exceeded() {
        slot.stop = Some(Stop::Limit(Limit::Memory));
        return;
    }
    let Some(registration) = &slot.registration else { return };
    // SAFETY: the context belongs to the running slice.
    let context = unsafe { &*slot.context };
    if registration.running.is_killed() {
        slot.stop = Some(Stop::Killed);
    } else if registration.running.is_out_of_time(context.env) {
        slot.stop = Some(Stop::Limit(Limit::Time));
    }
}

/// Whether a coroutine has come to its end: it was nothing but the library function that fails now.
fn has_ended(coroutine: *mut lua_State) -> bool {
    // SAFETY: the record is ours; the coroutine lives: its resumer has it, or the host.
    unsafe {
        let mut record: lua_Debug = std::mem::zeroed();
        ffi::lua_status(coroutine) == ffi::LUA_OK && ffi::lua_getstack(coroutine, 0, &mut record) == 0
    }
}

/// Pushes the error of a library function that was suspended; false if there is none.
unsafe fn push_failure(state: *mut lua_State, slot: &mut Slot) -> bool {
    let unlimited = slot.heap.set_unlimited(true);
    let Some(Failure { text, with_place, .. }) = &slot.failure else { return false };
    let with_place = *with_place;
    // SAFETY: a hook, with free slots; the text is dropped before anything raises.
    unsafe {
        if with_place {
            ffi::luaL_where(state, 0);
        }
        ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len());
        if with_place {
            ffi::lua_concat(state, 2);
        }
    }
    slot.failure = None;
    slot.heap.set_unlimited(unlimited);
    true
}

/// Whether the coroutine can be suspended here.
pub(super) fn is_yieldable(state: *mut lua_State) -> bool {
    // SAFETY: a live coroutine of the running slice.
    unsafe { lua_isyieldable(state) != 0 }
}

/// Puts a script that has outlived its first slice on the list of those that can be killed.
pub(super) fn register(slot: &mut Slot) {
    if slot.registration.is_some() {
        return;
    }
    // SAFETY: the context belongs to the running slice.
    let context = unsafe { &*slot.context };
    slot.registration = Some(context.register());
}

/// Ends the slice of a script that is to be stopped for good, from a C function.
pub(crate) unsafe fn halt(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of the running slice.
    unsafe {
        if lua_isyieldable(state) != 0 {
            (*CURRENT.get()).preempted = true;
            return ffi::lua_yield(state, 0);
        }
        raise(state)
    }
}

/// Called by who has resumed a coroutine of the script's own that answered with nothing: false if it has stopped by itself.
/// If it was suspended, then so is the caller, who gets true or, when it goes on, what the coroutine is to be resumed with:
/// nothing, or the results of a library function, which never begin with a boolean.
pub(crate) unsafe extern "C-unwind" fn pause(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of a VM; the slot is null where no script runs.
    unsafe {
        let slot = CURRENT.get();
        if slot.is_null() || !(*slot).preempted {
            ffi::lua_pushboolean(state, 0);
            return 1;
        }
        if lua_isyieldable(state) != 0 {
            return ffi::lua_yield(state, 0);
        }
        (*slot).preempted = false;
        if (*slot).stop.is_some() {
            raise(state)
        }
        ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, SOON);
        ffi::lua_pushboolean(state, 1);
        1
    }
}

/// `coroutine.running`: nil outside the coroutines that the script itself has made.
pub(crate) unsafe extern "C-unwind" fn running(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of a VM; the slot is null where no script runs.
    unsafe {
        let slot = CURRENT.get();
        let outermost = ffi::lua_pushthread(state) != 0 || (!slot.is_null() && (*slot).coroutine == state);
        if outermost {
            ffi::lua_pushnil(state);
        }
        1
    }
}

/// Begins to end a script by errors.
unsafe fn raise(state: *mut lua_State) -> ! {
    // SAFETY: a C function of the running slice.
    unsafe {
        ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKCOUNT, 1);
        ffi::lua_pushlstring_(state, c"stopped".as_ptr(), 7);
        ffi::lua_error(state)
    }
}
