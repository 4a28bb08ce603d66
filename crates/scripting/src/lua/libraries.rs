//! Libraries in the VM: instances of them, the coroutines that run their texts and functions.
//!
//! What they see and how they register is in `sandbox/libraries.lua`. An instance is one run of a library's text: its
//! functions, with the variables that they share. One run of a function has an instance for itself.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use perigee_commands::functions::{Loaded, Registered, Source, Sources};

use super::CURRENT;
use super::api::{self, Audience};
use super::machine::{Machine, Thread, string_at};
use crate::sandbox::Sandbox;
use crate::stack::Stack;

const PROGRAM: &str = include_str!("../sandbox/libraries.lua");

/// The functions of `libraries.lua`, in the registry.
#[derive(Clone, Copy)]
pub(super) struct Entries {
    new_instance: c_int,
    load: c_int,
    load_and_call: c_int,
}

/// An instance of a library, in the registry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instance {
    whole: c_int,
    functions: c_int,
}

/// What is being loaded: belongs to a run, and to the VM during its slices.
#[derive(Clone)]
pub(crate) struct Loading {
    /// The instance that comes of it.
    pub(crate) instance: Instance,
    /// The libraries that it may require.
    pub(crate) others: Arc<Sources>,
}

/// A function about to be called.
pub(crate) struct FunctionCall<'a> {
    /// As it was registered.
    pub(crate) name: &'a str,
    pub(crate) keys: &'a [&'a [u8]],
    pub(crate) args: &'a [&'a [u8]],
}

