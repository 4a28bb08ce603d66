//! The data: sharded, locked, transactional, with an undo journal.
//!
//! [`Keyspace`] is a set of shards by key hash; a [`Txn`] holds the locks of those that it touches. It knows nothing
//! of the wire, of clients, of scripts, of the time: the moment is an argument.
#![deny(unsafe_code)]

mod access;
mod barrier;
mod edit;
mod entry;
mod held;
mod journal;
mod key;
mod lock;
pub mod log;
pub mod mapped;
mod mutate;
mod notices;
pub mod offer;
mod prefetch;
mod rare;
mod reaper;
mod shard;
mod sizes;
pub mod table;
mod tracking;
mod txn;
pub mod types;
mod value;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

pub use access::Lfu;
pub use edit::{Audience, Collection, Edit, Kind};
pub use entry::Entry;
pub use held::Footprint;
pub use lock::lost_to_contention_us;
pub use notices::Notice;
pub use rare::Rare;
pub use shard::WatchFlag;
pub use tracking::Readers;
pub use txn::{DbKey, Deadline, ExpiredFields, Modified, Sealed, Txn, Untracked, WrongType};
pub use types::*;
pub use value::{Value, ValueRef};

use access::LfuCells;
use held::{Held, Shard};
use reaper::Reaper;
use tracking::TrackedTotals;

/// All data of a server: numbered databases, cut into shards by key hash.
pub struct Keyspace {
    shards: Box<[Shard]>,
    databases: u16,
    limits: LimitCells,
    lfu: LfuCells,
    reaper: Reaper,
    /// Whether a field of a hash has ever had a deadline.
    timed_fields: AtomicBool,
    /// Whether what is past its deadline stays where it is.
    keeps_expired: AtomicBool,
    /// Whether every change of a key is to be told.
    tells_all: AtomicBool,
    tracked: TrackedTotals,
    vector_sets: AtomicU64,
}

impl Keyspace {
    /// `shards` must be a power of two, 32,768 at most.
    pub fn new(databases: u16, shards: usize) -> Self {
        assert!(shards.is_power_of_two() && shards <= 1 << 15, "a power of two, 32,768 at most");
        barrier::prepare();
        let limits = LimitCells::default();
        limits.store(Limits::default());
        Keyspace {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            databases,
            limits,
            lfu: LfuCells::default(),
            reaper: Reaper::default(),
            timed_fields: AtomicBool::new(false),
            keeps_expired: AtomicBool::new(false),
            tells_all: AtomicBool::new(false),
            tracked: TrackedTotals::default(),
            vector_sets: AtomicU64::new(0),
        }
    }

    /// The shard that the key belongs to, whatever the process: iteration order must not depend on a seed.
    #[inline]
    pub fn shard_of(&self, key: &[u8]) -> u16 {
        (table::shard_hash(key) & (self.shards.len() as u64 - 1)) as u16
    }

    /// Has the processor fetch a shard into its cache, for whoever will soon start a transaction on it.
    #[inline(always)]
    pub fn prefetch(&self, shard: u16) {
        prefetch::object(&self.shards[usize::from(shard)]);
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        self.shards.len() as u16
    }

    /// How many numbered databases there are.
    pub fn databases(&self) -> u16 {
        self.databases
    }

