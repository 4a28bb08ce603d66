//! Functions: libraries of Lua that clients load once and call by the functions' names.
//!
//! The registry is shared by all workers and replaced as a whole by each change, so that whoever looks sees one state of
//! it. Each worker's VM loads a library when it first runs a function of it.

mod call;
mod library;
mod load;
mod manage;
mod registry;

pub use library::{Function, Library, Registered, Source, Sources};
pub use load::{LibraryLoad, LoadResult, Loaded};
pub(crate) use registry::LocalFunctions;
pub use registry::{Functions, Libraries, SharedLibrary};

use crate::spec::{Command, Flags, Group, container};

pub(crate) static COMMANDS: &[Command] = &[FUNCTION, call::FCALL, call::FCALL_RO];

const FUNCTION: Command = container(
    "function",
    &[
        manage::DELETE,
        manage::DUMP,
        manage::FLUSH,
        manage::HELP,
        manage::KILL,
        manage::LIST,
        load::LOAD,
        load::RESTORE,
        manage::STATS,
    ],
)
.docs(Group::Scripting, "7.0.0", "Depends on subcommand.", "A container for function commands");

/// Subcommands that change the libraries.
const CHANGES: Flags = Flags::NOSCRIPT.or(Flags::WRITE);
