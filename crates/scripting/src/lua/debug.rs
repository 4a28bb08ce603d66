//! The debugger's line hook, and what the host does for the debugger in the VM.
//!
//! The hook is set for the slices of a debugged script alone, whose machine code is never made. At a line where the script is
//! to stop it suspends the coroutine, as at the end of a slice; the host then talks with the client. LuaJIT does not come
//! back to the hook of a line when the coroutine goes on, so a slice that is over ends at a line too, after that
//! question.

use std::ffi::c_int;

use mlua::ffi::{self, lua_Debug, lua_State};

use super::machine::{ALL_FUNCTIONS, Ended, Machine, Thread, luaJIT_setmode, string_at};
use super::preempt::{Verdict, is_yieldable, on_hook, register, verdict};
use super::{CURRENT, Slot, inspect};
use crate::debugger::{Debugger, Level};

/// A script's debugger, and where the script stands still.
pub(crate) struct Debugged {
    pub(crate) debugger: Debugger,
    /// The coroutine, and its levels as they were when it stopped.
    stands_in: *mut lua_State,
    levels: Vec<Level>,
    /// Until its next line: the hook is called once more for the line at which it goes on, where it stopped or its slice ended.
    goes_on: bool,
}

impl Debugged {
    pub(crate) fn new(debugger: Debugger) -> Self {
        Debugged { debugger, stands_in: std::ptr::null_mut(), levels: Vec::new(), goes_on: false }
    }

    /// Logs the levels of the coroutine that stands still.
    pub(crate) fn log_levels(&mut self) {
        self.debugger.log_levels(&self.levels);
    }

    /// The debugger, if it logs calls of commands.
    #[inline]
    pub(super) fn logging(&mut self) -> Option<&mut Debugger> {
        Some(&mut self.debugger).filter(|debugger| debugger.logs_calls())
    }
}

/// Called by the VM at each line of a debugged script, and of what it calls.
pub(super) unsafe fn on_line(state: *mut lua_State, record: *mut lua_Debug) -> Verdict {
    let slot = CURRENT.get();
    // SAFETY: a hook runs on the VM's thread; the slot is null when the slice is over.
    unsafe {
        if slot.is_null() || (*slot).context.is_null() || (*slot).preempted {
            return Verdict::Go;
        }
        let slot = &mut *slot;
        let slice_over = slot.pulse.is_slice_over();
        let mut passes = false;
        if let Some(debugged) = &mut slot.debugged
            && ffi::lua_getinfo(state, c"S".as_ptr(), record) != 0
            && inspect::is_script(&*record)
        {
            let (line, debugger) = (i64::from((*record).currentline), &mut debugged.debugger);
            let again = debugged.goes_on && debugged.stands_in == state && debugger.line() == line;
            debugged.goes_on = false;
            let overdue = slice_over && (*slot.context).is_overdue(debugger.released_ns());
            if !again && debugger.reach(line, overdue) && is_yieldable(state) {
                debugger.stop();
                debugged.stands_in = state;
                debugged.levels = inspect::levels(state);
                debugged.goes_on = true;
                register(slot);
                slot.preempted = true;
                return Verdict::Suspend;
            }
            passes = true;
        }
        if !slice_over && slot.stop.is_none() {
            return Verdict::Go;
        }
        let verdict = verdict(state);
        if passes
            && matches!(verdict, Verdict::Suspend)
            && let Some(debugged) = &mut (*CURRENT.get()).debugged
        {
            debugged.stands_in = state;
            debugged.goes_on = true;
        }
        verdict
    }
}

/// What the hook is while nothing is to be interrupted: none, or the debugger's.
pub(super) unsafe fn rest(state: *mut lua_State, slot: &Slot) {
    // SAFETY: the VM lives; LuaJIT allows setting a hook anywhere.
    unsafe {
        if slot.debugged.is_some() {
            ffi::lua_sethook(state, Some(on_hook), ffi::LUA_MASKLINE, 0);
        } else {
            ffi::lua_sethook(state, None, 0, 0);
        }
    }
}

impl Machine {
    /// Compiles a script for a session of the debugger. Returns a reference, which [`Machine::debugged_thread`] takes.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn compile_for_debugger(&mut self, body: &[u8]) -> Result<c_int, Vec<u8>> {
        let state = self.state;
        // SAFETY: no slice runs and the limit is lifted, so that nothing here raises.
        unsafe {
            let loaded = self.sandbox.load_script(state, body, c"@user_script");
            if loaded {
                luaJIT_setmode(state, -1, ALL_FUNCTIONS);
            }
            self.take_chunk(loaded)
        }
    }

    /// Compiles what the client wants evaluated: as an expression, or else as statements.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn compile_evaluation(&mut self, code: &[u8]) -> Result<c_int, Vec<u8>> {
        let expression = [b"return ", code].concat();
        // SAFETY: as in compile_for_debugger.
        unsafe {
            let mut loaded = self.sandbox.load_script(self.state, &expression, c"@ldb_eval");
            if !loaded {
                ffi::lua_settop(self.state, -2);
                loaded = self.sandbox.load_script(self.state, code, c"@ldb_eval");
            }
            self.take_chunk(loaded)
        }
    }

    unsafe fn take_chunk(&mut self, loaded: bool) -> Result<c_int, Vec<u8>> {
        let state = self.state;
        // SAFETY: the chunk or the message is on top of the main stack; the limit is lifted.
        unsafe {
            if loaded {
                return Ok(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            }
            let message = string_at(state, -1).to_vec();
            ffi::lua_settop(state, -2);
            Err(message)
        }
    }

    /// A coroutine for a chunk that is compiled for the debugger, whose reference is given back.
    pub(crate) fn debugged_thread(&mut self, chunk: c_int) -> Thread {
        let thread = self.thread(chunk);
        // SAFETY: made by luaL_ref; the coroutine holds the function.
        unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, chunk) };
        thread
    }

    /// The session in which the running script is debugged: set before a slice, taken back after it.
    pub(crate) fn debugged(&mut self) -> &mut Option<Debugged> {
        &mut self.slot().debugged
    }

    /// The value of a variable where the script stands; KEYS and ARGV are known everywhere.
    pub(crate) fn variable(&mut self, debugged: &Debugged, name: &[u8]) -> Option<Vec<u8>> {
        let state = self.state;
        // SAFETY: the coroutine stands still; no slice runs and the limit is lifted.
        unsafe {
            if let Some(value) = inspect::variable(debugged.stands_in, &debugged.levels, name) {
                return Some(value);
            }
            if !matches!(name, b"KEYS" | b"ARGV") {
                return None;
            }
            self.sandbox.push_globals(state);
            ffi::lua_pushlstring_(state, name.as_ptr().cast(), name.len());
            ffi::lua_rawget_(state, -2);
            let value = inspect::show(state, -1);
            ffi::lua_settop(state, -3);
            Some(value)
        }
    }

    /// The local variables where the script stands.
    pub(crate) fn locals(&mut self, debugged: &Debugged) -> Vec<(Vec<u8>, Vec<u8>)> {
        // SAFETY: as in variable.
        unsafe { inspect::locals(debugged.stands_in, &debugged.levels) }
    }

    /// What an evaluation has come to.
    pub(crate) fn evaluated(&mut self, thread: &Thread, ended: &Ended) -> Result<Vec<u8>, Vec<u8>> {
        match ended {
            Ended::Failed { text, .. } => Err(text.clone()),
            // SAFETY: the coroutine has returned; the limit is lifted.
            _ => unsafe {
                ffi::lua_settop(thread.state, 1);
                Ok(inspect::show(thread.state, -1))
            },
        }
    }
}
