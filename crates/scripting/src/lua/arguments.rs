//! KEYS and ARGV of the running script: globals that change from run to run.
//!
//! Making two tables is a good part of what a short script costs. So the tables of one run serve the next one too, unless the
//! script was suspended (then they stay its own) or has done more to them than change their few strings. To most
//! scripts' texts one sees that they only read them.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::libraries::{push_bytes, push_list_with_room};
use super::machine::Machine;
use crate::sandbox::ArgumentUse;

/// The two globals.
pub(super) struct Arguments {
    /// References to their names.
    names: [c_int; 2],
    idle: [Option<Idle>; 2],
    /// They are set.
    present: bool,
}

/// A table that stands there and that the next run may have.
#[derive(Clone, Copy)]
struct Idle {
    reference: c_int,
    /// How many strings are in it, if nobody can have changed that.
    length: Option<usize>,
}

/// Longer lists are made anew: to look through an old one costs more.
const FEW: usize = 6;

impl Arguments {
    /// Neither is there.
    ///
    /// # Safety
    /// A protected call in a fresh state, or one whose limit is lifted.
    pub(super) unsafe fn new(state: *mut lua_State) -> Self {
        let names = [c"KEYS", c"ARGV"].map(|name| {
            // SAFETY: the caller's.
            unsafe {
                ffi::lua_pushstring_(state, name.as_ptr());
                ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX)
            }
        });
        Arguments { names, idle: [None; 2], present: false }
    }
}

impl Machine {
    /// Makes KEYS and ARGV of these, for a script that uses them so.
    pub(crate) fn set_arguments(&mut self, keys: &[&[u8]], args: &[&[u8]], uses: ArgumentUse) {
        let state = self.state;
        self.arguments.present = true;
        for (which, values) in [keys, args].into_iter().enumerate() {
            let length = (uses == ArgumentUse::Reads).then_some(values.len());
            // SAFETY: no slice runs; the limit is lifted; a few slots are always free on the main stack.
            unsafe {
                if let Some(idle) = &mut self.arguments.idle[which]
                    && refill(state, idle, values)
                {
                    idle.length = length;
                    continue;
                }
                self.let_go(which);
                self.sandbox.push_globals(state);
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.arguments.names[which]);
                push_list_with_room(state, values, FEW);
                if values.len() <= FEW {
                    ffi::lua_pushvalue(state, -1);
                    let reference = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                    self.arguments.idle[which] = Some(Idle { reference, length });
                }
                ffi::lua_rawset(state, -3);
                ffi::lua_settop(state, -2);
            }
        }
    }

    /// Takes KEYS and ARGV away, for a function, which is given them otherwise: those of another run are not its business.
    pub(crate) fn clear_arguments(&mut self) {
        if !std::mem::take(&mut self.arguments.present) {
            return;
        }
        let state = self.state;
        for (which, name) in self.arguments.names.into_iter().enumerate() {
            // SAFETY: as in set_arguments.
            unsafe {
                self.let_go(which);
                self.sandbox.push_globals(state);
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, name);
                ffi::lua_pushnil(state);
                ffi::lua_rawset(state, -3);
                ffi::lua_settop(state, -2);
            }
        }
    }

    /// References to the present KEYS and ARGV, for a script that will go on later: nobody else gets them.
    pub(crate) fn save_arguments(&mut self) -> [c_int; 2] {
        let state = self.state;
        [0, 1].map(|which| {
            // SAFETY: as in set_arguments.
            unsafe {
                self.let_go(which);
                self.sandbox.push_globals(state);
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.arguments.names[which]);
                ffi::lua_rawget_(state, -2);
                let reference = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                ffi::lua_settop(state, -2);
                reference
            }
        })
    }

    /// Makes KEYS and ARGV of what was saved, and gives the references back.
    pub(crate) fn restore_arguments(&mut self, saved: [c_int; 2]) {
        let state = self.state;
        self.arguments.present = true;
        for (which, reference) in saved.into_iter().enumerate() {
            // SAFETY: as in set_arguments; the reference is from save_arguments.
            unsafe {
                self.let_go(which);
                self.sandbox.push_globals(state);
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.arguments.names[which]);
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, reference);
                ffi::lua_rawset(state, -3);
                ffi::lua_settop(state, -2);
                ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, reference);
            }
        }
    }

    /// Whoever has the table keeps it.
    fn let_go(&mut self, which: usize) {
        if let Some(idle) = self.arguments.idle[which].take() {
            // SAFETY: made by luaL_ref.
            unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, idle.reference) };
        }
    }
}

/// Makes a list of these strings of the table, if it is still a short list.
unsafe fn refill(state: *mut lua_State, idle: &Idle, values: &[&[u8]]) -> bool {
    // SAFETY: the caller's; the strings are pushed and stored one by one.
    unsafe {
        if values.len() > FEW {
            return false;
        }
        if idle.length == Some(0) && values.is_empty() {
            return true;
        }
        let top = ffi::lua_gettop(state);
        ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, idle.reference);
        let Some(length) = idle.length.or_else(|| length_of_list(state)) else {
            ffi::lua_settop(state, top);
            return false;
        };
        for (at, value) in values.iter().enumerate() {
            push_bytes(state, value);
            ffi::lua_rawseti_(state, -2, at as c_int + 1);
        }
        for at in values.len()..length {
            ffi::lua_pushnil(state);
            ffi::lua_rawseti_(state, -2, at as c_int + 1);
        }
        ffi::lua_settop(state, top);
        true
    }
}

/// The largest index in the table on top, if it has only small positive ones and no metatable. May leave values on the stack.
unsafe fn length_of_list(state: *mut lua_State) -> Option<usize> {
    // SAFETY: the caller's; `lua_next` is given the key that it has pushed.
    unsafe {
        if ffi::lua_getmetatable(state, -1) != 0 {
            return None;
        }
        let mut longest = 0;
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            ffi::lua_settop(state, -2);
            if ffi::lua_type(state, -1) != ffi::LUA_TNUMBER {
                return None;
            }
            let index = ffi::lua_tonumber(state, -1);
            if !(1.0..=FEW as f64).contains(&index) || index.fract() != 0.0 {
                return None;
            }
            longest = longest.max(index as usize);
        }
        Some(longest)
    }
}
