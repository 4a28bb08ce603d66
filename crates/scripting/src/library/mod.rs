//! The libraries that Redis gives to scripts, on the Lua stack: `cjson`, `cmsgpack`, `struct`, `bit` and Redis's
//! random generator. The reference is redis-server 7.0.15: the same bytes and error texts for the same input.
//!
//! What they don't know: commands, replies, who runs. State that a script can change (its cjson settings, its random
//! sequence) is a [`RunState`], which the host swaps in and out with the run.

use std::io::Write as _;

use crate::lua::{Heap, Operation, should_stop};
use crate::stack::{Raise, Stack};

mod bit;
mod cjson;
mod cmsgpack;
mod fields;
mod number;
mod random;
mod scan;
mod structs;
mod text;
mod walk;

pub use cjson::Config as JsonConfig;
pub(crate) use number::write_general;
pub use random::Random;
pub(crate) use text::Pace;

/// Scratch memory above this many bytes is given back after the call that needed it.
const KEPT_SCRATCH_BYTES: usize = 64 * 1024;

/// What a running script can change in the libraries. A host that lets several scripts of one VM take turns keeps one
/// for each run, so that none sees another's; a fresh one is what a run starts with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunState {
    /// The settings of the global `cjson` table. (In Redis they outlive the script that made them.)
    pub json: JsonConfig,
    /// Where `math.random` stands.
    pub random: Random,
}

impl RunState {
    /// Redis's default settings, and a random sequence that begins at `seed`.
    pub fn new(seed: u64) -> RunState {
        RunState { json: JsonConfig::default(), random: Random::new(seed) }
    }
}

/// The block that all library functions of one VM share: scratch memory, kept outside of the frames that an error
/// unwinds, and the present run's state.
pub(crate) struct Shared {
    pub(crate) output: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) walk: walk::Walk,
    pub(crate) levels: Vec<cmsgpack::Level>,
    pub(crate) containers: Vec<cjson::Container>,
    pub(crate) run: RunState,
    pub(crate) output_limit_bytes: usize,
    /// The longest text that `loadstring` compiles.
    pub(crate) chunk_limit_bytes: usize,
    pub(crate) bytecode: crate::sandbox::Bytecode,
    pub(crate) matcher: text::Matcher,
    /// What a function has still to do.
    pub(crate) operation: Option<Box<dyn Operation>>,
    /// The VM's memory; null where the VM is not ours.
    pub(crate) heap: *mut Heap,
    /// Values until it is looked whether the script is to end.
    patience: u32,
}

/// Values that an encoder writes between two looks.
const PATIENCE: u32 = 4096;

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            output: Vec::new(),
            text: Vec::new(),
            message: Vec::new(),
            walk: walk::Walk::default(),
            levels: Vec::new(),
            containers: Vec::new(),
            run: RunState::new(0),
            output_limit_bytes: usize::MAX,
            chunk_limit_bytes: usize::MAX,
            bytecode: crate::sandbox::Bytecode::default(),
            matcher: text::Matcher::default(),
            operation: None,
            heap: std::ptr::null_mut(),
            patience: PATIENCE,
        }
    }

    /// Whether so many bytes more are within the VM's limit.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        // SAFETY: null, or the VM's heap, which outlives its functions; nobody else refers to it meanwhile.
        unsafe { self.heap.is_null() || (*self.heap).has_room(bytes) }
    }

    /// Has the script end for want of memory.
    pub(crate) fn exceed(&mut self) {
        if !self.heap.is_null() {
            // SAFETY: as in `has_room`.
            unsafe { (*self.heap).exceed() }
        }
    }

    /// An error with the caller's position before `text`.
    pub(crate) fn fail(&mut self, text: std::fmt::Arguments<'_>) -> Raise {
        self.set_message(text);
        Raise::Message
    }

    /// An error about argument `index`.
    pub(crate) fn fail_argument(&mut self, index: i32, text: std::fmt::Arguments<'_>) -> Raise {
        self.set_message(text);
        Raise::ArgumentMessage(index)
    }

    pub(crate) fn set_message(&mut self, text: std::fmt::Arguments<'_>) {
        self.message.clear();
        // Writing to memory does not fail.
        let _ = self.message.write_fmt(text);
    }

    /// The one place where a long encoding can be stopped: called for every value written to `output`.
    #[inline]
    pub(crate) fn check_budget(&mut self) -> Result<(), Raise> {
        if self.output.len() > self.output_limit_bytes {
            self.set_message(format_args!("not enough memory"));
            return Err(Raise::Bare);
        }
        self.patience -= 1;
        if self.patience == 0 { self.look_around() } else { Ok(()) }
    }

    #[cold]
    fn look_around(&mut self) -> Result<(), Raise> {
        self.patience = PATIENCE;
        if !self.has_room(self.output.len()) {
            return Err(Raise::NoRoom);
        }
        if should_stop() { Err(Raise::Stop) } else { Ok(()) }
    }

    /// Pushes `output` as a string and empties it.
    pub(crate) fn push_output(&mut self, stack: Stack) {
        stack.push_bytes(&self.output);
        self.release();
    }

    /// Empties what a function has left that was unwound by the VM, for want of memory.
    #[inline]
    pub(crate) fn forget_unfinished(&mut self) {
        if !(self.output.is_empty()
            && self.walk.is_idle()
            && self.levels.is_empty()
            && self.containers.is_empty())
        {
            self.release();
        }
    }

    /// Empties the scratch memory (but the message) and gives back what was unusually large.
    pub(crate) fn release(&mut self) {
        self.output.clear();
        self.output.shrink_to(KEPT_SCRATCH_BYTES);
        self.text.clear();
        self.text.shrink_to(KEPT_SCRATCH_BYTES);
        self.walk.release(KEPT_SCRATCH_BYTES);
        self.levels.clear();
        self.containers.clear();
    }
}

/// Makes the libraries' functions fields of the tables that `open` names, and leaves one table of them on the stack:
/// `{bit = {...}, cjson = {...}, ...}`.
///
/// # Safety
/// `shared` lives as long as the state.
pub(crate) unsafe fn push_all(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 8);
    // SAFETY: the caller's.
    unsafe {
        bit::push(stack, shared);
        stack.set_field(-2, "bit");
        structs::push(stack, shared);
        stack.set_field(-2, "struct");
        cmsgpack::push(stack, shared);
        stack.set_field(-2, "cmsgpack");
        cjson::push(stack, shared);
        stack.set_field(-2, "cjson");
        random::push(stack, shared);
        stack.set_field(-2, "random");
        text::push(stack, shared);
        stack.set_field(-2, "text");
    }
}
