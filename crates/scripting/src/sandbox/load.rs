//! Loading chunks: text only, in the sandbox's environment.

use std::ffi::{CStr, c_char, c_int, c_void};

use mlua::ffi::{self, lua_State};

use crate::library::Shared;
use crate::lua::should_stop;
use crate::sandbox::text::Text;
use crate::sandbox::{arguments, bytecode, escapes, optimized, tail_calls};
use crate::stack::{Kind, Outcome, Raise, Stack};

unsafe extern "C-unwind" {
    /// LuaJIT's `lua_load` with the kinds of chunk that it may accept; not among mlua's declarations.
    fn lua_loadx(
        state: *mut lua_State,
        reader: unsafe extern "C-unwind" fn(*mut lua_State, *mut c_void, *mut usize) -> *const c_char,
        data: *mut c_void,
        name: *const c_char,
        mode: *const c_char,
    ) -> c_int;
}

/// Takes the view of the globals and, below it, the globals from the stack; they become the main environment.
pub(super) unsafe fn set_environments(stack: Stack, shared: *mut Shared) {
    let state = stack.state();
    // SAFETY: the caller's.
    unsafe {
        (*shared).bytecode.global_view = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        stack.push_value(-1);
        (*shared).bytecode.globals = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        ffi::lua_replace(state, ffi::LUA_GLOBALSINDEX);
    }
}

/// The registry reference of the real table of globals.
pub(super) fn globals(shared: &Shared) -> c_int {
    shared.bytecode.globals
}

/// Pushes the compiled chunk, or the error message and returns false. Takes three slots.
pub(super) fn load(stack: Stack, shared: &Shared, chunk: &[u8], name: &CStr) -> bool {
    compile(stack, chunk, name) && finish(stack, shared)
}

/// Raises nothing: the caller may own what it passes.
fn compile(stack: Stack, chunk: &[u8], name: &CStr) -> bool {
    let rewritten = escapes::without_idle(chunk);
    let chunk = rewritten.as_deref().unwrap_or(chunk);
    let mut source = Source { lead: needs_lead(chunk), length: chunk.len(), rest: chunk, end_ns: None };
    // SAFETY: the source outlives the call; loading catches its own errors.
    let status = unsafe {
        lua_loadx(stack.state(), read, std::ptr::from_mut(&mut source).cast(), name.as_ptr(), c"t".as_ptr())
    };
    status == ffi::LUA_OK
}

/// Checks the function on top and gives it its environment.
fn finish(stack: Stack, shared: &Shared) -> bool {
    let state = stack.state();
    let traits = bytecode::scan(stack, shared.bytecode);
    if traits.has_foreign_numbers {
        refuse_foreign_number(stack);
        return false;
    }
    let environment =
        if traits.assigns_globals { shared.bytecode.global_view } else { shared.bytecode.globals };
    // SAFETY: the function is on top; nothing here allocates.
    unsafe {
        ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, environment);
        ffi::lua_setfenv(state, -2);
    }
    true
}

/// [`load`] for a script of which only the first returned value counts.
pub(super) fn load_script(stack: Stack, shared: &Shared, chunk: &[u8], name: &CStr) -> bool {
    let status = match tail_calls::without(chunk) {
        Some(rewritten) => compile(stack, &rewritten, name),
        None => compile(stack, chunk, name),
    };
    status && finish(stack, shared)
}

/// Compiles a script that [`load_script`] has compiled before so that its runs do less. Pushes it, or nothing if there is
/// nothing to gain; returns what it does with KEYS and ARGV, and whether it has pushed.
pub(super) fn load_optimized(
    stack: Stack,
    shared: &Shared,
    chunk: &[u8],
    name: &CStr,
) -> (ArgumentUse, bool) {
    let rewritten = tail_calls::without(chunk);
    let Some(text) = Text::new(rewritten.as_deref().unwrap_or(chunk)) else {
        return (ArgumentUse::Any, false);
    };
    let assigned = text.assigned();
    let only_read = arguments::are_only_read(&text, &assigned);
    let uses = if only_read { ArgumentUse::Reads } else { ArgumentUse::Any };
    let Some(maker) = optimized::optimized(&text, &assigned) else { return (uses, false) };
    // SAFETY: the maker on top takes nothing and gives one value.
    let made = unsafe {
        compile(stack, &maker, name)
            && finish(stack, shared)
            && ffi::lua_pcall(stack.state(), 0, 1, 0) == ffi::LUA_OK
    };
    if !made {
        // Its error, or the compiler's: of too many upvalues, for instance.
        stack.pop(1);
    }
    (uses, made)
}

