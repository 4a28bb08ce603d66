//! `redis.call` and `redis.pcall`: from the Lua stack through the gate and back, without a detour through text.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use mlua::ffi::{self, lua_State};
use perigee_commands::scripts::ScriptContext;
use perigee_commands::{CallOutcome, call_from_script};
use perigee_resp::{Recorder, Reply, format_double};

use super::debug::Debugged;
use super::preempt::{self, Limit, Stop};
use super::replies::LuaReply;
use super::{CURRENT, Slot};
use crate::debugger::Debugger;

pub(super) unsafe extern "C-unwind" fn redis_call(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of a VM that is running a slice; nothing here has a destructor.
    unsafe {
        match invoke(state) {
            Invoked::Reply => 1,
            Invoked::Error => ffi::lua_error(state),
            Invoked::Stop => preempt::halt(state),
        }
    }
}

pub(super) unsafe extern "C-unwind" fn redis_pcall(state: *mut lua_State) -> c_int {
    // SAFETY: as in redis_call.
    unsafe {
        match invoke(state) {
            Invoked::Reply | Invoked::Error => 1,
            Invoked::Stop => preempt::halt(state),
        }
    }
}

/// What is on top of the stack now.
enum Invoked {
    Reply,
    /// A table with `err`.
    Error,
    /// Nothing: the script is to be stopped.
    Stop,
}

/// Runs the command that the arguments name. Returns with everything dropped, so that the caller may raise.
unsafe fn invoke(state: *mut lua_State) -> Invoked {
    let slot = CURRENT.get();
    // SAFETY: the slot outlives the slice; nothing else refers to it while a C function runs.
    let shared = unsafe { &mut *slot };
    shared.heap.set_unlimited(true);
    // SAFETY: the arguments stay on the stack, hence alive, until the call returns.
    let invoked = unsafe {
        match gather(state, shared) {
            Ok(()) => run(state, slot),
            Err(text) => {
                if let Some(debugger) = shared.debugged.as_mut().and_then(Debugged::logging) {
                    debugger.log_error(text.as_bytes());
                }
                LuaError(state).push(text);
                Invoked::Error
            }
        }
    };
    // SAFETY: as above; the reference from before the call is not used again.
    unsafe {
        (*slot).arguments.clear();
        (*slot).heap.set_unlimited(false);
    }
    invoked
}

/// Finds the arguments' bytes; numbers are written as Redis writes them.
unsafe fn gather(state: *mut lua_State, slot: &mut Slot) -> Result<(), &'static str> {
    // SAFETY: a C function's own stack.
    unsafe {
        let count = ffi::lua_gettop(state);
        if count == 0 {
            return Err("ERR Please specify at least one argument for this redis lib call");
        }
        slot.arguments.clear();
        slot.numbers.clear();
        if count == 1 && ffi::lua_type(state, 1) == ffi::LUA_TTABLE {
            // A table is the whole request. What is taken from it stays alive in it.
            let length = ffi::lua_objlen(state, 1) as c_int;
            slot.numbers.reserve(length as usize * NUMBER_BYTES);
            for at in 1..=length {
                ffi::lua_rawgeti_(state, 1, at);
                let taken = take(state, slot, -1);
                ffi::lua_settop(state, 1);
                taken?;
            }
            if slot.arguments.is_empty() {
                return Err(WRONG_ARGUMENT);
            }
        } else {
            slot.numbers.reserve(count as usize * NUMBER_BYTES);
            for index in 1..=count {
                take(state, slot, index)?;
            }
        }
        Ok(())
    }
}

/// Room for the longest text of a number, so that the texts stay where they are once they are written.
const NUMBER_BYTES: usize = 32;

const WRONG_ARGUMENT: &str = "ERR Lua redis lib command arguments must be strings or integers";

/// Notes the argument at an index.
#[inline]
unsafe fn take(state: *mut lua_State, slot: &mut Slot, index: c_int) -> Result<(), &'static str> {
    // SAFETY: the caller's.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TSTRING => {
                let mut len = 0;
                let start = ffi::lua_tolstring(state, index, &mut len);
                slot.arguments.push(slice::from_raw_parts(start.cast(), len));
            }
            ffi::LUA_TNUMBER => {
                let text = format_double(ffi::lua_tonumber(state, index));
                debug_assert!(
                    text.len() <= NUMBER_BYTES && slot.numbers.capacity() - slot.numbers.len() >= text.len()
                );
                let at = slot.numbers.len();
                slot.numbers.extend_from_slice(&text);
                slot.arguments.push(slice::from_raw_parts(slot.numbers.as_ptr().add(at), text.len()));
            }
            _ => return Err(WRONG_ARGUMENT),
        }
        Ok(())
    }
}

