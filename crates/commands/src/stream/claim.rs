//! XCLAIM and XAUTOCLAIM.

use perigee_keyspace::{Audience, Edit, PendingEntry, Stream, StreamId};

use super::{consumer_of, id, look_up_group, no_group, on_stream, reply_entry, tell_created};
use crate::call::Call;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group};

pub(super) const XCLAIM: Command = on_stream("xclaim", -6, xclaim, Flags::WRITE.or(Flags::FAST)).docs(
    Group::Stream,
    "5.0.0",
    "O(log N) with N being the number of messages in the PEL of the consumer group.",
    "Changes (or acquires) ownership of a message in a consumer group, as if the message was delivered to the specified consumer.",
)
    .syntax("key group consumer min-idle-time id... [IDLE ms:int] \
        [TIME unix-time-milliseconds:time] [RETRYCOUNT count:int] [FORCE] [JUSTID] \
        [LASTID id]");

fn xclaim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let (group, _) = look_up_group(call.env, call.txn, call.db, key, call.args[2])?;
    let options = Options::parse(call)?;
    let now_ms = call.now_ms();
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else { return Ok(()) };
    stream.tell(Audience::Nobody);
    let at = stream.group_at(group);
    if options.last_id > at.last_id {
        let entries_read = at.entries_read;
        stream.set_group_position(group, options.last_id, entries_read);
    }
    let (mut claimed, mut created) = (Vec::new(), false);
    for &id in &options.ids {
        let before = stream.group_at(group).pending(id);
        if stream.get(id).is_none() {
            // Nobody can read it any more.
            stream.remove_pending(group, id);
            continue;
        }
        let before = match before {
            Some(before) if is_idle(before, options.min_idle_ms, now_ms) => before.deliveries,
            None if options.force => 1,
            _ => continue,
        };
        let deliveries = options.deliveries.unwrap_or(before.wrapping_add(u64::from(!options.just_ids)));
        let (number, new) = consumer_of(&mut stream, group, call.args[3]);
        created |= new;
        let pending = PendingEntry { consumer: number, delivered_ms: options.delivered_ms, deliveries };
        stream.put_pending(group, id, pending);
        stream.note_consumer_seen(group, number, true);
        claimed.push(id);
    }
    call.reply.array(claimed.len());
    for id in claimed {
        reply_claimed(call.reply, &stream, id, options.just_ids);
    }
    drop(stream);
    if created {
        tell_created(call, key);
    }
    Ok(())
}

struct Options {
    min_idle_ms: i64,
    ids: Vec<StreamId>,
    delivered_ms: u64,
    deliveries: Option<u64>,
    force: bool,
    just_ids: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Error> {
        let now_ms = call.now_ms();
        let min_idle_ms = min_idle(call, "ERR Invalid min-idle-time argument for XCLAIM")?;
        let words = &call.args[5..];
        let ids: Vec<StreamId> = words.iter().map_while(|word| id::parse(word, 0).ok()).collect();
        let mut words = call.options(5 + ids.len());
        let mut delivered_ms: Option<i64> = None;
        let mut deliveries = None;
        let (mut force, mut just_ids, mut last_id) = (false, false, StreamId::MIN);
        while let Some(word) = words.next() {
            let more = words.left() > 0;
            if word.is("FORCE") {
                force = true;
            } else if word.is("JUSTID") {
                just_ids = true;
            } else if word.is("IDLE") && more {
                let idle_ms = integer(words.value()?)
                    .ok_or(Error::Text("ERR Invalid IDLE option argument for XCLAIM"))?;
                delivered_ms = Some((now_ms as i64).wrapping_sub(idle_ms));
            } else if word.is("TIME") && more {
                let time = integer(words.value()?);
                delivered_ms = Some(time.ok_or(Error::Text("ERR Invalid TIME option argument for XCLAIM"))?);
            } else if word.is("RETRYCOUNT") && more {
                let count = integer(words.value()?)
                    .ok_or(Error::Text("ERR Invalid RETRYCOUNT option argument for XCLAIM"))?;
                deliveries = u64::try_from(count).ok();
            } else if word.is("LASTID") && more {
                last_id = id::parse(words.value()?, 0)?;
            } else {
                return Err(Error::quoting("ERR Unrecognized XCLAIM option '", word.0, "'"));
            }
        }
        // A moment that cannot be is taken for now.
        let delivered_ms = delivered_ms.and_then(|ms| u64::try_from(ms).ok()).filter(|&ms| ms <= now_ms);
        let delivered_ms = delivered_ms.unwrap_or(now_ms);
        Ok(Options { min_idle_ms, ids, delivered_ms, deliveries, force, just_ids, last_id })
    }
}

