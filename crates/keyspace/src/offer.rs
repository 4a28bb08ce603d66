//! Copies of large contents, made beforehand in steps by whoever receives them. A value of a hundred megabytes takes tens of milliseconds
//! to be copied, which whoever stores it would do at one go.

use std::cell::RefCell;
use std::ops::Deref;

use crate::types::Buffer;

/// Content from this length on is worth it, in bytes: see `docs/decisions/019-large-strings-in-pages-of-their-own.md`.
pub const LARGE: usize = crate::types::LARGE_BUFFER;

/// A large byte string that arrives in parts. What it holds is not copied when it grows.
#[derive(Debug)]
pub struct Growing(Buffer);

/// Room is made for as much again as has come, and at most for so many bytes more.
const STEP: usize = 16 << 20;

impl Growing {
    /// An empty one.
    pub fn new() -> Self {
        Self(Buffer::Heap(Vec::new()))
    }

    /// Appends. Room is made with regard to the `expected` length, which need not come true.
    pub fn extend(&mut self, bytes: &[u8], expected: usize) {
        let end = self.0.len() + bytes.len();
        if end > self.0.capacity() {
            self.0.make_room(expected.min(end + end.min(STEP)).max(end));
        }
        self.0.write(self.0.len(), bytes);
    }

    /// Bytes that it takes.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl Default for Growing {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Growing {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A copy, and where that lies which it is a copy of.
struct Offer {
    address: usize,
    copy: Growing,
}

thread_local! {
    static OFFERS: RefCell<Vec<Offer>> = const { RefCell::new(Vec::new()) };
}

/// Until [`withdraw`], whoever stores this content on this thread takes the copy, if it is complete. The content must stay where
/// it is, unchanged.
pub fn offer(content: &[u8], copy: Growing) {
    let address = content.as_ptr() as usize;
    OFFERS.with_borrow_mut(|offers| offers.push(Offer { address, copy }));
}

/// Takes back what is offered and was not taken, in the order in which it was.
pub fn withdraw() -> Vec<Growing> {
    OFFERS.take().into_iter().map(|offer| offer.copy).collect()
}

/// The copy of this content, if there is one.
pub(crate) fn take(content: &[u8]) -> Option<Buffer> {
    OFFERS.with_borrow_mut(|offers| {
        let is_copy =
            |offer: &Offer| offer.address == content.as_ptr() as usize && offer.copy.len() == content.len();
        let at = offers.iter().position(is_copy)?;
        Some(offers.remove(at).copy.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Str;

    #[test]
    fn what_is_offered_is_taken_once() {
        let content = vec![b'x'; 3 * LARGE + 1];
        let mut copy = Growing::new();
        for part in content.chunks(100_001) {
            copy.extend(part, content.len());
        }
        let place = copy.as_ptr();
        offer(&content, copy);
        let other = Str::from_bytes(&content[1..]);
        let (first, second) = (Str::from_bytes(&content), Str::from_bytes(&content));
        assert!(withdraw().is_empty());
        let scratch = &mut itoa::Buffer::new();
        assert_eq!(first.as_bytes(scratch).as_ptr(), place);
        assert_ne!(second.as_bytes(scratch).as_ptr(), place);
        assert!(first.as_bytes(scratch) == content && second.as_bytes(scratch) == content);
        assert_eq!(other.len(), content.len() - 1);
    }

    #[test]
    fn what_is_withdrawn_or_cut_short_is_not_taken() {
        let content = vec![b'x'; LARGE];
        let mut copy = Growing::new();
        copy.extend(&content[1..], content.len());
        offer(&content, copy);
        drop(Str::from_bytes(&content));
        let back = withdraw();
        assert!(back.len() == 1 && *back[0] == content[1..]);
        assert!(take(&content).is_none());
    }
}