unsafe fn run(state: *mut lua_State, slot: *mut Slot) -> Invoked {
    // SAFETY: `gather` has filled the arguments, which nobody changes during the call; the context belongs to this
    // slice.
    unsafe {
        let arguments: &[&[u8]] = &(*slot).arguments;
        let context = &mut *(*slot).context;
        let mut reply = LuaReply::new(state, slot, context.session.protocol());
        let top = ffi::lua_gettop(state);
        let debugger = (*slot).debugged.as_mut().and_then(Debugged::logging);
        let outcome = catch_unwind(AssertUnwindSafe(|| call(context, arguments, &mut reply, debugger)));
        match outcome {
            Ok(answered @ (CallOutcome::Answered { .. } | CallOutcome::Refused)) if !reply.overflow => {
                if answered == (CallOutcome::Answered { sorts: true }) && (*slot).deterministic {
                    sort(state, slot);
                }
                if reply.is_error { Invoked::Error } else { Invoked::Reply }
            }
            Ok(CallOutcome::Answered { .. } | CallOutcome::Refused) => {
                ffi::lua_settop(state, top);
                LuaError(state).push("ERR The reply is too large or too deep for a script");
                Invoked::Error
            }
            Ok(CallOutcome::Widen) => {
                (*slot).stop = Some(Stop::Widen);
                Invoked::Stop
            }
            Ok(CallOutcome::TooManyWrites) => {
                (*slot).stop = Some(Stop::Limit(Limit::Writes));
                Invoked::Stop
            }
            Err(panic) => {
                (*slot).panic = Some(panic);
                (*slot).stop = Some(Stop::Panicked);
                Invoked::Stop
            }
        }
    }
}

/// Runs a command, in view of the debugger if there is one.
#[inline]
fn call(
    context: &mut ScriptContext<'_, '_>,
    args: &[&[u8]],
    reply: &mut dyn Reply,
    debugger: Option<&mut Debugger>,
) -> CallOutcome {
    match debugger {
        None => call_from_script(context, args, reply),
        Some(debugger) => watched_call(context, args, reply, debugger),
    }
}

/// Runs a command, and has the debugger log it with its reply.
pub(crate) fn watched_call(
    context: &mut ScriptContext<'_, '_>,
    args: &[&[u8]],
    reply: &mut dyn Reply,
    debugger: &mut Debugger,
) -> CallOutcome {
    debugger.log_call(args);
    let protocol = context.session.protocol();
    let mut recorder = Recorder::new(protocol);
    let outcome = call_from_script(context, args, &mut recorder);
    if matches!(outcome, CallOutcome::Answered { .. } | CallOutcome::Refused) {
        let value = recorder.into_value();
        debugger.log_reply(&value, protocol, outcome == CallOutcome::Refused);
        value.reply_to(reply);
    }
    outcome
}

/// Sorts the array of strings on top by their bytes.
unsafe fn sort(state: *mut lua_State, slot: *mut Slot) {
    // SAFETY: the strings stay in the old table, which stays on the stack, until the new one is filled.
    unsafe {
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE || ffi::lua_checkstack(state, 4) == 0 {
            return;
        }
        let order = &mut (*slot).order;
        order.clear();
        for at in 1.. {
            ffi::lua_rawgeti_(state, -1, at);
            let is_string = ffi::lua_type(state, -1) == ffi::LUA_TSTRING;
            let mut len = 0;
            let start = if is_string { ffi::lua_tolstring(state, -1, &mut len) } else { std::ptr::null() };
            ffi::lua_settop(state, -2);
            if !is_string {
                break;
            }
            order.push((start.cast(), len, at));
        }
        order.sort_by(|a, b| slice::from_raw_parts(a.0, a.1).cmp(slice::from_raw_parts(b.0, b.1)));
        ffi::lua_createtable(state, order.len() as c_int, 0);
        for (to, &(_, _, from)) in order.iter().enumerate() {
            ffi::lua_rawgeti_(state, -2, from);
            ffi::lua_rawseti_(state, -2, to as c_int + 1);
        }
        ffi::lua_insert(state, -2);
        ffi::lua_settop(state, -2);
    }
}

/// An error as Redis gives it to Lua: a table with `err`.
pub(super) struct LuaError(pub(super) *mut lua_State);

impl LuaError {
    /// Pushes the table. The text begins with its code.
    pub(super) fn push(self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    pub(super) fn push_bytes(self, text: &[u8]) {
        // SAFETY: the caller is a C function with free slots, the memory limit lifted.
        unsafe {
            ffi::lua_createtable(self.0, 0, 1);
            ffi::lua_pushlstring_(self.0, c"err".as_ptr(), 3);
            ffi::lua_pushlstring_(self.0, text.as_ptr().cast(), text.len());
            ffi::lua_rawset(self.0, -3);
        }
    }
}
