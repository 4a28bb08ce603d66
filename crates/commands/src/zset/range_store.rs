//! ZRANGESTORE, and how a computed sorted set takes a key's place.

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Deadline, Value, ZSet};

use super::range::{Bounds, walk};
use super::range_query::Form;
use super::writing;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Keys};

pub(super) const ZRANGESTORE: Command = writing("zrangestore", -5, zrangestore)
    .flags(Flags::DENYOOM)
    .keys(Keys::range(1, 1, 1))
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
        "Store a range of members from sorted set into another key",
    )
    .syntax("dst@0 src@1 min max [sortby<BYSCORE|BYLEX>] [REV] \
        [LIMIT offset_count(offset:int count:int)]");

fn zrangestore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (range, _) = Form::STORED.parse(&call.args[3..])?;
    let source = call.txn.zset(call.db, call.args[2])?;
    call.env.count_lookup(call.txn, call.db, call.args[2], source.is_some());
    let limits = call.txn.limits();
    let mut result = ZSet::default();
    if let Some(source) = source {
        let interval = range.interval(source);
        // Redis foresees the form by rank alone, which decides whether a big result keeps its scores of -0.
        if let Bounds::Rank { .. } = range.bounds {
            result = ZSet::with_form_of(interval.len(), 0, &limits);
        }
        walk(source, interval, false, |member, score| {
            result.insert_or_update(member, score, &limits, &mut NoLog);
        });
    }
    store(call, call.args[1], result, "zrangestore");
    Ok(())
}

/// Puts a sorted set in the place of whatever the key holds, or removes the key if it is empty; answers its size.
pub(super) fn store(call: &mut Call<'_, '_>, key: &[u8], result: ZSet, event: &str) {
    let len = result.len();
    if len > 0 {
        call.txn.insert(call.db, key, Value::ZSet(Box::new(result)), Deadline::Never);
        call.notify(Event::ZSet, event, key);
    } else if call.txn.remove(call.db, key) {
        call.notify(Event::Generic, "del", key);
    }
    call.reply.int(len as i64);
}
