//! The fence: everything that touches a `lua_State` for the host. Unsafe code lives here, in `stack`, `sandbox`,
//! `library` and `watchdog`, and nowhere else in the crate.
//!
//! Two rules hold throughout. No value with a destructor is alive in a frame that a Lua error can unwind: the bridge
//! keeps its buffers in the VM's [`Slot`], and hands replies to Lua with the memory limit lifted, so that nothing below
//! a command handler raises. And whoever stops a script does it by suspending its coroutine for good, where that is
//! possible, so that no `pcall` can swallow it.

mod api;
mod arguments;
mod bridge;
mod compiled;
mod debug;
mod heap;
mod inspect;
mod large;
mod libraries;
mod machine;
mod operation;
mod places;
mod preempt;
mod profile;
mod replies;
mod results;

pub(crate) use bridge::watched_call;
pub(crate) use debug::Debugged;
pub(crate) use heap::{Donation, Heap};
pub(crate) use libraries::{FunctionCall, Instance, Loading};
pub(crate) use machine::{Ended, Limits, Machine, Thread};
pub(crate) use operation::{Operation, Pending, Turns, complete};
pub(crate) use preempt::{Limit, Stop, halt, on_signal, pause, running, should_stop};

use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;

use mlua::ffi::{self, lua_Debug, lua_State};
use perigee_commands::scripts::{Registration, ScriptContext};
use std::sync::Arc;

use crate::sandbox::Sandbox;
use crate::watchdog::Pulse;

/// What the C functions of one VM share. One thread uses it; its address is fixed.
pub(crate) struct Slot {
    /// The running script's context, null between slices. Its lifetimes end with the slice.
    context: *mut ScriptContext<'static, 'static>,
    main: *mut lua_State,
    /// The coroutine that the running script as a whole is.
    coroutine: *mut lua_State,
    stop: Option<Stop>,
    /// It is being found out whether the hook is called in compiled code.
    probing: bool,
    /// The hook has suspended the running coroutine at the end of its slice, and those around it follow.
    preempted: bool,
    /// What a suspended library function has still to do.
    pending: Option<Pending>,
    /// What such a function raises in this coroutine, when it goes on.
    failure: Option<operation::Failure>,
    /// What `redis.abort` answers with: a reference into the registry.
    abort_reply: c_int,
    /// A panic on its way through Lua.
    panic: Option<Box<dyn std::any::Any + Send>>,
    registration: Option<Registration>,
    /// The session in which the running script is debugged.
    debugged: Option<Debugged>,
    /// The library whose text is being run.
    loading: Option<Loading>,
    /// Set once it is open.
    sandbox: Option<Sandbox>,
    pulse: Arc<Pulse>,
    /// The running script is profiled.
    sampled: bool,
    heap: Box<Heap>,
    /// Replies of some commands are sorted.
    deterministic: bool,
    /// The request that is being made: slices of Lua's strings and of `numbers`, valid until the call returns.
    arguments: Vec<&'static [u8]>,
    /// The numbers in it as text.
    numbers: Vec<u8>,
    frames: Vec<replies::Frame>,
    order: Vec<(*const u8, usize, i32)>,
}

thread_local! {
    /// The slot of the VM that is running a slice on this thread. Const-initialised without a destructor, so that a
    /// signal handler may read it.
    static CURRENT: Cell<*mut Slot> = const { Cell::new(null_mut()) };
}

/// Whether a level is a text's own and not a function in it. That of a script may be a function to LuaJIT, the
/// outermost one of a coroutine which `runs_script`: see `sandbox::leading`.
///
/// # Safety
/// The coroutine does not run or is the one that calls; the record is that of the level.
unsafe fn is_chunk(record: &lua_Debug, state: *mut lua_State, level: c_int, runs_script: bool) -> bool {
    // SAFETY: the caller's; the second record is only asked for.
    unsafe {
        let mut below: lua_Debug = std::mem::zeroed();
        CStr::from_ptr(record.what) == c"main"
            || runs_script && ffi::lua_getstack(state, level + 1, &mut below) == 0
    }
}
