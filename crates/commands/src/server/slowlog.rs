//! SLOWLOG: the latest slow commands.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler, command, container};
use crate::stats::SlowEntry;

pub(super) const SLOWLOG: Command = container("slowlog", &[GET, HELP, LEN, RESET]).docs(
    Group::Server,
    "2.2.12",
    "Depends on subcommand.",
    "A container for slow log commands",
);

const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).full(full).flags(Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE))
}

const GET: Command = operator("get", "slowlog|get", -2, get)
    .docs(
        Group::Server,
        "2.2.12",
        "O(N) where N is the number of entries returned",
        "Get the slow log's entries",
    )
    .syntax("[count:int]")
    .history(&[("4.0.0", "Added client IP address, port and name to the reply.")]);

fn get(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = match call.args {
        [_, _] => 10,
        [_, _, _] => {
            let count = call.integer(2).ok().filter(|count| *count >= -1);
            count.ok_or(Error::Text("ERR count should be greater than or equal to -1"))?
        }
        _ => return Err(Error::unknown_subcommand_or_arity(call.args)),
    };
    let entries = call.env.engine.slowlog.latest(usize::try_from(count).unwrap_or(usize::MAX));
    reply_entries(call, &entries);
    Ok(())
}

/// Answers with entries of a log.
pub(super) fn reply_entries(call: &mut Call<'_, '_>, entries: &[SlowEntry]) {
    call.reply.array(entries.len());
    for entry in entries {
        call.reply.array(6);
        call.reply.int(entry.id as i64);
        call.reply.int(entry.at_s as i64);
        call.reply.int(entry.value as i64);
        call.reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| call.reply.bulk(arg));
        call.reply.bulk(entry.address.as_bytes());
        call.reply.bulk(&entry.client_name);
    }
}

const LEN: Command = operator("len", "slowlog|len", 2, |call| {
    call.reply.int(call.env.engine.slowlog.len() as i64);
    Ok(())
})
.docs(Group::Server, "2.2.12", "O(1)", "Get the slow log's length");

const RESET: Command = operator("reset", "slowlog|reset", 2, |call| {
    call.env.engine.slowlog.clear();
    call.reply.ok();
    Ok(())
})
.docs(
    Group::Server,
    "2.2.12",
    "O(N) where N is the number of entries in the slowlog",
    "Clear all entries from the slow log",
);

const HELP: Command = command("help", 2, help)
    .full("slowlog|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .docs(Group::Server, "6.2.0", "O(1)", "Show helpful text about the different subcommands");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}
