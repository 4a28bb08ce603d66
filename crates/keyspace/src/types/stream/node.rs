//! A stretch of a stream in one allocation.
//!
//! It is laid out as a node of Redis's streams, so that it fills up where Redis's does: the elements of a [listpack]
//! are the first entry's number of fields, these fields, and a zero, then the entries. An entry is its flags, the distance
//! of its ID from the first one's, its values alone if its fields are those of the first, else their number and
//! fields with values, and last how many elements that makes. A deleted entry is marked by a flag.
//!
//! How many entries are alive and deleted stands beside the elements, and counts for the size all the same.

use super::StreamId;
use crate::types::listpack::{self, Listpack, StreamItem};

/// A stretch of a stream.
#[derive(Clone, Debug)]
pub struct Node {
    /// The ID of the first entry that it ever held.
    pub(super) first: StreamId,
    bytes: Vec<u8>,
    pub(super) live: u32,
    deleted: u32,
    /// Where the entries begin.
    body: u32,
}

/// An entry of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamEntry<'a> {
    /// Its ID.
    pub id: StreamId,
    node: &'a Node,
    pub(super) at: usize,
    /// Where fields and values begin.
    data: usize,
    fields: usize,
    flags: u8,
}

const DELETED: u8 = 1;
const SAME_FIELDS: u8 = 2;

