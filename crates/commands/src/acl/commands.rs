//! ACL: the list of its subcommands.

use super::{file, inspect, manage};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler, command, container};

pub(crate) static COMMANDS: &[Command] = &[ACL];

const ACL: Command = container(
    "acl",
    &[
        inspect::CAT,
        manage::DELUSER,
        inspect::DRYRUN,
        inspect::GENPASS,
        inspect::GETUSER,
        HELP,
        inspect::LIST,
        file::LOAD,
        inspect::LOG,
        file::SAVE,
        manage::SETUSER,
        inspect::USERS,
        inspect::WHOAMI,
    ],
)
.docs(Group::Server, "6.0.0", "Depends on subcommand.", "A container for Access List Control commands ");

/// A subcommand for everybody.
pub(super) const fn ordinary(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).full(full).flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE))
}

/// A subcommand for operators.
pub(super) const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    ordinary(name, full, arity, handler).flags(Flags::ADMIN)
}

const HELP: Command = command("help", 2, help).full("acl|help").flags(Flags::LOADING.or(Flags::STALE)).docs(
    Group::Server,
    "6.0.0",
    "O(1)",
    "Show helpful text about the different subcommands",
);

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "ACL",
        &[
            "CAT [<category>]",
            "    List all commands that belong to <category>, or all command categories",
            "    when no category is specified.",
            "DELUSER <username> [<username> ...]",
            "    Delete a list of users.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Returns whether the user can execute the given command without executing the command.",
            "GETUSER <username>",
            "    Get the user's details.",
            "GENPASS [<bits>]",
            "    Generate a secure 256-bit user password. The optional `bits` argument can",
            "    be used to specify a different size.",
            "LIST",
            "    Show users details in config file format.",
            "LOAD",
            "    Reload users from the ACL file.",
            "LOG [<count> | RESET]",
            "    Show the ACL log entries.",
            "SAVE",
            "    Save the current config to the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Create or modify a user with the specified attributes.",
            "USERS",
            "    List all the registered usernames.",
            "WHOAMI",
            "    Return the current connection username.",
        ],
    );
    Ok(())
}
