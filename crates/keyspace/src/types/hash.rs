//! Hashes.

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
        }
    }

    /// Fields and values, in an order that depends only on the operations.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (packed, table) = match &self.0 {
            Repr::Packed(packed) => (packed.bytes(), None),
            Repr::Table(table) => (&[][..], Some(table)),
        };
        pairs(packed).chain(table.into_iter().flat_map(|table| table.iter().map(Entry::pair)))
    }

    /// One step of an iteration that survives changes in between; see [`Table::scan`]. A small hash is visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a [u8], &'a [u8])) -> u64 {
        match &self.0 {
            Repr::Packed(packed) => {
                pairs(packed.bytes()).for_each(|(field, value)| visit(field, value));
                0
            }
            Repr::Table(table) => table.scan(cursor, |entry| visit(&entry.field, &entry.value)),
        }
    }

    /// What OBJECT ENCODING calls it: `listpack` or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Table(_) => "hashtable",
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
        }
    }

    /// Sets a field and answers whether it is new. A field that was there keeps its position.
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
                    && (place.is_some() || packed.len() < limits.hash_max_listpack_entries);
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
        }
        true
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: HashUndo) {
        match (&mut self.0, undo) {
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
