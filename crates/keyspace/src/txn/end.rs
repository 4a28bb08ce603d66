//! The end of a transaction: seal and commit, or the way back.

use std::cell::RefCell;

use super::{Sealed, Txn};
use crate::journal::{Journal, Undo};
use crate::reaper::Reaper;
use crate::value::{Content, ValueMut};

impl Txn<'_> {
    /// Makes the changes final: removes what was found expired, raises watch flags. The locks stay held until the
    /// transaction is dropped, so that what others are told of it can be told before anybody sees it.
    pub fn seal(&mut self) -> Sealed {
        self.remove_stale();
        self.kept = None;
        if let Some(journal) = self.journal.take() {
            self.keyspace.reaper().drop_journal(journal);
        }
        let mut sealed = Sealed { changes: std::mem::take(&mut self.changes), ..Sealed::default() };
        let Some(news) = self.news.take() else { return sealed };
        sealed.expired = news.expired;
        sealed.expired_fields = news.expired_fields;
        self.seal_tracks(news.tracks, &mut sealed);
        for (at, audience) in news.touched {
            let shard = self.keyspace.shard_of(&at.1);
            let Some(interest) = self.held.shard(shard).interests.get(&at) else { continue };
            if audience.has_watchers() {
                interest.watchers.iter().for_each(|watcher| watcher.raise());
            }
            if audience.has_waiters() && !interest.waiters.is_empty() && !sealed.ready.contains(&at) {
                sealed.ready.push(at);
            }
        }
        sealed
    }

    /// As [`seal`](Self::seal), if nobody is to be told anything: the number of changes.
    #[inline]
    pub fn seal_quietly(&mut self) -> Option<u64> {
        if self.news.get_mut().is_some() {
            return None;
        }
        if let Some(journal) = self.journal.take() {
            self.keyspace.reaper().drop_journal(journal);
        }
        Some(std::mem::take(&mut self.changes))
    }

    /// Seals the transaction and releases its locks.
    pub fn commit(mut self) -> Sealed {
        self.seal()
    }

    /// Undoes every change made since the journal was opened.
    pub fn rollback(&mut self) {
        let Some(mut journal) = self.journal.take() else { return };
        while let Some((db, key, undo)) = journal.pop() {
            self.undo(db, key, undo);
        }
        journal.clear_covers();
        self.journal = Some(journal);
        self.changes = 0;
        // What had happened before the journal was opened stays so.
        self.news = RefCell::new(self.kept.clone());
    }

    fn undo(&mut self, db: u16, key: &[u8], undo: Undo) {
        let reaper = self.keyspace.reaper();
        match undo {
            Undo::Flushed { shard, database } => {
                *self.held.shard_mut(shard).database_mut(db) = *database;
                return;
            }
            Undo::Swapped { with } => {
                for shard in 0..self.keyspace.shard_count() {
                    self.held.shard_mut(shard).swap_databases(db, with);
                }
                return;
            }
            Undo::Moved { index, to } => {
                let shard = self.keyspace.shard_of(&to.1);
                let database = self.held.shard_mut(shard).database_mut(to.0);
                let at = database.keys.get_index_of(&to.1).expect("the key is where it was moved to");
                let mut entry = database.remove_at(at);
                entry.rename(key);
                let shard = self.keyspace.shard_of(key);
                self.held.shard_mut(shard).database_mut(db).insert_at(index, entry);
                return;
            }
            _ => {}
        }
        let database = self.held.shard_mut(self.keyspace.shard_of(key)).database_mut(db);
        if let Undo::Removed { index, entry } = undo {
            database.insert_at(index, *entry);
            return;
        }
        let index = database.keys.get_index_of(key).expect("the key is there as its change left it");
        if let Undo::Replaced { value, deadline } = undo {
            if let Some(value) = database.replace_value(index, Content::Value(value), false) {
                reaper.drop_value(value);
            }
            database.set_deadline(index, deadline);
            return;
        }
        let entry = database.keys.get_at_mut(index).expect("as above");
        match (undo, entry.value_mut()) {
            (Undo::Created, _) => reaper.drop_entry(database.remove_at(index)),
            (Undo::Deadline(deadline), _) => drop(database.set_deadline(index, deadline)),
            (Undo::Str(undo), ValueMut::Str) => _ = entry.change_string(|value| value.undo(undo)),
            (Undo::List(undo), ValueMut::List(value)) => value.undo(undo),
            (Undo::Hash(undo), ValueMut::Hash(value)) => {
                value.undo(undo);
                database.queue_fields(index);
            }
            (Undo::Set(undo), ValueMut::Set(value)) => value.undo(undo),
            (Undo::ZSet(undo), ValueMut::ZSet(value)) => value.undo(undo),
            (Undo::Stream(undo), ValueMut::Stream(value)) => value.undo(undo),
            _ => unreachable!("the value is as its change left it"),
        }
    }
}

impl Reaper {
    fn drop_journal(&self, journal: Box<Journal>) {
        if let Some(large) = journal.recycle() {
            self.drop_later(0, large);
        }
    }
}
