//! Streams in RDB: the nodes as listpacks, what the stream remembers, its groups with what is pending.

use std::collections::BTreeMap;

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{History, PendingEntry, Stream, StreamGroup, StreamId, StreamNode, Value};

use super::strings::{read_length, read_string, take_array, write_length, write_string};

/// Which of the encodings of streams.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Of Redis 5.0: without what 7.0 remembers of deleted entries and of how much groups have read.
    First,
    /// Of 7.0.
    Second,
    /// Of 7.2: consumers have a second moment.
    Third,
}

/// Appends a stream in the second version.
pub(super) fn write(out: &mut Vec<u8>, stream: &Stream, compress: bool) {
    write_length(out, stream.nodes().len() as u64);
    for node in stream.nodes() {
        write_string(out, &id_bytes(node.first()), compress);
        write_string(out, &node.to_listpack(), compress);
    }
    let history = stream.history();
    write_length(out, history.len as u64);
    for id in [history.last_id, history.first_id, history.max_deleted_id] {
        write_id(out, id);
    }
    write_length(out, history.entries_added);
    write_length(out, stream.groups().len() as u64);
    for (name, group) in stream.groups() {
        write_string(out, name, compress);
        write_group(out, group, compress);
    }
}

fn write_group(out: &mut Vec<u8>, group: &StreamGroup, compress: bool) {
    write_id(out, group.last_id);
    write_length(out, group.entries_read.unwrap_or(UNKNOWN) as u64);
    write_length(out, group.pending_len() as u64);
    for (id, pending) in group.pending_in(StreamId::MIN..=StreamId::MAX) {
        out.extend_from_slice(&id_bytes(id));
        out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        write_length(out, pending.deliveries);
    }
    write_length(out, group.consumers_len() as u64);
    for consumer in group.consumers() {
        write_string(out, &consumer.name, compress);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        write_length(out, consumer.pending_len() as u64);
        for id in consumer.pending_in(StreamId::MIN..=StreamId::MAX) {
            out.extend_from_slice(&id_bytes(id));
        }
    }
}

/// A number of entries read, or a moment, that is not known.
const UNKNOWN: i64 = -1;

fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    write_length(out, id.ms);
    write_length(out, id.seq);
}

/// Takes a stream from the front.
pub(super) fn read(rest: &mut &[u8], version: Version) -> Option<Value> {
    let mut nodes = Vec::new();
    for _ in 0..read_length(rest)? {
        let first = id_of(read_string(rest)?.try_into().ok()?);
        nodes.push(StreamNode::from_listpack(first, &read_string(rest)?)?);
    }
    let entries = read_length(rest)?;
    let mut history = History { last_id: read_id(rest)?, ..History::default() };
    if version >= Version::Second {
        // The first ID, which is found among the entries.
        read_id(rest)?;
        history.max_deleted_id = read_id(rest)?;
        history.entries_added = read_length(rest)?;
    } else {
        history.entries_added = entries;
    }
    let mut stream = Stream::from_nodes(nodes, history)?;
    for _ in 0..read_length(rest)? {
        read_group(rest, version, &mut stream)?;
    }
    Some(Value::Stream(Box::new(stream)))
}

fn read_group(rest: &mut &[u8], version: Version, stream: &mut Stream) -> Option<()> {
    let name = read_string(rest)?;
    let last_id = read_id(rest)?;
    let entries_read = if version >= Version::Second {
        Some(read_length(rest)? as i64).filter(|read| *read != UNKNOWN)
    } else {
        stream.entries_up_to(last_id)
    };
    stream.create_group(&name, last_id, entries_read, &mut NoLog).then_some(())?;
    let (group, _) = stream.group(&name)?;
    let mut pending = BTreeMap::new();
    for _ in 0..read_length(rest)? {
        let id = id_of(take_array(rest)?);
        let delivered_ms = read_moment(rest)?.unwrap_or(0);
        let deliveries = read_length(rest)?;
        pending.insert(id, (delivered_ms, deliveries)).is_none().then_some(())?;
    }
    for _ in 0..read_length(rest)? {
        read_consumer(rest, version, stream, group, &mut pending)?;
    }
    // Each is some consumer's.
    pending.is_empty().then_some(())
}

