//! EVAL, EVALSHA, their read-only forms, and SCRIPT.

use std::sync::Arc;

use super::{
    DebugMode, Invocation, KillRefused, KillTarget, LocalScript, Script, SharedScript, Started, debug,
    observe, profile,
};
use crate::call::{Call, Suspend};
use crate::config::Param;
use crate::engine::Env;
use crate::error::Error;
use crate::maxmemory;
use crate::parse::integer;
use crate::spec::{Categories, Command, Flags, Group, Keys, Scope, command, container};

pub(crate) static COMMANDS: &[Command] = &[EVAL, EVALSHA, EVAL_RO, EVALSHA_RO, SCRIPT];

const EVAL_FLAGS: Flags = Flags::NOSCRIPT
    .or(Flags::STALE)
    .or(Flags::SKIP_MONITOR)
    .or(Flags::MAY_REPLICATE)
    .or(Flags::NO_MANDATORY_KEYS)
    .or(Flags::MOVABLE_KEYS);

const fn eval_command(
    name: &'static str,
    handler: crate::spec::Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    command(name, -3, handler).keys(Keys::counted(2)).acl(Categories::SCRIPTING).docs(
        Group::Scripting,
        since,
        "Depends on the script that is executed.",
        summary,
    )
}

const EVAL: Command = eval_command("eval", eval, "2.6.0", "Execute a Lua script server side")
    .flags(EVAL_FLAGS)
    .syntax("script numkeys:int [key...] [arg...]");

fn eval(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if let Some(mode) = debug::mode(call) {
        return debug::eval(call, mode, false);
    }
    let script = script_by_source(call)?;
    run(call, script, false, None)
}

const EVAL_RO: Command =
    eval_command("eval_ro", eval_ro, "7.0.0", "Execute a read-only Lua script server side")
        .flags(READ_ONLY_FLAGS)
        .syntax("script numkeys:int [key...] [arg...]");

const READ_ONLY_FLAGS: Flags = Flags::NOSCRIPT
    .or(Flags::STALE)
    .or(Flags::SKIP_MONITOR)
    .or(Flags::READONLY)
    .or(Flags::NO_MANDATORY_KEYS)
    .or(Flags::MOVABLE_KEYS);

fn eval_ro(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if let Some(mode) = debug::mode(call) {
        return debug::eval(call, mode, true);
    }
    let script = script_by_source(call)?;
    run(call, script, true, None)
}

const EVALSHA: Command = eval_command("evalsha", evalsha, "2.6.0", "Execute a Lua script server side")
    .flags(EVAL_FLAGS)
    .scope(Scope::Keys)
    .syntax("sha1 numkeys:int [key...] [arg...]");

fn evalsha(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let script = script_by_sha1(call)?;
    run(call, script, false, None)
}

const EVALSHA_RO: Command =
    eval_command("evalsha_ro", evalsha_ro, "7.0.0", "Execute a read-only Lua script server side")
        .flags(READ_ONLY_FLAGS)
        .syntax("sha1 numkeys:int [key...] [arg...]");

fn evalsha_ro(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let script = script_by_sha1(call)?;
    run(call, script, true, None)
}

pub(super) const NO_SCRIPT: Error = Error::Text("NOSCRIPT No matching script. Please use EVAL.");

/// In hexadecimal digits.
const SHA1_LENGTH: usize = 40;

fn script_by_sha1(call: &Call<'_, '_>) -> Result<SharedScript, Error> {
    if call.args[1].len() != SHA1_LENGTH {
        return Err(NO_SCRIPT);
    }
    if debug::mode(call).is_some() {
        return Err(debug::NOT_BY_SHA1);
    }
    key_count(call)?;
    let mut local = call.env.worker.local_scripts.borrow_mut();
    local.find(&call.env.engine.scripts, call.args[1]).ok_or(NO_SCRIPT)
}

fn script_by_source(call: &Call<'_, '_>) -> Result<SharedScript, Error> {
    key_count(call)?;
    let source = call.args[1];
    check_length(call.env, source)?;
    let found = call.env.worker.local_scripts.borrow_mut().find_source(&call.env.engine.scripts, source);
    match found {
        Some(script) => Ok(script),
        None => load(call, source).map(LocalScript::new),
    }
}

