//! Hashes some of whose fields have deadlines.

use std::collections::BTreeSet;

use super::{Blob, Hash, HashUndo};
use crate::{
    log::Log,
    table::{Keyed, Table, hash_of},
};

/// A hash with the deadlines of its fields, which are milliseconds since the epoch.
#[derive(Clone, Debug)]
pub(super) struct Timed {
    /// The fields themselves, which know of no deadline.
    pub(super) hash: Hash,
    deadlines: Deadlines,
    /// The moment for which the hash stands in its database's queue.
    pub(super) queued_ms: Option<u64>,
}

impl Timed {
    pub(super) fn new(hash: Hash) -> Self {
        Self { hash, deadlines: Deadlines::Few(Vec::new()), queued_ms: None }
    }

    pub(super) fn deadline(&self, field: &[u8]) -> Option<u64> {
        self.deadlines.get(field)
    }

    /// How many fields have a deadline.
    pub(super) fn count(&self) -> usize {
        self.deadlines.len()
    }

    pub(super) fn soonest(&self) -> Option<u64> {
        self.deadlines.soonest()
    }

    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        size_of::<Timed>() + self.hash.heap_bytes(samples) + self.deadlines.heap_bytes(samples)
    }

    /// Sets or clears a field's deadline and answers whether that is a change.
    pub(super) fn set_deadline(
        &mut self,
        field: &[u8],
        deadline: Option<u64>,
        log: &mut impl Log<HashUndo>,
    ) -> bool {
        let before = self.deadlines.set(field, deadline);
        if before != deadline {
            log.record(|| HashUndo::Deadline { field: field.into(), before });
        }
        before != deadline
    }

    pub(super) fn undo_deadline(&mut self, field: &[u8], before: Option<u64>) {
        self.deadlines.set(field, before);
    }

    pub(super) fn remove(&mut self, field: &[u8], log: &mut impl Log<HashUndo>) -> bool {
        self.set_deadline(field, None, log);
        self.hash.remove(field, log)
    }

    /// Removes up to `limit` fields whose deadline has passed, and answers how many.
    pub(super) fn remove_due(&mut self, now_ms: u64, limit: usize, log: &mut impl Log<HashUndo>) -> usize {
        let due = self.deadlines.due(now_ms, limit);
        for field in &due {
            self.remove(field, log);
        }
        due.len()
    }

    /// How many deadlines have passed, up to one more than `limit`.
    pub(super) fn count_due(&self, now_ms: u64, limit: usize) -> usize {
        match &self.deadlines {
            Deadlines::Few(list) => list.iter().filter(|deadline| deadline.at_ms <= now_ms).count(),
            Deadlines::Many(many) => many
                .order
                .iter()
                .take(limit.saturating_add(1))
                .take_while(|(at_ms, _)| *at_ms <= now_ms)
                .count(),
        }
    }

    /// Whether no field will be left at this moment.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.count() == self.hash.len() && self.deadlines.all_passed(now_ms)
    }
}

/// The end of a field.
#[derive(Clone, Debug)]
struct Deadline {
    field: Blob,
    at_ms: u64,
}

impl Keyed for Deadline {
    fn key(&self) -> &[u8] {
        &self.field
    }
}

/// So many are searched one by one.
const FEW: usize = 32;

/// Deadlines by field and in their order.
#[derive(Clone, Debug)]
enum Deadlines {
    Few(Vec<Deadline>),
    Many(Box<Many>),
}

/// Fields by name; beside them (deadline, hash of the field), soonest first.
#[derive(Clone, Debug, Default)]
struct Many {
    fields: Table<Deadline>,
    order: BTreeSet<(u64, u64)>,
}

impl Deadlines {
    fn len(&self) -> usize {
        match self {
            Deadlines::Few(list) => list.len(),
            Deadlines::Many(many) => many.fields.len(),
        }
    }

    fn get(&self, field: &[u8]) -> Option<u64> {
        match self {
            Deadlines::Few(list) => list.iter().find(|deadline| *deadline.field == *field),
            Deadlines::Many(many) => many.fields.get(field),
        }
        .map(|deadline| deadline.at_ms)
    }

