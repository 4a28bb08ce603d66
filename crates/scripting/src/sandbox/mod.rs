//! What a script can see: exactly the globals of redis-server 7.0.15 (and `os.clock`, which came in 7.2), read-only.
//!
//! The tables are built once in a VM by `prelude.lua`, which also says how they are protected. A chunk is loaded as text
//! only, and gets as its environment the real table of globals, or, if it assigns to a global anywhere, the read-only
//! view of it: so reading a global costs one lookup, and every assignment meets Redis's error.
//!
//! `redis`, `KEYS` and `ARGV` are not known here: the host adds them by [`Sandbox::protect`] and [`Sandbox::set_global`].

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use crate::library::{self, RunState, Shared};
use crate::stack::{Kind, Outcome, Raise, Stack, push_function, register};

mod arguments;
mod bytecode;
mod escapes;
mod leading;
mod load;
mod optimized;
mod scanner;
mod tail_calls;
mod text;

pub(crate) use load::ArgumentUse;

pub(crate) use bytecode::Bytecode;

const PRELUDE: &str = include_str!("prelude.lua");

/// The sandbox of one VM. A plain handle: it must not be used after its VM is closed.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox {
    shared: *mut Shared,
    view: c_int,
    mode: c_int,
}

/// Opens the sandbox in a VM: builds the libraries and globals and makes them those of the VM's main coroutine, and of
/// every coroutine created from it afterwards. Errors: out of memory.
pub fn open(lua: &mlua::Lua) -> mlua::Result<Sandbox> {
    let mut sandbox = None;
    // SAFETY: `exec_raw` runs the closure in a protected C call, and the closure owns nothing.
    unsafe { lua.exec_raw::<()>((), |state| sandbox = Some(open_raw(state)))? };
    sandbox.ok_or_else(|| mlua::Error::runtime("the sandbox did not open"))
}

/// [`open`] for a caller on the stack.
///
/// # Safety
/// `state` is a live Lua state and the call is protected.
pub unsafe fn open_raw(state: *mut lua_State) -> Sandbox {
    // SAFETY: the caller's; every push below stays within the slots reserved here.
    unsafe {
        let stack = Stack::new(state);
        let top = stack.top();
        ffi::luaL_checkstack(state, 20, c"sandbox".as_ptr());
        let shared = push_shared(stack);
        ffi::lua_pushvalue(state, -1);
        ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        (*shared).bytecode = bytecode::calibrate(stack);

        let loaded = ffi::luaL_loadbuffer(state, PRELUDE.as_ptr().cast(), PRELUDE.len(), c"=[C]".as_ptr());
        if loaded != ffi::LUA_OK {
            ffi::lua_error(state);
        }
        open_engine_libraries(stack);
        ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX);
        push_natives(stack, shared);
        ffi::lua_call(state, 2, 4);

        let mode = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        let view = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        load::set_environments(stack, shared);
        stack.set_top(top);
        Sandbox { shared, view, mode }
    }
}

impl Sandbox {
    /// Compiles a text chunk and pushes the function, or pushes the error message and returns false. `name` is a chunk
    /// name in Lua's form (`@user_script`).
    ///
    /// # Safety
    /// `state` belongs to this sandbox's VM and has three free slots.
    pub unsafe fn load(self, state: *mut lua_State, chunk: &[u8], name: &CStr) -> bool {
        // SAFETY: the caller's; loading catches its own errors.
        unsafe { load::load(Stack::new(state), &*self.shared, chunk, name) }
    }

    /// [`Sandbox::load`] for a script of which only the first returned value counts, as with EVAL: a call that it
    /// returns stays on the stack until it has returned, so that errors in it have the script's line.
    ///
    /// # Safety
    /// As [`Sandbox::load`].
    pub unsafe fn load_script(self, state: *mut lua_State, chunk: &[u8], name: &CStr) -> bool {
        // SAFETY: the caller's; loading catches its own errors.
        unsafe { load::load_script(Stack::new(state), &*self.shared, chunk, name) }
    }

