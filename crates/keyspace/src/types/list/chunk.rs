//! A stretch of a list in one allocation.

use crate::types::packed::{prefix_len, read_prefix, write_prefix};

/// Bytes that a chunk of more than one element holds at most: Redis's `list-max-listpack-size -2`.
pub(super) const CHUNK: usize = 8192;
/// The least spare room of a chunk that an insertion has enlarged, in bytes.
const SPARE: usize = 16;

/// Elements one after the other, each with its length before and behind it, so that they can be walked both ways.
/// There may be free room at the front as well as at the back, so that both ends are cheap.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The elements are in `bytes[head..]`.
    bytes: Vec<u8>,
    head: u32,
    count: u32,
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether an element of this length may be added.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.count == 0 || self.used() + entry_len(len) <= CHUNK
    }

    /// Whether all elements of the other one fit in as well, with some room left.
    pub(super) fn has_room_for(&self, other: &Self) -> bool {
        self.used() + other.used() <= CHUNK / 4 * 3
    }

    pub(super) fn front(&self) -> Option<&[u8]> {
        self.iter().next()
    }

    pub(super) fn back(&self) -> Option<&[u8]> {
        self.iter_rev().next()
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let offset = self.offset(at);
        let (len, prefix) = read_prefix(&self.bytes[offset..]);
        &self.bytes[offset + prefix..offset + prefix + len]
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes[self.head as usize..] }
    }

    pub(super) fn iter_from(&self, at: usize) -> Iter<'_> {
        Iter { rest: &self.bytes[self.offset(at)..] }
    }

    pub(super) fn iter_rev(&self) -> IterRev<'_> {
        IterRev { rest: &self.bytes[self.head as usize..] }
    }

    /// Backwards from the element before `at`.
    pub(super) fn iter_rev_from(&self, at: usize) -> IterRev<'_> {
        IterRev { rest: &self.bytes[self.head as usize..self.offset(at)] }
    }

    pub(super) fn push_back(&mut self, element: &[u8]) {
        self.splice(self.bytes.len(), 0, Some(element));
    }

    pub(super) fn push_front(&mut self, element: &[u8]) {
        let len = entry_len(element.len());
        if (self.head as usize) < len {
            let room = self.used().clamp(SPARE, CHUNK.saturating_sub(self.used() + len).max(SPARE));
            let mut bytes = Vec::with_capacity(room + len + self.used());
            bytes.resize(room + len, 0);
            bytes.extend_from_slice(&self.bytes[self.head as usize..]);
            self.bytes = bytes;
            self.head = (room + len) as u32;
        }
        self.head -= len as u32;
        write_entry(&mut self.bytes[self.head as usize..], element);
        self.count += 1;
    }

    pub(super) fn pop_back(&mut self) {
        let len = self.back().map_or(0, |element| entry_len(element.len()));
        self.bytes.truncate(self.bytes.len() - len);
        self.count -= 1;
    }

    pub(super) fn pop_front(&mut self) {
        self.head += self.front().map_or(0, |element| entry_len(element.len())) as u32;
        self.count -= 1;
    }

    pub(super) fn insert(&mut self, at: usize, element: &[u8]) {
        self.splice(self.offset(at), 0, Some(element));
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.splice(self.offset(at), 1, None);
    }

    pub(super) fn set(&mut self, at: usize, element: &[u8]) {
        self.splice(self.offset(at), 1, Some(element));
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.reserve(other.used());
        self.bytes.extend_from_slice(&other.bytes[other.head as usize..]);
        self.count += other.count;
    }

    /// Cuts off the elements from `at` on.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let offset = self.offset(at);
        let right = Self { bytes: self.bytes[offset..].to_vec(), head: 0, count: self.count - at as u32 };
        self.bytes.truncate(offset);
        self.count = at as u32;
        right
    }

    /// Gives back spare room, since the chunk is not at an end of the list any more.
    pub(super) fn shrink(&mut self) {
        if (self.bytes.capacity() - self.used()) * 8 > self.bytes.capacity() {
            self.bytes = self.bytes[self.head as usize..].to_vec();
            self.head = 0;
        }
    }

    fn used(&self) -> usize {
        self.bytes.len() - self.head as usize
    }

    /// Where the element at a position begins; the end for the position after the last one.
    fn offset(&self, at: usize) -> usize {
        if at <= self.len() / 2 {
            let mut iter = self.iter();
            iter.by_ref().take(at).for_each(drop);
            self.bytes.len() - iter.rest.len()
        } else {
            let mut iter = self.iter_rev();
            iter.by_ref().take(self.len() - at).for_each(drop);
            self.head as usize + iter.rest.len()
        }
    }

    /// Replaces `removed` elements (0 or 1) at an offset.
    fn splice(&mut self, offset: usize, removed: u32, element: Option<&[u8]>) {
        let mut offset = offset;
        let old = if removed == 0 { 0 } else { entry_len(read_prefix(&self.bytes[offset..]).0) };
        let new = element.map_or(0, |element| entry_len(element.len()));
        if new > old {
            offset -= self.reserve(new - old);
            self.bytes.resize(self.bytes.len() + new - old, 0);
            let end = self.bytes.len() - (new - old);
            self.bytes.copy_within(offset + old..end, offset + new);
        } else {
            self.bytes.copy_within(offset + old.., offset + new);
            self.bytes.truncate(self.bytes.len() - (old - new));
        }
        if let Some(element) = element {
            write_entry(&mut self.bytes[offset..], element);
            self.count += 1;
        }
        self.count -= removed;
    }

    /// Makes room at the back: by moving to the front of the allocation if that frees much, else by growing. Answers by
    /// how many bytes the elements have moved down.
    fn reserve(&mut self, more: usize) -> usize {
        let (len, used, head) = (self.bytes.len(), self.used(), self.head as usize);
        if len + more <= self.bytes.capacity() {
            return 0;
        }
        if head >= more && head >= used {
            self.bytes.copy_within(head.., 0);
            self.bytes.truncate(used);
            self.head = 0;
            return head;
        }
        let room = used.clamp(SPARE, CHUNK.saturating_sub(used + more).max(SPARE));
        let mut bytes = Vec::with_capacity(used + more + if used + more > CHUNK { 0 } else { room });
        bytes.extend_from_slice(&self.bytes[head..]);
        self.bytes = bytes;
        self.head = 0;
        head
    }
}

