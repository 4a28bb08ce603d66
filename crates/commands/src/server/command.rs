//! COMMAND: what the command table says, to clients.

mod docs;
mod entry;
mod hints;
mod keys;
mod list;

pub(crate) use keys::{access, fixed_access, for_each_position, is_miscounted};

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Handler, command};
use crate::table::{CommandTable, Entry};

pub(super) const COMMAND: Command = with_subcommands(
    shown("command", "command", -1, |call| {
        entry::reply_all(call);
        Ok(())
    })
    .docs(
        Group::Server,
        "2.8.13",
        "O(N) where N is the total number of Redis commands",
        "Get array of Redis command details",
    ),
    &[COUNT, docs::DOCS, keys::GETKEYS, keys::GETKEYSANDFLAGS, HELP, INFO, list::LIST],
);

const fn with_subcommands(mut command: Command, subcommands: &'static [Command]) -> Command {
    command.subcommands = subcommands;
    command
}

const fn shown(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler)
        .full(full)
        .flags(Flags::LOADING.or(Flags::STALE))
        .acl(Categories::CONNECTION)
}

const COUNT: Command = shown("count", "command|count", 2, |call| {
    call.reply.int(call.env.engine.commands.command_count() as i64);
    Ok(())
})
.docs(Group::Server, "2.8.13", "O(1)", "Get total number of Redis commands");

const INFO: Command = shown("info", "command|info", -2, info)
    .docs(
        Group::Server,
        "2.8.13",
        "O(N) where N is the number of commands to look up",
        "Get array of specific Redis command details, or all when no argument is given.",
    )
    .syntax("[command-name...]")
    .history(&[("7.0.0", "Allowed to be called with no argument to get info on all commands.")]);

fn info(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.args.len() == 2 {
        entry::reply_all(call);
        return Ok(());
    }
    call.reply.array(call.args.len() - 2);
    for name in &call.args[2..] {
        match find(&call.env.engine.commands, name) {
            Some((name, entry)) => entry::reply(call.reply, &name, entry.command),
            None => call.reply.null(),
        }
    }
    Ok(())
}

/// The command or `container|subcommand` with this name, and the name under which it is known.
fn find(table: &CommandTable, name: &[u8]) -> Option<(Vec<u8>, Entry)> {
    let (container, word) = match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => (&name[..bar], Some(&name[bar + 1..])),
        None => (name, None),
    };
    let mut entry = table.find(container)?;
    if let Some(word) = word {
        entry = table.find_subcommand(entry, word)?;
    }
    Some((name.to_ascii_lowercase(), entry))
}

const HELP: Command = shown("help", "command|help", 2, help).docs(
    Group::Server,
    "5.0.0",
    "O(1)",
    "Show helpful text about the different subcommands",
);

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}
