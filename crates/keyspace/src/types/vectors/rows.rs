//! Rows of equal length, one behind the other.

/// Bytes of a chunk, about.
const CHUNK_BYTES: usize = 64 << 10;

/// Rows of equal length in chunks, all full but the last one: growth copies one chunk at most, and no row has a place, a
/// length or an allocation of its own to be remembered.
#[derive(Clone, Debug)]
pub(super) struct Rows<T> {
    width: usize,
    rows_a_chunk: u32,
    /// 2^64 divided by that, rounded up: what multiplication needs to divide.
    reciprocal: u64,
    len: usize,
    chunks: Vec<Vec<T>>,
}

impl<T: Copy> Rows<T> {
    /// None yet, of so many items each, one at least.
    pub(super) fn new(width: usize) -> Self {
        let rows_a_chunk = (CHUNK_BYTES / (width * size_of::<T>())).max(1) as u32;
        let reciprocal = (u64::MAX / u64::from(rows_a_chunk)).wrapping_add(1);
        Rows { width, rows_a_chunk, reciprocal, len: 0, chunks: Vec::new() }
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &[T] {
        let (chunk, start) = self.place(at);
        &self.chunks[chunk][start..][..self.width]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut [T] {
        let (chunk, start) = self.place(at);
        &mut self.chunks[chunk][start..][..self.width]
    }

    pub(super) fn push(&mut self, row: &[T]) {
        debug_assert_eq!(row.len(), self.width);
        let (chunk, start) = self.place(self.len as u32);
        if start == 0 {
            self.chunks.push(Vec::new());
        }
        let chunk = &mut self.chunks[chunk];
        let room = self.rows_a_chunk as usize * self.width;
        if chunk.capacity() < start + self.width {
            let wanted = (2 * start).max(self.width).min(room);
            chunk.reserve_exact(wanted - start);
        }
        chunk.extend_from_slice(row);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) {
        self.len -= 1;
        let (chunk, start) = self.place(self.len as u32);
        self.chunks[chunk].truncate(start);
        if start == 0 {
            self.chunks.pop();
        }
    }

    /// Copies a row over another one.
    pub(super) fn copy(&mut self, from: u32, to: u32) {
        let ((from, from_start), (to, to_start)) = (self.place(from), self.place(to));
        let width = self.width;
        if from == to {
            self.chunks[from].copy_within(from_start..from_start + width, to_start);
        } else if let Ok([from, to]) = self.chunks.get_disjoint_mut([from, to]) {
            to[to_start..][..width].copy_from_slice(&from[from_start..][..width]);
        }
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum::<usize>() * size_of::<T>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
    }

    #[inline]
    fn place(&self, at: u32) -> (usize, usize) {
        if self.rows_a_chunk == 1 {
            return (at as usize, 0);
        }
        let chunk = ((u128::from(self.reciprocal) * u128::from(at)) >> 64) as u32;
        (chunk as usize, (at - chunk * self.rows_a_chunk) as usize * self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_they_were_put() {
        for width in [1, 3, 132, 8193, 20_000, CHUNK_BYTES] {
            let mut rows = Rows::<u8>::new(width);
            let row = |at: usize| vec![(at % 251) as u8; width];
            let count = 3 * rows.rows_a_chunk as usize + 2;
            (0..count).for_each(|at| rows.push(&row(at)));
            assert!((0..count).all(|at| rows.get(at as u32) == row(at)), "{width}");
            rows.copy(count as u32 - 1, 0);
            rows.copy(1, 2);
            assert!(rows.get(0) == row(count - 1) && rows.get(2) == row(1));
            (0..count).for_each(|_| rows.pop());
            assert!(rows.chunks.is_empty());
        }
    }

    #[test]
    fn division_is_exact() {
        for width in [1, 2, 3, 7, 100, 132, 5000, 30_000] {
            let rows = Rows::<u8>::new(width);
            let edges =
                (0..40_000).chain(u32::MAX - 40_000..=u32::MAX).chain((0..u32::MAX).step_by(9_999_991));
            for at in edges {
                let (chunk, start) = rows.place(at);
                assert_eq!(
                    (chunk, start / width),
                    ((at / rows.rows_a_chunk) as usize, (at % rows.rows_a_chunk) as usize)
                );
            }
        }
    }
}