    /// Starts a transaction on the footprint if that needs no waiting: nobody holds a shard of it, and none has many
    /// fields of hashes to be removed since their deadline has passed.
    // Inlined, as what it calls: a transaction is built where it stays, not moved there.
    #[inline(always)]
    pub fn try_begin(&self, footprint: &Footprint, now_ms: u64) -> Option<Txn<'_>> {
        let txn = self.try_begin_unsettled(footprint, now_ms)?;
        if self.has_timed_fields() { txn.settled(footprint) } else { Some(txn) }
    }

    /// As [`try_begin`](Self::try_begin), but hashes still have fields whose deadline has passed: for those who come to
    /// remove them ([`Txn::expire_due_fields`]).
    #[inline(always)]
    pub fn try_begin_unsettled(&self, footprint: &Footprint, now_ms: u64) -> Option<Txn<'_>> {
        Some(Txn::new(self, Held::try_acquire(&self.shards, footprint)?, now_ms))
    }

    /// Starts a transaction on the footprint, after those who came before. Between steps of long work it is given to `rest`,
    /// which tells what has been done so far ([`Txn::seal`]): that stays, even if the future is dropped before it ends.
    pub async fn begin<'k, R: Future<Output = Txn<'k>>>(
        &'k self,
        footprint: &Footprint,
        now_ms: u64,
        rest: impl Fn(Txn<'k>) -> R,
    ) -> Txn<'k> {
        let mut txn = Txn::new(self, Held::acquire(&self.shards, footprint).await, now_ms);
        while !txn.settle(footprint) {
            txn.settle_in_part(footprint);
            txn = rest(txn).await;
        }
        txn
    }

    /// Encoding thresholds.
    pub fn limits(&self) -> Limits {
        self.limits.load()
    }

    /// Replaces the encoding thresholds; values are converted when they are next changed.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(limits);
    }

    #[inline]
    pub(crate) fn has_timed_fields(&self) -> bool {
        self.timed_fields.load(Ordering::Relaxed)
    }

    pub(crate) fn note_timed_fields(&self) {
        if !self.has_timed_fields() {
            self.timed_fields.store(true, Ordering::Relaxed);
        }
    }

    /// Whether keys past their deadline are only hidden from now on: they stay until somebody writes to them, or until they
    /// need no longer be kept. Fields past their deadline are not even hidden.
    pub fn keep_expired(&self, wanted: bool) {
        self.keeps_expired.store(wanted, Ordering::Relaxed);
    }

    /// Whether [`keep_expired`](Self::keep_expired) is in force.
    pub fn keeps_expired(&self) -> bool {
        self.keeps_expired.load(Ordering::Relaxed)
    }

    /// A number for a vector set that is made, by which it is distinguished from all others: from 0 on.
    pub fn new_vector_set_uid(&self) -> u64 {
        self.vector_sets.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on [`Sealed::modified`] has every changed key, or none.
    pub fn tell_all(&self, wanted: bool) {
        self.tells_all.store(wanted, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn tells_all(&self) -> bool {
        self.tells_all.load(Ordering::Relaxed)
    }

    /// How many keys have readers who are to be told of changes, and how many readers those keys have together.
    pub fn tracked(&self) -> (usize, usize) {
        self.tracked.load()
    }

    pub(crate) fn tracked_totals(&self) -> &TrackedTotals {
        &self.tracked
    }

    /// How uses of keys are counted.
    #[inline]
    pub fn lfu(&self) -> Lfu {
        self.lfu.load()
    }

    /// Has uses of keys counted otherwise from now on.
    pub fn set_lfu(&self, lfu: Lfu) {
        self.lfu.store(lfu);
    }

    /// Bytes of large values that were let go of since the start, and how many of them are not freed yet: estimates.
    pub fn let_go_bytes(&self) -> (u64, u64) {
        self.reaper.let_go_bytes()
    }

    /// Drops what takes long to be freed on a thread of its own.
    pub fn drop_elsewhere(&self, garbage: impl Send + 'static) {
        self.reaper.drop_later(0, garbage);
    }

    pub(crate) fn reaper(&self) -> &Reaper {
        &self.reaper
    }
}

/// [`Limits`] that can be read while they are changed.
#[derive(Default)]
struct LimitCells([AtomicUsize; 7]);

impl LimitCells {
    fn load(&self) -> Limits {
        let [a, b, c, d, e, f, g] = self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        Limits {
            hash_max_listpack_entries: a,
            hash_max_listpack_value: b,
            set_max_intset_entries: c,
            zset_max_listpack_entries: d,
            zset_max_listpack_value: e,
            stream_node_max_bytes: f,
            stream_node_max_entries: g,
        }
    }

    fn store(&self, limits: Limits) {
        let values = [
            limits.hash_max_listpack_entries,
            limits.hash_max_listpack_value,
            limits.set_max_intset_entries,
            limits.zset_max_listpack_entries,
            limits.zset_max_listpack_value,
            limits.stream_node_max_bytes,
            limits.stream_node_max_entries,
        ];
        for (cell, value) in self.0.iter().zip(values) {
            cell.store(value, Ordering::Relaxed);
        }
    }
}
