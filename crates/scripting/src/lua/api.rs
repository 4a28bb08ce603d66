//! The `redis` table, apart from `call` and `pcall`.

use std::ffi::CStr;

use mlua::ffi::{self, lua_State};
use perigee_commands::scripts::{ScriptContext, sha1_hex};
use perigee_resp::Protocol;

use super::bridge::{redis_call, redis_pcall};
use super::{CURRENT, Stop, bridge::LuaError, inspect};
use crate::debugger::Debugger;
use crate::library::Shared;
use crate::stack::{Kind, Outcome, Raise, Stack, register};

/// Who sees a `redis` table, and so what is in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Texts that EVAL runs.
    Script,
    /// A library's functions.
    Function,
    /// A library's text while it is loaded.
    Library,
}

/// Pushes the table.
///
/// # Safety
/// A protected call with a live state; `shared` is the VM's block.
pub(super) unsafe fn push(state: *mut lua_State, shared: *mut Shared, audience: Audience) {
    // SAFETY: the caller's.
    unsafe {
        let stack = Stack::new(state);
        stack.push_table(0, 32);
        register(stack, shared, "log", log);
        set_numbers(
            stack,
            &[("LOG_DEBUG", 0.0), ("LOG_VERBOSE", 1.0), ("LOG_NOTICE", 2.0), ("LOG_WARNING", 3.0)],
        );
        set_version(stack, "REDIS_VERSION", perigee_commands::REDIS_VERSION);
        set_version(stack, "SERVER_VERSION", env!("CARGO_PKG_VERSION"));
        stack.push_bytes(b"perigee");
        stack.set_field(-2, "SERVER_NAME");
        if audience == Audience::Library {
            return;
        }
        ffi::lua_pushcclosure(state, redis_call, 0);
        stack.set_field(-2, "call");
        ffi::lua_pushcclosure(state, redis_pcall, 0);
        stack.set_field(-2, "pcall");
        register(stack, shared, "abort", abort);
        register(stack, shared, "sha1hex", sha1hex);
        register(stack, shared, "status_reply", |stack, shared| single_field(stack, shared, "ok"));
        register(stack, shared, "error_reply", error_reply);
        register(stack, shared, "setresp", setresp);
        register(stack, shared, "set_repl", set_repl);
        register(stack, shared, "acl_check_cmd", acl_check_cmd);
        set_numbers(
            stack,
            &[
                ("REPL_NONE", 0.0),
                ("REPL_AOF", 1.0),
                ("REPL_SLAVE", 2.0),
                ("REPL_REPLICA", 2.0),
                ("REPL_ALL", 3.0),
            ],
        );
        if audience == Audience::Function {
            return;
        }
        register(stack, shared, "replicate_commands", |stack, _| {
            stack.push_boolean(true);
            Ok(1)
        });
        register(stack, shared, "breakpoint", breakpoint);
        register(stack, shared, "debug", debug);
    }
}

fn set_numbers(stack: Stack, numbers: &[(&str, f64)]) {
    for (name, value) in numbers {
        stack.push_number(*value);
        stack.set_field(-2, name);
    }
}

/// The version as a text, and as a number with `_NUM`: a byte for each of its three parts.
fn set_version(stack: Stack, name: &str, version: &str) {
    stack.push_bytes(version.as_bytes());
    stack.set_field(-2, name);
    let number = version.split('.').fold(0.0, |number, part| number * 256.0 + part.parse().unwrap_or(0.0));
    stack.push_number(number);
    stack.push_bytes(name.as_bytes());
    stack.push_bytes(b"_NUM");
    // SAFETY: two strings lie on the number, which lies on the table.
    unsafe { ffi::lua_concat(stack.state(), 2) };
    stack.insert(-2);
    stack.raw_set(-3);
}

/// The running script's context; `None` outside a run.
fn context<'a>() -> Option<&'a mut ScriptContext<'static, 'static>> {
    let slot = CURRENT.get();
    // SAFETY: library functions run inside a slice, one at a time, and none keeps the reference.
    unsafe { if slot.is_null() || (*slot).context.is_null() { None } else { Some(&mut *(*slot).context) } }
}

/// The running script's debugger; `None` outside of a session.
fn debugger<'a>() -> Option<&'a mut Debugger> {
    let slot = CURRENT.get();
    // SAFETY: as in context.
    unsafe {
        if slot.is_null() { None } else { (*slot).debugged.as_mut().map(|debugged| &mut debugged.debugger) }
    }
}

/// Stops at the next line, if the script is debugged; tells whether it is.
fn breakpoint(stack: Stack, _: &mut Shared) -> Outcome {
    let debugger = debugger();
    stack.push_boolean(debugger.is_some());
    debugger.into_iter().for_each(Debugger::call_breakpoint);
    Ok(1)
}

