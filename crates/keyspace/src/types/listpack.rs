//! Redis's [listpack]: strings and integers one after the other.
//!
//! An element is a header, which tells its kind and length, its content, and the length of both again, so that elements
//! can be walked backwards. A string that is a canonical integer is stored as one. A whole listpack has its length and
//! the number of its elements before them, and an end mark behind.
//!
//! The nodes of streams are elements without that frame; [`Listpack`] and [`elements`] are for those who write and read whole
//! ones. What is read may come from anywhere: nothing of it is believed.
//!
//! [listpack]: https://github.com/antirez/listpack/blob/master/listpack.md

use crate::types::{Scratch, canonical_int};

/// The bytes of a listpack beyond its elements: header and end.
pub(super) const FRAME: usize = HEADER + 1;
const HEADER: usize = 6;
const END: u8 = 0xff;
/// Stands for more elements than two bytes can count.
const UNCOUNTED: u16 = u16::MAX;

/// A listpack that is being written.
#[derive(Clone, Debug)]
pub struct Listpack {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for Listpack {
    fn default() -> Self {
        Listpack { bytes: vec![0; HEADER], count: 0 }
    }
}

impl Listpack {
    /// Adds a string.
    pub fn push(&mut self, string: &[u8]) {
        push(&mut self.bytes, string);
        self.count += 1;
    }

    /// Adds an integer.
    pub fn push_int(&mut self, value: i64) {
        push_int(&mut self.bytes, value);
        self.count += 1;
    }

