//! Streams.
//!
//! A stream is a deque of [nodes](node) of up to `stream-node-max-entries` entries, found by their first IDs. An entry that
//! is deleted leaves a mark behind until its node has no other left. Beside the entries a stream remembers what it has
//! ever held, and its consumer groups, sorted by name.

mod group;
mod groups;
mod id;
mod load;
mod node;
mod radix;
mod range;
mod trim;

use std::collections::VecDeque;

use self::node::Node;
pub use self::{
    group::{GroupUndo, PendingEntry, StreamConsumer, StreamGroup},
    id::StreamId,
    node::{Node as StreamNode, StreamEntry},
    range::{StreamRange, StreamRangeRev},
    trim::{References, StreamTrim, TrimTo},
};
use super::Limits;
use crate::log::Log;

/// A log of entries, each with an ID greater than all before it and with fields that have values.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// In the order of their entries. None is without an entry, though all may be deleted.
    nodes: VecDeque<Node>,
    history: History,
    groups: Vec<(Box<[u8]>, Box<StreamGroup>)>,
}

/// What a stream knows of the entries that it has held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// How many entries there are.
    pub len: usize,
    /// The first of them; [`StreamId::MIN`] if there is none.
    pub first_id: StreamId,
    /// The greatest ID ever given.
    pub last_id: StreamId,
    /// The greatest ID ever deleted singly; [`StreamId::MIN`] if there is none.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
}

/// What undoes a change of a [`Stream`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum StreamUndo {
    /// `len`: the bytes of the last node before; 0 if it is new.
    Unappend {
        len: usize,
        last_id: StreamId,
    },
    Undelete {
        node: usize,
        at: usize,
    },
    InsertNode {
        node: usize,
        removed: Box<StreamNode>,
    },
    PrependNodes(Vec<StreamNode>),
    History(Box<History>),
    RemoveGroup(u32),
    InsertGroup(u32, Box<(Box<[u8]>, Box<StreamGroup>)>),
    Group(u32, GroupUndo),
}

