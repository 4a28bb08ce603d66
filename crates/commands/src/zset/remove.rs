//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::range::{Bounds, Range};
use super::writing;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler};

pub(super) const ZREM: Command = writing("zrem", -3, zrem).flags(Flags::FAST).docs(
    Group::SortedSet,
    "1.2.0",
    "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
    "Remove one or more members from a sorted set",
)
    .syntax("key member...")
    .history(&[
        ("2.4.0", "Accepts multiple elements."),
    ]);

fn zrem(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(mut zset) = call.txn.zset_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let mut removed = 0;
    for member in &call.args[2..] {
        removed += usize::from(zset.remove(member));
    }
    let emptied = zset.is_empty();
    drop(zset);
    finish(call, removed, emptied, "zrem");
    Ok(())
}

pub(super) const ZREMRANGEBYRANK: Command = by_range(
    "zremrangebyrank",
    |call| remove(call, Bounds::rank(call.args[2], call.args[3])?, "zremrangebyrank"),
    "2.0.0",
    "Remove all members in a sorted set within the given indexes",
)
.syntax("key start:int stop:int");

pub(super) const ZREMRANGEBYSCORE: Command = by_range(
    "zremrangebyscore",
    |call| remove(call, Bounds::score(call.args[2], call.args[3])?, "zremrangebyscore"),
    "1.2.0",
    "Remove all members in a sorted set within the given scores",
)
.syntax("key min:double max:double");

pub(super) const ZREMRANGEBYLEX: Command = by_range(
    "zremrangebylex",
    |call| remove(call, Bounds::lex(call.args[2], call.args[3])?, "zremrangebylex"),
    "2.8.9",
    "Remove all members in a sorted set between the given lexicographical range",
)
.syntax("key min max");

const fn by_range(
    name: &'static str,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    writing(name, 4, handler).docs(
        Group::SortedSet,
        since,
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
        summary,
    )
}

fn remove(call: &mut Call<'_, '_>, bounds: Bounds<'_>, event: &str) -> Result<(), Error> {
    let Some(mut zset) = call.txn.zset_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let interval = Range::all(bounds).interval(&zset);
    let removed = zset.remove_range_by_rank(interval.start, interval.len());
    let emptied = zset.is_empty();
    drop(zset);
    finish(call, removed, emptied, event);
    Ok(())
}

/// Tells of a removal, and answers how many members it took.
fn finish(call: &mut Call<'_, '_>, removed: usize, emptied: bool, event: &str) {
    let key = call.args[1];
    if removed > 0 {
        call.notify(Event::ZSet, event, key);
    }
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
    call.reply.int(removed as i64);
}
