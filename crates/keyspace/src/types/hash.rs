//! Hashes.

mod timed;

use self::timed::Timed;
use super::{
    Blob, Limits,
    packed::{self, Packed, Splice},
};
use crate::{
    log::{Log, NoLog},
    table::{Keyed, Table},
};

/// Fields with values. Small ones lie packed in the order of their insertion; beyond the limits they live in a
/// [`Table`], for good.
#[derive(Clone, Debug)]
pub struct Hash(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Packed(Packed),
    Table(Box<Table<Entry>>),
    /// One of the above with deadlines. It comes with the first one, and stays.
    Timed(Box<Timed>),
}

/// A field of a big hash.
#[derive(Clone, Debug)]
pub struct Entry {
    field: Blob,
    value: Blob,
}

impl Keyed for Entry {
    fn key(&self) -> &[u8] {
        &self.field
    }
}

/// What undoes a change of a [`Hash`](struct@Hash).
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum HashUndo {
    Splice(Splice),
    Unconvert(Packed),
    RemoveLast,
    SetValue { at: usize, before: Blob },
    Insert { at: usize, entry: Entry },
    Deadline { field: Blob, before: Option<u64> },
    Untime,
}

impl Default for Hash {
    fn default() -> Self {
        Self(Repr::Packed(Packed::default()))
    }
}

impl Hash {
    /// The number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(packed) => packed.len(),
            Repr::Table(table) => table.len(),
            Repr::Timed(timed) => timed.hash.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.0 {
            Repr::Packed(packed) => find(packed, field).map(|place| place.value),
            Repr::Table(table) => table.get(field).map(|entry| &*entry.value),
            Repr::Timed(timed) => timed.hash.get(field),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// The field at a position of the iteration order, with its value; O(1) in a big hash.
    pub fn get_at(&self, at: usize) -> Option<(&[u8], &[u8])> {
        match &self.0 {
            Repr::Packed(packed) => pairs(packed.bytes()).nth(at),
            Repr::Table(table) => table.get_at(at).map(Entry::pair),
            Repr::Timed(timed) => timed.hash.get_at(at),
        }
    }

    /// Fields and values, in an order that depends only on the operations.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (packed, table) = self.parts();
        pairs(packed).chain(table.into_iter().flat_map(|table| table.iter().map(Entry::pair)))
    }