    fn soonest(&self) -> Option<u64> {
        match self {
            Deadlines::Few(list) => list.iter().map(|deadline| deadline.at_ms).min(),
            Deadlines::Many(many) => many.order.first().map(|(at_ms, _)| *at_ms),
        }
    }

    /// Sets or clears a deadline and answers what it was.
    fn set(&mut self, field: &[u8], new: Option<u64>) -> Option<u64> {
        if let Deadlines::Few(list) = self {
            if let Some(at) = list.iter().position(|deadline| *deadline.field == *field) {
                let before = list[at].at_ms;
                match new {
                    Some(new) => list[at].at_ms = new,
                    None => drop(list.swap_remove(at)),
                }
                return Some(before);
            }
            let new = new?;
            if list.len() < FEW {
                list.reserve_exact(if list.is_empty() { 1 } else { list.len() });
                list.push(Deadline { field: field.into(), at_ms: new });
                return None;
            }
            let mut many = Box::<Many>::default();
            for deadline in std::mem::take(list) {
                many.set(&deadline.field, Some(deadline.at_ms));
            }
            *self = Deadlines::Many(many);
        }
        match self {
            Deadlines::Many(many) => many.set(field, new),
            Deadlines::Few(_) => None,
        }
    }

    /// Up to `limit` fields whose deadline has passed, in an order that depends on names and deadlines alone.
    fn due(&self, now_ms: u64, limit: usize) -> Vec<Blob> {
        let mut due: Vec<(u64, &Blob)> = match self {
            Deadlines::Few(list) => {
                let passed = list.iter().filter(|deadline| deadline.at_ms <= now_ms);
                passed.map(|deadline| (deadline.at_ms, &deadline.field)).collect()
            }
            Deadlines::Many(many) => {
                let passed = many.order.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).take(limit);
                passed.filter_map(|at| many.find(*at)).collect()
            }
        };
        due.sort_unstable_by(|a, b| (a.0, &**a.1).cmp(&(b.0, &**b.1)));
        due.truncate(limit);
        due.into_iter().map(|(_, field)| field.clone()).collect()
    }

    fn all_passed(&self, now_ms: u64) -> bool {
        match self {
            Deadlines::Few(list) => list.iter().all(|deadline| deadline.at_ms <= now_ms),
            Deadlines::Many(many) => many.order.last().is_none_or(|(at_ms, _)| *at_ms <= now_ms),
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            Deadlines::Few(list) => {
                let names: usize = list.iter().map(|deadline| deadline.field.heap_bytes()).sum();
                list.capacity() * size_of::<Deadline>() + names
            }
            Deadlines::Many(many) => {
                size_of::<Many>()
                    + many.fields.allocated_bytes()
                    + many.fields.sampled_bytes(samples, |deadline| deadline.field.heap_bytes())
                    + many.order.len() * 3 * size_of::<u64>()
            }
        }
    }
}

impl Many {
    fn find(&self, (at_ms, hash): (u64, u64)) -> Option<(u64, &Blob)> {
        let at = self.fields.find(hash, |other| other.at_ms == at_ms && hash_of(&other.field) == hash)?;
        self.fields.get_at(at).map(|deadline| (at_ms, &deadline.field))
    }

    fn set(&mut self, field: &[u8], new: Option<u64>) -> Option<u64> {
        let hash = hash_of(field);
        let before = match (self.fields.get_index_of_hashed(hash, field), new) {
            (None, None) => None,
            (None, Some(new)) => {
                self.fields.insert_unique_hashed(hash, Deadline { field: field.into(), at_ms: new });
                None
            }
            (Some(at), None) => Some(self.fields.swap_remove_at(at).at_ms),
            (Some(at), Some(new)) => {
                self.fields.get_at_mut(at).map(|deadline| std::mem::replace(&mut deadline.at_ms, new))
            }
        };
        // Two fields may have the same hash.
        if let Some(before) = before.filter(|before| self.find((*before, hash)).is_none()) {
            self.order.remove(&(before, hash));
        }
        self.order.extend(new.map(|new| (new, hash)));
        before
    }
}