/// Refuses texts that are longer than `script-max-length`: to compile them, nobody is served for long.
pub(crate) fn check_length(env: Env<'_>, source: &[u8]) -> Result<(), Error> {
    match env.engine.config.number(Param::ScriptMaxLength) {
        0 => Ok(()),
        limit if source.len() as i64 <= limit => Ok(()),
        limit => Err(Error::Owned(format!(
            "ERR Script is too long: it has {} bytes, and may have {limit} (see script-max-length)",
            source.len()
        ))),
    }
}

pub(super) fn load(call: &Call<'_, '_>, source: &[u8]) -> Result<Arc<Script>, Error> {
    let scripts = &call.env.engine.scripts;
    let script = scripts.create(source)?;
    if let Some(known) = scripts.find(&script.sha1) {
        return Ok(known);
    }
    let host = call.env.worker.scripts.as_ref().ok_or(NO_HOST)?;
    host.compile(&script).map_err(|message| {
        Error::Owned(format!(
            "ERR Error compiling script (new function): {}",
            String::from_utf8_lossy(&message)
        ))
    })?;
    Ok(scripts.insert(script))
}

pub(crate) const NO_HOST: Error = Error::Text("ERR This server runs no scripts");

pub(super) fn key_count(call: &Call<'_, '_>) -> Result<usize, Error> {
    let count = integer(call.args[2]).ok_or(Error::NotInteger)?;
    if count > call.args.len() as i64 - 3 {
        return Err(Error::Text("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| Error::Text("ERR Number of keys can't be negative"))
}

pub(super) fn run(
    call: &mut Call<'_, '_>,
    script: SharedScript,
    read_only: bool,
    debug: Option<DebugMode>,
) -> Result<(), Error> {
    let (keys, args) = call.args[3..].split_at(key_count(call)?);
    start(call, Invocation { script, library: None, keys, args, read_only, debug })
}

/// Runs a script or function for a client.
///
/// # Errors
/// What writes is refused where only reading is allowed.
pub(crate) fn start(call: &mut Call<'_, '_>, mut invocation: Invocation<'_>) -> Result<(), Error> {
    let host = call.env.worker.scripts.as_ref().ok_or(NO_HOST)?;
    if invocation.script.is_wide() && !call.txn.holds_all() {
        call.suspend(Suspend::Widen);
        return Ok(());
    }
    let flags = invocation.script.flags();
    if invocation.read_only && flags.declared && !flags.no_writes {
        return Err(Error::Text("ERR Can not execute a script with write flag using *_ro command."));
    }
    maxmemory::admit_script(call, flags)?;
    invocation.read_only |= flags.no_writes;
    if invocation.script.is_wide() {
        invocation.script.figures.count_wide_run();
    }
    call.env.worker.ran.set(Some(invocation.script.clone()));
    let started = host.run(call.env, invocation, call.session, call.txn, call.effects, call.reply);
    match started {
        Started::Done => {}
        Started::Yielded(run) => {
            run.serves(call.args);
            call.suspend(Suspend::Script(run));
        }
        Started::Widen => call.suspend(Suspend::Widen),
    }
    Ok(())
}

const SCRIPT: Command = container(
    "script",
    &[debug::DEBUG, EXISTS, FLUSH, HELP, KILL, observe::LIST, LOAD, profile::PROFILE, SHOW, observe::STATS],
)
.docs(Group::Scripting, "2.6.0", "Depends on subcommand.", "A container for Lua scripts management commands");

const EXISTS: Command = command("exists", -3, script_exists)
    .full("script|exists")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "2.6.0",
        "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        "Check existence of scripts in the script cache.",
    )
    .syntax("sha1...");

fn script_exists(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.array(call.args.len() - 2);
    for sha1 in &call.args[2..] {
        call.reply.int(i64::from(call.env.engine.scripts.find(sha1).is_some()));
    }
    Ok(())
}

const FLUSH: Command = command("flush", -2, script_flush)
    .full("script|flush")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "2.6.0",
        "O(N) with N being the number of scripts in cache",
        "Remove all the scripts from the script cache.",
    )
    .syntax("[async<ASYNC|SYNC>^6.2.0]")
    .history(&[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")]);

fn script_flush(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let valid = match call.args {
        [_, _] => true,
        [_, _, mode] => mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async"),
        _ => false,
    };
    if !valid {
        return Err(Error::Text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    call.env.engine.scripts.flush();
    call.reply.ok();
    Ok(())
}

const KILL: Command = command("kill", -2, script_kill)
    .full("script|kill")
    .flags(Flags::NOSCRIPT.or(Flags::ALLOW_BUSY))
    .acl(Categories::SCRIPTING)
    .docs(Group::Scripting, "2.6.0", "O(1)", "Kill the script currently in execution.")
    .syntax("[target<sha1|name|CLIENT client(ID client-id:int)>^7.2.4]");

fn script_kill(call: &mut Call<'_, '_>) -> Result<(), Error> {
    kill(call, false)
}

/// SCRIPT KILL and FUNCTION KILL.
pub(crate) fn kill(call: &mut Call<'_, '_>, functions: bool) -> Result<(), Error> {
    let target = match call.args[2..] {
        [] => KillTarget::Every,
        [name] => KillTarget::Script(name),
        [client, id, number] if client.eq_ignore_ascii_case(b"client") && id.eq_ignore_ascii_case(b"id") => {
            let id = integer(number).and_then(|id| u64::try_from(id).ok());
            KillTarget::Client(id.ok_or(Error::Text("ERR client-id should be greater than 0"))?)
        }
        _ => return Err(Error::Syntax),
    };
    match call.env.engine.scripts.kill(call.env.engine, functions, target) {
        Ok(()) => call.reply.ok(),
        Err(KillRefused::NotBusy) => return Err(Error::Text("NOTBUSY No scripts in execution right now.")),
        Err(KillRefused::Busy(error)) => return Err(error),
        Err(KillRefused::Unkillable) => {
            return Err(Error::Text(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
    }
    Ok(())
}

const LOAD: Command = command("load", 3, script_load)
    .full("script|load")
    .flags(Flags::NOSCRIPT.or(Flags::STALE))
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "2.6.0",
        "O(N) with N being the length in bytes of the script body.",
        "Load the specified Lua script into the script cache.",
    )
    .syntax("script");

fn script_load(call: &mut Call<'_, '_>) -> Result<(), Error> {
    check_length(call.env, call.args[2])?;
    let script = match call.env.engine.scripts.find_source(call.args[2]) {
        Some(script) => script,
        None => load(call, call.args[2])?,
    };
    call.env.engine.scripts.keep(&script);
    call.reply.bulk(&script.sha1);
    Ok(())
}

const SHOW: Command = command("show", 3, script_show)
    .full("script|show")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(Group::Scripting, "8.0.0", "O(1)", "Show the text of a script in the script cache")
    .syntax("sha1");

fn script_show(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let script = call.env.engine.scripts.find(call.args[2]).ok_or(NO_SCRIPT)?;
    call.reply.bulk(&script.source);
    Ok(())
}

const HELP: Command = command("help", 2, script_help)
    .full("script|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .acl(Categories::SCRIPTING)
    .docs(Group::Scripting, "5.0.0", "O(1)", "Show helpful text about the different subcommands");

fn script_help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "KILL <sha1|name>",
            "    Kill the running scripts with this SHA1 or name.",
            "KILL CLIENT ID <client-id>",
            "    Kill the script that this client runs.",
            "LIST",
            "    List the scripts in the scripts cache.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
            "PROFILE <sha1>|<name> (ON|OFF|GET)",
            "    Sample every millisecond where a script is. GET shows collapsed stacks.",
            "SHOW <sha1>",
            "    Show the text of a script in the scripts cache.",
            "STATS [<sha1>|<name>|RESET]",
            "    Show how all scripts ran, or one of them; or begin to count anew.",
        ],
    );
    Ok(())
}
