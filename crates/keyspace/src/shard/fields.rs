//! The queue of hashes whose fields have deadlines.

use super::Database;
use crate::Entry;
use crate::table::hash_of;
use crate::value::{Content, Value, ValueMut, ValueRef};

impl Database {
    /// Puts the hash at `index`, if it is one, which is new here, into the queue.
    #[inline]
    pub(crate) fn adopt_fields(&mut self, index: usize) {
        let entry = self.keys.get_at_mut(index).expect("an index that was just found");
        if let ValueMut::Hash(hash) = entry.value_mut() {
            // A copy has taken over where its original stood.
            hash.requeue(None);
            self.queue_fields(index);
        }
    }

    /// Has the hash at `index`, if it is one, stand in the queue for the first deadline of its fields.
    #[inline]
    pub(crate) fn queue_fields(&mut self, index: usize) {
        let entry = self.keys.get_at_mut(index).expect("an index that was just found");
        let ValueMut::Hash(hash) = entry.value_mut() else { return };
        let moment = hash.soonest_deadline();
        let before = hash.requeue(moment);
        if before != moment {
            self.move_in_queue(index, before, moment);
        }
    }

    /// Takes the hash at `index`, if it is one, out of the queue.
    #[inline]
    pub(crate) fn unqueue_fields(&mut self, index: usize) {
        let entry = self.keys.get_at_mut(index).expect("an index that was just found");
        let ValueMut::Hash(hash) = entry.value_mut() else { return };
        let before = hash.requeue(None);
        if before.is_some() {
            self.move_in_queue(index, before, None);
        }
    }

    /// Replaces the value at `index` where it lies, if the new one fits there and the old one needs not be freed.
    #[inline]
    pub(crate) fn overwrite(&mut self, index: usize, content: &Content<'_>) -> bool {
        self.keys.get_at_mut(index).is_some_and(|entry| entry.overwrite(content))
    }

    /// Replaces the value at `index`, and answers what it was if the caller wants to `keep` it or it has to be freed.
    #[inline]
    pub(crate) fn replace_value(&mut self, index: usize, content: Content<'_>, keep: bool) -> Option<Value> {
        let entry = self.keys.get_at(index).expect("an index that was just found");
        if entry.has_fields() {
            self.unqueue_fields(index);
        }
        let entry = self.keys.get_at_mut(index).expect("as above");
        let before = entry.replace(content, keep);
        if entry.has_fields() {
            self.adopt_fields(index);
        }
        before
    }

    /// How many hashes stand in the queue.
    pub(crate) fn timed_hashes(&self) -> usize {
        self.fields_due.len()
    }

    /// The index of a hash one of whose fields has a deadline that has passed, soonest first.
    pub(crate) fn next_fields_due(&mut self, now_ms: u64) -> Option<usize> {
        while let Some(&(moment, hash)) = self.fields_due.first()
            && moment <= now_ms
        {
            let found = self.find_queued(moment, hash);
            if found.is_some() {
                return found;
            }
            // Its first deadline was undone.
            self.fields_due.pop_first();
        }
        None
    }

    /// How many removals the fields take whose deadline has passed; more than `limit` may be any number.
    pub(crate) fn count_due_fields(&self, now_ms: u64, limit: usize) -> usize {
        let mut count = 0;
        for &(moment, hash) in self.fields_due.iter().take_while(|(moment, _)| *moment <= now_ms) {
            let queued = self.find_queued(moment, hash).and_then(|index| self.keys.get_at(index));
            let Some(ValueRef::Hash(hash)) = queued.map(Entry::value) else { continue };
            count += if hash.is_over(now_ms) { 1 } else { hash.count_due(now_ms, limit) };
            if count > limit {
                break;
            }
        }
        count
    }

    fn move_in_queue(&mut self, index: usize, before: Option<u64>, moment: Option<u64>) {
        let hash = hash_of(self.keys.get_at(index).expect("an index that was just found").key());
        // Two keys may have the same hash.
        if let Some(before) = before.filter(|before| self.find_queued(*before, hash).is_none()) {
            self.fields_due.remove(&(before, hash));
        }
        self.fields_due.extend(moment.map(|moment| (moment, hash)));
    }

    fn find_queued(&self, moment: u64, hash: u64) -> Option<usize> {
        let is =
            |value: ValueRef<'_>| matches!(value, ValueRef::Hash(hash) if hash.queued_ms() == Some(moment));
        self.keys.find(hash, |entry| is(entry.value()) && hash_of(entry.key()) == hash)
    }
}
