//! The mutating primitives of the types, on a value inside a transaction.

use crate::edit::Edit;
use crate::types::{
    Blob, Hash, List, Outcome, PendingEntry, PreparedVector, Set, Str, Stream, StreamId, StreamTrim,
    VectorParams, VectorSet, ZSet,
};
use crate::value::Content;

impl Edit<'_, '_, Str> {
    /// Replaces the whole string.
    pub fn replace(&mut self, value: Str) {
        self.apply(|current, log| (current.set(value, log), true));
        self.cover_value();
    }

    /// Replaces the whole string by an integer.
    #[inline]
    pub fn replace_by_int(&mut self, value: i64) {
        if !self.overwrite(&Content::Int(value)) {
            self.replace(Str::from(value));
        }
    }

    /// Appends, and answers the new length.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        self.apply(|value, log| (value.append(bytes, log), true))
    }

    /// Moves the content into a growing buffer, of encoding `raw`, where changes of single bytes go; that is no change.
    pub fn make_raw(&mut self) {
        self.apply(|value, log| {
            if !value.is_raw() {
                value.append(b"", log);
            }
            ((), false)
        });
    }

    /// Overwrites from `offset` on, after zeros if that is beyond the end, and answers the new length.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8]) -> usize {
        self.apply(|value, log| (value.set_range(offset, bytes, log), !bytes.is_empty()))
    }
}

impl Edit<'_, '_, List> {
    /// Puts an element before the first one.
    pub fn push_front(&mut self, element: &[u8]) {
        self.apply(|list, log| (list.push_front(element, log), true));
    }

    /// Puts an element behind the last one.
    pub fn push_back(&mut self, element: &[u8]) {
        self.apply(|list, log| (list.push_back(element, log), true));
    }

    /// Removes the first element.
    pub fn pop_front(&mut self) -> Option<Blob> {
        self.pop_front_with(|element| element.into())
    }

    /// Removes the first element after showing it, which saves a copy.
    pub fn pop_front_with<R>(&mut self, show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.apply(|list, log| changed_if(list.pop_front_with(show, log), Option::is_some))
    }

    /// Removes the last element.
    pub fn pop_back(&mut self) -> Option<Blob> {
        self.pop_back_with(|element| element.into())
    }

    /// Removes the last element after showing it, which saves a copy.
    pub fn pop_back_with<R>(&mut self, show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.apply(|list, log| changed_if(list.pop_back_with(show, log), Option::is_some))
    }

    /// Replaces the element at a position; `false` if there is none.
    pub fn set(&mut self, at: usize, element: &[u8]) -> bool {
        self.apply(|list, log| changed_if(list.set(at, element, log), |&set| set))
    }

    /// Puts an element before the one at a position.
    pub fn insert_before(&mut self, at: usize, element: &[u8]) {
        self.apply(|list, log| (list.insert_before(at, element, log), true));
    }

    /// Removes up to `count` elements from a position on, and answers how many.
    pub fn remove_range(&mut self, at: usize, count: usize) -> usize {
        self.apply(|list, log| changed_if(list.remove_range(at, count, log), |&count| count > 0))
    }

    /// Removes up to `limit` elements equal to `element`, from the front or from the back, and answers how many.
    pub fn remove_equal(&mut self, element: &[u8], limit: usize, from_back: bool) -> usize {
        self.apply(|list, log| {
            changed_if(list.remove_equal(element, limit, from_back, log), |&count| count > 0)
        })
    }
}

impl Edit<'_, '_, Hash> {
    /// Sets a field and answers whether it is new. One that was there keeps its deadline.
    pub fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        let limits = self.limits();
        self.apply(|hash, log| (hash.insert(field, value, &limits, log), true))
    }

    /// Removes a field and answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let removed = self.apply(|hash, log| changed_if(hash.remove(field, log), |&removed| removed));
        if removed && self.queued_ms().is_some() {
            self.queue_fields();
        }
        removed
    }

    /// Sets the deadline of a field that is there, in milliseconds since the epoch, or clears that of any, and answers
    /// whether that is a change.
    pub fn set_deadline(&mut self, field: &[u8], deadline: Option<u64>) -> bool {
        let changed =
            self.apply(|hash, log| changed_if(hash.set_deadline(field, deadline, log), |&changed| changed));
        if changed {
            self.queue_fields();
        }
        changed
    }

    /// Removes up to `limit` fields whose deadline has passed, and answers how many.
    pub fn remove_due(&mut self, limit: usize) -> usize {
        let now_ms = self.now_ms();
        let removed =
            self.apply(|hash, log| changed_if(hash.remove_due(now_ms, limit, log), |&count| count > 0));
        self.queue_fields();
        removed
    }
}

impl Edit<'_, '_, Set> {
    /// Adds a member and answers whether it is new.
    pub fn insert(&mut self, member: &[u8]) -> bool {
        let limits = self.limits();
        self.apply(|set, log| changed_if(set.insert(member, &limits, log), |&added| added))
    }

    /// Removes a member and answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.apply(|set, log| changed_if(set.remove(member, log), |&removed| removed))
    }

    /// Removes the member at a position of the iteration order; `false` if there is none.
    pub fn remove_at(&mut self, at: usize) -> bool {
        self.apply(|set, log| changed_if(set.remove_at(at, log), |&removed| removed))
    }
}

