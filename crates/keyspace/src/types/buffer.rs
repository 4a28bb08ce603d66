//! Where a growing string lies.

use std::ops::{Deref, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;

use crate::mapped::Mapping;
use crate::offer;

/// From so many bytes on content lies in pages of its own, which the system moves without copying them.
pub(crate) const LARGE: usize = 2 << 20;
/// Up to this many bytes a buffer doubles; beyond, it takes an eighth more.
const SPARE: usize = 1 << 20;

/// A growing byte string. Its growth copies less than [`LARGE`] bytes, unless its pages are shared: with a copy of it, or
/// with a reply. Whoever changes them then copies them first.
#[derive(Debug)]
pub(crate) enum Buffer {
    Heap(Vec<u8>),
    Mapped(Arc<Mapping>),
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
            Some(mapping) => Buffer::Mapped(Arc::new(mapping)),
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

    /// Part of the content, without a copy of it, if it lies in pages of its own. They stay as they are and where they are.
    #[cold]
    pub(super) fn share(&self, part: impl RangeBounds<usize>) -> Option<Bytes> {
        let Buffer::Mapped(pages) = self else { return None };
        Some(Bytes::from_owner(Pages(pages.clone())).slice(part))
    }

    /// Overwrites from `offset` on, after zeros if that is beyond the end.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.capacity() {
            self.reserve(end + end.min(SPARE).max(end / 8));
        }
        self.unshare(self.capacity());
        match self {
            Buffer::Heap(content) => {
                if offset > content.len() {
                    content.resize(offset, 0);
                }
                let overlap = bytes.len().min(content.len() - offset);
                content[offset..offset + overlap].copy_from_slice(&bytes[..overlap]);
                content.extend_from_slice(&bytes[overlap..]);
            }
            Buffer::Mapped(pages) => {
                let content = own(pages);
                content.extend_to(end);
                content[offset..end].copy_from_slice(bytes);
            }
        }
    }

    /// Cuts off what lies from `len` on, and answers what has to be freed.
    pub(super) fn truncate(&mut self, len: usize) -> Option<Self> {
        self.unshare(self.capacity());
        match self {
            Buffer::Heap(content) => {
                content.truncate(len);
                None
            }
            Buffer::Mapped(pages) => Some(Buffer::Mapped(Arc::new(own(pages).truncate(len)?))),
        }
    }

    fn reserve(&mut self, capacity: usize) {
        self.unshare(capacity);
        match self {
            Buffer::Mapped(pages) => {
                if !own(pages).grow(capacity) {
                    *self = Buffer::Heap(copied_with_capacity(pages, capacity));
                }
            }
            Buffer::Heap(content) => match Self::mapped(content, capacity) {
                Some(mapping) => *self = Buffer::Mapped(Arc::new(mapping)),
                None => content.reserve_exact(capacity - content.len()),
            },
        }
    }

    /// Copies the pages if they are shared, with room for so many bytes.
    fn unshare(&mut self, capacity: usize) {
        if let Buffer::Mapped(pages) = self
            && Arc::get_mut(pages).is_none()
        {
            *self = match Self::mapped(pages, capacity) {
                Some(mapping) => Buffer::Mapped(Arc::new(mapping)),
                None => Buffer::Heap(copied_with_capacity(pages, capacity)),
            };
        }
    }

    /// The content in pages of its own if it is large.
    fn mapped(content: &[u8], capacity: usize) -> Option<Mapping> {
        if capacity < LARGE {
            return None;
        }
        let mut mapping = Mapping::with_capacity(capacity)?;
        if content.len() >= LARGE {
            mapping.expect_writes();
        }
        mapping.extend_to(content.len());
        mapping.copy_from_slice(content);
        Some(mapping)
    }
}

fn copied_with_capacity(content: &[u8], capacity: usize) -> Vec<u8> {
    let mut copy = Vec::with_capacity(capacity);
    copy.extend_from_slice(content);
    copy
}

/// Pages that are shared with nobody.
fn own(pages: &mut Arc<Mapping>) -> &mut Mapping {
    Arc::get_mut(pages).expect("what is shared has been copied")
}

/// Pages that a reply refers to.
struct Pages(Arc<Mapping>);

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        &self.0
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

/// Large content is shared until one of the two is changed.
impl Clone for Buffer {
    fn clone(&self) -> Self {
        match self {
            Buffer::Heap(content) => Self::copied(content),
            Buffer::Mapped(pages) => Buffer::Mapped(pages.clone()),
        }
    }
}
