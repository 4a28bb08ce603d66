//! Looking for keys that can go to make room.

use rand::Rng;

use super::Txn;
use crate::Entry;

impl Txn<'_> {
    /// Visits keys of the shard, which must be held, chosen at random: up to `count` of each database, with the database.
    /// `volatile`: only such as have a deadline. A key can be met twice.
    pub fn sample(
        &self,
        shard: u16,
        volatile: bool,
        count: usize,
        rng: &mut impl Rng,
        mut visit: impl FnMut(u16, &Entry),
    ) {
        let data = self.held.shard(shard);
        for db in data.used_databases() {
            let Some(database) = data.database(db) else { continue };
            let there_are = if volatile { database.volatile } else { database.keys.len() };
            let wanted = count.min(there_are);
            let (mut found, mut tries) = (0, wanted * TRIES);
            while found < wanted && tries > 0 {
                tries -= 1;
                if let Some(entry) = database.sample(volatile, rng) {
                    visit(db, entry);
                    found += 1;
                }
            }
        }
    }
}

/// Looks for each key with a deadline: some of what is found there is out of date.
const TRIES: usize = 8;