impl Stream {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.history.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.history.len == 0
    }

    /// What it knows of the entries that it has held.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The greatest ID ever given.
    pub fn last_id(&self) -> StreamId {
        self.history.last_id
    }

    /// The nodes in the order of their entries.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &StreamNode> {
        self.nodes.iter()
    }

    /// How many nodes there are: the keys of Redis's radix tree.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many nodes Redis's radix tree would have; looks at every node.
    pub fn radix_nodes(&self) -> usize {
        radix::nodes(self.nodes.iter().map(|node| node.first))
    }

    /// The entries from one ID to another, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        StreamRange::new(self, start, end)
    }

    /// The entries from one ID to another, both included, the last one first.
    pub fn range_rev(&self, start: StreamId, end: StreamId) -> StreamRangeRev<'_> {
        StreamRangeRev::new(self, start, end)
    }

    /// All entries.
    pub fn iter(&self) -> StreamRange<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The entry with an ID.
    pub fn get(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        self.range(id, id).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.range_rev(StreamId::MIN, StreamId::MAX).next()
    }

    /// How many entries and pending entries there are to be freed, about.
    pub(crate) fn weight(&self) -> usize {
        self.history.len + self.groups.iter().map(|(_, group)| group.pending_len() + 1).sum::<usize>()
    }

    /// Bytes allocated on the heap, estimated from a sample.
    pub fn heap_bytes(&self) -> usize {
        const SAMPLES: usize = 32;
        let samples = self.nodes.len().min(SAMPLES);
        let step = self.nodes.len().checked_div(samples).unwrap_or(0);
        let sampled: usize = (0..samples).map(|sample| self.nodes[sample * step].heap_bytes()).sum();
        let nodes = (sampled * self.nodes.len()).checked_div(samples).unwrap_or(0);
        let groups: usize = self
            .groups
            .iter()
            .map(|(name, group)| name.len() + size_of::<StreamGroup>() + group.heap_bytes())
            .sum();
        nodes
            + self.nodes.capacity() * size_of::<Node>()
            + self.groups.capacity() * size_of::<(Box<[u8]>, Box<StreamGroup>)>()
            + groups
    }

    /// What OBJECT ENCODING calls it: `stream`.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// Adds an entry, fields and values in turn. The ID must be greater than the [last](Self::last_id).
    pub fn append(
        &mut self,
        id: StreamId,
        fields: &[&[u8]],
        limits: &Limits,
        log: &mut impl Log<StreamUndo>,
    ) {
        debug_assert!(id > self.history.last_id, "IDs grow");
        let last_id = self.history.last_id;
        let bytes: usize = fields.iter().map(|item| item.len()).sum();
        match self.nodes.back_mut().filter(|node| has_room(node, bytes, limits)) {
            Some(node) => {
                log.record(|| StreamUndo::Unappend { len: node.bounds().1, last_id });
                node.push(id, fields);
            }
            None => {
                log.record(|| StreamUndo::Unappend { len: 0, last_id });
                match self.nodes.back_mut() {
                    Some(full) => full.close(),
                    None => self.nodes.reserve_exact(1),
                }
                self.nodes.push_back(Node::new(id, fields));
            }
        }
        let history = &mut self.history;
        history.len += 1;
        history.entries_added += 1;
        history.last_id = id;
        if history.len == 1 {
            history.first_id = id;
        }
    }

    /// Deletes an entry and answers whether it was there.
    pub fn delete(&mut self, id: StreamId, log: &mut impl Log<StreamUndo>) -> bool {
        let Some((node, at)) = self.find(id) else { return false };
        self.log_history(log);
        self.history.max_deleted_id = self.history.max_deleted_id.max(id);
        self.delete_at(node, at, log);
        if id == self.history.first_id {
            self.renew_first_id();
        }
        true
    }

    /// Sets what later IDs must exceed, and, if given, how many entries were ever added and the greatest ID ever deleted.
    pub fn set_last_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
        log: &mut impl Log<StreamUndo>,
    ) {
        self.log_history(log);
        let history = &mut self.history;
        history.last_id = last_id;
        history.entries_added = entries_added.unwrap_or(history.entries_added);
        history.max_deleted_id = max_deleted_id.unwrap_or(history.max_deleted_id);
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: StreamUndo) {
        match undo {
            StreamUndo::Unappend { len, last_id } => {
                if len == 0 {
                    self.nodes.pop_back();
                } else {
                    self.nodes.back_mut().expect("the node that was added to").unpush(len);
                }
                self.history.len -= 1;
                self.history.entries_added -= 1;
                self.history.last_id = last_id;
                if self.history.len == 0 {
                    self.history.first_id = StreamId::MIN;
                }
            }
            StreamUndo::Undelete { node, at } => self.nodes[node].undelete(at),
            StreamUndo::InsertNode { node, removed } => self.nodes.insert(node, *removed),
            StreamUndo::PrependNodes(nodes) => {
                nodes.into_iter().rev().for_each(|node| self.nodes.push_front(node));
            }
            StreamUndo::History(history) => self.history = *history,
            StreamUndo::RemoveGroup(at) => drop(self.groups.remove(at as usize)),
            StreamUndo::InsertGroup(at, group) => self.groups.insert(at as usize, *group),
            StreamUndo::Group(at, undo) => self.groups[at as usize].1.undo(undo),
        }
    }

    /// The node that the entry with an ID would be in.
    fn locate(&self, id: StreamId) -> Option<usize> {
        match self.nodes.back() {
            Some(last) if last.first <= id => Some(self.nodes.len() - 1),
            _ => self.nodes.partition_point(|node| node.first <= id).checked_sub(1),
        }
    }

    /// The node and the offset of a live entry.
    fn find(&self, id: StreamId) -> Option<(usize, usize)> {
        let node = self.locate(id)?;
        let at = self.nodes[node].seek(id);
        if at == self.nodes[node].bounds().1 {
            return None;
        }
        let (entry, _) = self.nodes[node].entry_at(at);
        (entry.id == id && !entry.is_deleted()).then_some((node, at))
    }

    /// Deletes a live entry, and its node with it if it is the last one there.
    fn delete_at(&mut self, node: usize, at: usize, log: &mut impl Log<StreamUndo>) {
        if self.nodes[node].live == 1 {
            let removed = self.nodes.remove(node).expect("a node that was found");
            log.record(|| StreamUndo::InsertNode { node, removed: Box::new(removed) });
        } else {
            self.nodes[node].delete(at);
            log.record(|| StreamUndo::Undelete { node, at });
        }
        self.history.len -= 1;
    }

    /// Everything before later steps.
    fn log_history(&self, log: &mut impl Log<StreamUndo>) {
        log.record(|| StreamUndo::History(Box::new(self.history)));
    }

    fn renew_first_id(&mut self) {
        self.history.first_id = self.iter().next().map_or(StreamId::MIN, |entry| entry.id);
    }
}

/// Whether an entry of so many bytes goes into the node: Redis's rule, so that nodes begin where its nodes do.
fn has_room(node: &Node, bytes: usize, limits: &Limits) -> bool {
    let max_bytes = match limits.stream_node_max_bytes {
        0 => LARGEST_NODE,
        bytes => bytes.min(LARGEST_NODE),
    };
    let max_entries = limits.stream_node_max_entries;
    node.listpack_bytes() + bytes < max_bytes && (max_entries == 0 || node.count() < max_entries)
}

/// The most bytes that an entry, or a node of several, may have.
pub const LARGEST_NODE: usize = 1 << 30;
