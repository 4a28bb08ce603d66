//! XREAD and XREADGROUP: what is there at once, and waiting for what is to come.

mod claim;
mod options;
mod serve;

use perigee_keyspace::{Audience, Edit, PendingEntry, Stream, StreamId};
use perigee_resp::Reply;
use smallvec::SmallVec;

use self::options::{Options, Start};
use super::{consumer_of, id, look_up, no_group, reply_entry, tell_created};
use crate::blocking::{Again, Block};
use crate::call::Call;
use crate::error::Error;
use crate::session::{OwnedArgs, Role};
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const READER: Flags = Flags::BLOCKING.or(Flags::MOVABLE_KEYS);

const fn reader(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::Custom(options::keys)).acl(Categories::STREAM)
}

pub(super) const XREAD: Command = reader("xread", -4, xread, Flags::READONLY.or(READER)).docs(
    Group::Stream,
    "5.0.0",
    "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
    "Return never seen elements in multiple streams, with IDs greater than the ones reported by the caller for each stream. Can block.",
)
    .syntax("[COUNT count:int] [BLOCK milliseconds:int] STREAMS streams(key... id...)");

fn xread(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, false)?;
    if let Role::Served { key } = call.session.role {
        return serve::entries(call, &options, key);
    }
    let mut starts: SmallVec<[StreamId; 4]> = SmallVec::new();
    for (key, word) in options.streams(call) {
        let stream = look_up(call.env, call.txn, call.db, key)?;
        starts.push(options::after(stream, word)?);
    }
    let ready = |key: &[u8], start: StreamId| {
        let stream = look_up(call.env, call.txn, call.db, key).unwrap_or(None);
        stream.is_some_and(|stream| has_after(stream, start))
    };
    let found: SmallVec<[(&[u8], StreamId); 4]> = options
        .streams(call)
        .zip(&starts)
        .filter(|((key, _), start)| ready(key, **start))
        .map(|((key, _), start)| (key, *start))
        .collect();
    if found.is_empty() {
        wait(call, &options, |at| Some(starts[at]), None);
        return Ok(());
    }
    announce(call.reply, found.len());
    for (key, start) in found {
        announce_stream(call.reply, key);
        if let Some(stream) = call.txn.stream(call.db, key)? {
            reply_after(call.reply, stream, start, options.count);
        }
    }
    Ok(())
}

pub(super) const XREADGROUP: Command = reader("xreadgroup", -7, xreadgroup, Flags::WRITE.or(READER)).docs(
    Group::Stream,
    "5.0.0",
    "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
    "Return new entries from a stream using a consumer group, or access the history of the pending entries for a given consumer. Can block.",
)
    .syntax("GROUP group_consumer(group consumer) [COUNT count:int] [BLOCK milliseconds:int] \
        [CLAIM min-idle-time:int^8.4.0] [NOACK] STREAMS streams(key... id...)");

fn xreadgroup(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, true)?;
    if let Role::Served { key } = call.session.role {
        return serve::group(call, &options, key);
    }
    let mut reads: SmallVec<[GroupRead<'_>; 4]> = SmallVec::new();
    for (key, word) in options.streams(call) {
        let stream = look_up(call.env, call.txn, call.db, key)?;
        let group = stream.and_then(|stream| stream.group(options.group));
        let (group, _) =
            group.ok_or_else(|| no_group(key, options.group, " in XREADGROUP with GROUP option"))?;
        reads.push(GroupRead { key, group, start: options::of_group(word)? });
    }
    let ready: SmallVec<[bool; 4]> =
        (0..reads.len()).map(|at| is_ready(call, &options, &reads[..=at])).collect();
    let count = ready.iter().filter(|ready| **ready).count();
    if count > 0 {
        announce(call.reply, count);
    }
    for (read, ready) in reads.iter().zip(ready) {
        if !ready {
            call.env.count_hit();
            continue;
        }
        let Some(mut stream) = call.txn.stream_mut(call.db, read.key)? else { continue };
        call.env.count_hit();
        stream.tell(Audience::Nobody);
        let (number, created) = consumer_of(&mut stream, read.group, options.consumer);
        announce_stream(call.reply, read.key);
        let active = match read.start {
            Start::New => deliver(call.reply, &mut stream, read.group, number, &options) > 0,
            Start::After(id) => {
                reply_history(call.reply, &mut stream, read.group, number, id, options.count);
                false
            }
        };
        stream.note_consumer_seen(read.group, number, active);
        drop(stream);
        if created {
            tell_created(call, read.key);
        }
    }
    if count == 0 {
        let again_ms = options.claim_ms.and_then(|min_idle_ms| {
            let due = reads.iter().filter_map(|read| {
                let stream = call.txn.stream(call.db, read.key).ok()??;
                Some(claim::next_due(stream.group_at(read.group), min_idle_ms, call.now_ms()))
            });
            due.min()
        });
        wait(call, &options, |_| None, again_ms);
    }
    Ok(())
}

/// One of the streams that XREADGROUP reads.
struct GroupRead<'a> {
    key: &'a [u8],
    group: usize,
    start: Start,
}

