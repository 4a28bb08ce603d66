//! A VM with the sandbox open, and nothing of the host.
#![allow(dead_code, reason = "each test uses a part of it")]

use mlua::ffi;
use perigee_scripting::library::RunState;
use perigee_scripting::sandbox::{self, Sandbox};

pub(crate) struct Vm {
    lua: mlua::Lua,
    sandbox: Sandbox,
}

impl Vm {
    pub(crate) fn new() -> Vm {
        let lua = mlua::Lua::new();
        let sandbox = sandbox::open(&lua).expect("the sandbox opens");
        Vm { lua, sandbox }
    }

    /// What the script returns, as a string, or the error that ends it.
    pub(crate) fn bytes(&self, script: &str) -> Vec<u8> {
        // SAFETY: protected by `exec_raw`; the closure owns nothing.
        let result = unsafe {
            self.lua.exec_raw::<mlua::LuaString>((), |state| {
                if self.sandbox.load_script(state, script.as_bytes(), c"@user_script") {
                    ffi::lua_pcall(state, 0, 1, 0);
                }
            })
        };
        match result {
            Ok(text) => text.as_bytes().to_vec(),
            Err(error) => error.to_string().into_bytes(),
        }
    }

    pub(crate) fn text(&self, script: &str) -> String {
        String::from_utf8_lossy(&self.bytes(script)).into_owned()
    }

    pub(crate) fn set_memory_limit(&self, bytes: usize) {
        self.lua.set_memory_limit(bytes).expect("the VM has its own allocator");
    }

    pub(crate) fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    pub(crate) fn set_output_limit(&self, bytes: usize) {
        // SAFETY: the VM is open and idle.
        unsafe { self.sandbox.set_output_limit(bytes) }
    }

    pub(crate) fn set_ordered(&self, ordered: bool) {
        // SAFETY: protected by `exec_raw`; the closure owns nothing.
        unsafe { self.lua.exec_raw::<()>((), |state| self.sandbox.set_ordered(state, ordered)) }
            .expect("memory");
    }

    pub(crate) fn exchange(&self, run: &mut RunState) {
        // SAFETY: the VM is open and idle.
        unsafe { self.sandbox.exchange(run) }
    }
}
