//! DEBUG, as far as tests of clients need it.

mod digest;
mod inside;
mod protocol;
mod reload;
mod switches;

pub(crate) use inside::form;
pub(crate) use switches::Switches;

use perigee_keyspace::Deadline;
use std::time::Duration;

use crate::call::Call;
use crate::error::Error;
use crate::help;
use crate::parse::{Word, not_negative};
use crate::server::rewrite_all;
use crate::spec::{Command, Flags, Group, Scope, command};

pub(super) const DEBUG: Command = command("debug", -2, debug)
    .flags(Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE).or(Flags::PROTECTED))
    .scope(Scope::AllIf(|args| WHOLE.iter().any(|name| Word(args[1]).is(name))))
    .docs(Group::Server, "1.0.0", "Depends on subcommand.", "A container for debugging commands")
    .internal();

/// They look at keys, at all of them perhaps.
const WHOLE: &[&str] = &[
    "OBJECT",
    "LISTPACK",
    "QUICKLIST",
    "HTSTATS",
    "HTSTATS-KEY",
    "RELOAD",
    "DIGEST",
    "DIGEST-VALUE",
    "POPULATE",
];

fn debug(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let word = Word(call.args[1]);
    match call.args.len() {
        2 if word.is("HELP") => {
            help::reply(
                call,
                "DEBUG",
                &[
                    "CONFIG-REWRITE-FORCE-ALL",
                    "    Like CONFIG REWRITE but writes all configuration options, including",
                    "    keywords not listed in original configuration file or default values.",
                    "DIGEST",
                    "    Output a hex signature representing the current DB content.",
                    "DIGEST-VALUE <key> [<key> ...]",
                    "    Output a hex signature of the values of all the specified keys.",
                    "ERROR <string>",
                    "    Return a Redis protocol error with <string> as message. Useful for clients",
                    "    unit tests to simulate Redis errors.",
                    "LOG <message>",
                    "    Write <message> to the server log.",
                    "HTSTATS <dbid>",
                    "    Return hash table statistics of the specified Redis database.",
                    "HTSTATS-KEY <key>",
                    "    Like HTSTATS but for the hash table stored at <key>'s value.",
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
                    "RELOAD [MERGE] [NOFLUSH]",
                    "    Write all values as a snapshot has them, and read them again. With NOFLUSH,",
                    "    those that are there are conflicts, unless they are to be merged.",
                    "SET-ACTIVE-EXPIRE <0|1>",
                    "    Setting it to 0 disables expiring keys in background when they are not",
                    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
                    "    default.",
                    "QUICKLIST-PACKED-THRESHOLD <size>",
                    "    Sets the threshold for elements to be inserted as plain vs packed nodes",
                    "    Default value is 1GB, allows values up to 4GB. Setting to 0 restores to default.",
                    "SET-DISABLE-DENY-SCRIPTS <0|1>",
                    "    Lets scripts run commands of administration, such as CLIENT LIST and DEBUG.",
                    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
                    "    Enables or disables checksum checks for RESTORE's payload.",
                    "SLEEP <seconds>",
                    "    Stop a worker for <seconds>. Decimals allowed.",
                    "LISTPACK <key>",
                    "    Show low level info about the listpack encoding of <key>.",
                    "QUICKLIST <key> [<0|1>]",
                    "    Show low level info about the quicklist encoding of <key>.",
                    "    The optional argument (0 by default) sets the level of detail",
                    "PAUSE-CRON <0|1>",
                    "    Stop periodic work.",
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
            // No error of a command: nothing counts it.
            call.reply.error(&text.collect::<Vec<u8>>());
            Ok(())
        }
        3 if word.is("LOG") => {
            let text = format!("DEBUG LOG: {}", String::from_utf8_lossy(call.args[2]));
            (call.env.engine.process.log)(3, &text);
            call.reply.ok();
            Ok(())
        }
        3..=5 if word.is("POPULATE") => populate(call),
        3 if word.is("PROTOCOL") => protocol::protocol(call),
        3 if word.is("OBJECT") => inside::object(call),
        3 if word.is("LISTPACK") => inside::listpack(call),
        3..=4 if word.is("QUICKLIST") => inside::quicklist(call),
        3 if word.is("QUICKLIST-PACKED-THRESHOLD") => inside::set_packed_threshold(call),
        3 if word.is("HTSTATS") => inside::hash_tables(call),
        3 if word.is("HTSTATS-KEY") => inside::hash_table_of_key(call),
        _ if word.is("RELOAD") => reload::reload(call),
        3 if word.is("SLEEP") => sleep(call),
        2 if word.is("CONFIG-REWRITE-FORCE-ALL") => rewrite_all(call),
        3 if switches::turn(call) => Ok(()),
        _ => Err(Error::unknown_subcommand_or_arity(call.args)),
    }
}

/// Stops the worker, so that its clients wait as all of Redis's do; the other workers go on.
#[expect(clippy::disallowed_methods, reason = "to stand still is what it is asked for")]
fn sleep(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let seconds = std::str::from_utf8(call.args[2]).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    if let Ok(duration) = Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(duration);
    }
    call.reply.ok();
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
