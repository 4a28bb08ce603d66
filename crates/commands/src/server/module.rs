//! MODULE. There are none, and none can be loaded.

use crate::call::Call;
use crate::error::Error;
use crate::help;
use crate::spec::{Command, Flags, Group, Handler, command, container};

pub(super) const MODULE: Command = container(
    "module",
    &[
        change("load", "module|load", -3, refuse_loading)
            .docs(Group::Server, "4.0.0", "O(1)", "Load a module")
            .syntax("path [arg...]"),
        change("loadex", "module|loadex", -3, refuse_loading)
            .docs(Group::Server, "7.0.0", "O(1)", "Load a module with extended parameters")
            .syntax("path [CONFIG configs(name value)+] [ARGS args(arg)...]"),
        change("unload", "module|unload", 3, unload)
            .docs(Group::Server, "4.0.0", "O(1)", "Unload a module")
            .syntax("name"),
        command("list", 2, list).full("module|list").flags(Flags::ADMIN.or(Flags::NOSCRIPT)).docs(
            Group::Server,
            "4.0.0",
            "O(N) where N is the number of loaded modules.",
            "List all modules loaded by the server",
        ),
        command("help", 2, reply_help).full("module|help").flags(Flags::LOADING.or(Flags::STALE)).docs(
            Group::Server,
            "5.0.0",
            "O(1)",
            "Show helpful text about the different subcommands",
        ),
    ],
)
.docs(Group::Server, "4.0.0", "Depends on subcommand.", "A container for module commands");

const fn change(name: &'static str, full_name: &'static str, arity: i8, handler: Handler) -> Command {
    let flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::PROTECTED);
    command(name, arity, handler).full(full_name).flags(flags)
}

fn list(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.array(0);
    Ok(())
}

fn refuse_loading(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(Error::Text("ERR Error loading the extension. Please check the server logs."))
}

fn unload(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(Error::Text("ERR Error unloading module: no such module with that name"))
}

fn reply_help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    help::reply(
        call,
        "MODULE",
        &[
            "LIST",
            "    Return a list of loaded modules.",
            "LOAD <path> [<arg> ...]",
            "    Load a module library from <path>, passing to it any optional arguments.",
            "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
            "    Load a module library from <path>, while passing it module configurations and optional arguments.",
            "UNLOAD <name>",
            "    Unload a module.",
        ],
    );
    Ok(())
}
