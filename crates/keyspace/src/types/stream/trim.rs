//! Cutting off the beginning of a stream.

use super::node::Node;
use super::{Stream, StreamId, StreamUndo};
use crate::log::Log;

/// What to leave of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamTrim {
    /// Up to where it is cut off.
    pub to: TrimTo,
    /// Whole nodes only.
    pub approximate: bool,
    /// Entries to delete at most, 0 for any number; counted by whole nodes.
    pub limit: usize,
    /// What becomes of references to what is cut off.
    pub references: References,
}

/// Up to where a stream is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// So many entries are left.
    Length(usize),
    /// No entry with a lesser ID is left.
    Id(StreamId),
}

/// What becomes of the references that consumer groups have to a deleted entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay.
    #[default]
    Keep,
    /// They go too.
    Delete,
    /// An entry that a group has still to read or to acknowledge is not deleted.
    Acknowledged,
}

impl Stream {
    /// Cuts off the beginning and answers how many entries that were, and what did not go to the log, to be freed.
    pub fn trim(&mut self, trim: &StreamTrim, log: &mut impl Log<StreamUndo>) -> (usize, Vec<Node>) {
        let before = self.history;
        let first = self.nodes.front();
        if first.is_none_or(|node| !self.is_due(trim, node.first)) {
            return (0, Vec::new());
        }
        self.log_history(log);
        let removed = match trim.references {
            References::Acknowledged => {
                self.trim_acknowledged(trim, log);
                Vec::new()
            }
            references => self.trim_front(trim, references, log),
        };
        if self.history.len < before.len {
            self.renew_first_id();
        }
        (before.len - self.history.len, removed)
    }

    /// Whether an entry with this ID is beyond what is to be left, if it is the first one now.
    fn is_due(&self, trim: &StreamTrim, id: StreamId) -> bool {
        match trim.to {
            TrimTo::Length(len) => self.history.len > len,
            TrimTo::Id(least) => id < least,
        }
    }

    /// Whether all entries of the node are.
    fn is_node_due(&self, trim: &StreamTrim, node: &Node) -> bool {
        match trim.to {
            TrimTo::Length(len) => self.history.len - node.live as usize >= len,
            TrimTo::Id(least) => node.last() < least,
        }
    }

    /// Removes whole nodes as long as possible, then single entries of the one that is left. Answers with the nodes that did
    /// not go to the log.
    fn trim_front(
        &mut self,
        trim: &StreamTrim,
        references: References,
        log: &mut impl Log<StreamUndo>,
    ) -> Vec<Node> {
        let mut removed = Vec::new();
        let (mut deleted, mut within) = (0, false);
        while let Some(node) = self.nodes.front() {
            let live = node.live as usize;
            if matches!(trim.to, TrimTo::Length(len) if self.history.len <= len)
                || (trim.limit > 0 && deleted + live > trim.limit)
            {
                break;
            }
            if !self.is_node_due(trim, node) {
                within = !trim.approximate;
                break;
            }
            let node = self.nodes.pop_front().expect("the node that was looked at");
            if references == References::Delete {
                let live = node.entries().filter(|entry| !entry.is_deleted());
                live.for_each(|entry| self.remove_references(entry.id, log));
            }
            deleted += live;
            self.history.len -= live;
            removed.push(node);
        }
        if !removed.is_empty() {
            log.record(|| StreamUndo::PrependNodes(std::mem::take(&mut removed)));
        }
        if within {
            self.trim_node(0, trim, references, log);
        }
        removed
    }

    /// Deletes single entries of a node, from its first one on, as long as they are due. Those that must stay are
    /// passed over.
    fn trim_node(
        &mut self,
        at: usize,
        trim: &StreamTrim,
        references: References,
        log: &mut impl Log<StreamUndo>,
    ) {
        let mut due = Vec::new();
        let mut len = self.history.len;
        for entry in self.nodes[at].entries() {
            let stop = match trim.to {
                TrimTo::Length(wanted) => len <= wanted,
                TrimTo::Id(least) => entry.id >= least,
            };
            if stop {
                break;
            }
            let kept = references == References::Acknowledged && self.is_referenced(entry.id);
            if !entry.is_deleted() && !kept {
                due.push((entry.at, entry.id));
                len -= 1;
            }
        }
        for (offset, id) in due {
            if references == References::Delete {
                self.remove_references(id, log);
            }
            self.nodes[at].delete(offset);
            log.record(|| StreamUndo::Undelete { node: at, at: offset });
            self.history.len -= 1;
        }
    }

    /// Deletes what nobody needs, node by node. Nodes with entries that must stay are passed over.
    fn trim_acknowledged(&mut self, trim: &StreamTrim, log: &mut impl Log<StreamUndo>) {
        let len = self.history.len;
        let mut at = 0;
        while let Some(node) = self.nodes.get(at).filter(|node| self.is_due(trim, node.first)) {
            let deleted = len - self.history.len;
            let whole = self.is_node_due(trim, node);
            if (trim.approximate && !whole) || (trim.limit > 0 && deleted + node.live as usize > trim.limit) {
                break;
            }
            self.trim_node(at, trim, References::Acknowledged, log);
            if self.nodes[at].live == 0 {
                let removed = self.nodes.remove(at).expect("the node that was looked at");
                log.record(|| StreamUndo::InsertNode { node: at, removed: Box::new(removed) });
            } else {
                at += 1;
            }
        }
    }
}
