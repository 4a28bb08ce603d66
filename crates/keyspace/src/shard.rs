//! What one shard holds: for each numbered database the keys of its hash range, and who waits for or watches them.

mod fields;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use rand::Rng;

use crate::Entry;
use crate::table::{Table, hash_of};
use crate::tracking::Tracked;
use crate::txn::below;

/// One numbered database's part in a shard.
#[derive(Default)]
pub(crate) struct Database {
    pub(crate) keys: Table<Entry>,
    /// (deadline, hash of the key), soonest first. Never searched: an entry whose key has gone or has another
    /// deadline is skipped when it comes due, and the heap is rebuilt when most of it is such.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    pub(crate) volatile: usize,
    /// (deadline of a field, hash of the key), soonest first: for each hash one of them.
    fields_due: BTreeSet<(u64, u64)>,
}

impl Database {
    pub(crate) fn push(&mut self, entry: Entry) -> usize {
        self.push_hashed(hash_of(entry.key()), entry)
    }

    /// The entry's key has this hash.
    pub(crate) fn push_hashed(&mut self, hash: u64, entry: Entry) -> usize {
        self.count(entry.deadline(), hash);
        let has_fields = entry.has_fields();
        let index = self.keys.insert_unique_hashed(hash, entry);
        if has_fields {
            self.adopt_fields(index);
        }
        index
    }

    pub(crate) fn insert_at(&mut self, index: usize, entry: Entry) {
        self.count(entry.deadline(), hash_of(entry.key()));
        self.keys.insert_at(index, entry);
        self.adopt_fields(index);
    }

    pub(crate) fn remove_at(&mut self, index: usize) -> Entry {
        if self.keys.get_at(index).is_some_and(Entry::has_fields) {
            self.unqueue_fields(index);
        }
        let entry = self.keys.swap_remove_at(index);
        self.volatile -= usize::from(entry.deadline().is_some());
        entry
    }

    pub(crate) fn set_deadline(&mut self, index: usize, deadline: Option<u64>) -> Option<u64> {
        let entry = self.keys.get_at_mut(index).expect("an index that was just found");
        let before = entry.set_deadline(deadline);
        self.volatile -= usize::from(before.is_some());
        if deadline.is_some() {
            let hash = hash_of(entry.key());
            self.volatile += 1;
            self.schedule(deadline, hash);
        }
        before
    }

    fn count(&mut self, deadline: Option<u64>, hash: u64) {
        if deadline.is_some() {
            self.volatile += 1;
            self.schedule(deadline, hash);
        }
    }

    fn schedule(&mut self, deadline: Option<u64>, hash: u64) {
        let Some(deadline) = deadline else { return };
        self.due.push(Reverse((deadline, hash)));
        if self.due.len() > 2 * self.volatile + 64 {
            let keys = &self.keys;
            self.due = keys
                .iter()
                .filter_map(|entry| Some(Reverse((entry.deadline()?, hash_of(entry.key())))))
                .collect();
        }
    }

    /// A key at random; with a deadline, if `volatile` says so. It may find none though there is one.
    pub(crate) fn sample(&self, volatile: bool, rng: &mut impl Rng) -> Option<&Entry> {
        if !volatile {
            return self.keys.get_at(below(rng, self.keys.len()));
        }
        let due = self.due.as_slice();
        let Reverse((deadline, hash)) = *due.get(below(rng, due.len()))?;
        let found = self.keys.find(hash, |entry| entry.deadline() == Some(deadline))?;
        self.keys.get_at(found)
    }

    /// Bytes allocated for knowing what expires when.
    pub(crate) fn due_bytes(&self) -> usize {
        self.due.capacity() * size_of::<Reverse<(u64, u64)>>()
    }

    /// Bytes that its keys and values occupy, estimated from a few.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.keys.allocated_bytes()
            + self.keys.sampled_bytes(4, |entry| entry.allocated_bytes() + entry.value().heap_bytes(4))
    }

    /// The index of a key whose deadline has passed, soonest first.
    pub(crate) fn next_due(&mut self, now_ms: u64) -> Option<usize> {
        while let Some(&Reverse((deadline, hash))) = self.due.peek() {
            if deadline > now_ms {
                return None;
            }
            self.due.pop();
            let found = self.keys.find(hash, |entry| entry.deadline() == Some(deadline));
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Raised when a watched key changes.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// Whether a watched key has changed since.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Who wants to hear of a key.
#[derive(Default)]
pub(crate) struct Interest {
    pub(crate) watchers: Vec<Arc<WatchFlag>>,
    pub(crate) waiters: VecDeque<u64>,
}

impl Interest {
    pub(crate) fn is_empty(&self) -> bool {
        self.watchers.is_empty() && self.waiters.is_empty()
    }
}

/// A shard's content.
#[derive(Default)]
pub(crate) struct ShardData {
    /// Database 0, which most clients use.
    first: Database,
    /// The others, as far as they were used.
    others: Vec<Database>,
    pub(crate) interests: HashMap<(u16, Box<[u8]>), Interest, foldhash::fast::RandomState>,
    /// Keys whose readers are to be told of the next change, if there were any.
    pub(crate) tracked: Option<Box<Tracked>>,
}

impl ShardData {
    #[inline]
    pub(crate) fn database(&self, db: u16) -> Option<&Database> {
        match db {
            0 => Some(&self.first),
            _ => self.others.get(usize::from(db) - 1),
        }
    }

    /// The numbers of the databases that were used.
    pub(crate) fn used_databases(&self) -> std::ops::Range<u16> {
        0..self.others.len() as u16 + 1
    }

    #[inline]
    pub(crate) fn database_mut(&mut self, db: u16) -> &mut Database {
        match db {
            0 => &mut self.first,
            _ => self.other_mut(usize::from(db) - 1),
        }
    }

    fn other_mut(&mut self, at: usize) -> &mut Database {
        if self.others.len() <= at {
            self.others.resize_with(at + 1, Database::default);
        }
        &mut self.others[at]
    }

    pub(crate) fn swap_databases(&mut self, a: u16, b: u16) {
        let (low, high) = (a.min(b), a.max(b));
        if low == high {
            return;
        }
        let taken = self.take_database(high);
        let displaced = std::mem::replace(self.database_mut(low), taken);
        *self.database_mut(high) = displaced;
    }

    pub(crate) fn take_database(&mut self, db: u16) -> Database {
        std::mem::take(self.database_mut(db))
    }
}
