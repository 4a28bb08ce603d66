//! XREADGROUP CLAIM, of Redis 8.4 (<https://redis.io/docs/latest/commands/xreadgroup/#the-claim-option>): before what is new
//! come entries that have been pending for too long, whoever had them.

use perigee_keyspace::{Edit, PendingEntry, Stream, StreamGroup, StreamId};
use perigee_resp::Reply;

use crate::stream::{id, reply_fields};

/// An entry that may be claimed.
pub(super) type Claimable = (StreamId, PendingEntry);

/// The entries that have waited so long, the longest first. Those that are no longer in the stream are listed too.
pub(super) fn claimable(group: &StreamGroup, min_idle_ms: u64, now_ms: u64) -> Vec<Claimable> {
    let all = group.pending_in(StreamId::MIN..=StreamId::MAX);
    let mut found: Vec<_> = all.filter(|(_, pending)| idle_ms(*pending, now_ms) >= min_idle_ms).collect();
    found.sort_by_key(|(id, pending)| (pending.delivered_ms, *id));
    found
}

/// When the next entry will have waited so long.
pub(super) fn next_due(group: &StreamGroup, min_idle_ms: u64, now_ms: u64) -> u64 {
    /// As often as this it is looked for entries that had not been delivered when the wait began.
    const AT_LEAST_MS: u64 = 100;
    let all = group.pending_in(StreamId::MIN..=StreamId::MAX);
    let first = all.map(|(_, pending)| pending.delivered_ms.saturating_add(min_idle_ms)).min();
    let later = now_ms.saturating_add(min_idle_ms.max(AT_LEAST_MS));
    first.filter(|&first| first > now_ms).unwrap_or(later)
}

/// Makes those that are in the stream the consumer's, so many at most, and the others pending no more. Answers which were
/// claimed, with what was known of them.
pub(super) fn claim(
    stream: &mut Edit<'_, '_, Stream>,
    group: usize,
    consumer: u32,
    min_idle_ms: u64,
    count: usize,
) -> Vec<Claimable> {
    let now_ms = stream.now_ms();
    let mut claimed = Vec::new();
    for (id, before) in claimable(stream.group_at(group), min_idle_ms, now_ms) {
        if claimed.len() == count {
            break;
        }
        if stream.get(id).is_none() {
            stream.remove_pending(group, id);
            continue;
        }
        let deliveries = before.deliveries.wrapping_add(1);
        stream.put_pending(group, id, PendingEntry { consumer, delivered_ms: now_ms, deliveries });
        claimed.push((id, before));
    }
    claimed
}

/// An entry with how long ago and how often it was delivered: never, if it is new.
pub(super) fn reply_delivered(reply: &mut dyn Reply, stream: &Stream, (id, before): Claimable, now_ms: u64) {
    reply.array(4);
    id::reply(reply, id);
    match stream.get(id) {
        Some(entry) => reply_fields(reply, &entry),
        None => reply.null_array(),
    }
    let is_new = before.deliveries == 0;
    reply.int(if is_new { 0 } else { idle_ms(before, now_ms) as i64 });
    reply.int(before.deliveries as i64);
}

fn idle_ms(pending: PendingEntry, now_ms: u64) -> u64 {
    now_ms.saturating_sub(pending.delivered_ms)
}
