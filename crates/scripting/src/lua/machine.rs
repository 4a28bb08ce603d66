//! One worker's VM: its coroutines and their slices.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::null_mut;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use mlua::ffi::{self, lua_State};
use perigee_commands::scripts::ScriptContext;
use perigee_resp::{Protocol, Reply};

use super::api::Audience;
use super::arguments::Arguments;
use super::compiled::Compiled;
use super::debug::rest;
use super::heap::{self, Heap};
use super::libraries::{self, Entries};
use super::operation::{Failure, Pending, Progress};
use super::places::{error_text, is_counted};
use super::preempt::{self, Limit, Stop};
use super::results::OnError;
use super::{CURRENT, Slot, api, results};
use crate::library::RunState;
use crate::sandbox::{self, Sandbox};
use crate::stack::Raise;
use crate::watchdog::Watchdog;

/// A VM. Its methods are called on the thread that made it.
pub(crate) struct Machine {
    pub(super) state: *mut lua_State,
    slot: *mut Slot,
    pub(super) sandbox: Sandbox,
    pub(super) libraries: Entries,
    /// Compiled scripts by their id.
    pub(super) functions: HashMap<u64, Compiled, RandomState>,
    idle: Vec<Thread>,
    watchdog: Watchdog,
    pub(super) arguments: Arguments,
    /// What was in use before the first script.
    opened_bytes: usize,
    /// What was in use when everything had been collected.
    tidy_bytes: usize,
    /// The collector's cycles since it was found that there is something to collect.
    cycles: u32,
}

/// A coroutine, kept alive by a reference.
pub(crate) struct Thread {
    pub(super) state: *mut lua_State,
    reference: c_int,
    /// How many values above its function it begins with.
    arguments: Cell<c_int>,
    /// What it runs is a script and not a function.
    pub(super) chunk: Cell<bool>,
    /// What the limit of its memory includes besides its own.
    charged_bytes: Cell<usize>,
}

/// What a script may use.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// The VM's memory; 0 for any.
    pub(crate) memory_bytes: usize,
    /// A text that it compiles.
    pub(crate) chunk_bytes: usize,
}

/// How a slice ended.
pub(crate) enum Ended {
    /// The script has returned; its first result is on the coroutine's stack.
    Returned,
    /// Its slice is over.
    Yielded,
    /// It was stopped for good.
    Stopped(Stop),
    /// It has raised an error.
    Failed {
        /// Its text.
        text: Vec<u8>,
        /// It is that of a command, which has been counted.
        counted: bool,
    },
}

unsafe extern "C" {
    /// LuaJIT's: mode 0 for the whole VM (index 0) switches the compiler off.
    pub(super) fn luaJIT_setmode(state: *mut lua_State, index: c_int, mode: c_int) -> c_int;
}

/// For `luaJIT_setmode`: the function at the index, and all that are defined in it.
pub(super) const ALL_FUNCTIONS: c_int = 3;

/// Found out once by the first VM of the process.
static HOOKS_IN_COMPILED_CODE: OnceLock<bool> = OnceLock::new();

/// More than this, and twice what was left by the last time, is worth to be collected.
const UNTIDY_BYTES: usize = 4 * 1024 * 1024;

/// A step of the collector for so many bytes of large blocks; it looks at some kilobytes.
const LARGE_BYTES_PER_STEP: usize = 64 * 1024;
/// Such steps before a slice: about half a millisecond.
const STEPS_BEFORE_SLICE: usize = 256;

/// Coroutines kept for later runs.
const IDLE: usize = 16;