/// Prepares a VM for libraries.
///
/// # Safety
/// A protected call with a live state, whose `redis` table is not among the globals yet.
pub(super) unsafe fn open(state: *mut lua_State, sandbox: Sandbox) -> Entries {
    // SAFETY: the caller's.
    unsafe {
        let loaded = ffi::luaL_loadbuffer(state, PROGRAM.as_ptr().cast(), PROGRAM.len(), c"=[C]".as_ptr());
        if loaded != ffi::LUA_OK {
            ffi::lua_error(state);
        }
        let stack = Stack::new(state);
        sandbox.push_globals(state);
        sandbox.push_view(state);
        stack.push_table(0, 2);
        ffi::lua_pushcclosure(state, loading, 0);
        stack.set_field(-2, "loading");
        ffi::lua_pushcclosure(state, chunk_of, 0);
        stack.set_field(-2, "chunk_of");
        api::push(state, sandbox.shared(), Audience::Library);
        api::push(state, sandbox.shared(), Audience::Function);
        ffi::lua_call(state, 5, 3);
        let [load_and_call, load, new_instance] =
            [(); 3].map(|()| ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
        Entries { new_instance, load, load_and_call }
    }
}

// SAFETY (for every method): no slice runs, and the limit is lifted, so that nothing raises; a few slots are always free
// on the main stack.
impl Machine {
    /// Makes an instance, whose text has not been run.
    pub(crate) fn new_instance(&mut self, name: &str) -> Instance {
        let state = self.state;
        // SAFETY: see impl.
        unsafe {
            self.push(self.libraries.new_instance);
            push_bytes(state, name.as_bytes());
            ffi::lua_call(state, 1, 1);
            push_field(state, -1, "functions");
            let functions = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
            Instance { whole: ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX), functions }
        }
    }

    /// Lets an instance go.
    pub(crate) fn drop_instance(&mut self, instance: Instance) {
        for reference in [instance.whole, instance.functions] {
            // SAFETY: made by luaL_ref.
            unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, reference) };
        }
    }

    /// Whether the instance's text has come to its end, so that its functions can be called.
    pub(crate) fn is_ready(&mut self, instance: Instance) -> bool {
        self.flag(instance, "ready")
    }

    /// A coroutine that is about to run a library's text.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn loading_thread(&mut self, instance: Instance, source: &Source) -> Result<Thread, Vec<u8>> {
        self.compile_library(instance, source)?;
        let thread = self.empty_thread(2, 0);
        // SAFETY: see impl; the chunk is on the main stack.
        unsafe {
            self.push(self.libraries.load);
            self.push(instance.whole);
            ffi::lua_pushvalue(self.state, -3);
            ffi::lua_xmove(self.state, thread.state, 3);
            ffi::lua_settop(self.state, -2);
        }
        Ok(thread)
    }

    /// A coroutine that is about to run a library's text and then a function.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn first_thread(
        &mut self,
        instance: Instance,
        source: &Source,
        call: &FunctionCall<'_>,
    ) -> Result<Thread, Vec<u8>> {
        self.compile_library(instance, source)?;
        let thread = self.empty_thread(5, 0);
        // SAFETY: see impl; the chunk is on the main stack.
        unsafe {
            self.push(self.libraries.load_and_call);
            self.push(instance.whole);
            ffi::lua_pushvalue(self.state, -3);
            ffi::lua_xmove(self.state, thread.state, 3);
            ffi::lua_settop(self.state, -2);
            push_bytes(thread.state, call.name.as_bytes());
            push_list(thread.state, call.keys);
            push_list(thread.state, call.args);
        }
        Ok(thread)
    }

    /// A coroutine that is about to call a function of an instance that is ready, and keeps so many bytes.
    pub(crate) fn call_thread(
        &mut self,
        instance: Instance,
        kept_bytes: usize,
        call: &FunctionCall<'_>,
    ) -> Thread {
        let thread = self.empty_thread(2, kept_bytes);
        let state = thread.state;
        // SAFETY: see impl; the coroutine's stack has room for a few values.
        unsafe {
            ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, instance.functions);
            push_field(state, -1, call.name);
            ffi::lua_insert(state, -2);
            ffi::lua_settop(state, -2);
            push_list(state, call.keys);
            push_list(state, call.args);
        }
        thread
    }

    /// Where a function is defined, as `@user_function:3`: for errors that have lost their place.
    pub(crate) fn definition(&mut self, instance: Instance, name: &str) -> Option<String> {
        let state = self.state;
        // SAFETY: see impl; `lua_getinfo` with ">" takes the function on top and fills the record, which is ours.
        unsafe {
            self.push(instance.functions);
            push_field(state, -1, name);
            let is_function = ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION;
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if is_function {
                ffi::lua_getinfo(state, c">S".as_ptr(), &mut record);
            }
            ffi::lua_settop(state, if is_function { -2 } else { -3 });
            let source = is_function.then(|| CStr::from_ptr(record.source).to_string_lossy())?;
            Some(format!("{source}:{}", record.linedefined.max(1)))
        }
    }

    /// What is being loaded in the next slice.
    pub(crate) fn loading(&mut self) -> &mut Option<Loading> {
        &mut self.slot().loading
    }

    /// What an instance's text has registered and required. Names that it required are looked up in `others`.
    pub(crate) fn loaded(&mut self, instance: Instance, others: &Sources) -> Loaded {
        let returns_value = self.flag(instance, "returns_table");
        let state = self.state;
        // SAFETY: see impl; the tables are as `libraries.lua` makes them.
        unsafe {
            self.push(instance.whole);
            push_field(state, -1, "registered");
            let functions = each(state, |state| Registered {
                name: text_field(state, "name").unwrap_or_default(),
                description: text_field(state, "description"),
                flags: {
                    push_field(state, -1, "flags");
                    each(state, |state| string_at(state, -1).into())
                },
            });
            push_field(state, -1, "requires");
            let names = each(state, |state| String::from_utf8_lossy(string_at(state, -1)).into_owned());
            ffi::lua_settop(state, -2);
            let required = names.iter().filter_map(|name| others.get_key_value(&**name));
            let requires = required.map(|(name, source)| (name.clone(), source.clone())).collect();
            Loaded { functions, requires, returns_value }
        }
    }

    fn compile_library(&mut self, instance: Instance, source: &Source) -> Result<(), Vec<u8>> {
        let state = self.state;
        // SAFETY: see impl.
        unsafe {
            self.push(instance.whole);
            push_field(state, -1, "environment");
            let environment = ffi::lua_gettop(state);
            let compiled = self.sandbox.load_library(state, source.body(), c"@user_function", environment);
            ffi::lua_insert(state, -3);
            ffi::lua_settop(state, -3);
            if compiled {
                return Ok(());
            }
            let message = string_at(state, -1).to_vec();
            ffi::lua_settop(state, -2);
            Err(message)
        }
    }

    fn flag(&mut self, instance: Instance, name: &str) -> bool {
        // SAFETY: see impl.
        unsafe {
            self.push(instance.whole);
            push_field(self.state, -1, name);
            let value = ffi::lua_toboolean(self.state, -1) != 0;
            ffi::lua_settop(self.state, -3);
            value
        }
    }

    unsafe fn push(&self, reference: c_int) {
        // SAFETY: the caller's.
        unsafe { ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference) };
    }
}