fn read_consumer(
    rest: &mut &[u8],
    version: Version,
    stream: &mut Stream,
    group: usize,
    pending: &mut BTreeMap<StreamId, (u64, u64)>,
) -> Option<()> {
    let name = read_string(rest)?;
    let seen_ms = read_moment(rest)?.unwrap_or(0);
    let active_ms = if version >= Version::Third { read_moment(rest)? } else { Some(seen_ms) };
    if stream.group_at(group).consumer_number(&name).is_some() {
        return None;
    }
    let consumer = stream.add_consumer(group, &name, seen_ms, &mut NoLog);
    if let Some(active_ms) = active_ms {
        stream.note_consumer_seen(group, consumer, active_ms, true, &mut NoLog);
        stream.note_consumer_seen(group, consumer, seen_ms, false, &mut NoLog);
    }
    for _ in 0..read_length(rest)? {
        let id = id_of(take_array(rest)?);
        let (delivered_ms, deliveries) = pending.remove(&id)?;
        stream.put_pending(group, id, PendingEntry { consumer, delivered_ms, deliveries }, &mut NoLog);
    }
    Some(())
}

fn id_of(bytes: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(bytes);
    StreamId { ms: (both >> 64) as u64, seq: both as u64 }
}

fn read_id(rest: &mut &[u8]) -> Option<StreamId> {
    Some(StreamId { ms: read_length(rest)?, seq: read_length(rest)? })
}

/// Milliseconds since the epoch, if they are known.
fn read_moment(rest: &mut &[u8]) -> Option<Option<u64>> {
    Some(u64::try_from(i64::from_le_bytes(take_array(rest)?)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use perigee_keyspace::Limits;

    fn stream() -> Stream {
        let (mut stream, limits) = (Stream::default(), Limits::default());
        let id = |seq| StreamId { ms: 7, seq };
        (1..=5).for_each(|seq| stream.append(id(seq), &[b"field", b"value"], &limits, &mut NoLog));
        stream.delete(id(2), &mut NoLog);
        for (at, name) in [&b"g"[..], b"h"].into_iter().enumerate() {
            stream.create_group(name, id(3), if at == 0 { Some(3) } else { None }, &mut NoLog);
            for (name, seq) in [(&b"ann"[..], 1), (b"bob", 3)] {
                let consumer = stream.add_consumer(at, name, 1000 + seq, &mut NoLog);
                let pending = PendingEntry { consumer, delivered_ms: 2000, deliveries: seq };
                stream.note_consumer_seen(at, consumer, 1000 + seq, true, &mut NoLog);
                stream.put_pending(at, id(seq), pending, &mut NoLog);
            }
        }
        stream
    }

    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, &stream(), false);
        out
    }

    #[test]
    fn groups_consumers_and_what_is_pending_survive() {
        let again = read(&mut &written()[..], Version::Second);
        assert_eq!(format!("{again:?}"), format!("{:?}", Some(Value::Stream(Box::new(stream())))));
    }

    #[test]
    fn damage_is_refused_or_harmless() {
        let bytes = written();
        for (at, value) in
            (0..bytes.len()).flat_map(|at| [0, 1, 2, 0x7f, 0x80, 0xff].map(|value| (at, value)))
        {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            for version in [Version::First, Version::Second, Version::Third] {
                if let Some(Value::Stream(stream)) = read(&mut &damaged[..], version) {
                    write(&mut Vec::new(), &stream, true);
                }
                assert!(read(&mut &damaged[..at], version).is_none());
            }
        }
    }
}
