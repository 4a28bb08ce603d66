//! Whole databases: what is in one, a walk through it, emptying it, exchanging two.

use rand::Rng;

use super::Txn;
use crate::edit::Audience;
use crate::journal::Undo;
use crate::shard::{Database, ShardData};
use crate::{Entry, Footprint};

impl Txn<'_> {
    /// How many keys the database holds, expired ones that nobody met included. Needs every shard.
    pub fn len(&self, db: u16) -> usize {
        self.databases(db).map(|database| database.keys.len()).sum()
    }

    /// Whether the database holds no key. Needs every shard.
    pub fn is_empty(&self, db: u16) -> bool {
        self.len(db) == 0
    }

    /// How many keys of the database have a deadline. Needs every shard.
    pub fn volatile_len(&self, db: u16) -> usize {
        self.databases(db).map(|database| database.volatile).sum()
    }

    /// How many hashes of the database have fields with deadlines. Needs every shard.
    pub fn timed_hashes(&self, db: u16) -> usize {
        self.databases(db).map(Database::timed_hashes).sum()
    }

    /// Bytes of the structures in which the database's keys are found, and of those that know what expires when. Needs
    /// every shard.
    pub fn index_bytes(&self, db: u16) -> [usize; 2] {
        self.databases(db).fold([0; 2], |[keys, deadlines], database| {
            [keys + database.keys.allocated_bytes(), deadlines + database.due_bytes()]
        })
    }

    /// The live keys of the database, in an order that depends only on the operations so far. Needs every shard.
    pub fn entries(&self, db: u16) -> impl Iterator<Item = &Entry> {
        self.databases(db)
            .flat_map(|database| database.keys.iter())
            .filter(|entry| entry.is_live(self.live_after_ms))
    }

    fn databases(&self, db: u16) -> impl Iterator<Item = &Database> {
        (0..self.keyspace.shard_count()).filter_map(move |shard| self.held.shard(shard).database(db))
    }

    /// Walks part of the database: visits at least `count` keys (or all that are left) and returns the cursor to go on
    /// with, 0 at the end. Every key that is there from the first call to the last is visited. Locks the shards that it
    /// comes to; `None` if the first of them is taken.
    pub fn scan(&mut self, db: u16, cursor: u64, count: usize, mut visit: impl FnMut(&Entry)) -> Option<u64> {
        let shards = u64::from(self.keyspace.shard_count());
        let (mut shard, mut position) = (cursor % shards, cursor / shards);
        let (mut visited, mut first) = (0, true);
        loop {
            if !self.try_extend(&Footprint::One(shard as u16)) {
                return (!first).then_some(shard + position * shards);
            }
            first = false;
            position = match self.held.shard(shard as u16).database(db) {
                // It is gone, or never was: the cursor is of another time.
                None => 0,
                Some(database) => loop {
                    position = database.keys.scan(position, |entry| {
                        if self.is_live(db, entry) {
                            visit(entry);
                        }
                        visited += 1;
                    });
                    if position == 0 || visited >= count {
                        break position;
                    }
                },
            };
            if position == 0 {
                shard += 1;
                if shard == shards {
                    return Some(0);
                }
            }
            if visited >= count {
                return Some(shard + position * shards);
            }
        }
    }

    /// A live key of the database, each equally likely. Needs every shard.
    pub fn random_key(&self, db: u16, rng: &mut impl Rng) -> Option<&Entry> {
        let mut left = self.len(db);
        for _ in 0..100 {
            if left == 0 {
                return None;
            }
            let mut at = below(rng, left);
            let found = self.databases(db).find_map(|database| {
                let len = database.keys.len();
                if at < len {
                    return database.keys.get_at(at);
                }
                at -= len;
                None
            })?;
            if self.is_live(db, found) {
                return Some(found);
            }
            left = self.len(db);
        }
        self.entries(db).next()
    }

    /// Removes every key of the database. Needs every shard. Returns how many there were.
    pub fn flush(&mut self, db: u16) -> usize {
        let mut removed = 0;
        let mut garbage = Vec::new();
        for shard in 0..self.keyspace.shard_count() {
            let data = self.held.shard_mut(shard);
            if data.database(db).is_none_or(|database| database.keys.is_empty()) {
                continue;
            }
            let watched = watched_in(data, db);
            let database = data.take_database(db);
            removed += database.keys.len();
            for key in watched.into_iter().filter(|key| database.keys.get(key).is_some()) {
                self.news().touched.push(((db, key), Audience::Everybody));
            }
            match &mut *self.journal {
                Some(journal) => {
                    let target = journal.target(db, b"");
                    journal.push(target, Undo::Flushed { shard, database: Box::new(database) });
                    journal.clear_covers();
                }
                None => garbage.push((database, 0)),
            }
        }
        if !garbage.is_empty() {
            garbage.iter_mut().for_each(|(database, bytes)| *bytes = database.estimated_bytes());
            self.keyspace.reaper().drop_all_later(garbage);
        }
        self.changes += removed as u64;
        removed
    }

    /// Exchanges two databases. Needs every shard.
    pub fn swap(&mut self, a: u16, b: u16) {
        let mut touched = Vec::new();
        for shard in 0..self.keyspace.shard_count() {
            for (db, other) in [(a, b), (b, a)] {
                for key in watched_in(self.held.shard(shard), db) {
                    let is_there = self.stored(db, &key).is_some();
                    if !is_there {
                        // What is past its deadline is no change where there was nothing.
                        self.expire_if_due(other, &key);
                    }
                    if is_there || self.stored(other, &key).is_some() {
                        touched.push((db, key));
                    }
                }
            }
            self.held.shard_mut(shard).swap_databases(a, b);
        }
        if !touched.is_empty() {
            self.news().touched.extend(touched.into_iter().map(|at| (at, Audience::Everybody)));
        }
        if let Some(journal) = &mut *self.journal {
            let target = journal.target(a, b"");
            journal.push(target, Undo::Swapped { with: b });
            journal.clear_covers();
        }
        self.changes += 1;
    }
}

/// A number in `0..limit`, each equally likely to within 2^-32.
pub(crate) fn below(rng: &mut impl Rng, limit: usize) -> usize {
    ((u128::from(rng.next_u64()) * limit as u128) >> 64) as usize
}

fn watched_in(data: &ShardData, db: u16) -> Vec<Box<[u8]>> {
    data.interests.keys().filter(|(of, _)| *of == db).map(|(_, key)| key.clone()).collect()
}