/// Pops a list and makes something of each of its elements, which is on top of the stack then.
unsafe fn each<T>(state: *mut lua_State, make: impl Fn(*mut lua_State) -> T) -> Vec<T> {
    let mut made = Vec::new();
    // SAFETY: the caller's; a list is on top.
    unsafe {
        for at in 1.. {
            ffi::lua_rawgeti_(state, -1, at);
            if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                break;
            }
            made.push(make(state));
            ffi::lua_settop(state, -2);
        }
        ffi::lua_settop(state, -3);
    }
    made
}

/// The text in a field of the table on top.
fn text_field(state: *mut lua_State, name: &str) -> Option<Box<[u8]>> {
    // SAFETY: called by `each` on the tables of `libraries.lua`.
    unsafe {
        push_field(state, -1, name);
        let text = (ffi::lua_type(state, -1) == ffi::LUA_TSTRING).then(|| string_at(state, -1).into());
        ffi::lua_settop(state, -2);
        text
    }
}

pub(super) unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the caller's; the pointer of an empty slice is not read.
    unsafe { ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len()) };
}

/// Pushes the field of the table at an index from the top.
unsafe fn push_field(state: *mut lua_State, table: c_int, name: &str) {
    // SAFETY: the caller's.
    unsafe {
        push_bytes(state, name.as_bytes());
        ffi::lua_rawget_(state, table - 1);
    }
}

/// Pushes a table of strings.
unsafe fn push_list(state: *mut lua_State, values: &[&[u8]]) {
    // SAFETY: the caller's.
    unsafe { push_list_with_room(state, values, 0) };
}

/// [`push_list`], with room for at least so many.
pub(super) unsafe fn push_list_with_room(state: *mut lua_State, values: &[&[u8]], room: usize) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, values.len().max(room) as c_int, 0);
        for (at, value) in values.iter().enumerate() {
            push_bytes(state, value);
            ffi::lua_rawseti_(state, -2, at as c_int + 1);
        }
    }
}

/// Called by the program: the instance that is being loaded, or nil.
unsafe extern "C-unwind" fn loading(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of a VM; the slot is null where nothing runs.
    unsafe {
        let slot = CURRENT.get();
        let loading = if slot.is_null() { None } else { (*slot).loading.as_ref() };
        match loading {
            Some(loading) => ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, loading.instance.whole),
            None => ffi::lua_pushnil(state),
        }
        1
    }
}

/// How much of a required library's name errors show, and what is around it.
const PLACE: usize = 60;

/// Called by the program with a library's name and an environment: its compiled text; or nil, and the compiler's message
/// if there is such a library.
unsafe extern "C-unwind" fn chunk_of(state: *mut lua_State) -> c_int {
    // SAFETY: a C function of a VM during a slice; compiling raises nothing, and nothing else here allocates.
    unsafe {
        let slot = CURRENT.get();
        let loading = if slot.is_null() { None } else { (*slot).loading.as_ref() };
        let name = std::str::from_utf8(string_at(state, 1)).unwrap_or_default();
        let source = loading.and_then(|loading| loading.others.get(name));
        let (Some(source), Some(sandbox)) = (source, (*slot).sandbox) else {
            ffi::lua_pushnil(state);
            return 1;
        };
        let mut place = [0; PLACE];
        let text = [b"@library ".as_slice(), source.name.as_bytes()];
        for (to, from) in place[..PLACE - 1].iter_mut().zip(text.into_iter().flatten()) {
            *to = *from;
        }
        let place = CStr::from_bytes_until_nul(&place).unwrap_or(c"@library");
        if sandbox.load_library(state, source.body(), place, 2) {
            return 1;
        }
        ffi::lua_pushnil(state);
        ffi::lua_insert(state, -2);
        2
    }
}
