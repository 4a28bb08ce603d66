//! Consumer groups: how far each has read, and what its consumers have not acknowledged yet.
//!
//! A consumer has a number, under which pending entries name it, that stays the same as long as it lives; numbers
//! of removed consumers are given again, the last one first, so that undoing is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::StreamId;
use crate::log::Log;

/// A consumer group.
#[derive(Clone, Debug)]
pub struct StreamGroup {
    /// The last entry that was delivered to any of its consumers.
    pub last_id: StreamId,
    /// How many entries of the stream's whole life were read up to there, if that is known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, PendingEntry>,
    consumers: Vec<Option<StreamConsumer>>,
    /// Numbers that nobody bears, the one to be given next last.
    vacant: Vec<u32>,
    /// The consumers' numbers in the order of their names.
    by_name: Vec<u32>,
}

/// A consumer of a group.
#[derive(Clone, Debug)]
pub struct StreamConsumer {
    /// Its name.
    pub name: Box<[u8]>,
    /// When it last asked for something, in milliseconds since the epoch.
    pub seen_ms: u64,
    /// When it last got something, if ever.
    pub active_ms: Option<u64>,
    pending: BTreeSet<StreamId>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingEntry {
    /// Whose it is.
    pub consumer: u32,
    /// When it was delivered, in milliseconds since the epoch.
    pub delivered_ms: u64,
    /// How often.
    pub deliveries: u64,
}

/// What undoes a change of a [`StreamGroup`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum GroupUndo {
    Position { last_id: StreamId, entries_read: Option<i64> },
    RemovePending(StreamId),
    PutPending(StreamId, PendingEntry),
    RemoveConsumer { reused: bool, number: u32 },
    RestoreConsumer(Box<(StreamConsumer, Vec<(StreamId, PendingEntry)>)>),
    Seen { number: u32, seen_ms: u64, active_ms: Option<u64> },
}

impl StreamGroup {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        StreamGroup {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            vacant: Vec::new(),
            by_name: Vec::new(),
        }
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// A pending entry.
    pub fn pending(&self, id: StreamId) -> Option<PendingEntry> {
        self.pending.get(&id).copied()
    }

    /// The pending entries of a range, in order.
    pub fn pending_in(
        &self,
        range: RangeInclusive<StreamId>,
    ) -> impl DoubleEndedIterator<Item = (StreamId, PendingEntry)> {
        let range = if range.is_empty() { StreamId::MIN..=StreamId::MIN } else { range };
        self.pending.range(range).map(|(id, pending)| (*id, *pending))
    }