/// Whether there is something for the last one of these, after the others were read.
fn is_ready(call: &Call<'_, '_>, options: &Options<'_>, reads: &[GroupRead<'_>]) -> bool {
    let Some((read, before)) = reads.split_last() else { return false };
    if matches!(read.start, Start::After(_)) {
        return true;
    }
    let Ok(Some(stream)) = call.txn.stream(call.db, read.key) else { return false };
    let group = stream.group_at(read.group);
    let idle = options.claim_ms.map(|min_idle_ms| claim::claimable(group, min_idle_ms, call.now_ms()));
    if idle.is_some_and(|idle| idle.iter().any(|(id, _)| stream.get(*id).is_some())) {
        return true;
    }
    let mut position = group.last_id;
    for _ in before.iter().filter(|other| other.key == read.key && other.start == Start::New) {
        let Some(start) = position.next() else { return false };
        position =
            stream.range(start, StreamId::MAX).take(options.count).last().map_or(position, |last| last.id);
    }
    has_after(stream, position)
}

/// Whether the stream has an entry behind the ID.
fn has_after(stream: &Stream, id: StreamId) -> bool {
    stream.last_id() > id && stream.last().is_some_and(|last| last.id > id)
}

/// Answers with the entries that the group has not read yet, after those that are claimed, and makes them pending. Answers how
/// many.
fn deliver(
    reply: &mut dyn Reply,
    stream: &mut Edit<'_, '_, Stream>,
    group: usize,
    consumer: u32,
    options: &Options<'_>,
) -> usize {
    let delivered_ms = stream.now_ms();
    let claimed = match options.claim_ms {
        Some(min_idle_ms) => claim::claim(stream, group, consumer, min_idle_ms, options.count),
        None => Vec::new(),
    };
    let mut ids: SmallVec<[StreamId; 16]> = SmallVec::new();
    let start = stream.group_at(group).last_id.next();
    let range = start.map(|start| stream.range(start, StreamId::MAX));
    let len = range.as_ref().map_or(0, |range| range.count_up_to(options.count - claimed.len()));
    reply.array(claimed.len() + len);
    for before in &claimed {
        claim::reply_delivered(reply, stream, *before, delivered_ms);
    }
    for entry in range.into_iter().flatten().take(len) {
        match options.claim_ms {
            None => reply_entry(reply, &entry),
            Some(_) => {
                let never = PendingEntry { consumer, delivered_ms, deliveries: 0 };
                claim::reply_delivered(reply, stream, (entry.id, never), delivered_ms);
            }
        }
        ids.push(entry.id);
    }
    for &id in &ids {
        stream.advance_group(group, id);
        if !options.no_ack {
            stream.put_pending(group, id, PendingEntry { consumer, delivered_ms, deliveries: 1 });
        }
    }
    claimed.len() + ids.len()
}

/// Answers with the entries after an ID that are pending for the consumer.
fn reply_history(
    reply: &mut dyn Reply,
    stream: &mut Edit<'_, '_, Stream>,
    group: usize,
    consumer: u32,
    after: StreamId,
    count: usize,
) {
    let delivered_ms = stream.now_ms();
    let pending = stream.group_at(group).consumer(consumer);
    let start = after.next().unwrap_or(StreamId::MAX);
    let ids: Vec<StreamId> = pending.pending_in(start..=StreamId::MAX).take(count).collect();
    reply.array(ids.len());
    for id in ids {
        let Some(entry) = stream.get(id) else {
            reply.array(2);
            id::reply(reply, id);
            reply.null_array();
            continue;
        };
        reply_entry(reply, &entry);
        if let Some(before) = stream.group_at(group).pending(id) {
            let deliveries = before.deliveries.wrapping_add(1);
            stream.put_pending(group, id, PendingEntry { delivered_ms, deliveries, ..before });
        }
    }
}

/// Waits if that is wanted. `start` gives the IDs to read on from, where the request does not say them itself; `again_ms`, when to look
/// again though nothing was added.
fn wait(
    call: &mut Call<'_, '_>,
    options: &Options<'_>,
    start: impl Fn(usize) -> Option<StreamId>,
    again_ms: Option<u64>,
) {
    let Some(deadline_ms) = options.block else {
        call.reply.null_array();
        return;
    };
    let starts: Vec<Option<String>> =
        (0..options.len).map(|at| start(at).map(|id| format!("{}-{}", id.ms, id.seq))).collect();
    let mut request = call.args.to_vec();
    for (word, start) in request[options.first + options.len..].iter_mut().zip(&starts) {
        if let Some(start) = start {
            *word = start.as_bytes();
        }
    }
    let keys = (options.first..options.first + options.len).collect();
    let block = Block { keys, deadline_ms, ..Block::default() };
    call.block_as(block, Again { request: Some(OwnedArgs::new(&request)), at_ms: again_ms });
}

/// Announces so many streams.
fn announce(reply: &mut dyn Reply, streams: usize) {
    match reply.protocol() {
        perigee_resp::Protocol::Resp2 => reply.array(streams),
        perigee_resp::Protocol::Resp3 => reply.map(streams),
    }
}

/// Announces a stream's entries, which are to follow as an array.
fn announce_stream(reply: &mut dyn Reply, key: &[u8]) {
    if reply.protocol() == perigee_resp::Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

/// Answers with entries after an ID.
fn reply_after(reply: &mut dyn Reply, stream: &Stream, after: StreamId, count: usize) {
    let Some(start) = after.next() else { return reply.array(0) };
    let range = stream.range(start, StreamId::MAX);
    let len = range.count_up_to(count);
    reply.array(len);
    range.take(len).for_each(|entry| reply_entry(reply, &entry));
}