impl Machine {
    /// Opens a VM with the sandbox and the `redis` table.
    pub(crate) fn new() -> Self {
        let mut heap = Box::new(Heap::new());
        let watchdog = Watchdog::start();
        // SAFETY: the heap's address is fixed, and it outlives the state: see Drop.
        unsafe {
            let state = ffi::lua_newstate(heap::allocate, (&raw mut *heap).cast());
            assert!(!state.is_null(), "LuaJIT could not open a state");
            let slot = Box::into_raw(Box::new(Slot {
                context: null_mut(),
                main: state,
                coroutine: null_mut(),
                stop: None,
                probing: false,
                preempted: false,
                pending: None,
                failure: None,
                abort_reply: ffi::LUA_NOREF,
                panic: None,
                registration: None,
                debugged: None,
                loading: None,
                sandbox: None,
                pulse: watchdog.pulse.clone(),
                sampled: false,
                heap,
                deterministic: false,
                arguments: Vec::new(),
                numbers: Vec::new(),
                frames: Vec::new(),
                order: Vec::new(),
            }));
            Heap::belong_to(&raw mut *(*slot).heap, state);
            let mut opened: Option<(Sandbox, Entries)> = None;
            let status = ffi::lua_cpcall(state, open, (&raw mut opened).cast());
            assert!(status == ffi::LUA_OK, "the sandbox did not open");
            let (sandbox, libraries) = opened.expect("the sandbox was opened");
            (*slot).sandbox = Some(sandbox);
            (*sandbox.shared()).heap = &raw mut *(*slot).heap;
            let arguments = Arguments::new(state);
            let functions = HashMap::default();
            let mut machine = Machine {
                state,
                slot,
                sandbox,
                libraries,
                functions,
                idle: Vec::new(),
                watchdog,
                arguments,
                opened_bytes: 0,
                tidy_bytes: 0,
                cycles: 0,
            };
            if !*HOOKS_IN_COMPILED_CODE.get_or_init(|| machine.probe()) {
                luaJIT_setmode(state, 0, 0);
            }
            machine.opened_bytes = machine.used_bytes();
            machine
        }
    }

    /// Whether the watchdog's hook ends a loop that LuaJIT has compiled. It does where LuaJIT was built with
    /// `LUAJIT_ENABLE_CHECKHOOK`; elsewhere only interpreted code can be interrupted.
    fn probe(&mut self) -> bool {
        const LOOP: &str = "local n = 0 for i = 1, 2e8 do n = n + i end";
        let (state, slot) = (self.state, self.slot);
        // SAFETY: a fresh VM; the loop is called protected, and nothing with a destructor is made in between.
        unsafe {
            ffi::luaL_loadbuffer(state, LOOP.as_ptr().cast(), LOOP.len(), c"=probe".as_ptr());
            (*slot).probing = true;
            CURRENT.set(slot);
            self.watchdog.begin();
            ffi::lua_pcall(state, 0, 0, 0);
            self.watchdog.end();
            CURRENT.set(null_mut());
            ffi::lua_settop(state, 0);
            (*slot).probing = false;
            std::mem::take(&mut (*slot).preempted)
        }
    }

    pub(super) fn slot(&mut self) -> &mut Slot {
        // SAFETY: made in `new`, freed in `drop`, and no slice is running while a method has `&mut self`.
        unsafe { &mut *self.slot }
    }

    /// A coroutine that is about to run a compiled script.
    pub(crate) fn thread(&mut self, function: c_int) -> Thread {
        let thread = self.empty_thread(0, 0);
        thread.chunk.set(true);
        // SAFETY: no slice runs; the limit is lifted.
        unsafe { ffi::lua_rawgeti_(thread.state, ffi::LUA_REGISTRYINDEX, function) };
        thread
    }

