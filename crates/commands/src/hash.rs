//! Commands on hashes.

mod all;
mod change;
mod counters;
mod expire;
mod fields;
mod get_and;
mod random;
mod read;
mod scan;
mod set_expiring;
mod ttl;

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
    expire::HEXPIRE,
    expire::HPEXPIRE,
    expire::HEXPIREAT,
    expire::HPEXPIREAT,
    ttl::HTTL,
    ttl::HPTTL,
    ttl::HEXPIRETIME,
    ttl::HPEXPIRETIME,
    ttl::HPERSIST,
    get_and::HGETEX,
    get_and::HGETDEL,
    set_expiring::HSETEX,
];

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.or(Flags::FAST);

/// A command on the hash at its first argument.
const fn on_hash(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1)).acl(Categories::HASH)
}