    /// Adds elements that are written already.
    pub(super) fn extend(&mut self, elements: &[u8]) {
        let mut at = 0;
        while at < elements.len() {
            at = skip(elements, at);
            self.count += 1;
        }
        self.bytes.extend_from_slice(elements);
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its bytes so far, frame included.
    pub fn size(&self) -> usize {
        self.bytes.len() + 1
    }

    /// The whole listpack.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let count = u16::try_from(self.count).unwrap_or(UNCOUNTED);
        let size = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// The elements of a whole listpack; `None` if it is damaged anywhere.
pub fn elements(listpack: &[u8]) -> Option<Elements<'_>> {
    let (header, rest) = listpack.split_first_chunk::<HEADER>()?;
    let (&END, rest) = rest.split_last()? else { return None };
    let size = u32::from_le_bytes(header[..4].try_into().ok()?);
    let count = u16::from_le_bytes(header[4..].try_into().ok()?);
    let (mut at, mut found) = (0, 0);
    while at < rest.len() {
        at = checked_skip(rest, at)?;
        found += 1;
    }
    let counted = count == UNCOUNTED || usize::from(count) == found;
    (size as usize == listpack.len() && counted).then_some(Elements { bytes: rest, at: 0, left: found })
}

/// See [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Elements<'a> {
    /// The bytes of those that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next element, which must be an integer.
    pub(super) fn next_int(&mut self) -> Option<i64> {
        match self.next()? {
            StreamItem::Int(value) => Some(value),
            StreamItem::Bytes(_) => None,
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = StreamItem<'a>;

    fn next(&mut self) -> Option<StreamItem<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (item, next) = read(self.bytes, self.at);
        self.at = next;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// An element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamItem<'a> {
    /// A string that is a canonical integer.
    Int(i64),
    /// Any other string.
    Bytes(&'a [u8]),
}

impl StreamItem<'_> {
    /// The string.
    pub fn as_bytes<'b>(&'b self, scratch: &'b mut Scratch) -> &'b [u8] {
        match self {
            StreamItem::Int(value) => scratch.format(*value).as_bytes(),
            StreamItem::Bytes(bytes) => bytes,
        }
    }

    /// Whether this is the string.
    pub(super) fn is(&self, string: &[u8]) -> bool {
        match self {
            StreamItem::Int(value) => canonical_int(string) == Some(*value),
            StreamItem::Bytes(bytes) => *bytes == string,
        }
    }
}

/// Adds a string.
pub(super) fn push(out: &mut Vec<u8>, string: &[u8]) {
    if let Some(value) = canonical_int(string) {
        return push_int(out, value);
    }
    let len = string.len();
    let header = match len {
        0..=63 => {
            out.push(0x80 | len as u8);
            1
        }
        64..=4095 => {
            out.extend([0xe0 | (len >> 8) as u8, len as u8]);
            2
        }
        _ => {
            out.push(0xf0);
            out.extend((len as u32).to_le_bytes());
            5
        }
    };
    out.extend_from_slice(string);
    out.extend(back_len_digits(header + len));
}

/// Adds an integer.
pub(super) fn push_int(out: &mut Vec<u8>, value: i64) {
    let bytes = value.to_le_bytes();
    match int_len(value) {
        2 => out.extend([value as u8, 1]),
        3 => out.extend([0xc0 | ((value >> 8) as u8 & 0x1f), value as u8, 2]),
        4 => out.extend([0xf1, bytes[0], bytes[1], 3]),
        5 => out.extend([0xf2, bytes[0], bytes[1], bytes[2], 4]),
        6 => out.extend([0xf3, bytes[0], bytes[1], bytes[2], bytes[3], 5]),
        _ => {
            out.push(0xf4);
            out.extend(bytes);
            out.push(9);
        }
    }
}

/// The bytes that an integer takes.
pub(super) fn int_len(value: i64) -> usize {
    match value {
        0..=0x7f => 2,
        -0x1000..=0xfff => 3,
        -0x8000..=0x7fff => 4,
        -0x80_0000..=0x7f_ffff => 5,
        -0x8000_0000..=0x7fff_ffff => 6,
        _ => 10,
    }
}

/// The element at an offset, and the offset behind it.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize) -> (StreamItem<'_>, usize) {
    let (header, len) = extent(bytes, at);
    let start = at + header;
    let next = start + len + back_len(header + len);
    let signed = |len: usize| {
        let mut wide = [0; 8];
        wide[8 - len..].copy_from_slice(&bytes[start..start + len]);
        i64::from_le_bytes(wide) >> (64 - 8 * len)
    };
    let item = match bytes[at] {
        value @ ..0x80 => StreamItem::Int(value.into()),
        0xc0..=0xdf => {
            let value = i16::from(bytes[at] & 0x1f) << 8 | i16::from(bytes[at + 1]);
            StreamItem::Int((value << 3 >> 3).into())
        }
        0xf1..=0xf4 => StreamItem::Int(signed(len)),
        _ => StreamItem::Bytes(&bytes[start..start + len]),
    };
    (item, next)
}

/// The integer at an offset, and the offset behind it.
#[inline]
pub(super) fn read_int(bytes: &[u8], at: usize) -> (i64, usize) {
    if bytes[at] < 0x80 {
        return (bytes[at].into(), at + 2);
    }
    match read(bytes, at) {
        (StreamItem::Int(value), next) => (value, next),
        (StreamItem::Bytes(_), _) => unreachable!("a node's own numbers are integers"),
    }
}

/// The offset behind the element at an offset.
#[inline]
pub(super) fn skip(bytes: &[u8], at: usize) -> usize {
    let (header, len) = extent(bytes, at);
    at + header + len + back_len(header + len)
}

/// Where the element begins that ends at an offset.
pub(super) fn previous(bytes: &[u8], end: usize) -> usize {
    let (mut len, mut size) = (0, 0);
    loop {
        let digit = bytes[end - 1 - size];
        len |= usize::from(digit & 0x7f) << (7 * size);
        size += 1;
        if digit & 0x80 == 0 {
            return end - size - len;
        }
    }
}

/// The offset behind the element at an offset, if there is a whole one with the right length behind it.
fn checked_skip(bytes: &[u8], at: usize) -> Option<usize> {
    let longest = match *bytes.get(at)? {
        0..=0xbf => 1,
        0xc0..=0xef => 2,
        0xf0 => 5,
        0xf1..=0xf4 => 1,
        _ => return None,
    };
    bytes.get(at..at + longest)?;
    let (header, len) = extent(bytes, at);
    let behind = at + header + len;
    let next = behind + back_len(header + len);
    let back = bytes.get(behind..next)?;
    back.iter().copied().eq(back_len_digits(header + len)).then_some(next)
}

/// The lengths of header and content. The one byte of a small integer counts as header.
#[inline]
fn extent(bytes: &[u8], at: usize) -> (usize, usize) {
    let first = bytes[at];
    match first {
        0..=0x7f => (1, 0),
        0x80..=0xbf => (1, usize::from(first & 0x3f)),
        0xc0..=0xdf => (2, 0),
        0xe0..=0xef => (2, usize::from(first & 0x0f) << 8 | usize::from(bytes[at + 1])),
        0xf0 => {
            let len = bytes[at + 1..at + 5].try_into().expect("four bytes");
            (5, u32::from_le_bytes(len) as usize)
        }
        0xf1 => (1, 2),
        0xf2 => (1, 3),
        0xf3 => (1, 4),
        _ => (1, 8),
    }
}

/// How many bytes the length behind an element of `len` bytes takes.
#[inline]
fn back_len(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// The bytes of the length behind an element.
fn back_len_digits(len: usize) -> impl Iterator<Item = u8> {
    let size = back_len(len);
    (0..size).rev().map(move |digit| {
        let more = if digit + 1 == size { 0 } else { 0x80 };
        (len >> (7 * digit)) as u8 & 0x7f | more
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_ones_are_those_of_redis() {
        let mut listpack = Listpack::default();
        listpack.push(b"field");
        listpack.push(b"12");
        listpack.push_int(-4097);
        let bytes = listpack.finish();
        assert_eq!(bytes, b"\x14\0\0\0\x03\0\x85field\x06\x0c\x01\xf1\xff\xef\x03\xff");
        let items: Vec<_> = elements(&bytes).expect("what was written").collect();
        assert_eq!(items, [StreamItem::Bytes(b"field"), StreamItem::Int(12), StreamItem::Int(-4097)]);
    }

    #[test]
    fn damaged_ones_are_refused() {
        let mut listpack = Listpack::default();
        [&b"field"[..], b"12", &[b'x'; 70], &[b'y'; 5000]].into_iter().for_each(|item| listpack.push(item));
        let bytes = listpack.finish();
        assert!((0..bytes.len()).all(|end| elements(&bytes[..end]).is_none()));
        let places = [0, 4, 6, 7, 12, 14, 15, 16, bytes.len() - 1];
        for at in places {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(elements(&damaged).is_none() || at == 7, "{at}");
        }
        assert!(elements(b"").is_none());
        assert!(elements(b"\x0b\0\0\0\x01\0\xf0\xff\xff\xff\xff").is_none());
    }

    #[test]
    fn every_string_survives_both_ways() {
        let mut strings: Vec<Vec<u8>> = [0, 1, 63, 64, 126, 127, 128, 4095, 4096, 16_382, 16_383, 2_097_200]
            .map(|len| vec![b'x'; len])
            .into();
        for power in 0..63 {
            for value in [(1_i64 << power) - 1, 1 << power, -(1 << power), -(1 << power) - 1] {
                strings.push(value.to_string().into_bytes());
            }
        }
        strings.extend([i64::MAX, i64::MIN].map(|value| value.to_string().into_bytes()));
        strings.extend(["-0", "01", "+1", "9223372036854775808", ""].map(|text| text.as_bytes().to_vec()));
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for string in &strings {
            push(&mut bytes, string);
            ends.push(bytes.len());
        }
        for (string, at) in strings.iter().zip(ends.windows(2)) {
            let (item, next) = read(&bytes, at[0]);
            assert_eq!(item.as_bytes(&mut Scratch::new()), string);
            assert!(item.is(string));
            assert_eq!((next, skip(&bytes, at[0]), previous(&bytes, at[1])), (at[1], at[1], at[0]));
            if let StreamItem::Int(value) = item {
                assert_eq!((at[1] - at[0], read_int(&bytes, at[0])), (int_len(value), (value, at[1])));
            }
        }
    }
}
