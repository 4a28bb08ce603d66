//! Fields of hashes past their deadline.
//!
//! They are removed as soon as their shard is locked, so that no command sees one: in a transaction time stands still.
//! Where they are many, a lock is only had by waiting for it, and whoever waits removes them in steps. A keyspace that has
//! never had such a field takes no notice.

use super::{DbKey, Place, Txn};
use crate::Footprint;
use crate::access::Touches;
use crate::edit::Edit;
use crate::types::Hash;
use crate::value::ValueRef;

/// A hash that has lost fields, whose deadline had passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredFields {
    /// Where it is.
    pub at: DbKey,
    /// How many fields it has lost.
    pub count: usize,
    /// Whether they were its last ones, so that the key is gone too.
    pub emptied: bool,
}

/// Fields that are removed without a rest: about a millisecond.
const AT_ONCE: usize = 1024;

impl Txn<'_> {
    /// Removes every field whose deadline has passed from these shards, which are held. `false` if they are too many to
    /// be removed at once; they are all still there then.
    #[inline]
    #[must_use]
    pub(crate) fn settle(&mut self, footprint: &Footprint) -> bool {
        !self.keyspace.has_timed_fields() || self.settle_shards(footprint)
    }

    /// The transaction itself, if they could be removed.
    #[cold]
    pub(crate) fn settled(mut self, footprint: &Footprint) -> Option<Self> {
        self.settle_shards(footprint).then_some(self)
    }

    /// Removes as many of them as can be removed at once.
    pub(crate) fn settle_in_part(&mut self, footprint: &Footprint) {
        let mut left = AT_ONCE;
        self.each_shard(footprint, |txn, shard| {
            left = left.saturating_sub(txn.expire_due_fields(shard, left));
            left > 0
        });
    }

    #[cold]
    fn settle_shards(&mut self, footprint: &Footprint) -> bool {
        if self.keyspace.keeps_expired() {
            return true;
        }
        let mut due = 0;
        let few = self.each_shard(footprint, |txn, shard| {
            due += txn.count_due_fields(shard, AT_ONCE);
            due <= AT_ONCE
        });
        if few && due > 0 {
            self.each_shard(footprint, |txn, shard| {
                txn.expire_due_fields(shard, usize::MAX);
                true
            });
        }
        few
    }

    /// Whether `go_on` held for all of them.
    fn each_shard(&mut self, footprint: &Footprint, mut go_on: impl FnMut(&mut Self, u16) -> bool) -> bool {
        match footprint {
            Footprint::None => true,
            Footprint::One(shard) => go_on(self, *shard),
            Footprint::Several(list) => list.iter().all(|&shard| go_on(self, shard)),
            Footprint::All => (0..self.keyspace.shard_count()).all(|shard| go_on(self, shard)),
        }
    }

    /// How many removals the fields of the shard take whose deadline has passed; more than `limit` may be any number.
    fn count_due_fields(&self, shard: u16, limit: usize) -> usize {
        let data = self.held.shard(shard);
        let databases = data.used_databases().filter_map(|db| data.database(db));
        databases.map(|database| database.count_due_fields(self.now_ms, limit)).sum()
    }

    /// Removes up to `limit` fields whose deadline has passed from the shard, which must be held. Returns how many.
    pub fn expire_due_fields(&mut self, shard: u16, limit: usize) -> usize {
        if !self.keyspace.has_timed_fields() || self.keyspace.keeps_expired() {
            return 0;
        }
        let mut removed = 0;
        for db in 0..self.keyspace.databases() {
            while removed < limit {
                if self.held.shard(shard).database(db).is_none() {
                    break;
                }
                let due = self.held.shard_mut(shard).database_mut(db).next_fields_due(self.now_ms);
                let Some(index) = due else { break };
                removed += self.expire_fields_at(Place::new(shard, db, index), limit - removed);
            }
        }
        removed
    }

    /// Notes that deadlines of fields of the hash at `place` have changed.
    pub(crate) fn queue_fields(&mut self, place: Place) {
        self.keyspace.note_timed_fields();
        self.database_mut(place).queue_fields(place.index);
    }

    fn expire_fields_at(&mut self, place: Place, limit: usize) -> usize {
        let now_ms = self.now_ms;
        let entry = self.database_mut(place).keys.get_at(place.index).expect("a place that was just found");
        let ValueRef::Hash(hash) = entry.value() else { unreachable!("what has fields is a hash") };
        let (len, emptied) = (hash.len(), hash.is_over(now_ms));
        let at = (place.db(), Box::<[u8]>::from(entry.key()));
        // That is neither an access nor a change of anybody's.
        let (changes, touches) = (self.changes, std::mem::replace(&mut self.touches, Touches::Nothing));
        let author = std::mem::take(&mut self.author);
        let count = if emptied {
            self.remove_at(place);
            self.touched(at.0, &at.1);
            len
        } else {
            Edit::at(self, place, &at.1).map_or(0, |mut hash: Edit<'_, '_, Hash>| hash.remove_due(limit))
        };
        (self.changes, self.touches, self.author) = (changes, touches, author);
        if count > 0 {
            self.news().expired_fields.push(ExpiredFields { at, count, emptied });
        }
        count
    }
}
