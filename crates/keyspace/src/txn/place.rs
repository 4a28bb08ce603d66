//! Where keys are found.

use super::Txn;
use crate::table::hash_of;

/// Where a key lives.
// Two words, that stay in registers: three parts are moved as a whole just after they were written one by one
// (docs/decisions/020).
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Where in the database's table.
    pub(crate) index: usize,
    /// The shard's number above 16 bits of the database's.
    database: usize,
}

impl Place {
    #[inline(always)]
    pub(super) fn new(shard: u16, db: u16, index: usize) -> Self {
        Place { index, database: usize::from(shard) << 16 | usize::from(db) }
    }

    #[inline(always)]
    pub(crate) fn shard(self) -> u16 {
        (self.database >> 16) as u16
    }

    #[inline(always)]
    pub(crate) fn db(self) -> u16 {
        self.database as u16
    }
}

/// Where a key belongs, whether it is there or not.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    pub(super) shard: u16,
    pub(super) hash: u64,
}

impl Txn<'_> {
    /// A live key's place; an expired one is removed on the way.
    #[inline]
    pub(crate) fn find(&mut self, db: u16, key: &[u8]) -> Option<Place> {
        self.find_in(self.spot(key), db, key)
    }

    /// Where the key is to be looked for.
    #[inline]
    pub(crate) fn spot(&self, key: &[u8]) -> Spot {
        Spot { shard: self.keyspace.shard_of(key), hash: hash_of(key) }
    }

    /// As [`find`](Self::find), where the key's spot is known.
    #[inline(always)]
    pub(crate) fn find_in(&mut self, spot: Spot, db: u16, key: &[u8]) -> Option<Place> {
        // The place is put together where it is wanted: an index comes in registers, a place in memory, from where it is
        // read as a whole just after it was written in parts (docs/decisions/020).
        self.index_in(spot, db, key).map(|index| Place::new(spot.shard, db, index))
    }

    fn index_in(&mut self, Spot { shard, hash }: Spot, db: u16, key: &[u8]) -> Option<usize> {
        let database = self.held.shard(shard).database(db)?;
        let index = database.keys.get_index_of_hashed(hash, key)?;
        if database.keys.get_at(index).is_some_and(|entry| !entry.is_live(self.live_after_ms)) {
            self.expire_at(Place::new(shard, db, index));
            return None;
        }
        Some(index)
    }
}
