//! Commands on sorted sets.

mod add;
mod combine;
mod combine_options;
mod count;
mod pop;
mod random;
mod range;
mod range_query;
mod range_store;
mod remove;
mod scan;
mod score;

pub(crate) use self::add::{Only, Options as AddOptions, add};
use crate::spec::{Categories, Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    add::ZADD,
    add::ZINCRBY,
    remove::ZREM,
    remove::ZREMRANGEBYRANK,
    remove::ZREMRANGEBYSCORE,
    remove::ZREMRANGEBYLEX,
    score::ZCARD,
    score::ZSCORE,
    score::ZMSCORE,
    score::ZRANK,
    score::ZREVRANK,
    count::ZCOUNT,
    count::ZLEXCOUNT,
    range_query::ZRANGE,
    range_query::ZREVRANGE,
    range_query::ZRANGEBYSCORE,
    range_query::ZREVRANGEBYSCORE,
    range_query::ZRANGEBYLEX,
    range_query::ZREVRANGEBYLEX,
    range_store::ZRANGESTORE,
    pop::ZPOPMIN,
    pop::ZPOPMAX,
    pop::ZMPOP,
    pop::BZPOPMIN,
    pop::BZPOPMAX,
    pop::BZMPOP,
    combine::ZUNION,
    combine::ZINTER,
    combine::ZDIFF,
    combine::ZUNIONSTORE,
    combine::ZINTERSTORE,
    combine::ZDIFFSTORE,
    combine::ZINTERCARD,
    random::ZRANDMEMBER,
    scan::ZSCAN,
];

/// Starts the entry of a command that reads the sorted set at its first argument.
const fn reading(name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).flags(Flags::READONLY).keys(Keys::at(1)).acl(Categories::SORTEDSET)
}

/// Starts the entry of a command that changes the sorted set at its first argument.
const fn writing(name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).flags(Flags::WRITE).keys(Keys::at(1)).acl(Categories::SORTEDSET)
}
