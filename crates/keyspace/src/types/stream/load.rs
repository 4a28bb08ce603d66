//! Streams made of what was written elsewhere. Nothing of it is believed.

use super::node::Node;
use super::{History, Stream, StreamId, StreamNode};
use crate::types::StreamItem;
use crate::types::listpack::{Elements, elements};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

impl StreamNode {
    /// The node that Redis writes as this listpack, under this ID; `None` if it is damaged, has no entry, or its entries
    /// are out of order.
    pub fn from_listpack(first: StreamId, listpack: &[u8]) -> Option<Self> {
        let mut rest = elements(listpack)?;
        let live = u32::try_from(rest.next_int()?).ok()?;
        let deleted = u32::try_from(rest.next_int()?).ok()?;
        let bytes = rest.rest();
        let fields = usize::try_from(rest.next_int()?).ok().filter(|fields| *fields > 0)?;
        take(&mut rest, fields)?;
        (rest.next_int()? == 0).then_some(())?;
        let body = bytes.len() - rest.rest().len();

        let (mut entries, mut marked, mut last) = (0, 0, None);
        while rest.len() > 0 {
            // Marking an entry changes this byte in place.
            let in_one_byte = rest.rest().first().is_some_and(|byte| *byte < 0x80);
            let flags = rest.next_int().filter(|flags| in_one_byte && (0..=3).contains(flags))?;
            let (ms, seq) = (rest.next_int()? as u64, rest.next_int()? as u64);
            let id = StreamId { ms: first.ms.wrapping_add(ms), seq: first.seq.wrapping_add(seq) };
            if id < first || last.is_some_and(|last| id <= last) {
                return None;
            }
            let count = if flags & SAME_FIELDS != 0 {
                take(&mut rest, fields)?;
                fields + 3
            } else {
                let own = usize::try_from(rest.next_int()?).ok().filter(|own| *own > 0)?;
                let items = own.checked_mul(2)?;
                take(&mut rest, items)?;
                items + 4
            };
            (rest.next_int()? == count as i64).then_some(())?;
            entries += 1;
            marked += u32::from(flags & DELETED != 0);
            last = Some(id);
        }
        let whole = entries > 0 && marked == deleted && entries - marked == live;
        let body = u32::try_from(body).ok()?;
        whole.then(|| Node::of_elements(first, bytes.to_vec(), live, deleted, body))
    }
}

fn take(rest: &mut Elements<'_>, count: usize) -> Option<()> {
    (count <= rest.len()).then(|| rest.by_ref().take(count).for_each(|_: StreamItem<'_>| ()))
}

impl Stream {
    /// A stream of these nodes with what it is to know of its entries, without groups. How many entries there are and which
    /// is the first is counted, whatever `history` says. `None` if the nodes are out of order or the last ID is not the
    /// greatest.
    pub fn from_nodes(nodes: Vec<StreamNode>, history: History) -> Option<Self> {
        let ordered = nodes.windows(2).all(|pair| pair[0].last() < pair[1].first);
        let complete = nodes.last().is_none_or(|node| node.last() <= history.last_id);
        let mut stream = Stream { nodes: nodes.into(), history, groups: Vec::new() };
        stream.history.len = stream.nodes.iter().map(|node| node.live as usize).sum();
        stream.renew_first_id();
        (ordered && complete).then_some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::NoLog;
    use crate::types::Limits;

    fn stream() -> Stream {
        let mut stream = Stream::default();
        let limits = Limits { stream_node_max_entries: 3, ..Limits::default() };
        for seq in 1..=8 {
            let fields: &[&[u8]] = if seq == 2 { &[b"x", b"1", b"yy", b"2"] } else { &[b"field", b"value"] };
            stream.append(StreamId { ms: 5 + seq / 3, seq }, fields, &limits, &mut NoLog);
        }
        stream.delete(StreamId { ms: 5, seq: 1 }, &mut NoLog);
        stream
    }

    #[test]
    fn nodes_survive_the_way_there_and_back() {
        let stream = stream();
        let nodes = stream.nodes().map(|node| StreamNode::from_listpack(node.first(), &node.to_listpack()));
        let again = Stream::from_nodes(nodes.collect::<Option<_>>().expect("whole nodes"), *stream.history());
        assert_eq!(format!("{again:?}"), format!("{:?}", Some(stream)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn damage_is_found_or_harmless() {
        for node in stream().nodes() {
            let bytes = node.to_listpack();
            for (at, value) in (0..bytes.len()).flat_map(|at| (0..=255).map(move |value| (at, value))) {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                if let Some(node) = StreamNode::from_listpack(node.first(), &damaged) {
                    let history = History { last_id: StreamId::MAX, ..History::default() };
                    let stream = Stream::from_nodes(vec![node], history).expect("one node");
                    assert!(stream.iter().all(|entry| entry.fields().count() == entry.len()));
                    assert!(stream.range_rev(StreamId::MIN, StreamId::MAX).count() == stream.len());
                }
            }
        }
    }

    #[test]
    fn nodes_out_of_order_are_refused() {
        let stream = stream();
        let mut nodes: Vec<_> = stream.nodes().cloned().collect();
        let low = History { last_id: StreamId { ms: 1, seq: 1 }, ..*stream.history() };
        assert!(Stream::from_nodes(nodes.clone(), low).is_none());
        nodes.swap(0, 1);
        assert!(Stream::from_nodes(nodes, *stream.history()).is_none());
    }
}
