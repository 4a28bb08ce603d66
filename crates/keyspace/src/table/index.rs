//! From a hash to positions, growing in small pieces.

use super::positions::Positions;

/// Positions in a segment before it splits: seven eighths of 2,048 buckets.
const SEGMENT: usize = 1792;
/// The lowest bit of a hash that the directory looks at; hashbrown uses the bits below and the top seven.
const SHIFT: u32 = 24;
/// The directory grows only while it has no more slots than this for each segment. Otherwise a full segment grows
/// instead: its hashes are too alike for the directory to separate them.
const SPARSE: usize = 8;

/// Extendible hashing: a directory of hash tables of positions, each of which splits in two when it is full, so
/// that no insertion ever rehashes more than one of them. A small index is one segment without a directory.
#[derive(Clone, Debug)]
pub(super) enum Index {
    One(Positions),
    Many(Box<Directory>),
}

#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// The number of hash bits that select a slot.
    depth: u32,
    /// `2^depth` places in `segments`.
    slots: Vec<u32>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    /// The number of hash bits that all its positions agree in.
    depth: u32,
    positions: Positions,
}

impl Default for Index {
    fn default() -> Self {
        Self::One(Positions::default())
    }
}

impl Index {
    /// The position with this hash for which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl FnMut(usize) -> bool) -> Option<usize> {
        let positions = match self {
            Self::One(positions) => positions,
            Self::Many(directory) => &directory.segments[directory.slot(hash)].positions,
        };
        positions.find(hash, is)
    }

    /// Adds a position; `hash_at` tells the hashes of those that are already here.
    pub(super) fn insert(&mut self, hash: u64, at: usize, hash_at: impl Fn(usize) -> u64) {
        if let Self::One(positions) = self
            && positions.len() >= SEGMENT
        {
            let segment = Segment { depth: 0, positions: std::mem::take(positions) };
            *self = Self::Many(Box::new(Directory { depth: 0, slots: vec![0], segments: vec![segment] }));
        }
        match self {
            Self::One(positions) => positions,
            Self::Many(directory) => {
                while directory.split_if_full(hash, &hash_at) {}
                directory.positions_mut(hash)
            }
        }
        .insert(hash, at, hash_at);
    }

    /// Removes a position.
    pub(super) fn remove(&mut self, hash: u64, at: usize, hash_at: impl Fn(usize) -> u64) {
        self.positions_mut(hash).remove(hash, at, hash_at);
    }

    /// The entry at `from` has moved to `to`; `hash_at` tells the hashes of all others here. Either may be
    /// [`NOBODY`](super::positions::NOBODY).
    pub(super) fn relabel(&mut self, hash: u64, from: usize, to: usize, hash_at: impl Fn(usize) -> u64) {
        self.positions_mut(hash).relabel(hash, from, to, hash_at);
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        match self {
            Self::One(positions) => positions.allocated_bytes(),
            Self::Many(directory) => {
                let sampled: usize = directory
                    .segments
                    .iter()
                    .take(16)
                    .map(|segment| segment.positions.allocated_bytes())
                    .sum();
                let segments = directory.segments.len();
                sampled / segments.min(16) * segments
                    + segments * size_of::<Segment>()
                    + directory.slots.len() * size_of::<u32>()
            }
        }
    }

    fn positions_mut(&mut self, hash: u64) -> &mut Positions {
        match self {
            Self::One(positions) => positions,
            Self::Many(directory) => directory.positions_mut(hash),
        }
    }
}

impl Directory {
    fn slot(&self, hash: u64) -> usize {
        let mask = (1 << self.depth) - 1;
        self.slots[(hash >> SHIFT) as usize & mask] as usize
    }

    fn positions_mut(&mut self, hash: u64) -> &mut Positions {
        let segment = self.slot(hash);
        &mut self.segments[segment].positions
    }

    /// Splits the segment of `hash` in two if it is full and can be split.
    fn split_if_full(&mut self, hash: u64, hash_at: impl Fn(usize) -> u64) -> bool {
        let old = self.slot(hash);
        let depth = self.segments[old].depth;
        if self.segments[old].positions.len() < SEGMENT {
            return false;
        }
        if depth == self.depth {
            if self.slots.len() > self.segments.len() * SPARSE {
                return false;
            }
            self.slots.extend_from_within(..);
            self.depth += 1;
        }
        let new = u32::try_from(self.segments.len()).expect("fewer than 2^32 segments");
        let bit = 1 << depth;
        let [lower, upper] = std::mem::take(&mut self.segments[old].positions).split(
            SEGMENT / 2,
            |hash| (hash >> SHIFT) as usize & bit != 0,
            hash_at,
        );
        self.segments[old] = Segment { depth: depth + 1, positions: lower };
        self.segments.push(Segment { depth: depth + 1, positions: upper });
        let low_bits = (hash >> SHIFT) as usize & (bit - 1);
        for slot in (low_bits | bit..self.slots.len()).step_by(bit << 1) {
            self.slots[slot] = new;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 20,000 hashes agree in the lowest bits that the directory looks at; the others spread.
    fn skewed(at: usize) -> u64 {
        let hash = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if at < 20_000 { hash & !(0b111 << SHIFT) } else { hash }
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn shallow_segments_split_under_a_deep_directory() {
        let mut index = Index::default();
        for at in 0..60_000 {
            index.insert(skewed(at), at, skewed);
        }
        for at in 0..60_000 {
            assert_eq!(index.find(skewed(at), |other| other == at), Some(at));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn equal_hashes_do_not_split_for_ever() {
        let mut index = Index::default();
        let positions = SEGMENT + 3;
        for at in 0..positions {
            index.insert(42, at, |_| 42);
        }
        for at in 0..positions {
            assert_eq!(index.find(42, |other| other == at), Some(at));
        }
        assert!(index.allocated_bytes() < 100_000);
    }
}
