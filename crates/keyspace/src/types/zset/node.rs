//! The nodes of a tree, each by itself.

use super::tree::Entry;

/// Entries of a leaf.
pub(super) const LEAF: usize = 64;
/// Children of an inner node.
pub(super) const INNER: usize = 64;
/// Below this many entries or children, a node shares or merges with a neighbour.
pub(super) const SPARSE: usize = 16;
/// No leaf.
pub(super) const NONE: u32 = u32::MAX;

/// Entries, as two columns.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) len: usize,
    /// The leaf before this one, or [`NONE`].
    pub(super) previous: u32,
    /// The leaf behind this one, or [`NONE`].
    pub(super) next: u32,
    pub(super) ids: [u32; LEAF],
    scores: [f64; LEAF],
}

/// What leads to the nodes below.
#[derive(Clone, Debug)]
pub(super) struct Inner {
    pub(super) len: usize,
    pub(super) children: [Child; INNER],
}

/// A node as its parent knows it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Child {
    /// The first entry below it.
    pub(super) first: Entry,
    /// The number of entries below it.
    pub(super) count: u32,
    pub(super) node: u32,
}

impl Default for Leaf {
    fn default() -> Self {
        Self { len: 0, previous: NONE, next: NONE, ids: [0; LEAF], scores: [0.0; LEAF] }
    }
}

impl Leaf {
    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry { score: self.scores[at], id: self.ids[at] }
    }

    pub(super) fn insert(&mut self, at: usize, entry: Entry) {
        self.scores.copy_within(at..self.len, at + 1);
        self.ids.copy_within(at..self.len, at + 1);
        (self.scores[at], self.ids[at]) = (entry.score, entry.id);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.scores.copy_within(at + 1..self.len, at);
        self.ids.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let len = self.len - at;
        let mut right = Self { len, ..self.clone() };
        right.scores.copy_within(at..self.len, 0);
        right.ids.copy_within(at..self.len, 0);
        self.len = at;
        right
    }

    /// Takes all entries of the leaf to the right if they fit, or as many as to even out; answers which.
    pub(super) fn share(&mut self, right: &mut Self) -> bool {
        let total = self.len + right.len;
        let wanted = if total <= LEAF { total } else { total / 2 };
        if wanted >= self.len {
            let moved = wanted - self.len;
            self.scores[self.len..wanted].copy_from_slice(&right.scores[..moved]);
            self.ids[self.len..wanted].copy_from_slice(&right.ids[..moved]);
            right.scores.copy_within(moved..right.len, 0);
            right.ids.copy_within(moved..right.len, 0);
        } else {
            let moved = self.len - wanted;
            right.scores.copy_within(..right.len, moved);
            right.ids.copy_within(..right.len, moved);
            right.scores[..moved].copy_from_slice(&self.scores[wanted..self.len]);
            right.ids[..moved].copy_from_slice(&self.ids[wanted..self.len]);
        }
        (self.len, right.len) = (wanted, total - wanted);
        right.len == 0
    }
}

impl Inner {
    pub(super) fn children(&self) -> &[Child] {
        &self.children[..self.len]
    }

    /// The child in which a rank lies, and the rank within it.
    pub(super) fn child_of(&self, rank: usize) -> (usize, usize) {
        let mut rest = rank;
        for (at, child) in self.children().iter().enumerate() {
            let count = child.count as usize;
            if rest < count {
                return (at, rest);
            }
            rest -= count;
        }
        unreachable!("rank {rank} is below the number of entries")
    }

    /// The child into which an entry of a rank is inserted: at its end rather than at the start of the next one.
    pub(super) fn child_for(&self, rank: usize) -> (usize, usize) {
        let Some(before) = rank.checked_sub(1) else { return (0, 0) };
        let (at, inside) = self.child_of(before);
        (at, inside + 1)
    }

    pub(super) fn insert(&mut self, at: usize, child: Child) {
        self.children.copy_within(at..self.len, at + 1);
        self.children[at] = child;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.children.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self { len: self.len - at, children: [Child::default(); INNER] };
        right.children[..self.len - at].copy_from_slice(&self.children[at..self.len]);
        self.len = at;
        right
    }

    /// As [`Leaf::share`].
    pub(super) fn share(&mut self, right: &mut Self) -> bool {
        let total = self.len + right.len;
        let wanted = if total <= INNER { total } else { total / 2 };
        if wanted >= self.len {
            let moved = wanted - self.len;
            self.children[self.len..wanted].copy_from_slice(&right.children[..moved]);
            right.children.copy_within(moved..right.len, 0);
        } else {
            let moved = self.len - wanted;
            right.children.copy_within(..right.len, moved);
            right.children[..moved].copy_from_slice(&self.children[wanted..self.len]);
        }
        (self.len, right.len) = (wanted, total - wanted);
        right.len == 0
    }
}