    /// Compiles a script that [`Sandbox::load_script`] has compiled before so that its runs do less. Pushes it, or nothing if
    /// there is nothing to gain; returns what it does with KEYS and ARGV, and whether it has pushed.
    ///
    /// # Safety
    /// As [`Sandbox::load`], and no run is under way in the VM.
    pub(crate) unsafe fn load_optimized(
        self,
        state: *mut lua_State,
        chunk: &[u8],
        name: &CStr,
    ) -> (ArgumentUse, bool) {
        // SAFETY: the caller's; loading catches its own errors.
        unsafe { load::load_optimized(Stack::new(state), &*self.shared, chunk, name) }
    }

    /// [`Sandbox::load`] for a library, with the environment at `index` of the stack.
    ///
    /// # Safety
    /// As [`Sandbox::load`]; there is a table at the index.
    pub(crate) unsafe fn load_library(
        self,
        state: *mut lua_State,
        chunk: &[u8],
        name: &CStr,
        index: c_int,
    ) -> bool {
        // SAFETY: the caller's; loading catches its own errors.
        unsafe { load::load_library(Stack::new(state), &*self.shared, chunk, name, index) }
    }

    /// Pushes the function that makes a read-only view of a table.
    ///
    /// # Safety
    /// As [`Sandbox::load`].
    pub(crate) unsafe fn push_view(self, state: *mut lua_State) {
        // SAFETY: the caller's.
        unsafe { ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.view) };
    }

    /// The VM's block, for [`register`].
    pub(crate) fn shared(self) -> *mut Shared {
        self.shared
    }

    /// Pushes the real table of globals, which no script may reach.
    ///
    /// # Safety
    /// As [`Sandbox::load`].
    pub(crate) unsafe fn push_globals(self, state: *mut lua_State) {
        // SAFETY: the caller's.
        unsafe { ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, load::globals(&*self.shared)) };
    }

    /// Pops a value and makes it the global `name`, seen by all chunks. (A host that lets runs take turns sets `KEYS`
    /// and `ARGV` again before it resumes one.)
    ///
    /// # Safety
    /// As [`Sandbox::load`]; may raise a memory error.
    pub unsafe fn set_global(self, state: *mut lua_State, name: &CStr) {
        // SAFETY: the caller's; the real table of globals lies in the registry.
        unsafe {
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, load::globals(&*self.shared));
            ffi::lua_pushstring_(state, name.as_ptr());
            ffi::lua_pushvalue(state, -3);
            ffi::lua_rawset(state, -3);
            ffi::lua_settop(state, -3);
        }
    }

    /// Replaces the table on top by a read-only view of it, as the library tables are.
    ///
    /// # Safety
    /// As [`Sandbox::load`]; may raise a memory error.
    pub unsafe fn protect(self, state: *mut lua_State) {
        // SAFETY: the caller's.
        unsafe {
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.view);
            ffi::lua_insert(state, -2);
            ffi::lua_call(state, 1, 1);
        }
    }

    /// Whether `pairs`, `next` and `table.foreach` walk tables in a fixed order (for deterministic runs), or in LuaJIT's,
    /// which differs from VM to VM.
    ///
    /// # Safety
    /// As [`Sandbox::load`]; may raise a memory error.
    pub unsafe fn set_ordered(self, state: *mut lua_State, ordered: bool) {
        // SAFETY: the caller's.
        unsafe {
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.mode);
            ffi::lua_pushstring_(state, c"ordered".as_ptr());
            ffi::lua_pushboolean(state, c_int::from(ordered));
            ffi::lua_rawset(state, -3);
            ffi::lua_settop(state, -2);
        }
    }

    /// Swaps the VM's present run state (library settings, random sequence) with `run`.
    ///
    /// # Safety
    /// The VM is open, and no library function of it is running.
    pub unsafe fn exchange(self, run: &mut RunState) {
        // SAFETY: the caller's.
        unsafe { std::mem::swap(&mut (*self.shared).run, run) }
    }

    /// Sets how long a text may be that `loadstring` compiles.
    ///
    /// # Safety
    /// As [`Sandbox::exchange`].
    pub(crate) unsafe fn set_chunk_limit(self, bytes: usize) {
        // SAFETY: the caller's.
        unsafe { (*self.shared).chunk_limit_bytes = bytes }
    }

    /// Sets how many bytes an encoder may write in one call before it raises "not enough memory"; its buffer is not
    /// part of the VM's own limit.
    ///
    /// # Safety
    /// As [`Sandbox::exchange`].
    pub unsafe fn set_output_limit(self, bytes: usize) {
        // SAFETY: the caller's.
        unsafe { (*self.shared).output_limit_bytes = bytes }
    }
}

