//! Walks over the entries of a stream, in both directions.

use std::collections::VecDeque;

use super::node::{Node, StreamEntry};
use super::{Stream, StreamId};

/// Entries in ascending order; see [`Stream::range`].
#[derive(Clone, Debug)]
pub struct StreamRange<'a> {
    nodes: &'a VecDeque<Node>,
    /// The node and the offset in it of the next entry.
    node: usize,
    at: usize,
    end: StreamId,
}

impl<'a> StreamRange<'a> {
    pub(super) fn new(stream: &'a Stream, start: StreamId, end: StreamId) -> Self {
        let nodes = &stream.nodes;
        let node = if start > stream.last_id() { nodes.len() } else { stream.locate(start).unwrap_or(0) };
        let at = nodes.get(node).map_or(0, |node| node.seek(start));
        StreamRange { nodes, node, at, end }
    }

    /// How many entries are left, or `limit` if there are more. Whole nodes cost nothing.
    pub fn count_up_to(&self, limit: usize) -> usize {
        let mut rest = self.clone();
        let mut count = 0;
        while count < limit {
            // A node whose successor begins within the range lies in it altogether.
            let at_start = rest.nodes.get(rest.node).filter(|node| rest.at == node.bounds().0);
            let next = rest.nodes.get(rest.node + 1).filter(|next| next.first <= rest.end);
            if let (Some(node), Some(next)) = (at_start, next) {
                count += node.live as usize;
                (rest.node, rest.at) = (rest.node + 1, next.bounds().0);
            } else if rest.next().is_some() {
                count += 1;
                rest.leave_finished_node();
            } else {
                return count;
            }
        }
        count.min(limit)
    }

    fn leave_finished_node(&mut self) {
        if self.nodes.get(self.node).is_some_and(|node| self.at == node.bounds().1) {
            self.node += 1;
            self.at = self.nodes.get(self.node).map_or(0, |node| node.bounds().0);
        }
    }
}

impl<'a> Iterator for StreamRange<'a> {
    type Item = StreamEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            self.leave_finished_node();
            let node = self.nodes.get(self.node)?;
            let (entry, next) = node.entry_at(self.at);
            if entry.id > self.end {
                self.node = self.nodes.len();
                return None;
            }
            self.at = next;
            if !entry.is_deleted() {
                return Some(entry);
            }
        }
    }
}

/// Entries in descending order; see [`Stream::range_rev`].
#[derive(Clone, Debug)]
pub struct StreamRangeRev<'a> {
    nodes: &'a VecDeque<Node>,
    /// How many nodes are left, and where the last of them is left off.
    left: usize,
    at: usize,
    start: StreamId,
}

impl<'a> StreamRangeRev<'a> {
    pub(super) fn new(stream: &'a Stream, start: StreamId, end: StreamId) -> Self {
        let nodes = &stream.nodes;
        let left = stream.locate(end).map_or(0, |node| node + 1);
        let last = left.checked_sub(1).map(|last| &nodes[last]);
        let at = last.map_or(0, |node| end.next().map_or(node.bounds().1, |after| node.seek(after)));
        StreamRangeRev { nodes, left, at, start }
    }
}

impl<'a> Iterator for StreamRangeRev<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        loop {
            let node = &self.nodes[self.left.checked_sub(1)?];
            if self.at == node.bounds().0 {
                self.left -= 1;
                self.at = self.left.checked_sub(1).map_or(0, |last| self.nodes[last].bounds().1);
                continue;
            }
            let entry = node.entry_before(self.at);
            if entry.id < self.start {
                self.left = 0;
                return None;
            }
            self.at = entry.at;
            if !entry.is_deleted() {
                return Some(entry);
            }
        }
    }
}
