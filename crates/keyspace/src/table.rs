//! A hash table whose order depends only on the operations.
//!
//! Entries lie in a dense array: an insertion appends, a removal moves the last entry into the gap. So any position can
//! be sampled in O(1), every removal has an exact inverse, and the hash seed, which differs between processes, decides
//! nothing that can be seen. Beside the array, an index leads from hashes to positions. Both grow in small pieces: no
//! single operation copies or rehashes more than a few thousand entries, however large the table is.

mod chunks;
mod index;
mod positions;

use self::{chunks::Chunks, index::Index, positions::NOBODY};
use foldhash::quality::RandomState;
use std::{
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

/// What a [`Table`] can hold.
pub trait Keyed {
    /// The bytes by which the entry is found. They must not change while it is in a table.
    fn key(&self) -> &[u8];
}

/// The hash of a key, the same in all tables of a process and different in each process.
///
/// A table uses the bits 0 to 47 and 57 to 63; who distributes keys over several tables should use 48 to 56 and others
/// above 40, so that the tables stay balanced.
#[inline]
pub fn hash_of(key: &[u8]) -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    let mut hasher = SEED.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// A hash of a key that is the same in every process: where the outcome can be seen.
#[inline]
pub fn shard_hash(key: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0x7065_7269_6765_6521).build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// Unique entries in an order that depends only on the operations. See the [module](self).
#[derive(Clone, Debug)]
pub struct Table<E> {
    entries: Chunks<E>,
    index: Index,
}

const _: () = assert!(size_of::<Table<u64>>() <= 88);

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { entries: Chunks::default(), index: Index::default() }
    }
}

impl<E: Keyed> Table<E> {
    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry with this key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&E> {
        self.get_hashed(hash_of(key), key)
    }

    /// The entry with this key, whose [`hash_of`] is `hash`.
    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<&E> {
        self.get_index_of_hashed(hash, key).map(|at| &self.entries[at])
    }

    /// The position of the entry with this key.
    #[inline]
    pub fn get_index_of(&self, key: &[u8]) -> Option<usize> {
        self.get_index_of_hashed(hash_of(key), key)
    }

    /// The position of the entry with this key, whose [`hash_of`] is `hash`.
    #[inline]
    pub fn get_index_of_hashed(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.index.find(hash, |at| self.entries[at].key() == key)
    }

    /// The entry at a position below [`len`](Self::len).
    #[inline]
    pub fn get_at(&self, at: usize) -> Option<&E> {
        self.entries.get(at)
    }

    /// The entry at a position, to be changed in anything but its key.
    #[inline]
    pub fn get_at_mut(&mut self, at: usize) -> Option<&mut E> {
        self.entries.get_mut(at)
    }

    /// The position of an entry for which `is` holds, among those with this [`hash_of`] and, possibly, a few others.
    pub fn find(&self, hash: u64, is: impl Fn(&E) -> bool) -> Option<usize> {
        self.index.find(hash, |at| is(&self.entries[at]))
    }

    /// Appends an entry whose key is not here yet, and answers its position.
    pub fn insert_unique(&mut self, entry: E) -> usize {
        let hash = hash_of(entry.key());
        self.insert_unique_hashed(hash, entry)
    }

    /// Appends an entry whose key is not here yet and has this [`hash_of`], and answers its position.
    pub fn insert_unique_hashed(&mut self, hash: u64, entry: E) -> usize {
        debug_assert!(self.get_hashed(hash, entry.key()).is_none(), "keys are unique");
        let at = self.entries.len();
        self.index.insert(hash, at, |at| hash_of(self.entries[at].key()));
        self.entries.push(entry);
        at
    }

    /// Removes the entry at `at`, which the last one replaces there. Panics if there is none.
    pub fn swap_remove_at(&mut self, at: usize) -> E {
        let last = self.len() - 1;
        let hash = hash_of(self.entries[at].key());
        self.index.remove(hash, at, |at| hash_of(self.entries[at].key()));
        if at != last {
            let moved = hash_of(self.entries[last].key());
            self.index.relabel(moved, last, at, |at| hash_of(self.entries[at].key()));
        }
        let entry = self.entries.swap_remove(at);
        if self.is_empty() {
            self.index = Index::default();
        }
        entry
    }