impl Edit<'_, '_, ZSet> {
    /// Sets the score, which is not NaN, of a member that may be new.
    pub fn insert_or_update(&mut self, member: &[u8], score: f64) -> Outcome {
        let limits = self.limits();
        self.apply(|zset, log| {
            changed_if(zset.insert_or_update(member, score, &limits, log), |outcome| {
                *outcome != Outcome::Same
            })
        })
    }

    /// Removes a member and answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.apply(|zset, log| changed_if(zset.remove(member, log), |&removed| removed))
    }

    /// Removes up to `count` members from a rank on, and answers how many.
    pub fn remove_range_by_rank(&mut self, start: usize, count: usize) -> usize {
        self.apply(|zset, log| changed_if(zset.remove_range_by_rank(start, count, log), |&count| count > 0))
    }
}

impl Edit<'_, '_, Stream> {
    /// Adds an entry, fields and values in turn, whose ID is greater than all before.
    pub fn append(&mut self, id: StreamId, fields: &[&[u8]]) {
        let limits = self.limits();
        self.apply(|stream, log| (stream.append(id, fields, &limits, log), true));
    }

    /// Deletes an entry and answers whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        self.apply(|stream, log| changed_if(stream.delete(id, log), |&deleted| deleted))
    }

    /// Cuts off the beginning and answers how many entries that were.
    pub fn trim(&mut self, trim: &StreamTrim) -> usize {
        let (deleted, removed) =
            self.apply(|stream, log| changed_if(stream.trim(trim, log), |(deleted, _)| *deleted > 0));
        self.drop_weighing(removed.len(), removed);
        deleted
    }

    /// Sets what later IDs must exceed, and, if given, how many entries were ever added and the greatest ID ever deleted.
    pub fn set_last_id(&mut self, last: StreamId, added: Option<u64>, max_deleted: Option<StreamId>) {
        self.apply(|stream, log| (stream.set_last_id(last, added, max_deleted, log), true));
    }

    /// Adds a consumer group and answers whether its name is new.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<i64>) -> bool {
        self.apply(|stream, log| {
            changed_if(stream.create_group(name, last_id, entries_read, log), |&created| created)
        })
    }

    /// Removes a group.
    pub fn remove_group(&mut self, group: usize) {
        let removed = self.apply(|stream, log| (stream.remove_group(group, log), true));
        if let Some(removed) = removed {
            self.drop_weighing(removed.pending_len(), removed);
        }
    }

    /// Says how far a group has read.
    pub fn set_group_position(&mut self, group: usize, last_id: StreamId, entries_read: Option<i64>) {
        self.apply(|stream, log| (stream.set_group_position(group, last_id, entries_read, log), true));
    }

    /// Notes that an entry was read by a group that had not come to it yet.
    pub fn advance_group(&mut self, group: usize, id: StreamId) {
        self.apply(|stream, log| (stream.advance_group(group, id, log), true));
    }

    /// Adds a consumer to a group that has none of that name, and answers its number.
    pub fn add_consumer(&mut self, group: usize, name: &[u8]) -> u32 {
        let now_ms = self.now_ms();
        self.apply(|stream, log| (stream.add_consumer(group, name, now_ms, log), true))
    }

    /// Removes a consumer and what is pending for it, and answers how much that was.
    pub fn remove_consumer(&mut self, group: usize, number: u32) -> usize {
        self.apply(|stream, log| (stream.remove_consumer(group, number, log), true))
    }

    /// Notes that a consumer has asked for something, and, if `active`, has got it. That alone is no change.
    pub fn note_consumer_seen(&mut self, group: usize, number: u32, active: bool) {
        let now_ms = self.now_ms();
        self.apply(|stream, log| (stream.note_consumer_seen(group, number, now_ms, active, log), false));
    }

    /// Makes an entry pending in a group, whatever it was before.
    pub fn put_pending(&mut self, group: usize, id: StreamId, pending: PendingEntry) {
        self.apply(|stream, log| (stream.put_pending(group, id, pending, log), true));
    }

    /// Makes an entry pending no more in a group, and answers whether it was.
    pub fn remove_pending(&mut self, group: usize, id: StreamId) -> bool {
        self.apply(|stream, log| changed_if(stream.remove_pending(group, id, log), |&removed| removed))
    }

    /// Makes an entry pending no more in any group.
    pub fn remove_references(&mut self, id: StreamId) {
        self.apply(|stream, log| (stream.remove_references(id, log), true));
    }
}

impl Edit<'_, '_, VectorSet> {
    /// Says what the vectors of an empty set will have in common, within their limits.
    pub fn configure(&mut self, params: VectorParams) {
        let uid = self.new_vector_set_uid();
        self.apply(|vectors, log| (vectors.configure(params, uid, log), true));
    }

    /// Inserts an element, or gives one that is there another vector, and answers whether it is new; see
    /// [`VectorSet::insert`].
    pub fn insert(&mut self, name: &[u8], vector: &PreparedVector, ef: usize, random: u64) -> bool {
        self.apply(|vectors, log| (vectors.insert(name, vector, ef, random, log), true))
    }

    /// Removes an element and answers whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.apply(|vectors, log| changed_if(vectors.remove(name, log), |&removed| removed))
    }

    /// Gives an element an attribute, or takes it away, and answers whether the element was there.
    pub fn set_attribute(&mut self, name: &[u8], attribute: Option<&[u8]>) -> bool {
        self.apply(|vectors, log| changed_if(vectors.set_attribute(name, attribute, log), |&found| found))
    }
}

fn changed_if<R>(result: R, changed: impl FnOnce(&R) -> bool) -> (R, bool) {
    let changed = changed(&result);
    (result, changed)
}
