//! Commands on sets.

mod algebra;
mod change;
mod random;
mod read;
mod scan;

use crate::spec::{Categories, Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    change::SADD,
    change::SREM,
    change::SMOVE,
    read::SMEMBERS,
    read::SISMEMBER,
    read::SMISMEMBER,
    read::SCARD,
    random::SPOP,
    random::SRANDMEMBER,
    algebra::SINTER,
    algebra::SINTERCARD,
    algebra::SINTERSTORE,
    algebra::SUNION,
    algebra::SUNIONSTORE,
    algebra::SDIFF,
    algebra::SDIFFSTORE,
    scan::SSCAN,
];

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);

/// A command on the set at its first argument.
const fn on_set(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1)).acl(Categories::SET)
}