    /// The exact inverse of [`swap_remove_at`](Self::swap_remove_at): the entry now at `at` becomes the last one.
    pub fn insert_at(&mut self, at: usize, entry: E) {
        let last = self.insert_unique(entry);
        if at != last {
            let inserted = hash_of(self.entries[last].key());
            let displaced = hash_of(self.entries[at].key());
            let hash_at = |at: usize| hash_of(self.entries[at].key());
            // While both are labelled alike, only their hashes tell them apart; a label that nobody has keeps them distinct.
            self.index.relabel(displaced, at, NOBODY, hash_at);
            self.index.relabel(inserted, last, at, hash_at);
            self.entries.swap(at, last);
            self.index.relabel(displaced, NOBODY, last, |at| hash_of(self.entries[at].key()));
        }
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &E> + Clone {
        self.entries.iter()
    }

    /// One step of an iteration that survives changes in between: visits one entry and answers the cursor of the next
    /// step, 0 at the end. The first cursor is 0.
    ///
    /// The walk goes backwards, and the cursor is the number of entries that remain. Since removals fill gaps from the
    /// end, an entry that is here all the time is seen at least once.
    pub fn scan<'a>(&'a self, cursor: u64, visit: impl FnOnce(&'a E)) -> u64 {
        let len = self.len() as u64;
        let remaining = if cursor == 0 { len } else { cursor.min(len) };
        let Some(at) = remaining.checked_sub(1) else { return 0 };
        visit(&self.entries[at as usize]);
        at
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes allocated by the table itself, about; what its entries own comes on top.
    pub fn allocated_bytes(&self) -> usize {
        self.entries.allocated_bytes() + self.index.allocated_bytes()
    }

    /// Bytes that the entries own on the heap, estimated from so many of them; all if that is 0.
    pub fn sampled_bytes(&self, samples: usize, bytes: impl Fn(&E) -> usize) -> usize {
        let samples = if samples == 0 { self.len() } else { self.len().min(samples) };
        if samples == 0 {
            return 0;
        }
        let step = self.len() / samples;
        let total: usize = (0..samples).map(|sample| bytes(&self.entries[sample * step])).sum();
        total * self.len() / samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Keyed for Vec<u8> {
        fn key(&self) -> &[u8] {
            self
        }
    }

    fn numbered(range: std::ops::Range<u32>) -> Table<Vec<u8>> {
        let mut table = Table::default();
        for number in range {
            table.insert_unique(number.to_string().into_bytes());
        }
        table
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn segments_split_and_every_key_is_found() {
        let mut table = numbered(0..20_000);
        for number in 0..20_000_u32 {
            assert_eq!(table.get_index_of(number.to_string().as_bytes()), Some(number as usize));
        }
        for number in 0..19_000_u32 {
            let at = table.get_index_of(number.to_string().as_bytes()).unwrap();
            table.swap_remove_at(at);
        }
        for number in 0..20_000_u32 {
            assert_eq!(table.get(number.to_string().as_bytes()).is_some(), number >= 19_000);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn scan_sees_whoever_stays() {
        let mut table = numbered(0..1000);
        let mut seen = std::collections::HashSet::new();
        let (mut cursor, mut step) = (0, 0);
        loop {
            cursor = table.scan(cursor, |entry| _ = seen.insert(entry.clone()));
            if cursor == 0 {
                break;
            }
            step += 1;
            if let Some(at) = table.get_index_of((step * 3).to_string().as_bytes()) {
                table.swap_remove_at(at);
            }
            table.insert_unique(format!("new{step}").into_bytes());
        }
        for number in (0..1000_u32).filter(|number| number % 3 != 0) {
            assert!(seen.contains(number.to_string().as_bytes()), "{number} was missed");
        }
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "minutes of safe code")]
        fn insert_at_undoes_swap_remove_at(len in 1..4000_u32, picks in prop::collection::vec(any::<prop::sample::Index>(), 1..50)) {
            let mut table = numbered(0..len);
            let before: Vec<_> = table.iter().cloned().collect();
            let mut removed = Vec::new();
            for pick in picks.iter().take(len as usize) {
                let at = pick.index(table.len());
                removed.push((at, table.swap_remove_at(at)));
            }
            for (at, entry) in removed.into_iter().rev() {
                table.insert_at(at, entry);
            }
            prop_assert_eq!(&table.iter().cloned().collect::<Vec<_>>(), &before);
            for (at, key) in before.iter().enumerate() {
                prop_assert_eq!(table.get_index_of(key), Some(at));
            }
        }
    }
}
