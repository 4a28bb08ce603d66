//! Which keys have readers who want to hear of the next change: the tracking table of client-side caching.
//!
//! Each shard has its part of it, under its lock. Readers are entered and taken out by the transactions that hold the key,
//! so no change can slip in between a read and its entry, and keys nobody tracks cost a look at one pointer of a shard
//! that is at hand. As in Redis a key is a name here: those of all numbered databases are one.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::Rng;
use smallvec::SmallVec;

use crate::key::Key;
use crate::table::{Keyed, Table};
use crate::txn::below;

/// Those who have read a key, by the numbers that they gave.
pub type Readers = SmallVec<[u64; 2]>;

/// One shard's part of the table.
#[derive(Default)]
pub(crate) struct Tracked(Table<TrackedKey>);

struct TrackedKey {
    key: Key,
    readers: Readers,
}

impl Keyed for TrackedKey {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Tracked {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.0.get(key).is_some()
    }

    pub(crate) fn has_reader(&self, key: &[u8], reader: u64) -> bool {
        self.0.get(key).is_some_and(|tracked| tracked.readers.contains(&reader))
    }

    pub(crate) fn enter(&mut self, key: &[u8], reader: u64, totals: &TrackedTotals) {
        let at = self.0.get_index_of(key);
        let at = at.unwrap_or_else(|| {
            totals.keys.fetch_add(1, Ordering::Relaxed);
            self.0.insert_unique(TrackedKey { key: key.into(), readers: Readers::new() })
        });
        let tracked = self.0.get_at_mut(at).expect("a position that was just found");
        if !tracked.readers.contains(&reader) {
            totals.items.fetch_add(1, Ordering::Relaxed);
            tracked.readers.push(reader);
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8], totals: &TrackedTotals) -> Option<Readers> {
        let at = self.0.get_index_of(key)?;
        Some(self.remove_at(at, totals).readers)
    }

    pub(crate) fn remove_any(
        &mut self,
        rng: &mut impl Rng,
        totals: &TrackedTotals,
    ) -> Option<(Box<[u8]>, Readers)> {
        if self.is_empty() {
            return None;
        }
        let at = below(rng, self.0.len());
        let tracked = self.remove_at(at, totals);
        Some((tracked.key().into(), tracked.readers))
    }

    /// Counts what it holds out of the totals, before it is dropped.
    pub(crate) fn leave(&self, totals: &TrackedTotals) {
        let items = self.0.iter().map(|tracked| tracked.readers.len()).sum();
        totals.keys.fetch_sub(self.0.len(), Ordering::Relaxed);
        totals.items.fetch_sub(items, Ordering::Relaxed);
    }

    fn remove_at(&mut self, at: usize, totals: &TrackedTotals) -> TrackedKey {
        let tracked = self.0.swap_remove_at(at);
        totals.keys.fetch_sub(1, Ordering::Relaxed);
        totals.items.fetch_sub(tracked.readers.len(), Ordering::Relaxed);
        tracked
    }
}

/// What all shards' parts hold.
#[derive(Default)]
pub(crate) struct TrackedTotals {
    keys: AtomicUsize,
    items: AtomicUsize,
}

impl TrackedTotals {
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.keys.load(Ordering::Relaxed), self.items.load(Ordering::Relaxed))
    }
}
