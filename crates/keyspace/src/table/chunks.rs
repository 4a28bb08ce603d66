//! A growable array that never copies all of itself.

use std::ops::{Index, IndexMut};

/// Entries in a chunk.
const CHUNK: usize = 256;

/// Entries in chunks of [`CHUNK`], all full but the last one, so that growth copies one chunk at most (and the list of
/// chunks: 24 bytes for 256 entries). The first chunk is at hand, so that a small array is one step away.
#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    first: Vec<T>,
    others: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { first: Vec::new(), others: Vec::new() }
    }
}

impl<T> Chunks<T> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self.others.split_last() {
            None => self.first.len(),
            Some((last, full)) => (1 + full.len()) * CHUNK + last.len(),
        }
    }

    #[inline]
    fn chunk(&self, at: usize) -> Option<&Vec<T>> {
        match at / CHUNK {
            0 => Some(&self.first),
            chunk => self.others.get(chunk - 1),
        }
    }

    #[inline]
    fn chunk_mut(&mut self, at: usize) -> Option<&mut Vec<T>> {
        match at / CHUNK {
            0 => Some(&mut self.first),
            chunk => self.others.get_mut(chunk - 1),
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.chunk(at)?.get(at % CHUNK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunk_mut(at)?.get_mut(at % CHUNK)
    }

    pub(super) fn push(&mut self, entry: T) {
        let at = self.len();
        if at > 0 && at.is_multiple_of(CHUNK) {
            self.others.push(Vec::with_capacity(CHUNK / 8));
        } else if at == 0 {
            self.first.reserve_exact(1);
        }
        self.chunk_mut(at).expect("the chunk of the end").push(entry);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let Some(last) = self.others.last_mut() else {
            let entry = self.first.pop();
            if self.first.is_empty() {
                self.first = Vec::new();
            }
            return entry;
        };
        let entry = last.pop();
        if last.is_empty() {
            self.others.pop();
        }
        entry
    }

    /// Removes the entry at `at`; the last one takes its place.
    pub(super) fn swap_remove(&mut self, at: usize) -> T {
        let last = self.pop().expect("an entry at the position");
        if at == self.len() { last } else { std::mem::replace(&mut self[at], last) }
    }

    pub(super) fn swap(&mut self, one: usize, other: usize) {
        let (low, high) = (one.min(other), one.max(other));
        if low / CHUNK == high / CHUNK {
            self.chunk_mut(low).expect("a chunk that exists").swap(low % CHUNK, high % CHUNK);
            return;
        }
        let (low_chunk, high_chunk) = match low / CHUNK {
            0 => (&mut self.first, &mut self.others[high / CHUNK - 1]),
            chunk => {
                let [one, other] = self
                    .others
                    .get_disjoint_mut([chunk - 1, high / CHUNK - 1])
                    .expect("two chunks that exist");
                (one, other)
            }
        };
        std::mem::swap(&mut low_chunk[low % CHUNK], &mut high_chunk[high % CHUNK]);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.first.iter().chain(self.others.iter().flatten())
    }

    /// Bytes allocated for the entries themselves.
    pub(super) fn allocated_bytes(&self) -> usize {
        let capacity = self.first.capacity() + self.others.iter().map(Vec::capacity).sum::<usize>();
        capacity * size_of::<T>() + self.others.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        self.get(at).expect("a position below the length")
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        self.get_mut(at).expect("a position below the length")
    }
}
