//! A growable array that never copies all of itself.

use std::ops::{Index, IndexMut};

/// Entries in a chunk.
const CHUNK: usize = 256;

/// Entries in chunks of [`CHUNK`], all full but the last one, so that growth copies one chunk at most (and the list of
/// chunks: 24 bytes for 256 entries).
#[derive(Clone, Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    pub(super) fn push(&mut self, entry: T) {
        let at = self.len();
        if at.is_multiple_of(CHUNK) {
            if at == 0 {
                self.chunks.reserve_exact(1);
            }
            self.chunks.push(Vec::with_capacity(if at == 0 { 1 } else { CHUNK / 8 }));
        }
        self.chunks[at / CHUNK].push(entry);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let entry = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        }
        self.len -= 1;
        if self.len == 0 {
            self.chunks = Vec::new();
        }
        entry
    }

    /// Removes the entry at `at`; the last one takes its place.
    pub(super) fn swap_remove(&mut self, at: usize) -> T {
        let last = self.pop().expect("an entry at the position");
        if at == self.len() { last } else { std::mem::replace(&mut self[at], last) }
    }

    pub(super) fn swap(&mut self, one: usize, other: usize) {
        if one / CHUNK == other / CHUNK {
            self.chunks[one / CHUNK].swap(one % CHUNK, other % CHUNK);
        } else {
            let [one_chunk, other_chunk] =
                self.chunks.get_disjoint_mut([one / CHUNK, other / CHUNK]).expect("two chunks that exist");
            std::mem::swap(&mut one_chunk[one % CHUNK], &mut other_chunk[other % CHUNK]);
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.chunks.iter().flatten()
    }

    /// Bytes allocated for the entries themselves.
    pub(super) fn allocated_bytes(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::capacity);
        let entries = self.chunks.len().saturating_sub(1) * CHUNK + last;
        entries * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }
}
