//! What names an entry of a stream.

/// An entry's ID: a moment and a number within it. IDs are ordered by the moment first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since the epoch, or whatever the client makes of them.
    pub ms: u64,
    /// Tells entries of the same millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// The least ID, which no entry has.
    pub const MIN: Self = StreamId { ms: 0, seq: 0 };
    /// The greatest ID.
    pub const MAX: Self = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The ID that follows, unless it is the greatest.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The ID before it, unless it is the least.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Its bytes in the order in which IDs compare.
    pub(super) fn to_be_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_carry() {
        let id = |ms, seq| StreamId { ms, seq };
        for (before, after) in [((1, 2), (1, 3)), ((1, u64::MAX), (2, 0)), ((u64::MAX, 7), (u64::MAX, 8))] {
            let (before, after) = (id(before.0, before.1), id(after.0, after.1));
            assert_eq!((before.next(), after.previous()), (Some(after), Some(before)));
            assert!(before < after && before.to_be_bytes() < after.to_be_bytes());
        }
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
    }
}