impl Node {
    /// A node with one entry.
    pub(super) fn new(id: StreamId, fields: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 3).sum::<usize>() + 16);
        listpack::push_int(&mut bytes, fields.len() as i64 / 2);
        fields.iter().step_by(2).for_each(|field| listpack::push(&mut bytes, field));
        listpack::push_int(&mut bytes, 0);
        let body = bytes.len() as u32;
        let mut node = Node { first: id, bytes, live: 0, deleted: 0, body };
        node.push(id, fields);
        node
    }

    /// A node that was checked: elements without the counters before them, so many entries alive and deleted, the
    /// entries from `body` on.
    pub(super) fn of_elements(first: StreamId, bytes: Vec<u8>, live: u32, deleted: u32, body: u32) -> Self {
        Node { first, bytes, live, deleted, body }
    }

    /// The ID of the first entry that it ever held, by which Redis names the node.
    pub fn first(&self) -> StreamId {
        self.first
    }

    /// The node as the listpack that Redis has for it.
    pub fn to_listpack(&self) -> Vec<u8> {
        let mut listpack = Listpack::default();
        listpack.push_int(self.live.into());
        listpack.push_int(self.deleted.into());
        listpack.extend(&self.bytes);
        listpack.finish()
    }

    /// Its size as a listpack of Redis.
    pub(super) fn listpack_bytes(&self) -> usize {
        let counters = listpack::int_len(self.live.into()) + listpack::int_len(self.deleted.into());
        listpack::FRAME + counters + self.bytes.len()
    }

    /// How many entries it holds, deleted ones included.
    pub(super) fn count(&self) -> usize {
        self.live as usize + self.deleted as usize
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Where the entries begin and end.
    pub(super) fn bounds(&self) -> (usize, usize) {
        (self.body as usize, self.bytes.len())
    }

    /// Adds an entry, fields and values in turn.
    pub(super) fn push(&mut self, id: StreamId, fields: &[&[u8]]) {
        let same = self.has_fields(fields);
        let bytes = &mut self.bytes;
        listpack::push_int(bytes, if same { SAME_FIELDS.into() } else { 0 });
        listpack::push_int(bytes, id.ms.wrapping_sub(self.first.ms) as i64);
        listpack::push_int(bytes, id.seq.wrapping_sub(self.first.seq) as i64);
        if same {
            fields.iter().skip(1).step_by(2).for_each(|value| listpack::push(bytes, value));
            listpack::push_int(bytes, fields.len() as i64 / 2 + 3);
        } else {
            listpack::push_int(bytes, fields.len() as i64 / 2);
            fields.iter().for_each(|item| listpack::push(bytes, item));
            listpack::push_int(bytes, fields.len() as i64 + 4);
        }
        self.live += 1;
    }

    fn has_fields(&self, fields: &[&[u8]]) -> bool {
        let (count, mut at) = listpack::read_int(&self.bytes, 0);
        count as usize == fields.len() / 2
            && fields.iter().step_by(2).all(|field| {
                let (item, next) = listpack::read(&self.bytes, at);
                at = next;
                item.is(field)
            })
    }

    /// Takes back the last [`push`](Self::push), before which there were so many bytes.
    pub(super) fn unpush(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.live -= 1;
    }

    /// Nothing will be added any more.
    pub(super) fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Marks the entry at an offset.
    pub(super) fn delete(&mut self, at: usize) {
        self.bytes[at] |= DELETED;
        self.live -= 1;
        self.deleted += 1;
    }

    /// Takes back [`delete`](Self::delete).
    pub(super) fn undelete(&mut self, at: usize) {
        self.bytes[at] &= !DELETED;
        self.live += 1;
        self.deleted -= 1;
    }

    /// The entry at an offset, and the offset behind it.
    #[inline]
    pub(super) fn entry_at(&self, at: usize) -> (StreamEntry<'_>, usize) {
        let entry = self.head_at(at);
        (entry, entry.end())
    }

    #[inline]
    fn head_at(&self, at: usize) -> StreamEntry<'_> {
        let bytes = &self.bytes;
        let flags = bytes[at];
        let (ms, next) = listpack::read_int(bytes, at + 2);
        let (seq, next) = listpack::read_int(bytes, next);
        let (fields, data) = if flags & SAME_FIELDS != 0 {
            (listpack::read_int(bytes, 0).0, next)
        } else {
            listpack::read_int(bytes, next)
        };
        let id = StreamId {
            ms: self.first.ms.wrapping_add(ms as u64),
            seq: self.first.seq.wrapping_add(seq as u64),
        };
        StreamEntry { id, node: self, at, data, fields: fields as usize, flags }
    }

    /// The entry that ends at an offset.
    pub(super) fn entry_before(&self, end: usize) -> StreamEntry<'_> {
        let mut at = listpack::previous(&self.bytes, end);
        let (elements, _) = listpack::read_int(&self.bytes, at);
        for _ in 0..elements {
            at = listpack::previous(&self.bytes, at);
        }
        self.head_at(at)
    }

    /// The offset of the first entry, deleted or not, whose ID is not below. It is looked for from both ends in turn:
    /// readers are at the end more often than not.
    pub(super) fn seek(&self, id: StreamId) -> usize {
        let (mut low, mut high) = self.bounds();
        while low < high {
            let (entry, next) = self.entry_at(low);
            if entry.id >= id {
                break;
            }
            low = next;
            if low == high {
                break;
            }
            let entry = self.entry_before(high);
            if entry.id < id {
                return high;
            }
            high = entry.at;
        }
        low
    }

    /// The ID of the last entry, deleted or not.
    pub(super) fn last(&self) -> StreamId {
        self.entry_before(self.bytes.len()).id
    }

    /// The entries, deleted ones included.
    pub(super) fn entries(&self) -> impl Iterator<Item = StreamEntry<'_>> {
        let (mut at, end) = self.bounds();
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let (entry, next) = self.entry_at(at);
                at = next;
                entry
            })
        })
    }
}

impl<'a> StreamEntry<'a> {
    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields
    }

    /// Whether it has no field, which no entry is.
    pub fn is_empty(&self) -> bool {
        self.fields == 0
    }

    /// Fields with their values, in the order in which they were given.
    pub fn fields(&self) -> impl Iterator<Item = (StreamItem<'a>, StreamItem<'a>)> + use<'a> {
        let bytes = &self.node.bytes[..];
        let same = self.flags & SAME_FIELDS != 0;
        let (_, mut field_at) = listpack::read_int(bytes, 0);
        let mut at = self.data;
        (0..self.fields).map(move |_| {
            let place = if same { &mut field_at } else { &mut at };
            let (field, next) = listpack::read(bytes, *place);
            *place = next;
            let (value, next) = listpack::read(bytes, at);
            at = next;
            (field, value)
        })
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    fn end(&self) -> usize {
        let items = if self.flags & SAME_FIELDS != 0 { self.fields } else { self.fields * 2 };
        (0..=items).fold(self.data, |at, _| listpack::skip(&self.node.bytes, at))
    }
}
