//! Where a growing string lies.

use std::ops::{Deref, DerefMut};

use crate::mapped::Mapping;
use crate::offer;

/// From so many bytes on content lies in pages of its own, which the system moves without copying them.
pub(crate) const LARGE: usize = 2 << 20;
/// Up to this many bytes a buffer doubles; beyond, it takes an eighth more.
const SPARE: usize = 1 << 20;

/// A growing byte string. Its growth copies less than [`LARGE`] bytes.
#[derive(Debug)]
pub(crate) enum Buffer {
    Heap(Vec<u8>),
    Mapped(Mapping),
}

impl Buffer {
    /// A copy of the content.
    pub(super) fn copied(content: &[u8]) -> Self {
        if content.len() < LARGE {
            return Buffer::Heap(content.to_vec());
        }
        if let Some(copy) = offer::take(content) {
            return copy;
        }
        match Mapping::copied(content) {
            Some(mapping) => Buffer::Mapped(mapping),
            None => Buffer::Heap(content.to_vec()),
        }
    }

    /// Bytes that it has room for.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Buffer::Heap(content) => content.capacity(),
            Buffer::Mapped(content) => content.capacity(),
        }
    }

    /// Has room for so many bytes, which will be written soon.
    pub(crate) fn make_room(&mut self, capacity: usize) {
        self.reserve(capacity);
        if let Buffer::Mapped(content) = self {
            content.expect_writes();
        }
    }

    /// Overwrites from `offset` on, after zeros if that is beyond the end.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.capacity() {
            self.reserve(end + end.min(SPARE).max(end / 8));
        }
        match self {
            Buffer::Heap(content) => {
                if offset > content.len() {
                    content.resize(offset, 0);
                }
                let overlap = bytes.len().min(content.len() - offset);
                content[offset..offset + overlap].copy_from_slice(&bytes[..overlap]);
                content.extend_from_slice(&bytes[overlap..]);
            }
            Buffer::Mapped(content) => {
                content.extend_to(end);
                content[offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// Cuts off what lies from `len` on, and answers what has to be freed.
    pub(super) fn truncate(&mut self, len: usize) -> Option<Self> {
        match self {
            Buffer::Heap(content) => {
                content.truncate(len);
                None
            }
            Buffer::Mapped(content) => content.truncate(len).map(Buffer::Mapped),
        }
    }

    fn reserve(&mut self, capacity: usize) {
        match self {
            Buffer::Mapped(content) => {
                if !content.grow(capacity) {
                    let mut copy = Vec::with_capacity(capacity);
                    copy.extend_from_slice(content);
                    *self = Buffer::Heap(copy);
                }
            }
            Buffer::Heap(content) => match Self::mapped(content, capacity) {
                Some(mapping) => *self = Buffer::Mapped(mapping),
                None => content.reserve_exact(capacity - content.len()),
            },
        }
    }

    /// The content in pages of its own if it is large.
    fn mapped(content: &[u8], capacity: usize) -> Option<Mapping> {
        if capacity < LARGE {
            return None;
        }
        let mut mapping = Mapping::with_capacity(capacity)?;
        mapping.extend_to(content.len());
        mapping.copy_from_slice(content);
        Some(mapping)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Heap(content) => content,
            Buffer::Mapped(content) => content,
        }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Heap(content) => content,
            Buffer::Mapped(content) => content,
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::copied(self)
    }
}
