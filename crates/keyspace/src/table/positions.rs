//! A hash table of positions, each in as few bytes as the largest needs.

use hashbrown::HashTable;

/// A label that no entry's position is.
pub(super) const NOBODY: usize = usize::MAX;

/// Positions in two bytes while all are below 65,535, in three below 16 million, in four beyond: with hashbrown's own byte
/// that is a fourth to two fifths less than four at once. All ones stand for [`NOBODY`].
#[derive(Clone, Debug)]
pub(super) enum Positions {
    Short(HashTable<[u8; 2]>),
    Medium(HashTable<[u8; 3]>),
    Long(HashTable<[u8; 4]>),
}

impl Default for Positions {
    fn default() -> Self {
        Self::Short(HashTable::new())
    }
}

/// Does the same with the table, whichever it is.
macro_rules! each {
    ($self:expr, $table:ident => $body:expr) => {
        match $self {
            Positions::Short($table) => $body,
            Positions::Medium($table) => $body,
            Positions::Long($table) => $body,
        }
    };
}

impl Positions {
    pub(super) fn len(&self) -> usize {
        each!(self, table => table.len())
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        each!(self, table => table.allocation_size())
    }

    /// The position with this hash for which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        each!(self, table => table.find(hash, |&slot| is(unpack(slot))).map(|&slot| unpack(slot)))
    }

    /// Adds a position; `hash_at` tells the hashes of those that are already here.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, at: usize, hash_at: impl Fn(usize) -> u64) {
        while at >= self.limit() {
            self.widen(&hash_at);
        }
        each!(self, table => {
            table.insert_unique(hash, pack(at), |&slot| hash_at(unpack(slot)));
        });
    }

    /// Removes a position.
    pub(super) fn remove(&mut self, hash: u64, at: usize, hash_at: impl Fn(usize) -> u64) {
        each!(self, table => {
            if let Ok(found) = table.find_entry(hash, |&slot| slot == pack(at)) {
                found.remove();
            }
            if table.len() * 8 < table.capacity() {
                table.shrink_to(table.len() * 2, |&slot| hash_at(unpack(slot)));
            }
        });
    }

    /// Replaces a label by another; `hash_at` tells the hashes of all others.
    pub(super) fn relabel(&mut self, hash: u64, from: usize, to: usize, hash_at: impl Fn(usize) -> u64) {
        if to != NOBODY && to >= self.limit() {
            each!(self, table => {
                if let Ok(found) = table.find_entry(hash, |&slot| slot == pack(from)) {
                    found.remove();
                }
            });
            return self.insert(hash, to, hash_at);
        }
        each!(self, table => {
            if let Some(slot) = table.find_mut(hash, |&slot| slot == pack(from)) {
                *slot = pack(to);
            }
        });
    }

    /// Parts them in two, each with room for so many: those whose hash is not `upper` and those whose is.
    pub(super) fn split(
        self,
        room: usize,
        upper: impl Fn(u64) -> bool,
        hash_at: impl Fn(usize) -> u64,
    ) -> [Self; 2] {
        fn part<const N: usize>(
            table: HashTable<[u8; N]>,
            room: usize,
            upper: impl Fn(u64) -> bool,
            hash_at: impl Fn(usize) -> u64,
        ) -> [HashTable<[u8; N]>; 2] {
            let mut halves = [HashTable::with_capacity(room), HashTable::with_capacity(room)];
            for slot in table {
                let hash = hash_at(unpack(slot));
                let half = &mut halves[usize::from(upper(hash))];
                half.insert_unique(hash, slot, |&slot| hash_at(unpack(slot)));
            }
            halves
        }
        match self {
            Self::Short(table) => part(table, room, upper, hash_at).map(Self::Short),
            Self::Medium(table) => part(table, room, upper, hash_at).map(Self::Medium),
            Self::Long(table) => part(table, room, upper, hash_at).map(Self::Long),
        }
    }

    /// Positions below this fit.
    #[inline]
    fn limit(&self) -> usize {
        match self {
            Self::Short(_) => 0xFFFF,
            Self::Medium(_) => 0xFF_FFFF,
            Self::Long(_) => 0xFFFF_FFFF,
        }
    }

    #[cold]
    fn widen(&mut self, hash_at: impl Fn(usize) -> u64) {
        fn wider<const N: usize, const M: usize>(
            table: &HashTable<[u8; N]>,
            hash_at: impl Fn(usize) -> u64,
        ) -> HashTable<[u8; M]> {
            let mut wider = HashTable::with_capacity(table.capacity());
            for &slot in table {
                let at = unpack(slot);
                wider.insert_unique(hash_at(at), pack(at), |&slot| hash_at(unpack(slot)));
            }
            wider
        }
        *self = match self {
            Self::Short(table) => Self::Medium(wider(table, hash_at)),
            Self::Medium(table) => Self::Long(wider(table, hash_at)),
            Self::Long(_) => panic!("fewer than 2^32 - 1 entries"),
        };
    }
}

#[inline]
fn pack<const N: usize>(at: usize) -> [u8; N] {
    *at.to_le_bytes().first_chunk().expect("at most eight bytes")
}

#[inline]
fn unpack<const N: usize>(slot: [u8; N]) -> usize {
    let mut bytes = [0; size_of::<usize>()];
    bytes[..N].copy_from_slice(&slot);
    usize::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(at: usize) -> u64 {
        (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn holds(positions: &Positions, at: usize) -> bool {
        positions.find(hash(at), |other| other == at) == Some(at)
    }

    #[test]
    fn they_grow_wider_with_the_largest() {
        let mut positions = Positions::default();
        let all = [0, 1, 255, 256, 65_534, 65_535, 65_536, 0xFF_FFFE, 0xFF_FFFF, 0xFFFF_FFFE];
        for (count, &at) in all.iter().enumerate() {
            positions.insert(hash(at), at, hash);
            assert!(all[..=count].iter().all(|&at| holds(&positions, at)), "{at}");
            let fits = match positions {
                Positions::Short(_) => at < 0xFFFF,
                Positions::Medium(_) => (0xFFFF..0xFF_FFFF).contains(&at),
                Positions::Long(_) => at >= 0xFF_FFFF,
            };
            assert!(fits, "{at} {positions:?}");
        }
        for at in all {
            positions.remove(hash(at), at, hash);
            assert!(!holds(&positions, at));
        }
        assert_eq!(positions.len(), 0);
    }

    /// As when the inverse of a removal moves an entry to an end that needs more bytes.
    #[test]
    fn a_label_of_nobody_survives_widening() {
        let mut positions = Positions::default();
        (0..100).for_each(|at| positions.insert(hash(at), at, hash));
        positions.relabel(hash(7), 7, NOBODY, hash);
        assert!(!holds(&positions, 7));
        positions.relabel(hash(7), NOBODY, 70_000, |at| {
            assert!(at < 100, "nobody has a hash");
            hash(at)
        });
        assert_eq!(positions.find(hash(7), |at| at == 70_000), Some(70_000));
        assert!((0..100).filter(|&at| at != 7).all(|at| holds(&positions, at)));
        assert_eq!(positions.len(), 100);
    }
}
