//! A sample of a running script's levels, taken by the hook that the watchdog's signal has set.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_Debug, lua_State};

use super::{Slot, is_chunk};

/// Levels of a coroutine that a sample shows, counted from the innermost.
const LEVELS: c_int = 64;

/// Counts where the script is.
///
/// # Safety
/// A hook of the slot's VM, in this coroutine, during a slice. Nothing here raises.
pub(super) unsafe fn sample(slot: &Slot, state: *mut lua_State) {
    // SAFETY: the caller's; the context belongs to the running slice.
    unsafe {
        let script = (*slot.context).script;
        let mut frames = vec![script.title().to_owned()];
        let is_script = !script.is_function();
        if state != slot.coroutine {
            push_frames(&mut frames, slot.coroutine, is_script);
        }
        push_frames(&mut frames, state, is_script && state == slot.coroutine);
        script.profile.count(frames.join(";"));
    }
}

/// Appends the levels of a coroutine, the outermost first: `main:3`, `name:7`, and without a line what is not the script's.
/// `is_script`: its outermost level is the script itself, whatever LuaJIT takes it for.
unsafe fn push_frames(frames: &mut Vec<String>, state: *mut lua_State, is_script: bool) {
    let outermost = frames.len();
    // SAFETY: the caller's; the record is ours, and its texts live as long as the level.
    unsafe {
        let mut record: lua_Debug = std::mem::zeroed();
        for level in 0..LEVELS {
            if ffi::lua_getstack(state, level, &mut record) == 0
                || ffi::lua_getinfo(state, c"Snl".as_ptr(), &mut record) == 0
            {
                break;
            }
            let source = CStr::from_ptr(record.source).to_bytes();
            let name = (!record.name.is_null()).then(|| CStr::from_ptr(record.name).to_string_lossy());
            frames.push(match name {
                _ if is_chunk(&record, state, level, is_script) => format!("main:{}", record.currentline),
                Some(name) if source.starts_with(b"@user") => format!("{name}:{}", record.currentline),
                None if source.starts_with(b"@user") => {
                    format!("function@{}:{}", record.linedefined, record.currentline)
                }
                Some(name) => name.into_owned(),
                None => continue,
            });
        }
    }
    frames[outermost..].reverse();
}