/// What a script does with KEYS and ARGV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentUse {
    /// It reads what is in them.
    Reads,
    /// Anything.
    Any,
}

/// Pushes a library's compiled text with the environment at `index`, or the error message and returns false. Takes three slots.
pub(super) fn load_library(stack: Stack, shared: &Shared, chunk: &[u8], name: &CStr, index: c_int) -> bool {
    let rewritten = tail_calls::without(chunk);
    if !compile(stack, rewritten.as_deref().unwrap_or(chunk), name) {
        return false;
    }
    if bytecode::scan(stack, shared.bytecode).has_foreign_numbers {
        refuse_foreign_number(stack);
        return false;
    }
    stack.push_value(index);
    // SAFETY: the function is below the environment; nothing here allocates.
    unsafe { ffi::lua_setfenv(stack.state(), -2) };
    true
}

/// `loadstring`: the chunk's name is by default its text.
pub(super) fn loadstring(stack: Stack, shared: &mut Shared) -> Outcome {
    let chunk = stack.check_bytes(1)?;
    let name = match stack.kind(2) {
        Kind::None | Kind::Nil => chunk,
        Kind::String | Kind::Number => stack.bytes(2),
        _ => return Err(Raise::Type(2, c"string")),
    };
    // SAFETY: a Lua string is followed by a NUL; a NUL within ends the name, as in Lua.
    let name = unsafe { CStr::from_ptr(name.as_ptr().cast()) };
    if chunk.len() > shared.chunk_limit_bytes {
        stack.push_nil();
        stack.push_bytes(b"text is too long (see script-max-length)");
        return Ok(2);
    }
    let loaded = load(stack, shared, chunk, name);
    if should_stop() {
        return Err(Raise::Stop);
    } else if loaded {
        return Ok(1);
    }
    stack.push_nil();
    stack.insert(-2);
    Ok(2)
}

/// What the compiler gets at one go.
const PIECE: usize = 4 * 1024;

/// The time that the compiler may take, of the thread's own: many times what it needs for a text that is only long. For some, such as a
/// thousand `and` in one expression, it needs a time that grows with the square of the length.
const BUDGET_NS: u64 = 20_000_000;
const BUDGET_NS_PER_BYTE: u64 = 100;

struct Source<'a> {
    lead: bool,
    length: usize,
    rest: &'a [u8],
    /// When the time is over, in that of the thread; it begins with the second piece.
    end_ns: Option<u64>,
}

impl Source<'_> {
    /// Whether the compiler takes too long.
    fn is_out_of_time(&mut self) -> bool {
        if self.rest.is_empty() || self.rest.len() == self.length {
            return false;
        }
        let now_ns = thread_ns();
        let budget_ns = BUDGET_NS + BUDGET_NS_PER_BYTE * self.length as u64;
        now_ns > *self.end_ns.get_or_insert(now_ns + budget_ns)
    }
}

/// The processor time of this thread.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the record is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// LuaJIT skips a byte-order mark and a first line with `#`, and takes an escape character for bytecode; Lua 5.1 reads
/// all three as wrong text, and so does LuaJIT when a space comes first.
fn needs_lead(chunk: &[u8]) -> bool {
    matches!(chunk.first(), Some(b'#' | 0xef | 0x1b))
}

unsafe extern "C-unwind" fn read(
    state: *mut lua_State,
    source: *mut c_void,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: `load` passes its source; the piece is part of the chunk, which outlives the loading. An error that is raised
    // here is the compiler's, and nothing in this frame has a destructor.
    unsafe {
        let source = &mut *source.cast::<Source<'_>>();
        let piece: &[u8] = if source.lead {
            b" "
        } else if should_stop() {
            // The script that loads it is to end, and does when the compiler has given up.
            &[]
        } else if source.is_out_of_time() {
            let message = "text takes too long to compile";
            ffi::lua_pushlstring_(state, message.as_ptr().cast(), message.len());
            ffi::lua_error(state)
        } else {
            let (piece, rest) = source.rest.split_at(source.rest.len().min(PIECE));
            source.rest = rest;
            piece
        };
        source.lead = false;
        length.write(piece.len());
        piece.as_ptr().cast()
    }
}

/// Replaces the function on top by the message that Lua 5.1 has for a number such as `1LL`.
fn refuse_foreign_number(stack: Stack) {
    // SAFETY: `lua_getinfo` with ">" takes the function on top and fills the record.
    unsafe {
        let mut record: ffi::lua_Debug = std::mem::zeroed();
        ffi::lua_getinfo(stack.state(), c">S".as_ptr(), &mut record);
        ffi::lua_pushfstring(stack.state(), c"%s:1: malformed number".as_ptr(), record.short_src.as_ptr());
    }
}