/// See [`Chunk::iter`].
#[derive(Clone, Debug, Default)]
pub(super) struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (len, prefix) = read_prefix(self.rest);
        let (entry, rest) = self.rest.split_at(prefix + len + prefix);
        self.rest = rest;
        Some(&entry[prefix..prefix + len])
    }
}

/// See [`Chunk::iter_rev`].
#[derive(Clone, Debug, Default)]
pub(super) struct IterRev<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for IterRev<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (len, prefix) = read_suffix(self.rest);
        let (rest, entry) = self.rest.split_at(self.rest.len() - (prefix + len + prefix));
        self.rest = rest;
        Some(&entry[prefix..prefix + len])
    }
}

/// The bytes of an element with its length on both sides.
fn entry_len(len: usize) -> usize {
    len + 2 * prefix_len(len)
}

fn write_entry(place: &mut [u8], element: &[u8]) {
    let prefix = write_prefix(place, element.len());
    let (content, behind) = place[prefix..].split_at_mut(element.len());
    content.copy_from_slice(element);
    write_prefix(behind, element.len());
    behind[..prefix].reverse();
}

/// Reads the length at the end of `bytes`, whose digits are there in reverse.
#[inline]
fn read_suffix(bytes: &[u8]) -> (usize, usize) {
    let (mut len, mut size) = (0, 0);
    loop {
        let digit = bytes[bytes.len() - 1 - size];
        len |= usize::from(digit & 0x7f) << (7 * size);
        size += 1;
        if digit & 0x80 == 0 {
            return (len, size);
        }
    }
}
