//! A byte string in 16 bytes.

use std::{fmt, ops::Deref};

/// Bytes that fit without an allocation.
const INLINE: usize = 14;

/// An immutable byte string of 16 bytes: up to 14 of content lie in place, up to 64 in one allocation of fitting size,
/// more behind two. Its purpose is to be an element of big collections, most of whose elements are short.
#[derive(Clone)]
pub struct Blob(Repr);

const _: () = assert!(size_of::<Blob>() == 16);

/// The sizes are those in which allocators serve small requests.
#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Fit16(u8, Box<[u8; 16]>),
    Fit32(u8, Box<[u8; 32]>),
    Fit48(u8, Box<[u8; 48]>),
    Fit64(u8, Box<[u8; 64]>),
    /// A thin pointer, which keeps the enum at 16 bytes.
    Long(Box<Box<[u8]>>),
}

impl Blob {
    /// Bytes allocated on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline(..) => 0,
            Repr::Fit16(..) => 16,
            Repr::Fit32(..) => 32,
            Repr::Fit48(..) => 48,
            Repr::Fit64(..) => 64,
            Repr::Long(bytes) => size_of::<Box<[u8]>>() + bytes.len(),
        }
    }
}

impl From<&[u8]> for Blob {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        match bytes.len() {
            0..=INLINE => Self(Repr::Inline(bytes.len() as u8, in_place(bytes))),
            _ => Self(allocated(bytes)),
        }
    }
}

#[inline(never)]
fn allocated(bytes: &[u8]) -> Repr {
    let len = bytes.len() as u8;
    match bytes.len() {
        0..=16 => Repr::Fit16(len, padded(bytes)),
        17..=32 => Repr::Fit32(len, padded(bytes)),
        33..=48 => Repr::Fit48(len, padded(bytes)),
        49..=64 => Repr::Fit64(len, padded(bytes)),
        _ => Repr::Long(Box::new(bytes.into())),
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> Box<[u8; N]> {
    let mut room = Box::new([0; N]);
    room[..bytes.len()].copy_from_slice(bytes);
    room
}

/// Up to 14 bytes with zeros behind them. They are put together in two registers: a copy of their length through memory
/// would be read back at once, in wider pieces than it was written, which waits for the write
/// (docs/decisions/020).
#[inline(always)]
fn in_place(bytes: &[u8]) -> [u8; INLINE] {
    let len = bytes.len();
    let (low, high) = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // In two steps, since nothing is left of eight bytes that are moved out as a whole.
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last) >> 1 >> (127 - 8 * len))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|part| u64::from(u32::from_le_bytes(*part)));
        (first | last << (8 * (len - 4)), 0)
    } else if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
        let byte = |at: usize, byte: u8| u64::from(byte) << (8 * at);
        (byte(0, *first) | byte(len / 2, bytes[len / 2]) | byte(len - 1, *last), 0)
    } else {
        (0, 0)
    };
    let mut whole = [0; INLINE];
    whole[..6].copy_from_slice(&low.to_le_bytes()[..6]);
    whole[6..].copy_from_slice(&(low >> 48 | high << 16).to_le_bytes());
    whole
}

impl Deref for Blob {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            elsewhere => elsewhere.content(),
        }
    }
}

impl Repr {
    #[inline(never)]
    fn content(&self) -> &[u8] {
        match self {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit16(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit32(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit48(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit64(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Long(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_survives() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..=bytes.len() {
            assert_eq!(&*Blob::from(&bytes[..len]), &bytes[..len]);
        }
    }
}
