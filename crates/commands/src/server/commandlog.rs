//! COMMANDLOG: the latest commands that were slow, or whose requests or replies were large; of Valkey 8.1.

use super::slowlog::reply_entries;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Flags, Group, Handler, command, container};
use crate::stats::Slowlog;

pub(super) const COMMANDLOG: Command = container(
    "commandlog",
    &[
        operator("get", "commandlog|get", 4, get)
            .docs(
                Group::Server,
                "8.1.0",
                "O(N) where N is the number of entries returned",
                "Returns the specified command log's entries",
            )
            .syntax("count:int type<SLOW|LARGE-REQUEST|LARGE-REPLY>"),
        operator("len", "commandlog|len", 3, len)
            .docs(Group::Server, "8.1.0", "O(1)", "Returns the number of entries in a command log")
            .syntax("type<SLOW|LARGE-REQUEST|LARGE-REPLY>"),
        operator("reset", "commandlog|reset", 3, reset)
            .docs(
                Group::Server,
                "8.1.0",
                "O(N) where N is the number of entries in the command log",
                "Clears a command log",
            )
            .syntax("type<SLOW|LARGE-REQUEST|LARGE-REPLY>"),
        command("help", 2, help).full("commandlog|help").flags(Flags::LOADING.or(Flags::STALE)).docs(
            Group::Server,
            "8.1.0",
            "O(1)",
            "Show helpful text about the different subcommands",
        ),
    ],
)
.docs(Group::Server, "8.1.0", "Depends on subcommand.", "A container for command log commands");

const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).full(full).flags(Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE))
}

fn get(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = call.integer(2).ok().filter(|count| *count >= -1);
    let count = count.ok_or(Error::Text("ERR count should be greater than or equal to -1"))?;
    let entries = named(call, 3)?.latest(usize::try_from(count).unwrap_or(usize::MAX));
    reply_entries(call, &entries);
    Ok(())
}

fn len(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let len = named(call, 2)?.len();
    call.reply.int(len as i64);
    Ok(())
}

fn reset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    named(call, 2)?.clear();
    call.reply.ok();
    Ok(())
}

fn named<'e>(call: &Call<'_, 'e>, at: usize) -> Result<&'e Slowlog, Error> {
    let engine = call.env.engine;
    match Word(call.args[at]) {
        kind if kind.is("SLOW") => Ok(&engine.slowlog),
        kind if kind.is("LARGE-REQUEST") => Ok(&engine.command_log.requests),
        kind if kind.is("LARGE-REPLY") => Ok(&engine.command_log.replies),
        _ => Err(Error::Text("ERR type should be one of the following: slow, large-request, large-reply")),
    }
}

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "COMMANDLOG",
        &[
            "GET <count> <type>",
            "    Return top <count> entries of the specified <type> from the commandlog (-1 mean all).",
            "    Entries are made of:",
            "    id, timestamp,",
            "        time in microseconds for type of slow,",
            "        or size in bytes for type of large-request,",
            "        or size in bytes for type of large-reply",
            "    arguments array, client IP and port,",
            "    client name",
            "LEN <type>",
            "    Return the length of the specified type of commandlog.",
            "RESET <type>",
            "    Reset the specified type of commandlog.",
        ],
    );
    Ok(())
}
