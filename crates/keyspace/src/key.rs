//! Keys as entries hold them: short ones in place, so that finding a key touches one cache line.

use std::ops::Deref;

/// Content that fits without an allocation.
const INLINE: usize = 22;

/// A key's bytes, in 24 bytes.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Inline(u8, [u8; INLINE]),
    Heap(Box<[u8]>),
}

const _: () = assert!(size_of::<Key>() == 24);

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE {
            return Key::Heap(bytes.into());
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        Key::Inline(bytes.len() as u8, inline)
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Key::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Key::Heap(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_the_length() {
        for len in [0, 1, 21, 22, 23, 300] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(*Key::from(&*bytes), *bytes);
        }
    }
}
