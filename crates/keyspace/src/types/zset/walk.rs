//! Iteration over the leaves of a tree.

use super::{
    arena::Arena,
    node::{Leaf, NONE},
    tree::Entry,
};

/// See [`Tree::walk_from`](super::tree::Tree::walk_from).
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    pub(super) leaves: &'a Arena<Leaf>,
    pub(super) leaf: Option<&'a Leaf>,
    pub(super) at: usize,
}

impl Iterator for Walk<'_> {
    type Item = Entry;

    #[inline]
    fn next(&mut self) -> Option<Entry> {
        let leaf = self.leaf?;
        let entry = leaf.entry(self.at);
        self.at += 1;
        if self.at == leaf.len {
            self.leaf = (leaf.next != NONE).then(|| self.leaves.get(leaf.next));
            self.at = 0;
        }
        Some(entry)
    }
}

/// See [`Tree::walk_back_from`](super::tree::Tree::walk_back_from).
#[derive(Clone, Debug)]
pub(super) struct WalkBack<'a> {
    pub(super) leaves: &'a Arena<Leaf>,
    pub(super) leaf: Option<&'a Leaf>,
    /// The place behind the next entry.
    pub(super) at: usize,
}

impl Iterator for WalkBack<'_> {
    type Item = Entry;

    #[inline]
    fn next(&mut self) -> Option<Entry> {
        let leaf = self.leaf?;
        self.at -= 1;
        let entry = leaf.entry(self.at);
        if self.at == 0 {
            self.leaf = (leaf.previous != NONE).then(|| self.leaves.get(leaf.previous));
            self.at = self.leaf.map_or(0, |leaf| leaf.len);
        }
        Some(entry)
    }
}
