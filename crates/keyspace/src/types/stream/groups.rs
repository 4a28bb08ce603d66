//! The consumer groups of a stream.

use super::group::{GroupUndo, PendingEntry, StreamGroup};
use super::{History, Stream, StreamId, StreamUndo};
use crate::log::Log;

impl Stream {
    /// The groups with their names, in the order of these.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &StreamGroup)> {
        self.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The position of a group, by which changes name it, and the group.
    pub fn group(&self, name: &[u8]) -> Option<(usize, &StreamGroup)> {
        let at = self.search(name).ok()?;
        Some((at, &self.groups[at].1))
    }

    /// The group at a position.
    ///
    /// # Panics
    /// If there is none.
    pub fn group_at(&self, at: usize) -> &StreamGroup {
        &self.groups[at].1
    }

    /// Whether a group has still to read the entry, or a consumer to acknowledge it.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.iter().any(|(_, group)| group.last_id < id || group.pending(id).is_some())
    }

    /// Whether an entry from the ID on was deleted singly, as far as is known; what lay before the first entry does not count.
    pub fn has_tombstone_from(&self, id: StreamId) -> bool {
        let History { len, first_id, max_deleted_id, .. } = self.history;
        len > 0 && max_deleted_id != StreamId::MIN && max_deleted_id >= first_id.max(id)
    }

    /// How many entries were ever added up to an ID, if that can be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<i64> {
        let history = &self.history;
        let added = history.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        if (history.len == 0 && id <= history.last_id) || id == history.last_id {
            return Some(added);
        }
        if id > history.last_id {
            return None;
        }
        let before_first = added.wrapping_sub(history.len as i64);
        let whole = history.max_deleted_id == StreamId::MIN || history.max_deleted_id < history.first_id;
        match id.cmp(&history.first_id) {
            std::cmp::Ordering::Less if whole => Some(before_first),
            std::cmp::Ordering::Equal if whole => Some(before_first.wrapping_add(1)),
            _ => None,
        }
    }

    /// How many entries a group has still to read, if that can be told.
    pub fn lag(&self, group: &StreamGroup) -> Option<i64> {
        let added = self.history.entries_added as i64;
        let read = match group.entries_read {
            _ if added == 0 => return Some(0),
            Some(read) if !self.has_tombstone_from(group.last_id) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        read.map(|read| added.wrapping_sub(read))
    }

    // ---- changing ----

    /// Adds a group and answers whether its name is new.
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<i64>,
        log: &mut impl Log<StreamUndo>,
    ) -> bool {
        let Err(at) = self.search(name) else { return false };
        self.groups.insert(at, (name.into(), Box::new(StreamGroup::new(last_id, entries_read))));
        log.record(|| StreamUndo::RemoveGroup(at as u32));
        true
    }

    /// Removes a group, and gives it to the caller to free unless it went to the log.
    pub fn remove_group(&mut self, at: usize, log: &mut impl Log<StreamUndo>) -> Option<Box<StreamGroup>> {
        let mut removed = Some(self.groups.remove(at));
        log.record(|| {
            StreamUndo::InsertGroup(at as u32, Box::new(removed.take().expect("it was just removed")))
        });
        removed.map(|(_, group)| group)
    }

    /// Says how far a group has read.
    pub fn set_group_position(
        &mut self,
        at: usize,
        last_id: StreamId,
        entries_read: Option<i64>,
        log: &mut impl Log<StreamUndo>,
    ) {
        self.groups[at].1.set_position(last_id, entries_read, &mut OfGroup { at, log });
    }

    /// Notes that an entry was read by a group that had not come to it yet.
    pub fn advance_group(&mut self, at: usize, id: StreamId, log: &mut impl Log<StreamUndo>) {
        let entries_read = match self.groups[at].1.entries_read {
            Some(read) if !self.has_tombstone_from(id) => Some(read.wrapping_add(1)),
            _ if self.history.entries_added > 0 => self.entries_up_to(id),
            before => before,
        };
        self.set_group_position(at, id, entries_read, log);
    }

    /// Adds a consumer to a group that has none of that name, and answers its number.
    pub fn add_consumer(
        &mut self,
        at: usize,
        name: &[u8],
        now_ms: u64,
        log: &mut impl Log<StreamUndo>,
    ) -> u32 {
        self.groups[at].1.add_consumer(name, now_ms, &mut OfGroup { at, log })
    }

    /// Removes a consumer and what is pending for it, and answers how much that was.
    pub fn remove_consumer(&mut self, at: usize, number: u32, log: &mut impl Log<StreamUndo>) -> usize {
        self.groups[at].1.remove_consumer(number, &mut OfGroup { at, log })
    }

    /// Notes that a consumer has asked for something, and, if `active`, has got it.
    pub fn note_consumer_seen(
        &mut self,
        at: usize,
        number: u32,
        now_ms: u64,
        active: bool,
        log: &mut impl Log<StreamUndo>,
    ) {
        self.groups[at].1.note_seen(number, now_ms, active, &mut OfGroup { at, log });
    }

    /// Makes an entry pending, whatever it was before.
    pub fn put_pending(
        &mut self,
        at: usize,
        id: StreamId,
        pending: PendingEntry,
        log: &mut impl Log<StreamUndo>,
    ) {
        self.groups[at].1.put_pending(id, pending, &mut OfGroup { at, log });
    }

    /// Makes an entry pending no more, and answers whether it was.
    pub fn remove_pending(&mut self, at: usize, id: StreamId, log: &mut impl Log<StreamUndo>) -> bool {
        self.groups[at].1.remove_pending(id, &mut OfGroup { at, log })
    }

    /// Makes an entry pending no more in any group.
    pub fn remove_references(&mut self, id: StreamId, log: &mut impl Log<StreamUndo>) {
        for at in 0..self.groups.len() {
            self.remove_pending(at, id, log);
        }
    }

    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|(other, _)| (**other).cmp(name))
    }
}

/// A stream's log, as one of its groups sees it.
struct OfGroup<'l, L> {
    at: usize,
    log: &'l mut L,
}

impl<L: Log<StreamUndo>> Log<GroupUndo> for OfGroup<'_, L> {
    fn record(&mut self, inverse: impl FnOnce() -> GroupUndo) {
        let at = self.at as u32;
        self.log.record(|| StreamUndo::Group(at, inverse()));
    }
}