/// Shows its arguments to who debugs the script.
fn debug(stack: Stack, _: &mut Shared) -> Outcome {
    if let Some(debugger) = debugger() {
        // SAFETY: a library function's own stack.
        let values = (1..=stack.top()).map(|index| unsafe { inspect::show(stack.state(), index) });
        debugger.log_debug(&values.collect::<Vec<_>>());
    }
    Ok(0)
}

/// Raises a table with `err`: errors of the `redis` table are such.
fn raise(stack: Stack, text: &CStr) -> Outcome {
    LuaError(stack.state()).push_bytes(text.to_bytes());
    Err(Raise::Top)
}

fn log(stack: Stack, shared: &mut Shared) -> Outcome {
    let count = stack.top();
    if count < 2 {
        return raise(stack, c"ERR redis.log() requires two arguments or more.");
    }
    if !stack.is_number(1) {
        return raise(stack, c"ERR First argument must be a number (log level).");
    }
    let level = stack.number(1);
    if !(0.0..=3.0).contains(&level) {
        return raise(stack, c"ERR Invalid debug level.");
    }
    shared.text.clear();
    for index in 2..=count {
        if !matches!(stack.kind(index), Kind::String | Kind::Number) {
            continue;
        }
        if index > 2 {
            shared.text.push(b' ');
        }
        let bytes = stack.bytes(index);
        shared.text.extend_from_slice(bytes);
    }
    if let Some(context) = context() {
        context.log(level as u8, &shared.text);
    }
    Ok(0)
}

/// Undoes everything that the script did and ends it; the client gets the argument as if it was returned.
fn abort(stack: Stack, _: &mut Shared) -> Outcome {
    let slot = CURRENT.get();
    if context().is_none() {
        return raise(stack, c"ERR redis.abort() can only be called from inside a script.");
    }
    stack.set_top(1);
    // SAFETY: a script runs, so there is a slot; it is used on the VM's thread alone.
    unsafe {
        (*slot).heap.set_unlimited(true);
        (*slot).abort_reply = ffi::luaL_ref(stack.state(), ffi::LUA_REGISTRYINDEX);
        (*slot).heap.set_unlimited(false);
        (*slot).stop = Some(Stop::Aborted);
    }
    Err(Raise::Stop)
}

fn sha1hex(stack: Stack, _: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return raise(stack, c"ERR wrong number of arguments");
    }
    let digest = match stack.kind(1) {
        Kind::String | Kind::Number => sha1_hex(stack.bytes(1)),
        _ => sha1_hex(b""),
    };
    stack.push_bytes(&digest);
    Ok(1)
}

fn single_field(stack: Stack, _: &mut Shared, field: &str) -> Outcome {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        LuaError(stack.state()).push("ERR wrong number or type of arguments");
        return Ok(1);
    }
    stack.push_table(0, 1);
    stack.push_value(1);
    stack.set_field(-2, field);
    Ok(1)
}

/// `-CODE text` and `CODE text` keep their code; a single word gets `ERR`.
fn error_reply(stack: Stack, shared: &mut Shared) -> Outcome {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        LuaError(stack.state()).push("ERR wrong number or type of arguments");
        return Ok(1);
    }
    let given = stack.bytes(1);
    let given = given.strip_prefix(b"-").unwrap_or(given);
    shared.text.clear();
    if !given.contains(&b' ') {
        shared.text.extend_from_slice(b"ERR ");
    }
    shared.text.extend_from_slice(given);
    while matches!(shared.text.last(), Some(b'\r' | b'\n')) {
        shared.text.pop();
    }
    LuaError(stack.state()).push_bytes(&shared.text);
    Ok(1)
}

fn setresp(stack: Stack, _: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return raise(stack, c"ERR redis.setresp() requires one argument.");
    }
    let protocol = match stack.number(1) {
        2.0 => Protocol::Resp2,
        3.0 => Protocol::Resp3,
        _ => return raise(stack, c"ERR RESP version must be 2 or 3."),
    };
    if let Some(context) = context() {
        context.session.set_protocol(protocol);
    }
    Ok(0)
}

fn set_repl(stack: Stack, _: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return raise(stack, c"ERR redis.set_repl() requires two arguments.");
    }
    if !(0.0..=3.0).contains(&stack.number(1)) {
        return raise(
            stack,
            c"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        );
    }
    Ok(0)
}

fn acl_check_cmd(stack: Stack, _: &mut Shared) -> Outcome {
    if stack.top() == 0 {
        return raise(stack, c"ERR Please specify at least one argument for this redis lib call");
    }
    if (1..=stack.top()).any(|index| !matches!(stack.kind(index), Kind::String | Kind::Number)) {
        return raise(stack, c"ERR Lua redis lib command arguments must be strings or integers");
    }
    let args: Vec<&[u8]> = (1..=stack.top()).map(|index| stack.bytes(index)).collect();
    let allowed = context().and_then(|context| perigee_commands::may_call(context, &args));
    drop(args);
    match allowed {
        Some(allowed) => {
            stack.push_boolean(allowed);
            Ok(1)
        }
        None => raise(stack, c"ERR Invalid command passed to redis.acl_check_cmd()"),
    }
}
