//! Where a script stands, and what the error says that has ended it.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_Debug, lua_State};

use super::is_chunk;
use super::machine::{Machine, Thread, string_at};
use super::results::COUNTED;

impl Machine {
    /// The line at which the script stands.
    pub(crate) fn line(&self, thread: &Thread) -> Option<u32> {
        let position = self.position(thread, b"")?;
        position.rsplit_once(':')?.1.parse().ok()
    }

    /// Where the coroutine stands, the innermost level first: `@user_script:3: in function f`.
    pub(crate) fn traceback(&self, thread: &Thread) -> Vec<String> {
        let mut lines = Vec::new();
        // SAFETY: as in position.
        unsafe {
            let mut record: lua_Debug = std::mem::zeroed();
            for level in 0..TRACEBACK {
                if ffi::lua_getstack(thread.state, level, &mut record) == 0
                    || ffi::lua_getinfo(thread.state, c"Snl".as_ptr(), &mut record) == 0
                {
                    break;
                }
                let source = CStr::from_ptr(record.source).to_string_lossy();
                let place = if record.currentline > 0 {
                    format!("{source}:{}", record.currentline)
                } else {
                    source.into_owned()
                };
                lines.push(if is_chunk(&record, thread.state, level, thread.chunk.get()) {
                    format!("{place}: in main chunk")
                } else if record.name.is_null() {
                    format!("{place}: in function at line {}", record.linedefined)
                } else {
                    format!("{place}: in function {}", CStr::from_ptr(record.name).to_string_lossy())
                });
            }
        }
        lines
    }

    /// Where the coroutine stands: source and line, as `@user_script:3`. A function that was ended by an error of the VM
    /// itself no longer knows its line; then the place at the head of the error's text counts.
    pub(crate) fn position(&self, thread: &Thread, text: &[u8]) -> Option<String> {
        // SAFETY: the coroutine is suspended or dead by an error, its frames intact; the record is ours.
        unsafe {
            let mut record: lua_Debug = std::mem::zeroed();
            // The innermost level that is the script's own: C functions and the sandbox's have no place in it.
            for level in 0..16 {
                if ffi::lua_getstack(thread.state, level, &mut record) == 0
                    || ffi::lua_getinfo(thread.state, c"Sl".as_ptr(), &mut record) == 0
                {
                    return None;
                }
                let source = CStr::from_ptr(record.source).to_string_lossy();
                if source.starts_with("=[C]") {
                    continue;
                }
                if record.currentline > 0 {
                    return Some(format!("{source}:{}", record.currentline));
                }
                let place = CStr::from_ptr(record.short_src.as_ptr()).to_bytes();
                if let Some(line) = leading_line(text, place) {
                    return Some(format!("{source}:{line}"));
                }
            }
            None
        }
    }
}

/// Whether the error value on top says that it has been counted.
pub(super) unsafe fn is_counted(state: *mut lua_State) -> bool {
    // SAFETY: the caller's; raw accesses only, with the limit lifted.
    unsafe {
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
            return false;
        }
        ffi::lua_pushlstring_(state, COUNTED.as_ptr().cast(), COUNTED.len());
        ffi::lua_rawget_(state, -2);
        let counted = ffi::lua_type(state, -1) != ffi::LUA_TNIL;
        ffi::lua_settop(state, -2);
        counted
    }
}

/// The text of the error value on top.
pub(super) unsafe fn error_text(state: *mut lua_State) -> Vec<u8> {
    // SAFETY: the caller's; raw accesses only, with the limit lifted.
    unsafe {
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            ffi::lua_pushlstring_(state, c"err".as_ptr(), 3);
            ffi::lua_rawget_(state, -2);
            let known = ffi::lua_type(state, -1) == ffi::LUA_TSTRING;
            let text = if known { string_at(state, -1).to_vec() } else { b"ERR unknown error".to_vec() };
            ffi::lua_settop(state, -2);
            return text;
        }
        let shown: &[u8] = match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING | ffi::LUA_TNUMBER => string_at(state, -1),
            ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, -1) != 0 => b"true",
            ffi::LUA_TBOOLEAN => b"false",
            ffi::LUA_TNIL => b"nil",
            other => CStr::from_ptr(ffi::lua_typename(state, other)).to_bytes(),
        };
        [b"ERR ", shown].concat()
    }
}

/// The line in `ERR place:line: message`.
fn leading_line(text: &[u8], place: &[u8]) -> Option<u32> {
    let rest = text.strip_prefix(b"ERR ")?.strip_prefix(place)?.strip_prefix(b":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// Levels that a traceback shows.
const TRACEBACK: c_int = 20;
