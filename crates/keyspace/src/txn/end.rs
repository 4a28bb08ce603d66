//! The end of a transaction: seal and commit, or the way back.

use std::cell::RefCell;

use super::{Sealed, Txn};
use crate::journal::{Journal, Undo};
use crate::reaper::Reaper;
use crate::types::{GroupUndo, ListUndo, StrUndo, StreamUndo};
use crate::value::{Content, Value, ValueMut};

impl Txn<'_> {
    /// Makes the changes final: removes what was found expired, raises watch flags. The locks stay held until the
    /// transaction is dropped, so that what others are told of it can be told before anybody sees it.
    pub fn seal(&mut self) -> Sealed {
        self.remove_stale();
        *self.kept = None;
        if let Some(journal) = self.journal.take() {
            self.keyspace.reaper().drop_journal(journal);
        }
        let mut sealed = Sealed { changes: std::mem::take(&mut self.changes), ..Sealed::default() };
        let Some(news) = self.news.get_mut().take() else { return sealed };
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
        *self.journal = Some(journal);
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
            (Undo::Str(undo), ValueMut::Str) => {
                let rest = entry.change_string(|value| value.undo(undo)).flatten();
                rest.into_iter().for_each(|rest| reaper.drop_value(Value::Str(rest)));
            }
            (Undo::List(undo), ValueMut::List(value)) => value.undo(undo),
            (Undo::Hash(undo), ValueMut::Hash(value)) => {
                value.undo(undo);
                database.queue_fields(index);
            }
            (Undo::Set(undo), ValueMut::Set(value)) => value.undo(undo),
            (Undo::ZSet(undo), ValueMut::ZSet(value)) => value.undo(undo),
            (Undo::Stream(undo), ValueMut::Stream(value)) => value.undo(undo),
            (Undo::VectorSet(undo), ValueMut::VectorSet(value)) => value.undo(undo),
            _ => unreachable!("the value is as its change left it"),
        }
    }
}

impl Reaper {
    fn drop_journal(&self, journal: Box<Journal>) {
        if let Some(large) = journal.recycle(|undo| self.drop_undo(undo)) {
            self.drop_later(0, large);
        }
    }

    fn drop_undo(&self, undo: Undo) {
        match undo {
            Undo::Replaced { value, .. } => self.drop_value(value),
            Undo::Removed { entry, .. } => self.drop_entry(*entry),
            Undo::Flushed { database, .. } => self.drop_later(database.estimated_bytes(), database),
            Undo::Str(StrUndo::Whole(value)) => self.drop_value(Value::Str(value)),
            Undo::List(ListUndo::Replace { chunks, .. }) => self.drop_weighing(chunks.len(), chunks),
            Undo::Stream(StreamUndo::PrependNodes(nodes)) => self.drop_weighing(nodes.len(), nodes),
            Undo::Stream(StreamUndo::InsertGroup(_, group)) => {
                self.drop_weighing(group.1.pending_len(), group);
            }
            Undo::Stream(StreamUndo::Group(_, GroupUndo::RestoreConsumer(consumer))) => {
                self.drop_weighing(consumer.1.len(), consumer);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::types::{Set, Str};
    use crate::{Deadline, Footprint, Keyspace, Txn, Value};

    const LARGE: usize = 3 << 20;

    fn large() -> Value {
        Value::Str(Str::from_text(&vec![b'x'; LARGE]))
    }

    fn members() -> Value {
        let mut set = Set::default();
        for member in 0..1000 {
            set.insert(format!("{member:040}").as_bytes(), &Default::default(), &mut crate::log::NoLog);
        }
        Value::Set(Box::new(set))
    }

    /// How many bytes are left to the reaper.
    fn let_go(value: Value, change: impl FnOnce(&mut Txn<'_>)) -> usize {
        let keyspace = Keyspace::new(1, 4);
        let begin = || keyspace.try_begin(&Footprint::All, 1).expect("nobody holds a lock");
        begin().insert(0, b"key", value, Deadline::Never);
        let mut txn = begin();
        change(&mut txn);
        txn.commit();
        keyspace.let_go_bytes().0 as usize
    }

    #[test]
    #[cfg_attr(miri, ignore = "large strings lie elsewhere there")]
    fn nothing_large_is_freed_by_those_who_let_go_of_it() {
        let remove = |txn: &mut Txn<'_>| assert!(txn.remove(0, b"key"));
        let replace = |txn: &mut Txn<'_>| txn.insert_bytes(0, b"key", b"short", Deadline::Never);
        let flush = |txn: &mut Txn<'_>| assert_eq!(txn.flush(0), 1);
        for change in [remove, replace, flush] {
            assert!(let_go(large(), change) >= LARGE);
            assert!(let_go(members(), change) >= 40_000);
            let journaled = |txn: &mut Txn<'_>| {
                txn.open_journal();
                change(txn);
            };
            assert!(let_go(large(), journaled) >= LARGE, "what a journal has kept");
            assert!(let_go(members(), journaled) >= 40_000, "what a journal has kept");
        }
        let grow = |txn: &mut Txn<'_>| {
            txn.open_journal();
            assert!(txn.string_entry(0, b"key").is_ok_and(|mut edit| edit.set_range(2 * LARGE, b"x") > 0));
            txn.rollback();
            assert_eq!(txn.string(0, b"key").map(|value| value.map(|value| value.len())), Ok(Some(5)));
        };
        assert!(let_go(Value::Str(Str::from_text(b"small")), grow) >= 2 * LARGE, "undone growth");
        assert_eq!(let_go(Value::Str(Str::from_text(b"small")), remove), 0);
    }
}
