//! DEBUG, as far as tests of clients need it.

use std::sync::atomic::Ordering;

use crate::call::Call;
use crate::config::Param;
use crate::error::Error;
use crate::generic::object::references;
use crate::help;
use crate::parse::{Word, integer};
use crate::spec::{Command, Flags, Group, Scope, command};

pub(super) const DEBUG: Command = command("debug", -2, debug)
    .flags(Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE))
    .scope(Scope::AllIf(|args| Word(args[1]).is("OBJECT")))
    .docs(Group::Server, "1.0.0", "Depends on subcommand.", "A container for debugging commands");

fn debug(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if !is_allowed(call) {
        return Err(NOT_ALLOWED);
    }
    let word = Word(call.args[1]);
    match call.args.len() {
        2 if word.is("HELP") => {
            help::reply(
                call,
                "DEBUG",
                &[
                    "OBJECT <key>",
                    "    Show low level info about `key` and associated value.",
                    "SET-ACTIVE-EXPIRE <0|1>",
                    "    Setting it to 0 disables expiring keys in background when they are not",
                    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
                    "    default.",
                ],
            );
            Ok(())
        }
        3 if word.is("OBJECT") => object(call),
        3 if word.is("SET-ACTIVE-EXPIRE") => {
            let active = integer(call.args[2]).unwrap_or(0) != 0;
            call.env.engine.expiry_paused.store(!active, Ordering::Relaxed);
            call.reply.ok();
            Ok(())
        }
        _ => Err(Error::unknown_subcommand_or_arity(call.args)),
    }
}

fn object(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let entry = call.txn.peek(call.db, call.args[2]).ok_or(Error::NoSuchKey)?;
    let (now_ms, idle_s) = (call.txn.now_ms(), entry.idle_s(call.txn.now_ms()));
    let text = format!(
        "Value at:{:p} refcount:{} encoding:{} lru:{} lru_seconds_idle:{idle_s}",
        entry.value(),
        references(entry),
        entry.value().encoding(),
        (now_ms / 1000 - u64::from(idle_s)) & 0xff_ffff,
    );
    call.reply.simple(text.as_bytes());
    Ok(())
}

fn is_allowed(call: &Call<'_, '_>) -> bool {
    let config = &call.env.engine.config;
    match config.show(Param::EnableDebugCommand as usize).as_str() {
        "yes" => true,
        "local" => call.session.client.is_local(),
        _ => false,
    }
}

const NOT_ALLOWED: Error = Error::Text(
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
);
