//! The compact form of small collections: entries one after the other in one allocation.

use std::fmt;

use super::Blob;
use crate::log::Log;
use crate::sizes::served;

/// Entries in one byte string. What an entry looks like is its owner's business; it is usually made of
/// length-prefixed strings, see [`put`] and [`take`].
///
/// 24 bytes, and an enum that has one in a variant beside boxes is no larger: big keyspaces hold millions.
#[derive(Default)]
pub struct Packed {
    /// The content, and what is kept for more of it.
    room: Box<[u8]>,
    count: u32,
    /// How much of the room is unused.
    spare: u16,
    #[expect(dead_code, reason = "never read: its other values are the variants beside it")]
    niche: Niche,
}

/// A byte with one value, whose others tell an enum's variants apart.
#[derive(Clone, Copy, Debug, Default)]
#[repr(u8)]
enum Niche {
    #[default]
    Filled,
}

const _: () = assert!(size_of::<Packed>() == 24 && size_of::<Result<Packed, Box<()>>>() == 24);

/// A copy has no unused room.
impl Clone for Packed {
    fn clone(&self) -> Self {
        Packed { room: self.bytes().into(), spare: 0, ..*self }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("count", &self.count).field("bytes", &self.bytes()).finish()
    }
}

/// What undoes a [`Packed::splice`].
#[derive(Debug)]
pub struct Splice {
    offset: usize,
    len: usize,
    before: Blob,
    count: u32,
}

impl Packed {
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[..self.room.len() - usize::from(self.spare)]
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.room.len()
    }

    /// Replaces `len` bytes at `offset` by `new_len` bytes that `fill` writes; `added` entries more are here then.
    pub(super) fn splice(
        &mut self,
        offset: usize,
        len: usize,
        new_len: usize,
        added: i32,
        log: &mut impl Log<Splice>,
        fill: impl FnOnce(&mut [u8]),
    ) {
        log.record(|| Splice {
            offset,
            len: new_len,
            before: Blob::from(&self.bytes()[offset..offset + len]),
            count: self.count,
        });
        self.resize_part(offset, len, new_len);
        fill(&mut self.room[offset..offset + new_len]);
        self.count = self.count.checked_add_signed(added).expect("as many entries as there are");
    }

    pub(super) fn undo(&mut self, undo: Splice) {
        let before = undo.before;
        self.resize_part(undo.offset, undo.len, before.len());
        self.room[undo.offset..undo.offset + before.len()].copy_from_slice(&before);
        self.count = undo.count;
    }

    fn resize_part(&mut self, offset: usize, len: usize, new_len: usize) {
        let total = self.bytes().len();
        let new_total = total - len + new_len;
        if new_total > self.room.len() {
            self.set_room(new_total);
        }
        if len != new_len {
            self.room.copy_within(offset + len..total, offset + new_len);
        }
        if self.room.len() - new_total > usize::from(u16::MAX) {
            self.set_room(new_total);
        }
        self.spare = (self.room.len() - new_total) as u16;
    }

    /// Makes the room as large as what the allocator serves for so many bytes.
    #[cold]
    fn set_room(&mut self, bytes: usize) {
        let mut room = Vec::from(std::mem::take(&mut self.room));
        let wanted = served(bytes).min(bytes + usize::from(u16::MAX));
        room.reserve_exact(wanted.saturating_sub(room.len()));
        room.resize(wanted, 0);
        self.room = room.into_boxed_slice();
    }
}

/// The bytes that [`put`] will write for a string of this length.
pub(super) fn put_len(len: usize) -> usize {
    prefix_len(len) + len
}

/// Writes a string after its length and answers the rest of the place.
pub(super) fn put<'a>(place: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let prefix = write_prefix(place, bytes.len());
    let (content, rest) = place[prefix..].split_at_mut(bytes.len());
    content.copy_from_slice(bytes);
    rest
}

/// Reads a string that [`put`] wrote, and the rest after it.
#[inline]
pub(super) fn take(packed: &[u8]) -> (&[u8], &[u8]) {
    let (len, prefix) = read_prefix(packed);
    packed[prefix..].split_at(len)
}

/// The bytes of a length in base 128.
pub(super) fn prefix_len(len: usize) -> usize {
    (usize::BITS - (len | 1).leading_zeros()).div_ceil(7) as usize
}

/// Writes a length in base 128, least significant digit first, and answers how many bytes that took.
pub(super) fn write_prefix(place: &mut [u8], mut len: usize) -> usize {
    let mut at = 0;
    while len >= 0x80 {
        place[at] = len as u8 | 0x80;
        len >>= 7;
        at += 1;
    }
    place[at] = len as u8;
    at + 1
}

/// Reads a length and how many bytes it took.
#[inline]
pub(super) fn read_prefix(bytes: &[u8]) -> (usize, usize) {
    let mut len = usize::from(bytes[0] & 0x7f);
    let mut at = 0;
    while bytes[at] & 0x80 != 0 {
        at += 1;
        len |= usize::from(bytes[at] & 0x7f) << (7 * at);
    }
    (len, at + 1)
}
