//! Commands on hashes.

mod all;
mod change;
mod counters;
mod random;
mod read;
mod scan;

use crate::spec::{Categories, Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    change::HSET,
    change::HMSET,
    change::HSETNX,
    change::HDEL,
    counters::HINCRBY,
    counters::HINCRBYFLOAT,
    read::HGET,
    read::HMGET,
    read::HLEN,
    read::HSTRLEN,
    read::HEXISTS,
    all::HGETALL,
    all::HKEYS,
    all::HVALS,
    random::HRANDFIELD,
    scan::HSCAN,
];

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);

/// A command on the hash at its first argument.
const fn on_hash(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1)).acl(Categories::HASH)
}