    /// One step of an iteration that survives changes in between; see [`Table::scan`]. A small hash is visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a [u8], &'a [u8])) -> u64 {
        let (packed, table) = self.parts();
        pairs(packed).for_each(|(field, value)| visit(field, value));
        table.map_or(0, |table| table.scan(cursor, |entry| visit(&entry.field, &entry.value)))
    }

    /// The packed fields, or those in a table.
    fn parts(&self) -> (&[u8], Option<&Table<Entry>>) {
        match &self.0 {
            Repr::Packed(packed) => (packed.bytes(), None),
            Repr::Table(table) => (&[], Some(table)),
            Repr::Timed(timed) => timed.hash.parts(),
        }
    }

    /// What OBJECT ENCODING calls it: `listpack`, `listpackex` once a field has had a deadline, or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Table(_) => "hashtable",
            Repr::Timed(_) if self.is_packed() => "listpackex",
            Repr::Timed(_) => "hashtable",
        }
    }

    /// Whether a position is found by walking there.
    pub fn is_packed(&self) -> bool {
        match &self.0 {
            Repr::Packed(_) => true,
            Repr::Table(_) => false,
            Repr::Timed(timed) => timed.hash.is_packed(),
        }
    }

    /// Bytes allocated on the heap, estimated from so many elements; from all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Repr::Packed(packed) => packed.heap_bytes(),
            Repr::Table(table) => {
                size_of::<Table<Entry>>()
                    + table.allocated_bytes()
                    + table
                        .sampled_bytes(samples, |entry| entry.field.heap_bytes() + entry.value.heap_bytes())
            }
            Repr::Timed(timed) => timed.heap_bytes(samples),
        }
    }

    /// Sets a field and answers whether it is new. A field that was there keeps its position and its deadline.
    pub fn insert(
        &mut self,
        field: &[u8],
        value: &[u8],
        limits: &Limits,
        log: &mut impl Log<HashUndo>,
    ) -> bool {
        match &mut self.0 {
            Repr::Packed(packed) => {
                let place = find(packed, field).map(|place| (place.value_offset, place.value.len()));
                let fits = field.len().max(value.len()) <= limits.hash_max_listpack_value
                    && packed.len() + usize::from(place.is_none()) <= limits.hash_max_listpack_entries;
                if !fits {
                    let packed = std::mem::take(packed);
                    self.0 = Repr::Table(Box::new(unpack(&packed)));
                    log.record(|| HashUndo::Unconvert(packed));
                    return self.insert(field, value, limits, &mut NoLog);
                }
                let log = &mut log.map(HashUndo::Splice);
                let new_len = packed::put_len(value.len());
                match place {
                    Some((offset, len)) => {
                        let len = packed::put_len(len);
                        packed.splice(offset, len, new_len, 0, log, |place| _ = packed::put(place, value));
                    }
                    None => {
                        let new_len = packed::put_len(field.len()) + new_len;
                        packed.splice(packed.bytes().len(), 0, new_len, 1, log, |place| {
                            packed::put(packed::put(place, field), value);
                        });
                    }
                }
                place.is_none()
            }
            Repr::Table(table) => insert_big(table, field, value, log),
            Repr::Timed(timed) => timed.hash.insert(field, value, limits, log),
        }
    }

    /// Removes a field and answers whether it was there. In a big hash the last field takes its position.
    pub fn remove(&mut self, field: &[u8], log: &mut impl Log<HashUndo>) -> bool {
        match &mut self.0 {
            Repr::Packed(packed) => {
                let Some(place) = find(packed, field) else { return false };
                let (offset, len) = (place.offset, place.len());
                packed.splice(offset, len, 0, -1, &mut log.map(HashUndo::Splice), |_| ());
            }
            Repr::Table(table) => {
                let Some(at) = table.get_index_of(field) else { return false };
                let entry = table.swap_remove_at(at);
                log.record(|| HashUndo::Insert { at, entry });
            }
            Repr::Timed(timed) => return timed.remove(field, log),
        }
        true
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: HashUndo) {
        match (&mut self.0, undo) {
            (Repr::Timed(timed), HashUndo::Deadline { field, before }) => timed.undo_deadline(&field, before),
            (Repr::Timed(timed), HashUndo::Untime) => *self = std::mem::take(&mut timed.hash),
            (Repr::Timed(timed), undo) => timed.hash.undo(undo),
            (_, HashUndo::Unconvert(packed)) => self.0 = Repr::Packed(packed),
            (Repr::Packed(packed), HashUndo::Splice(splice)) => packed.undo(splice),
            (Repr::Table(table), HashUndo::RemoveLast) => drop(table.swap_remove_at(table.len() - 1)),
            (Repr::Table(table), HashUndo::Insert { at, entry }) => table.insert_at(at, entry),
            (Repr::Table(table), HashUndo::SetValue { at, before }) => {
                table.get_at_mut(at).expect("a field that was set").value = before;
            }
            (_, undo) => unreachable!("{undo:?} was not recorded by this encoding"),
        }
    }
}

/// Deadlines of fields, in milliseconds since the epoch. The hash itself takes no notice of a passed one before
/// [`remove_due`](Hash::remove_due).
impl Hash {
    /// The moment from which the field is no more.
    pub fn deadline(&self, field: &[u8]) -> Option<u64> {
        self.timed()?.deadline(field)
    }

    /// How many fields have a deadline.
    pub fn deadline_count(&self) -> usize {
        self.timed().map_or(0, Timed::count)
    }

    /// The first of the deadlines.
    pub fn soonest_deadline(&self) -> Option<u64> {
        self.timed()?.soonest()
    }

