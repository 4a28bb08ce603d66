//! A counted B+tree: a long sequence of (score, id) in which every rank is found in O(log n).
//!
//! The tree orders nothing by itself: entries are inserted, removed and read by rank, and the rank where an order
//! changes its mind is found by [`Tree::partition`] with a predicate. So the tree knows neither members nor how they
//! compare. An inner node keeps, for each child, how many entries are below it and a copy of the first one, by which
//! `partition` descends. Leaves are chained both ways for iteration.

use super::{
    arena::Arena,
    node::{Child, INNER, Inner, LEAF, Leaf, NONE, SPARSE},
    walk::{Walk, WalkBack},
};

/// An entry of the sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) score: f64,
    pub(super) id: u32,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Tree {
    leaves: Arena<Leaf>,
    inners: Arena<Inner>,
    root: u32,
    /// Levels of inner nodes above the leaves.
    height: u32,
    len: usize,
}

impl Default for Tree {
    fn default() -> Self {
        let mut leaves = Arena::default();
        let root = leaves.insert(Leaf::default());
        Self { leaves, inners: Arena::default(), root, height: 0, len: 0 }
    }
}

impl Tree {
    /// The number of entries for which `before` holds; they must be the first ones.
    pub(super) fn partition(&self, before: impl Fn(Entry) -> bool) -> usize {
        let (mut node, mut rank) = (self.root, 0);
        for _ in 0..self.height {
            let children = self.inners.get(node).children();
            let child = children.partition_point(|child| before(child.first)).saturating_sub(1);
            rank += children[..child].iter().map(|child| child.count as usize).sum::<usize>();
            node = children[child].node;
        }
        let leaf = self.leaves.get(node);
        let (mut low, mut high) = (0, leaf.len);
        while low < high {
            let middle = usize::midpoint(low, high);
            if before(leaf.entry(middle)) { low = middle + 1 } else { high = middle }
        }
        rank + low
    }

    /// The entry of a rank.
    pub(super) fn get(&self, rank: usize) -> Option<Entry> {
        self.walk_from(rank).next()
    }

