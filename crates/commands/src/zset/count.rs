//! ZCOUNT and ZLEXCOUNT.

use super::range::{Bounds, Range};
use super::reading;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler};

pub(super) const ZCOUNT: Command = counting(
    "zcount",
    |call| count(call, Bounds::score(call.args[2], call.args[3])?),
    "2.0.0",
    "Count the members in a sorted set with scores within the given values",
)
.syntax("key min:double max:double");

pub(super) const ZLEXCOUNT: Command = counting(
    "zlexcount",
    |call| count(call, Bounds::lex(call.args[2], call.args[3])?),
    "2.8.9",
    "Count the number of members in a sorted set between a given lexicographical range",
)
.syntax("key min max");

const fn counting(
    name: &'static str,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    reading(name, 4, handler).flags(Flags::FAST).docs(
        Group::SortedSet,
        since,
        "O(log(N)) with N being the number of elements in the sorted set.",
        summary,
    )
}

fn count(call: &mut Call<'_, '_>, bounds: Bounds<'_>) -> Result<(), Error> {
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    call.reply.int(zset.map_or(0, |zset| Range::all(bounds).interval(zset).len() as i64));
    Ok(())
}