    /// Whether the last field's deadline has passed.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.timed().is_some_and(|timed| timed.is_over(now_ms))
    }

    /// How many fields have a deadline that has passed, up to one more than `limit`.
    pub(crate) fn count_due(&self, now_ms: u64, limit: usize) -> usize {
        self.timed().map_or(0, |timed| timed.count_due(now_ms, limit))
    }

    /// Sets the deadline of a field that is there, or clears that of any, and answers whether that is a change.
    pub fn set_deadline(
        &mut self,
        field: &[u8],
        deadline: Option<u64>,
        log: &mut impl Log<HashUndo>,
    ) -> bool {
        debug_assert!(deadline.is_none() || self.contains(field), "only fields have deadlines");
        if deadline.is_some() && self.timed().is_none() {
            let plain = std::mem::take(self);
            self.0 = Repr::Timed(Box::new(Timed::new(plain)));
            log.record(|| HashUndo::Untime);
        }
        match &mut self.0 {
            Repr::Timed(timed) => timed.set_deadline(field, deadline, log),
            Repr::Packed(_) | Repr::Table(_) => false,
        }
    }

    /// Removes up to `limit` fields whose deadline has passed, and answers how many.
    pub fn remove_due(&mut self, now_ms: u64, limit: usize, log: &mut impl Log<HashUndo>) -> usize {
        match &mut self.0 {
            Repr::Timed(timed) => timed.remove_due(now_ms, limit, log),
            Repr::Packed(_) | Repr::Table(_) => 0,
        }
    }

    /// Puts the hash into a queue for `moment`, or into none, and answers for which one it stood there.
    pub(crate) fn requeue(&mut self, moment: Option<u64>) -> Option<u64> {
        match &mut self.0 {
            Repr::Timed(timed) => std::mem::replace(&mut timed.queued_ms, moment),
            Repr::Packed(_) | Repr::Table(_) => None,
        }
    }

    /// The moment for which the hash stands in a queue.
    pub(crate) fn queued_ms(&self) -> Option<u64> {
        self.timed()?.queued_ms
    }

    fn timed(&self) -> Option<&Timed> {
        if let Repr::Timed(timed) = &self.0 { Some(timed) } else { None }
    }
}

impl Entry {
    fn pair(&self) -> (&[u8], &[u8]) {
        (&self.field, &self.value)
    }
}

fn insert_big(table: &mut Table<Entry>, field: &[u8], value: &[u8], log: &mut impl Log<HashUndo>) -> bool {
    let hash = crate::table::hash_of(field);
    match table.get_index_of_hashed(hash, field) {
        Some(at) => {
            let entry = table.get_at_mut(at).expect("a position just found");
            let before = std::mem::replace(&mut entry.value, value.into());
            log.record(|| HashUndo::SetValue { at, before });
            false
        }
        None => {
            table.insert_unique_hashed(hash, Entry { field: field.into(), value: value.into() });
            log.record(|| HashUndo::RemoveLast);
            true
        }
    }
}

fn unpack(packed: &Packed) -> Table<Entry> {
    let mut table = Table::default();
    for (field, value) in pairs(packed.bytes()) {
        table.insert_unique(Entry { field: field.into(), value: value.into() });
    }
    table
}

fn pairs(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (field, rest) = packed::take(bytes);
        let (value, rest) = packed::take(rest);
        bytes = rest;
        Some((field, value))
    })
}

/// Where a field lies in the packed form.
struct Place<'a> {
    offset: usize,
    value_offset: usize,
    value: &'a [u8],
}

impl Place<'_> {
    fn len(&self) -> usize {
        self.value_offset - self.offset + packed::put_len(self.value.len())
    }
}

fn find<'a>(packed: &'a Packed, wanted: &[u8]) -> Option<Place<'a>> {
    let bytes = packed.bytes();
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = bytes.len() - rest.len();
        let (field, after_field) = packed::take(rest);
        let (value, after_value) = packed::take(after_field);
        if field == wanted {
            return Some(Place { offset, value_offset: bytes.len() - after_field.len(), value });
        }
        rest = after_value;
    }
    None
}