pub(super) const XAUTOCLAIM: Command =
    on_stream("xautoclaim", -6, xautoclaim, Flags::WRITE.or(Flags::FAST)).docs(
        Group::Stream,
        "6.2.0",
        "O(1) if COUNT is small.",
        "Changes (or acquires) ownership of messages in a consumer group, as if the messages were delivered to the specified consumer.",
    )
    .syntax("key group consumer min-idle-time start [COUNT count:int] [JUSTID]")
    .history(&[
        ("7.0.0", "Added an element to the reply array, containing deleted entries the command cleared \
        from the PEL"),
    ]);

fn xautoclaim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    /// So many entries are looked at for each one that is wanted.
    const ATTEMPTS: usize = 10;
    /// Redis's: so many IDs can be allocated.
    const MOST: i64 = i64::MAX / 16;
    let key = call.args[1];
    // A missing key is missed even if the request is refused.
    if !call.txn.contains(call.db, key) {
        call.env.count_lookup(call.txn, call.db, key, false);
    }
    let min_idle_ms = min_idle(call, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = id::parse_start(call.args[5])?;
    let (mut count, mut just_ids) = (100, false);
    let mut words = call.options(6);
    while let Some(word) = words.next() {
        if word.is("COUNT") && words.left() > 0 {
            let number = integer(words.value()?).filter(|number| (1..=MOST).contains(number));
            count = number.ok_or(Error::Text("ERR COUNT must be > 0"))? as usize;
        } else if word.is("JUSTID") {
            just_ids = true;
        } else {
            return Err(Error::Syntax);
        }
    }
    let now_ms = call.now_ms();
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else {
        return Err(no_group(key, call.args[2], ""));
    };
    call.env.count_hit();
    let Some((group, found)) = stream.group(call.args[2]) else {
        return Err(no_group(key, call.args[2], ""));
    };
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut cursor = None;
    let mut attempts = count.saturating_mul(ATTEMPTS);
    for (id, before) in found.pending_in(start..=StreamId::MAX) {
        if attempts == 0 || claimed.len() + deleted.len() == count {
            cursor = Some(id);
            break;
        }
        attempts -= 1;
        if stream.get(id).is_none() {
            deleted.push(id);
        } else if is_idle(before, min_idle_ms, now_ms) {
            claimed.push((id, before.deliveries));
        }
    }
    stream.tell(Audience::Nobody);
    for &id in &deleted {
        stream.remove_pending(group, id);
    }
    let mut created = false;
    for &(id, deliveries) in &claimed {
        let (number, new) = consumer_of(&mut stream, group, call.args[3]);
        created |= new;
        let deliveries = deliveries.wrapping_add(u64::from(!just_ids));
        stream.put_pending(group, id, PendingEntry { consumer: number, delivered_ms: now_ms, deliveries });
        stream.note_consumer_seen(group, number, true);
    }
    call.reply.array(3);
    id::reply(call.reply, cursor.unwrap_or(StreamId::MIN));
    call.reply.array(claimed.len());
    for (id, _) in claimed {
        reply_claimed(call.reply, &stream, id, just_ids);
    }
    call.reply.array(deleted.len());
    deleted.into_iter().for_each(|id| id::reply(call.reply, id));
    drop(stream);
    if created {
        tell_created(call, key);
    }
    Ok(())
}

fn min_idle(call: &Call<'_, '_>, refusal: &'static str) -> Result<i64, Error> {
    Ok(integer(call.args[4]).ok_or(Error::Text(refusal))?.max(0))
}

fn is_idle(pending: PendingEntry, min_idle_ms: i64, now_ms: u64) -> bool {
    min_idle_ms == 0 || now_ms.wrapping_sub(pending.delivered_ms) as i64 >= min_idle_ms
}

fn reply_claimed(
    reply: &mut dyn perigee_resp::Reply,
    stream: &Edit<'_, '_, Stream>,
    id: StreamId,
    just_id: bool,
) {
    match stream.get(id).filter(|_| !just_id) {
        Some(entry) => reply_entry(reply, &entry),
        None => id::reply(reply, id),
    }
}
