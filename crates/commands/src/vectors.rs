//! Commands on vector sets, as Redis 8.0.6 has them as a module, and VRANGE of 8.4.

mod add;
mod attributes;
mod elements;
mod embedding;
mod filter;
mod info;
mod links;
mod random;
mod range;
mod similar;
mod vector;
mod wish;

use crate::spec::{Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    add::VADD,
    elements::VREM,
    elements::VCARD,
    elements::VDIM,
    elements::VISMEMBER,
    similar::VSIM,
    embedding::VEMB,
    attributes::VSETATTR,
    attributes::VGETATTR,
    links::VLINKS,
    info::VINFO,
    random::VRANDMEMBER,
    range::VRANGE,
];

/// Starts the entry of a command on the vector set at its first argument.
const fn on_vectors(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1))
}

/// The flags of most commands that read.
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