    /// How many consumers there are.
    pub fn consumers_len(&self) -> usize {
        self.by_name.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = &StreamConsumer> {
        self.by_name.iter().map(|&number| self.consumer(number))
    }

    /// The number of a consumer.
    pub fn consumer_number(&self, name: &[u8]) -> Option<u32> {
        self.search(name).ok().map(|at| self.by_name[at])
    }

    /// The consumer with a number.
    ///
    /// # Panics
    /// If nobody bears it.
    pub fn consumer(&self, number: u32) -> &StreamConsumer {
        self.consumers[number as usize].as_ref().expect("a consumer's number")
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let per_pending = size_of::<(StreamId, PendingEntry)>() + size_of::<StreamId>();
        let names: usize = self.consumers().map(|consumer| consumer.name.len()).sum();
        // Nodes of the trees are about two thirds full.
        self.pending.len() * per_pending * 3 / 2
            + self.consumers.capacity() * size_of::<Option<StreamConsumer>>()
            + names
            + (self.vacant.capacity() + self.by_name.capacity()) * size_of::<u32>()
    }

    // ---- changing ----

    /// Says how far the group has read.
    pub(super) fn set_position(
        &mut self,
        last_id: StreamId,
        entries_read: Option<i64>,
        log: &mut impl Log<GroupUndo>,
    ) {
        log.record(|| GroupUndo::Position { last_id: self.last_id, entries_read: self.entries_read });
        (self.last_id, self.entries_read) = (last_id, entries_read);
    }

    /// Makes an entry pending, whatever it was before.
    pub(super) fn put_pending(&mut self, id: StreamId, pending: PendingEntry, log: &mut impl Log<GroupUndo>) {
        match self.pending.insert(id, pending) {
            None => {
                self.consumer_mut(pending.consumer).pending.insert(id);
                log.record(|| GroupUndo::RemovePending(id));
            }
            Some(before) => {
                if before.consumer != pending.consumer {
                    self.consumer_mut(before.consumer).pending.remove(&id);
                    self.consumer_mut(pending.consumer).pending.insert(id);
                }
                log.record(|| GroupUndo::PutPending(id, before));
            }
        }
    }

    /// Makes an entry pending no more, and answers whether it was.
    pub(super) fn remove_pending(&mut self, id: StreamId, log: &mut impl Log<GroupUndo>) -> bool {
        let Some(before) = self.pending.remove(&id) else { return false };
        self.consumer_mut(before.consumer).pending.remove(&id);
        log.record(|| GroupUndo::PutPending(id, before));
        true
    }

    /// Adds a consumer, whose name must be new, and answers its number.
    pub(super) fn add_consumer(&mut self, name: &[u8], seen_ms: u64, log: &mut impl Log<GroupUndo>) -> u32 {
        let at = self.search(name).expect_err("a new name");
        let consumer =
            StreamConsumer { name: name.into(), seen_ms, active_ms: None, pending: BTreeSet::new() };
        let (number, reused) = match self.vacant.pop() {
            Some(number) => (number, true),
            None => {
                self.consumers.push(None);
                (self.consumers.len() as u32 - 1, false)
            }
        };
        self.consumers[number as usize] = Some(consumer);
        self.by_name.insert(at, number);
        log.record(|| GroupUndo::RemoveConsumer { reused, number });
        number
    }

    /// Removes a consumer and what is pending for it, and answers how much that was.
    pub(super) fn remove_consumer(&mut self, number: u32, log: &mut impl Log<GroupUndo>) -> usize {
        let at = self.search(&self.consumer(number).name).expect("a consumer has a name");
        self.by_name.remove(at);
        let consumer = self.consumers[number as usize].take().expect("a consumer's number");
        self.vacant.push(number);
        let len = consumer.pending.len();
        let mut pending = Vec::with_capacity(len);
        for id in &consumer.pending {
            pending.extend(self.pending.remove(id).map(|before| (*id, before)));
        }
        log.record(|| GroupUndo::RestoreConsumer(Box::new((consumer, pending))));
        len
    }

    /// Notes that a consumer has asked for something, and, if `active`, has got it.
    pub(super) fn note_seen(
        &mut self,
        number: u32,
        now_ms: u64,
        active: bool,
        log: &mut impl Log<GroupUndo>,
    ) {
        let consumer = self.consumer_mut(number);
        let (seen_ms, active_ms) = (consumer.seen_ms, consumer.active_ms);
        consumer.seen_ms = now_ms;
        if active {
            consumer.active_ms = Some(now_ms);
        }
        log.record(|| GroupUndo::Seen { number, seen_ms, active_ms });
    }

    pub(super) fn undo(&mut self, undo: GroupUndo) {
        let log = &mut crate::log::NoLog;
        match undo {
            GroupUndo::Position { last_id, entries_read } => {
                (self.last_id, self.entries_read) = (last_id, entries_read);
            }
            GroupUndo::RemovePending(id) => drop(self.remove_pending(id, log)),
            GroupUndo::PutPending(id, pending) => self.put_pending(id, pending, log),
            GroupUndo::RemoveConsumer { reused, number } => {
                self.remove_consumer(number, log);
                if !reused {
                    self.vacant.pop();
                    self.consumers.pop();
                }
            }
            GroupUndo::RestoreConsumer(removed) => {
                let (consumer, pending) = *removed;
                let at = self.search(&consumer.name).expect_err("a name that was removed");
                let number = self.vacant.pop().expect("the number that was given up last");
                self.by_name.insert(at, number);
                self.consumers[number as usize] = Some(consumer);
                self.pending.extend(pending);
            }
            GroupUndo::Seen { number, seen_ms, active_ms } => {
                let consumer = self.consumer_mut(number);
                (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
            }
        }
    }

    fn consumer_mut(&mut self, number: u32) -> &mut StreamConsumer {
        self.consumers[number as usize].as_mut().expect("a consumer's number")
    }

    fn search(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|&number| (*self.consumer(number).name).cmp(name))
    }
}

impl StreamConsumer {
    /// How many entries are pending for it.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries of a range that are pending for it, in order.
    pub fn pending_in(&self, range: RangeInclusive<StreamId>) -> impl Iterator<Item = StreamId> {
        let range = if range.is_empty() { StreamId::MIN..=StreamId::MIN } else { range };
        self.pending.range(range).copied()
    }
}
