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
    fn from(bytes: &[u8]) -> Self {
        let len = bytes.len() as u8;
        Self(match bytes.len() {
            0..=INLINE => Repr::Inline(len, padded(bytes)),
            15..=16 => Repr::Fit16(len, Box::new(padded(bytes))),
            17..=32 => Repr::Fit32(len, Box::new(padded(bytes))),
            33..=48 => Repr::Fit48(len, Box::new(padded(bytes))),
            49..=64 => Repr::Fit64(len, Box::new(padded(bytes))),
            _ => Repr::Long(Box::new(bytes.into())),
        })
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit16(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit32(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit48(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Fit64(len, bytes) => &bytes[..usize::from(*len)],
            Repr::Long(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Blob {
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Blob {}

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
