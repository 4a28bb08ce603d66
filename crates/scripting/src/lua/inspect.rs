//! Looking into a script that stands still: its variables, its levels, and what a value looks like to people.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_Debug, lua_State};

use crate::debugger::{Level, write_quoted};
use crate::library::write_general;

/// Tables in tables are shown so deep.
const DEPTH: usize = 10;
/// A value's text is not continued beyond.
const LENGTH: usize = 1 << 20;

/// The value at an index, as the debugger shows it.
///
/// # Safety
/// `state` is live and the memory limit lifted; raw accesses only.
pub(super) unsafe fn show(state: *mut lua_State, index: c_int) -> Vec<u8> {
    let mut text = Vec::new();
    // SAFETY: the caller's; the copy is popped again.
    unsafe {
        ffi::lua_pushvalue(state, index);
        write(&mut text, state, 0);
        ffi::lua_settop(state, -2);
    }
    text
}

/// The levels of a coroutine, the innermost first. To be called from its hook: a coroutine that is suspended there no longer
/// knows which of its variables are visible.
///
/// # Safety
/// As [`show`].
pub(super) unsafe fn levels(state: *mut lua_State) -> Vec<Level> {
    let mut levels = Vec::new();
    // SAFETY: the caller's.
    unsafe {
        let mut record: lua_Debug = std::mem::zeroed();
        while ffi::lua_getstack(state, levels.len() as c_int, &mut record) != 0
            && ffi::lua_getinfo(state, c"Snl".as_ptr(), &mut record) != 0
        {
            let name = (!record.name.is_null()).then(|| CStr::from_ptr(record.name).to_bytes().to_vec());
            let variables = variables_of(state, &record);
            let line = i64::from(record.currentline);
            levels.push(Level { name, line, is_script: is_script(&record), variables });
        }
    }
    levels
}

unsafe fn variables_of(state: *mut lua_State, record: &lua_Debug) -> Vec<(Vec<u8>, c_int)> {
    let mut found = Vec::new();
    // SAFETY: the caller's; each value is popped again.
    unsafe {
        if ffi::lua_checkstack(state, 4) == 0 {
            return found;
        }
        for slot in 1.. {
            let name = ffi::lua_getlocal(state, record, slot);
            if name.is_null() {
                break;
            }
            ffi::lua_settop(state, -2);
            let name = CStr::from_ptr(name).to_bytes();
            if !name.starts_with(b"(*temporary)") {
                found.push((name.to_vec(), slot));
            }
        }
    }
    found
}

/// The value of a variable that is visible by this name from the innermost level or from one of its callers.
///
/// # Safety
/// As [`show`]; `state` is suspended, and these are its levels.
pub(super) unsafe fn variable(state: *mut lua_State, levels: &[Level], name: &[u8]) -> Option<Vec<u8>> {
    levels.iter().enumerate().find_map(|(at, level)| {
        let (_, slot) = level.variables.iter().find(|(known, _)| known == name)?;
        // SAFETY: the caller's.
        unsafe { value(state, at, *slot) }
    })
}

/// The local variables of the innermost level.
///
/// # Safety
/// As [`variable`].
pub(super) unsafe fn locals(state: *mut lua_State, levels: &[Level]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let variables = levels.first().map_or(&[][..], |level| &level.variables);
    // SAFETY: the caller's.
    let shown = |(name, slot): &(Vec<u8>, c_int)| unsafe { Some((name.clone(), value(state, 0, *slot)?)) };
    variables.iter().filter_map(shown).collect()
}

unsafe fn value(state: *mut lua_State, level: usize, slot: c_int) -> Option<Vec<u8>> {
    // SAFETY: the caller's; the value is popped again.
    unsafe {
        let mut record: lua_Debug = std::mem::zeroed();
        if ffi::lua_getstack(state, level as c_int, &mut record) == 0
            || ffi::lua_checkstack(state, 4) == 0
            || ffi::lua_getlocal(state, &record, slot).is_null()
        {
            return None;
        }
        let shown = show(state, -1);
        ffi::lua_settop(state, -2);
        Some(shown)
    }
}

/// Whether the function was compiled from the script's text.
pub(super) unsafe fn is_script(record: &lua_Debug) -> bool {
    // SAFETY: the record has its source.
    unsafe { CStr::from_ptr(record.source).to_bytes().starts_with(b"@user_script") }
}

/// Appends the value on top.
unsafe fn write(text: &mut Vec<u8>, state: *mut lua_State, depth: usize) {
    // SAFETY: the caller's.
    unsafe {
        if depth == DEPTH || ffi::lua_checkstack(state, 4) == 0 {
            text.extend_from_slice(b"<max recursion level reached! Nested table?>");
            return;
        }
        let name = match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING => {
                let mut len = 0;
                let start = ffi::lua_tolstring(state, -1, &mut len);
                return write_quoted(text, std::slice::from_raw_parts(start.cast(), len));
            }
            ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => {
                return text.extend_from_slice(b"true");
            }
            ffi::LUA_TBOOLEAN => return text.extend_from_slice(b"false"),
            ffi::LUA_TNUMBER => return write_general(text, ffi::lua_tonumber(state, -1), 6),
            ffi::LUA_TNIL => return text.extend_from_slice(b"nil"),
            ffi::LUA_TTABLE => return write_table(text, state, depth),
            ffi::LUA_TFUNCTION => "function",
            ffi::LUA_TUSERDATA => "userdata",
            ffi::LUA_TTHREAD => "thread",
            ffi::LUA_TLIGHTUSERDATA => "light-userdata",
            _ => return text.extend_from_slice(b"\"<unknown-lua-type>\""),
        };
        text.extend_from_slice(format!("\"{name}@{:p}\"", ffi::lua_topointer(state, -1)).as_bytes());
    }
}

/// Appends the table on top: without the keys if they are 1, 2, 3 ... in this order.
unsafe fn write_table(text: &mut Vec<u8>, state: *mut lua_State, depth: usize) {
    // SAFETY: the caller's; `write` has reserved slots for a key and a value, which are popped again.
    unsafe {
        let list = is_list(state);
        text.push(b'{');
        let empty = text.len();
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            if text.len() > empty {
                text.extend_from_slice(b"; ");
            }
            if text.len() > LENGTH {
                text.extend_from_slice(b"...");
                ffi::lua_settop(state, -3);
                break;
            }
            if !list {
                text.push(b'[');
                ffi::lua_pushvalue(state, -2);
                write(text, state, depth + 1);
                ffi::lua_settop(state, -2);
                text.extend_from_slice(b"]=");
            }
            write(text, state, depth + 1);
            ffi::lua_settop(state, -2);
        }
        text.push(b'}');
    }
}

unsafe fn is_list(state: *mut lua_State) -> bool {
    let mut expected = 0.0;
    // SAFETY: as in write_table.
    unsafe {
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            expected += 1.0;
            let fits =
                ffi::lua_type(state, -2) == ffi::LUA_TNUMBER && ffi::lua_tonumber(state, -2) == expected;
            if !fits {
                ffi::lua_settop(state, -3);
                return false;
            }
            ffi::lua_settop(state, -2);
        }
    }
    true
}
