//! DEBUG, as far as tests of clients need it.

mod digest;
mod protocol;

use perigee_keyspace::Deadline;
use std::sync::atomic::Ordering;

use crate::call::Call;
use crate::config::Param;
use crate::error::Error;
use crate::generic::object::references;
use crate::help;
use crate::parse::{Word, integer, not_negative};
use crate::spec::{Command, Flags, Group, Scope, command};

pub(super) const DEBUG: Command = command("debug", -2, debug)
    .flags(Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE))
    .scope(Scope::AllIf(|args| {
        ["OBJECT", "DIGEST", "DIGEST-VALUE", "POPULATE"].iter().any(|name| Word(args[1]).is(name))
    }))
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
                    "DIGEST",
                    "    Output a hex signature representing the current DB content.",
                    "DIGEST-VALUE <key> [<key> ...]",
                    "    Output a hex signature of the values of all the specified keys.",
                    "ERROR <string>",
                    "    Return a Redis protocol error with <string> as message. Useful for clients",
                    "    unit tests to simulate Redis errors.",
                    "LOG <message>",
                    "    Write <message> to the server log.",
                    "OBJECT <key>",
                    "    Show low level info about `key` and associated value.",
                    "POPULATE <count> [<prefix>] [<size>]",
                    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
                    "    it is used instead of the 'key' prefix. These are not propagated to",
                    "    replicas. Cluster slots are not respected so keys not belonging to the",
                    "    current node can be created in cluster mode.",
                    "PROTOCOL <type>",
                    "    Reply with a test value of the specified type. <type> can be: string,",
                    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
                    "    true, false.",
                    "SET-ACTIVE-EXPIRE <0|1>",
                    "    Setting it to 0 disables expiring keys in background when they are not",
                    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
                    "    default.",
                ],
            );
            Ok(())
        }
        2 if word.is("DIGEST") => {
            digest::of_everything(call);
            Ok(())
        }
        _ if word.is("DIGEST-VALUE") => {
            digest::of_values(call);
            Ok(())
        }
        3 if word.is("ERROR") => {
            let text = call.args[2].iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte });
            Err(Error::Quoting(text.collect()))
        }
        3 if word.is("LOG") => {
            let text = format!("DEBUG LOG: {}", String::from_utf8_lossy(call.args[2]));
            (call.env.engine.process.log)(3, &text);
            call.reply.ok();
            Ok(())
        }
        3..=5 if word.is("POPULATE") => populate(call),
        3 if word.is("PROTOCOL") => protocol::protocol(call),
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
        std::ptr::from_ref(entry),
        references(entry),
        entry.value().encoding(),
        (now_ms / 1000 - u64::from(idle_s)) & 0xff_ffff,
    );
    call.reply.simple(text.as_bytes());
    Ok(())
}

/// Creates the keys that are missing of so many.
fn populate(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = not_negative(call.args[2])?;
    let prefix = call.args.get(3).copied().unwrap_or(b"key");
    let size = call.args.get(4).map_or(Ok(0), |size| not_negative(size))?;
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if call.txn.contains(call.db, &key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        call.txn.insert_bytes(call.db, &key, &value, Deadline::Never);
    }
    call.reply.ok();
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
