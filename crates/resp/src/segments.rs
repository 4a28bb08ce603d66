//! Replies on their way out.

use bytes::Bytes;

/// The bytes of replies, part of which are content that is shared with whoever owns it. They are written from the front.
#[derive(Debug, Default)]
pub struct Segments {
    own: Vec<u8>,
    /// Content that belongs before so many bytes of `own`.
    shared: Vec<(usize, Bytes)>,
    /// Bytes of `own` that are written.
    own_written: usize,
    /// The first shared content that is not written, and bytes of it that are.
    next: usize,
    next_written: usize,
    left: usize,
}

impl Segments {
    pub(crate) fn new(own: Vec<u8>, shared: Vec<(usize, Bytes)>) -> Self {
        let left = own.len() + shared.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        Segments { own, shared, own_written: 0, next: 0, next_written: 0, left }
    }

    /// Bytes that are not written.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Whether it refers to content of others.
    pub fn is_sharing(&self) -> bool {
        !self.shared.is_empty()
    }

    /// Bytes that it takes by itself.
    pub fn capacity(&self) -> usize {
        self.own.capacity()
    }

    /// The next `limit` bytes, in parts none of which is empty.
    pub fn parts(&self, limit: usize) -> impl Iterator<Item = &[u8]> {
        let mut own_from = self.own_written;
        let mut shared_from = self.next_written;
        let mut left = limit;
        let shared = self.shared[self.next..].iter().map(|(at, bytes)| (*at, &bytes[..]));
        shared
            .chain([(self.own.len(), &[][..])])
            .flat_map(move |(at, bytes)| {
                let before = &self.own[std::mem::replace(&mut own_from, at)..at];
                [before, &bytes[std::mem::take(&mut shared_from)..]]
            })
            .map(move |part| {
                let part = &part[..part.len().min(left)];
                left -= part.len();
                part
            })
            .filter(|part| !part.is_empty())
    }

    /// So many bytes more are written.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn advance(&mut self, mut count: usize) {
        self.left -= count;
        while count > 0 {
            let end = self.shared.get(self.next).map_or(self.own.len(), |(at, _)| *at);
            let own = count.min(end - self.own_written);
            self.own_written += own;
            count -= own;
            let Some((_, bytes)) = self.shared.get(self.next) else { continue };
            let shared = count.min(bytes.len() - self.next_written);
            self.next_written += shared;
            count -= shared;
            if self.own_written == end && self.next_written == bytes.len() {
                (self.next, self.next_written) = (self.next + 1, 0);
            }
        }
    }

    /// The buffer of what is not shared, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Written in any steps, it is the content in its order.
        #[test]
        fn written_in_steps(
            parts in proptest::collection::vec((0_usize..4, 1_usize..6), 0..6),
            tail in 0_usize..4,
            steps in proptest::collection::vec((1_usize..9, 1_usize..9), 1..40),
        ) {
            let mut fresh = 0_u8..;
            let mut take = |count| fresh.by_ref().take(count).collect::<Vec<_>>();
            let (mut own, mut shared, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (before, length) in parts {
                let (before, content) = (take(before), take(length));
                own.extend_from_slice(&before);
                expected.extend_from_slice(&before);
                expected.extend_from_slice(&content);
                shared.push((own.len(), Bytes::from(content)));
            }
            let tail = take(tail);
            own.extend_from_slice(&tail);
            expected.extend_from_slice(&tail);

            let mut segments = Segments::new(own, shared);
            let mut written = Vec::new();
            for (limit, taken) in steps {
                let next: Vec<_> = segments.parts(limit).collect();
                prop_assert!(next.iter().all(|part| !part.is_empty()));
                let next = next.concat();
                prop_assert_eq!(next.len(), limit.min(segments.len()));
                let taken = taken.min(next.len());
                written.extend_from_slice(&next[..taken]);
                segments.advance(taken);
                prop_assert_eq!(segments.len() + written.len(), expected.len());
                prop_assert_eq!(segments.is_empty(), written.len() == expected.len());
            }
            written.extend(segments.parts(usize::MAX).flatten());
            prop_assert_eq!(written, expected);
        }
    }
}
