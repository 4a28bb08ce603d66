//! Watching keys, and waiting for them.

use std::sync::Arc;

use super::Txn;
use crate::shard::{Interest, WatchFlag};

impl Txn<'_> {
    /// Raises `flag` when a later transaction changes the key. A key that has expired should be removed first
    /// ([`expire_if_due`](Self::expire_if_due)): its end is no change.
    pub fn watch(&mut self, db: u16, key: &[u8], flag: &Arc<WatchFlag>) {
        // What this transaction itself has done to the key came before.
        self.tell_watchers_of(db, key);
        let shard = self.keyspace.shard_of(key);
        let interest = self.held.shard_mut(shard).interests.entry((db, key.into())).or_default();
        interest.watchers.push(flag.clone());
    }

    /// Takes back [`watch`](Self::watch).
    pub fn unwatch(&mut self, db: u16, key: &[u8], flag: &Arc<WatchFlag>) {
        self.drop_interest(db, key, |interest| {
            interest.watchers.retain(|other| !Arc::ptr_eq(other, flag));
        });
    }

    /// Puts a waiter at the end of the key's queue; [`Sealed::ready`](super::Sealed::ready) names the key when it has changed.
    pub fn wait_for(&mut self, db: u16, key: &[u8], waiter: u64) {
        let shard = self.keyspace.shard_of(key);
        let interest = self.held.shard_mut(shard).interests.entry((db, key.into())).or_default();
        if !interest.waiters.contains(&waiter) {
            interest.waiters.push_back(waiter);
        }
    }

    /// Takes back [`wait_for`](Self::wait_for).
    pub fn stop_waiting(&mut self, db: u16, key: &[u8], waiter: u64) {
        self.drop_interest(db, key, |interest| interest.waiters.retain(|&other| other != waiter));
    }

    /// Who waits for the key, the longest first.
    pub fn waiters(&self, db: u16, key: &[u8]) -> Vec<u64> {
        let shard = self.held.shard(self.keyspace.shard_of(key));
        let interest = shard.interests.get(&(db, Box::from(key)));
        interest.map(|interest| interest.waiters.iter().copied().collect()).unwrap_or_default()
    }

    fn drop_interest(&mut self, db: u16, key: &[u8], change: impl FnOnce(&mut Interest)) {
        let interests = &mut self.held.shard_mut(self.keyspace.shard_of(key)).interests;
        let at = (db, Box::from(key));
        if let Some(interest) = interests.get_mut(&at) {
            change(interest);
            if interest.is_empty() {
                interests.remove(&at);
            }
        }
    }

    /// Raises the flags of those who watch the key by now, if the transaction has touched it, and forgets that it has.
    fn tell_watchers_of(&mut self, db: u16, key: &[u8]) {
        let Some(news) = self.news.get_mut().as_mut() else { return };
        let mut told = false;
        news.touched.retain(|((touched_db, touched), audience)| {
            let is_here = *touched_db == db && **touched == *key;
            told |= is_here && audience.has_watchers();
            !is_here
        });
        if told {
            let shard = self.held.shard(self.keyspace.shard_of(key));
            if let Some(interest) = shard.interests.get(&(db, Box::from(key))) {
                interest.watchers.iter().for_each(|watcher| watcher.raise());
            }
        }
    }
}
