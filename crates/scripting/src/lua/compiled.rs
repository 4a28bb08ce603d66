//! Compiled scripts: kept by a VM for as long as they are cached, and improved when they are run again.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use perigee_commands::scripts::Script;

use super::machine::{ALL_FUNCTIONS, Machine, luaJIT_setmode, string_at};
use crate::sandbox::{ArgumentUse, Sandbox};

/// A compiled script: a reference into the registry, and how often it was run.
pub(super) struct Compiled {
    reference: c_int,
    uses: ArgumentUse,
    runs: u32,
    script: Arc<Script>,
}

impl Machine {
    /// Compiles a script, unless it was. Returns it, and what it does with its arguments.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn compile(&mut self, script: &Arc<Script>) -> Result<(c_int, ArgumentUse), Vec<u8>> {
        if let Some(compiled) = self.functions.get_mut(&script.id) {
            compiled.runs = compiled.runs.saturating_add(1);
            if compiled.runs <= RUNS_BEFORE_RECOMPILING {
                // SAFETY: no slice runs; the limit is lifted.
                unsafe { compiled.improve(self.state, self.sandbox) };
            }
            return Ok((compiled.reference, compiled.uses));
        }
        // SAFETY: no slice runs and the limit is lifted, so that nothing here raises.
        unsafe {
            if !self.sandbox.load_script(self.state, script.body(), NAME) {
                let message = string_at(self.state, -1).to_vec();
                ffi::lua_settop(self.state, -2);
                return Err(message);
            }
            let reference = ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX);
            let uses = ArgumentUse::Any;
            self.functions.insert(script.id, Compiled { reference, uses, runs: 0, script: script.clone() });
            Ok((reference, uses))
        }
    }

    /// Forgets all compiled scripts.
    pub(crate) fn forget(&mut self) {
        for (_, Compiled { reference, .. }) in self.functions.drain() {
            // SAFETY: made by luaL_ref.
            unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, reference) };
        }
    }

    /// Forgets compiled scripts that have left the cache.
    pub(crate) fn sweep(&mut self) {
        let state = self.state;
        self.functions.retain(|_, compiled| {
            let stays = !compiled.script.is_evicted();
            if !stays {
                // SAFETY: made by luaL_ref.
                unsafe { ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, compiled.reference) };
            }
            stays
        });
    }
}

impl Compiled {
    /// Spends more on a script that is run again.
    ///
    /// # Safety
    /// No slice runs, and the limit is lifted.
    unsafe fn improve(&mut self, state: *mut lua_State, sandbox: Sandbox) {
        // SAFETY: the caller's; what is pushed is taken away.
        unsafe {
            if self.runs == RUNS_BEFORE_OPTIMIZING {
                let (uses, pushed) = sandbox.load_optimized(state, self.script.body(), NAME);
                self.uses = uses;
                if pushed {
                    ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, self.reference);
                    self.reference = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                }
            } else if self.runs == RUNS_BEFORE_RECOMPILING {
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.reference);
                luaJIT_setmode(state, -1, ALL_FUNCTIONS | FLUSH);
                ffi::lua_settop(state, -2);
            }
        }
    }
}

/// What the chunk of a script is called.
const NAME: &CStr = c"@user_script";

/// A text that is run once is left as it is: to read it costs more than it gives.
const RUNS_BEFORE_OPTIMIZING: u32 = 2;

/// Machine code for the first closures of a function is made for each of them alone; from the third on LuaJIT makes it for
/// all. A script makes its closures anew in every run, so what was compiled before is dropped once.
const RUNS_BEFORE_RECOMPILING: u32 = RUNS_BEFORE_OPTIMIZING + 5;

/// For `luaJIT_setmode`: drop machine code.
const FLUSH: c_int = 0x200;
