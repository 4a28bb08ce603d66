//! XACK and XPENDING.

use perigee_keyspace::{Audience, StreamId};

use super::{id, look_up, look_up_group, on_stream};
use crate::call::Call;
use crate::error::Error;
use crate::parse::{Word, integer};
use crate::spec::{Command, Flags, Group};

pub(super) const XACK: Command = on_stream("xack", -4, xack, Flags::WRITE.or(Flags::FAST)).docs(
    Group::Stream,
    "5.0.0",
    "O(1) for each message ID processed.",
    "Marks a pending message as correctly processed, effectively removing it from the pending entries list of the consumer group. Return value of the command is the number of messages successfully acknowledged, that is, the IDs we were actually able to resolve in the PEL.",
)
    .syntax("key group id...");

fn xack(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let stream = look_up(call.env, call.txn, call.db, key)?;
    let Some((group, _)) = stream.and_then(|stream| stream.group(call.args[2])) else {
        call.reply.int(0);
        return Ok(());
    };
    let ids = id::parse_all(&call.args[3..])?;
    let mut acknowledged = 0;
    if let Some(mut stream) = call.txn.stream_mut(call.db, key)? {
        stream.tell(Audience::Nobody);
        for id in ids {
            acknowledged += i64::from(stream.remove_pending(group, id));
        }
    }
    call.reply.int(acknowledged);
    Ok(())
}

pub(super) const XPENDING: Command = on_stream("xpending", -3, xpending, Flags::READONLY).docs(
    Group::Stream,
    "5.0.0",
    "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
    "Return information and entries from a stream consumer group pending entries list, that are messages fetched but never acknowledged.",
)
    .syntax("key group [filters([IDLE min-idle-time:int^6.2.0] start end count:int [consumer])]")
    .history(&[
        ("6.2.0", "Added the `IDLE` option and exclusive range intervals."),
    ]);

fn xpending(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match call.args.len() {
        3 => summary(call),
        6..=9 => {
            let query = Query::parse(call)?;
            entries(call, &query)
        }
        _ => Err(Error::Syntax),
    }
}

/// How many entries are pending, the first and the last one, and how many each consumer has.
fn summary(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (_, group) = look_up_group(call.env, call.txn, call.db, call.args[1], call.args[2])?;
    let mut ids = group.pending_in(StreamId::MIN..=StreamId::MAX).map(|(id, _)| id);
    let first = ids.next();
    let last = ids.next_back().or(first);
    call.reply.array(4);
    call.reply.int(group.pending_len() as i64);
    for id in [first, last] {
        match id {
            Some(id) => id::reply(call.reply, id),
            None => call.reply.null(),
        }
    }
    if first.is_none() {
        call.reply.null_array();
        return Ok(());
    }
    let waiting = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    call.reply.array(waiting().count());
    for consumer in waiting() {
        call.reply.array(2);
        call.reply.bulk(&consumer.name);
        call.reply.bulk_int(consumer.pending_len() as i64);
    }
    Ok(())
}

struct Query<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(call: &Call<'a, '_>) -> Result<Self, Error> {
        let args = call.args;
        let with_idle = Word(args[3]).is("IDLE");
        let min_idle_ms = if with_idle { call.integer(4)? } else { 0 };
        if with_idle && args.len() < 8 {
            return Err(Error::Syntax);
        }
        let at = if with_idle { 5 } else { 3 };
        let count = integer(args[at + 2]).ok_or(Error::NotInteger)?;
        Ok(Query {
            min_idle_ms,
            start: id::parse_start(args[at])?,
            end: id::parse_end(args[at + 1])?,
            count: usize::try_from(count).unwrap_or(0),
            consumer: args.get(at + 3).copied(),
        })
    }
}

/// Pending entries one by one: ID, consumer, milliseconds since the last delivery, number of deliveries.
fn entries(call: &mut Call<'_, '_>, query: &Query<'_>) -> Result<(), Error> {
    let now_ms = call.now_ms();
    let (_, group) = look_up_group(call.env, call.txn, call.db, call.args[1], call.args[2])?;
    let idle_enough = |delivered_ms: u64| {
        query.min_idle_ms == 0 || now_ms.wrapping_sub(delivered_ms) as i64 >= query.min_idle_ms
    };
    let range = query.start..=query.end;
    let found: Vec<_> = match query.consumer.map(|name| group.consumer_number(name)) {
        None => group
            .pending_in(range)
            .filter(|(_, pending)| idle_enough(pending.delivered_ms))
            .take(query.count)
            .collect(),
        Some(None) => Vec::new(),
        Some(Some(number)) => group
            .consumer(number)
            .pending_in(range)
            .filter_map(|id| Some((id, group.pending(id)?)))
            .filter(|(_, pending)| idle_enough(pending.delivered_ms))
            .take(query.count)
            .collect(),
    };
    call.reply.array(found.len());
    for (id, pending) in found {
        call.reply.array(4);
        id::reply(call.reply, id);
        call.reply.bulk(&group.consumer(pending.consumer).name);
        call.reply.int(now_ms.saturating_sub(pending.delivered_ms) as i64);
        call.reply.int(pending.deliveries as i64);
    }
    Ok(())
}