/// Pushes the userdata that owns the VM's shared block, and returns the block.
unsafe fn push_shared(stack: Stack) -> *mut Shared {
    unsafe extern "C-unwind" fn drop_shared(state: *mut lua_State) -> c_int {
        // SAFETY: the finalizer of the userdata below, called once, when the VM closes.
        unsafe {
            let slot = ffi::lua_touserdata(state, 1).cast::<*mut Shared>();
            let shared = slot.replace(std::ptr::null_mut());
            if !shared.is_null() {
                drop(Box::from_raw(shared));
            }
        }
        0
    }
    let state = stack.state();
    // SAFETY: the caller's; the block is made only when nothing after it can fail before it is stored.
    unsafe {
        let slot = ffi::lua_newuserdata(state, size_of::<*mut Shared>()).cast::<*mut Shared>();
        slot.write(std::ptr::null_mut());
        stack.push_table(0, 1);
        ffi::lua_pushcclosure(state, drop_shared, 0);
        stack.set_field(-2, "__gc");
        ffi::lua_setmetatable(state, -2);
        let shared = Box::into_raw(Box::new(Shared::new()));
        slot.write(shared);
        shared
    }
}

/// Opens the engine's libraries that the prelude picks from, and the compiler if the VM's maker has not.
unsafe fn open_engine_libraries(stack: Stack) {
    let state = stack.state();
    // SAFETY: the caller's.
    unsafe {
        for (name, open) in [
            (c"", ffi::luaopen_base as ffi::lua_CFunction),
            (c"table", ffi::luaopen_table),
            (c"string", ffi::luaopen_string),
            (c"math", ffi::luaopen_math),
        ] {
            ffi::lua_pushcclosure(state, open, 0);
            ffi::lua_pushstring_(state, name.as_ptr());
            ffi::lua_call(state, 1, 0);
        }
        ffi::lua_getfield_(state, ffi::LUA_GLOBALSINDEX, c"jit".as_ptr());
        if stack.kind(-1) == Kind::Nil {
            ffi::lua_pushcclosure(state, ffi::luaopen_jit, 0);
            ffi::lua_pushstring_(state, c"jit".as_ptr());
            ffi::lua_call(state, 1, 0);
        }
        stack.pop(1);
    }
}

/// Pushes the table of our own functions that the prelude takes.
unsafe fn push_natives(stack: Stack, shared: *mut Shared) {
    // SAFETY: the caller's.
    unsafe {
        library::push_all(stack, shared);
        register(stack, shared, "loadstring", load::loadstring);
        register(stack, shared, "clock", clock);
        register(stack, shared, "require_function", |_, _| Err(Raise::Type(1, c"function")));
        register(stack, shared, "require_table", |_, _| Err(Raise::Type(1, c"table")));
        register(stack, shared, "require_text", |_, _| Err(Raise::Type(2, c"string")));
        register(stack, shared, "require_order", |_, _| Err(Raise::Type(2, c"function")));
        ffi::lua_pushcclosure(stack.state(), crate::lua::pause, 0);
        stack.set_field(-2, "pause");
        ffi::lua_pushcclosure(stack.state(), crate::lua::running, 0);
        stack.set_field(-2, "running");
        push_function(stack, shared, refuse_option);
        stack.set_field(-2, "refuse_option");
    }
}

fn clock(stack: Stack, _: &mut Shared) -> Outcome {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the record is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    let microseconds = time.tv_sec * 1_000_000 + time.tv_nsec / 1_000;
    stack.push_number(microseconds as f64 / 1_000_000.0);
    Ok(1)
}

fn refuse_option(stack: Stack, shared: &mut Shared) -> Outcome {
    let option = stack.check_bytes(1)?;
    shared.set_message(format_args!("invalid option '"));
    shared.message.extend_from_slice(option);
    shared.message.push(b'\'');
    Err(Raise::ArgumentMessage(1))
}
