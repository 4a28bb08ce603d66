//! Runs a script file in the sandbox and prints the CPU time it took, to set beside the same text under EVAL.
#![allow(clippy::print_stdout, reason = "a program of its own")]

use mlua::ffi;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: library_speed SCRIPT")?;
    let script = std::fs::read(path)?;
    let lua = mlua::Lua::new();
    let sandbox = perigee_scripting::sandbox::open(&lua)?;
    // SAFETY: protected by `exec_raw`; the closure owns nothing.
    let answer = unsafe {
        lua.exec_raw::<mlua::Value>((), |state| {
            if sandbox.load(state, &script, c"@user_script") {
                ffi::lua_call(state, 0, 1);
            }
        })
    }?;
    println!("{answer:?}");
    // SAFETY: as above.
    let seconds = unsafe {
        lua.exec_raw::<f64>((), |state| {
            if sandbox.load(state, b"return os.clock()", c"@clock") {
                ffi::lua_call(state, 0, 1);
            }
        })
    }?;
    println!("{seconds:.3} s CPU");
    Ok(())
}