    /// The entries from a rank on.
    pub(super) fn walk_from(&self, rank: usize) -> Walk<'_> {
        let (leaf, at) = if rank < self.len { self.locate(rank) } else { (NONE, 0) };
        Walk { leaves: &self.leaves, leaf: self.leaf(leaf), at }
    }

    /// The entries from a rank backwards to the first.
    pub(super) fn walk_back_from(&self, rank: usize) -> WalkBack<'_> {
        let (leaf, at) = if rank < self.len { self.locate(rank) } else { (NONE, 0) };
        WalkBack { leaves: &self.leaves, leaf: self.leaf(leaf), at: at + 1 }
    }

    /// Inserts an entry so that its rank is `rank`, which is at most the length.
    pub(super) fn insert(&mut self, rank: usize, entry: Entry) {
        if let Some(right) = self.insert_below(self.root, self.height, rank, entry) {
            let mut children = [Child::default(); INNER];
            children[0] = self.child(self.root, self.height);
            children[1] = self.child(right, self.height);
            self.root = self.inners.insert(Inner { len: 2, children });
            self.height += 1;
        }
        self.len += 1;
    }

    /// Removes the entry of a rank below the length.
    pub(super) fn remove(&mut self, rank: usize) {
        self.remove_below(self.root, self.height, rank);
        self.len -= 1;
        while self.height > 0 && self.inners.get(self.root).len == 1 {
            let root = self.inners.remove(self.root);
            self.root = root.children[0].node;
            self.height -= 1;
        }
    }

    /// Gives the entry of a rank another id.
    pub(super) fn relabel(&mut self, rank: usize, id: u32) {
        let (mut node, mut rest) = (self.root, rank);
        for _ in 0..self.height {
            let (child, inside) = self.inners.get(node).child_of(rest);
            let child = &mut self.inners.get_mut(node).children[child];
            if inside == 0 {
                child.first.id = id;
            }
            (node, rest) = (child.node, inside);
        }
        self.leaves.get_mut(node).ids[rest] = id;
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.leaves.allocated_bytes() + self.inners.allocated_bytes()
    }

    /// The leaf of a rank below the length, and the place in it.
    fn locate(&self, rank: usize) -> (u32, usize) {
        let (mut node, mut rest) = (self.root, rank);
        for _ in 0..self.height {
            let inner = self.inners.get(node);
            let (child, inside) = inner.child_of(rest);
            (node, rest) = (inner.children[child].node, inside);
        }
        (node, rest)
    }

    fn leaf(&self, leaf: u32) -> Option<&Leaf> {
        (leaf != NONE).then(|| self.leaves.get(leaf))
    }

    /// Inserts below a node, and answers the new node to its right if it had to split.
    fn insert_below(&mut self, node: u32, height: u32, rank: usize, entry: Entry) -> Option<u32> {
        if height == 0 {
            return self.insert_into_leaf(node, rank, entry);
        }
        let inner = self.inners.get(node);
        let (at, inside) = inner.child_for(rank);
        let below = inner.children[at].node;
        let Some(right) = self.insert_below(below, height - 1, inside, entry) else {
            let child = &mut self.inners.get_mut(node).children[at];
            child.count += 1;
            if inside == 0 {
                child.first = entry;
            }
            return None;
        };
        let (left, right) = (self.child(below, height - 1), self.child(right, height - 1));
        let inner = self.inners.get_mut(node);
        inner.children[at] = left;
        if inner.len < INNER {
            inner.insert(at + 1, right);
            return None;
        }
        let middle = split_point(at + 1, INNER, true, true);
        let mut new = inner.split_off(middle);
        if at + 1 > middle || middle == INNER {
            new.insert(at + 1 - middle, right);
        } else {
            inner.insert(at + 1, right);
        }
        Some(self.inners.insert(new))
    }

    fn insert_into_leaf(&mut self, node: u32, rank: usize, entry: Entry) -> Option<u32> {
        let leaf = self.leaves.get_mut(node);
        if leaf.len < LEAF {
            leaf.insert(rank, entry);
            return None;
        }
        let middle = split_point(rank, LEAF, leaf.previous == NONE, leaf.next == NONE);
        let mut new = leaf.split_off(middle);
        if rank > middle || middle == LEAF {
            new.insert(rank - middle, entry);
        } else {
            leaf.insert(rank, entry);
        }
        let next = leaf.next;
        new.previous = node;
        let new = self.leaves.insert(new);
        self.leaves.get_mut(node).next = new;
        if next != NONE {
            self.leaves.get_mut(next).previous = new;
        }
        Some(new)
    }

    fn remove_below(&mut self, node: u32, height: u32, rank: usize) {
        if height == 0 {
            return self.leaves.get_mut(node).remove(rank);
        }
        let (at, inside) = self.inners.get(node).child_of(rank);
        let below = self.inners.get(node).children[at].node;
        self.remove_below(below, height - 1, inside);
        let len = self.node_len(below, height - 1);
        if len == 0 {
            self.free(below, height - 1);
            self.inners.get_mut(node).remove(at);
        } else if len >= SPARSE || self.inners.get(node).len == 1 {
            let first = self.first(below, height - 1);
            let child = &mut self.inners.get_mut(node).children[at];
            child.count -= 1;
            child.first = first;
        } else {
            self.share(node, height, at.saturating_sub(1));
        }
    }

    /// Merges the children `left` and `left + 1` of a node if they fit in one, or evens them out.
    fn share(&mut self, node: u32, height: u32, left: usize) {
        let inner = self.inners.get(node);
        let (one, other) = (inner.children[left].node, inner.children[left + 1].node);
        let merged = if height == 1 {
            let mut right = self.leaves.take(other);
            let merged = self.leaves.get_mut(one).share(&mut right);
            self.leaves.put(other, right);
            merged
        } else {
            let mut right = self.inners.take(other);
            let merged = self.inners.get_mut(one).share(&mut right);
            self.inners.put(other, right);
            merged
        };
        let one = self.child(one, height - 1);
        if merged {
            self.free(other, height - 1);
            self.inners.get_mut(node).remove(left + 1);
        } else {
            let other = self.child(other, height - 1);
            self.inners.get_mut(node).children[left + 1] = other;
        }
        self.inners.get_mut(node).children[left] = one;
    }

    fn free(&mut self, node: u32, height: u32) {
        if height > 0 {
            self.inners.remove(node);
            return;
        }
        let leaf = self.leaves.remove(node);
        if leaf.previous != NONE {
            self.leaves.get_mut(leaf.previous).next = leaf.next;
        }
        if leaf.next != NONE {
            self.leaves.get_mut(leaf.next).previous = leaf.previous;
        }
    }

    fn node_len(&self, node: u32, height: u32) -> usize {
        if height == 0 { self.leaves.get(node).len } else { self.inners.get(node).len }
    }

    fn first(&self, node: u32, height: u32) -> Entry {
        if height == 0 { self.leaves.get(node).entry(0) } else { self.inners.get(node).children[0].first }
    }

    /// How a node's parent describes it.
    fn child(&self, node: u32, height: u32) -> Child {
        let count = if height == 0 {
            self.leaves.get(node).len as u32
        } else {
            self.inners.get(node).children().iter().map(|child| child.count).sum()
        };
        Child { first: self.first(node, height), count, node }
    }
}

/// Where a full node splits: in the middle, or at an end of the sequence that grows there, so that entries that come in
/// order leave full nodes behind.
fn split_point(at: usize, full: usize, is_first: bool, is_last: bool) -> usize {
    match at {
        0 if is_first => 0,
        at if at == full && is_last => full,
        _ => full / 2,
    }
}