    /// A coroutine that is to be given a function and so many arguments, and to which so many bytes are charged.
    pub(super) fn empty_thread(&mut self, arguments: c_int, charged_bytes: usize) -> Thread {
        self.slot().heap.enter(charged_bytes);
        // SAFETY: no slice runs; the limit is lifted.
        let thread = self.idle.pop().unwrap_or_else(|| unsafe {
            let state = ffi::lua_newthread(self.state);
            let reference = ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX);
            let (arguments, chunk, charged_bytes) = Default::default();
            Thread { state, reference, arguments, chunk, charged_bytes }
        });
        thread.arguments.set(arguments);
        thread.chunk.set(false);
        thread.charged_bytes.set(charged_bytes);
        thread
    }

    /// Takes a coroutine back; only one that has ended by returning can be used again.
    pub(crate) fn release(&mut self, thread: Thread, reusable: bool) {
        self.slot().heap.leave(thread.charged_bytes.get());
        // SAFETY: the coroutine is not running.
        unsafe {
            if reusable && self.idle.len() < IDLE {
                ffi::lua_settop(thread.state, 0);
                self.idle.push(thread);
            } else {
                ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, thread.reference);
            }
        }
    }

    /// Swaps what a script can change in the libraries.
    pub(crate) fn exchange(&mut self, run: &mut RunState) {
        // SAFETY: no slice runs.
        unsafe { self.sandbox.exchange(run) };
    }

    /// Prepares the next slices: what a script may use, whether replies are sorted.
    pub(crate) fn prepare(&mut self, limits: Limits, deterministic: bool) {
        // SAFETY: no slice runs.
        unsafe { self.sandbox.set_chunk_limit(limits.chunk_bytes) };
        if self.slot().deterministic != deterministic {
            // SAFETY: no slice runs; the limit is lifted.
            unsafe { self.sandbox.set_ordered(self.state, deterministic) };
        }
        let slot = self.slot();
        slot.heap.allow(limits.memory_bytes);
        slot.deterministic = deterministic;
    }

    /// The running script's entry in the list of those that can be killed, if it has outlived a slice.
    pub(crate) fn registration(&mut self) -> &mut Option<perigee_commands::scripts::Registration> {
        &mut self.slot().registration
    }

    /// Runs the slice that has begun: of the library function that the script was suspended in, if there is one, or of the script.
    pub(crate) fn go_on(
        &mut self,
        thread: &Thread,
        pending: Option<Pending>,
        context: &mut ScriptContext<'_, '_>,
    ) -> Ended {
        let Some(mut pending) = pending else { return self.resume(thread, thread.arguments.take(), context) };
        let main = self.state;
        // SAFETY: no script code runs and the limit is lifted.
        let progress = unsafe { pending.work(self.slot, self.sandbox.shared()) };
        let results = match progress {
            Progress::Unfinished => {
                self.watchdog.end();
                self.slot().pending = Some(pending);
                return Ended::Yielded;
            }
            Progress::Results(results) => results,
            Progress::Failed(Raise::NoRoom) => {
                self.watchdog.end();
                // SAFETY: as above.
                unsafe { pending.release(main) };
                return Ended::Stopped(Stop::Limit(Limit::Memory));
            }
            Progress::Failed(error) => {
                // SAFETY: as above; the block is the VM's.
                let shared = unsafe { &mut *self.sandbox.shared() };
                shared.release();
                let (text, with_place) = (shared.message.clone(), !matches!(error, Raise::Bare));
                self.slot().failure = Some(Failure { coroutine: pending.coroutine, text, with_place });
                preempt::interrupt(main);
                0
            }
        };
        // SAFETY: as above.
        unsafe {
            pending.hand_over(results, thread.state);
            pending.release(main);
        }
        self.resume(thread, results, context)
    }

    /// Begins a slice, by having the collector keep up with large strings. Left to itself it takes a small step for each string, however long that is,
    /// and hundreds of megabytes are waiting before it has seen that a few are in use.
    pub(crate) fn begin_slice(&mut self) {
        self.watchdog.begin();
        let steps = self.slot().heap.take_large_bytes() / LARGE_BYTES_PER_STEP;
        if steps == 0 {
            return;
        }
        let is_tight = self.slot().heap.is_tight();
        let steps = if is_tight { 2 * steps } else { steps.min(STEPS_BEFORE_SLICE) };
        for _ in 0..steps {
            // SAFETY: no slice runs; finalizers are C functions of ours, which raise nothing.
            let is_cycle = unsafe { ffi::lua_gc(self.state, ffi::LUA_GCSTEP, 0) } != 0;
            if is_cycle || !is_tight && self.watchdog.pulse.is_slice_over() {
                break;
            }
        }
    }

    /// What the suspended library function has still to do.
    pub(crate) fn pending(&mut self) -> Option<Pending> {
        self.slot().pending.take()
    }

    /// Lets go of what a script that ends had still to do.
    pub(crate) fn give_up(&mut self, pending: Option<Pending>) {
        if let Some(pending) = pending {
            // SAFETY: no script code runs and the limit is lifted.
            unsafe { pending.release(self.state) };
        }
    }

    /// Goes on with a slice, and ends it.
    fn resume(&mut self, thread: &Thread, arguments: c_int, context: &mut ScriptContext<'_, '_>) -> Ended {
        let slot = self.slot;
        // SAFETY: the slot's context is cleared before the borrow ends; the coroutine is suspended or fresh.
        let status = unsafe {
            (*slot).context = (&raw mut *context).cast();
            (*slot).coroutine = thread.state;
            (*slot).stop = None;
            (*slot).preempted = false;
            CURRENT.set(slot);
            (*slot).heap.set_unlimited(false);
            (*slot).heap.restart_peak();
            if (*slot).debugged.is_some() {
                rest(self.state, &*slot);
            }
            let sampled = context.script.profile.is_on();
            if (*slot).sampled != sampled {
                (*slot).sampled = sampled;
                (*slot).pulse.sample(sampled);
            }
            let status = ffi::lua_resume_(thread.state, arguments);
            self.watchdog.end();
            (*slot).heap.set_unlimited(true);
            CURRENT.set(null_mut());
            (*slot).context = null_mut();
            // The debugger's, or one that came too late to be called.
            if ffi::lua_gethookmask(self.state) != 0 {
                ffi::lua_sethook(self.state, None, 0, 0);
            }
            status
        };
        let slot = self.slot();
        if let Some(panic) = slot.panic.take() {
            std::panic::resume_unwind(panic);
        }
        let exceeded = slot.heap.take_exceeded();
        let failure = slot.failure.take();
        if let Some(stop) = slot.stop.take() {
            return Ended::Stopped(stop);
        } else if exceeded {
            return Ended::Stopped(Stop::Limit(Limit::Memory));
        }
        if let (ffi::LUA_OK, Some(failure)) = (status, failure) {
            // What has failed was the last that the script did, so that no hook was called any more.
            return Ended::Failed { text: [b"ERR ", failure.text.as_slice()].concat(), counted: false };
        }
        match status {
            ffi::LUA_OK => Ended::Returned,
            ffi::LUA_YIELD if slot.preempted => Ended::Yielded,
            ffi::LUA_YIELD => {
                let text = b"ERR attempt to yield across metamethod/C-call boundary".to_vec();
                Ended::Failed { text, counted: false }
            }
            // SAFETY: the error value is on top of the coroutine's stack.
            _ => unsafe {
                let counted = is_counted(thread.state);
                Ended::Failed { text: error_text(thread.state), counted }
            },
        }
    }

    /// Answers with what the script gave to `redis.abort`.
    pub(crate) fn reply_to_abort(
        &mut self,
        protocol: Protocol,
        reply: &mut dyn Reply,
        on_error: OnError<'_>,
    ) {
        let reference = std::mem::replace(&mut self.slot().abort_reply, ffi::LUA_NOREF);
        // SAFETY: no slice runs; the limit is lifted; the reference was made by `redis.abort`.
        unsafe {
            ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference);
            results::reply_with_top(self.state, protocol, reply, on_error);
            ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, reference);
        }
    }

    /// Answers with the script's first result.
    pub(crate) fn reply(
        &mut self,
        thread: &Thread,
        protocol: Protocol,
        reply: &mut dyn Reply,
        on_error: OnError<'_>,
    ) {
        // SAFETY: the coroutine has returned; the limit is lifted.
        unsafe {
            // No result is nil.
            ffi::lua_settop(thread.state, 1);
            results::reply_with_top(thread.state, protocol, reply, on_error);
        }
    }

    /// The most that the VM has used in the last slice.
    pub(crate) fn peak_bytes(&mut self) -> usize {
        self.slot().heap.peak_bytes()
    }

    /// Collects what scripts have left behind, if that is much, for at most a slice; whether it is to be called again soon.
    pub(crate) fn tidy(&mut self) -> bool {
        let used = self.used_bytes();
        self.slot().heap.trim();
        if self.slot().heap.is_in_use() || (self.cycles == 0 && used < 2 * self.tidy_bytes + UNTIDY_BYTES) {
            return false;
        }
        self.watchdog.begin();
        while self.cycles < 2 && !self.watchdog.pulse.is_slice_over() {
            // SAFETY: no slice runs; finalizers are C functions of ours, which raise nothing.
            self.cycles += u32::from(unsafe { ffi::lua_gc(self.state, ffi::LUA_GCSTEP, 0) } != 0);
        }
        self.watchdog.end();
        if self.cycles < 2 {
            return true;
        }
        self.cycles = 0;
        self.tidy_bytes = self.used_bytes();
        false
    }

    /// Bytes that what scripts and libraries have made takes, garbage included.
    pub(crate) fn made_bytes(&mut self) -> usize {
        self.used_bytes().saturating_sub(self.opened_bytes)
    }

    /// Bytes that the VM uses.
    pub(crate) fn used_bytes(&mut self) -> usize {
        self.slot().heap.used_bytes()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: no slice runs; the state goes before the heap that it allocates from, which is in the slot.
        unsafe {
            ffi::lua_close(self.state);
            drop(Box::from_raw(self.slot));
        }
    }
}

unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    // SAFETY: a protected call of a fresh state; the argument is the caller's option.
    unsafe {
        let opened = ffi::lua_touserdata(state, 1).cast::<Option<(Sandbox, Entries)>>();
        let sandbox = sandbox::open_raw(state);
        let libraries = libraries::open(state, sandbox);
        api::push(state, sandbox.shared(), Audience::Script);
        sandbox.protect(state);
        ffi::lua_pushvalue(state, -1);
        sandbox.set_global(state, c"redis");
        sandbox.set_global(state, c"server");
        opened.write(Some((sandbox, libraries)));
    }
    0
}

/// The string (or number) at an index, valid while it stays there.
pub(super) unsafe fn string_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: the caller's.
    unsafe {
        let start = ffi::lua_tolstring(state, index, &mut len);
        if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), len) }
    }
}
