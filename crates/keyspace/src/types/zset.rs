//! Sorted sets.
//!
//! Members are ordered by score, and by their bytes where scores are equal (0 and -0 are); a score is never NaN. A small
//! sorted set lies packed in that order. A bigger one keeps its members once, in a [`Table`](crate::table::Table), and
//! their order in a counted B+tree of scores and table positions, so that a rank, a member by rank, and the ranks where a
//! range of scores or members begins and ends all cost O(log n), and walking on from there is sequential.

mod arena;
mod compact;
mod indexed;
mod node;
mod tree;
mod walk;

use self::indexed::Indexed;
use super::{
    Blob, Limits,
    packed::{Packed, Splice},
};
use crate::log::{Log, NoLog};

/// Members with scores, ordered by score and, where scores are equal, by their bytes.
#[derive(Clone, Debug)]
pub struct ZSet(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Packed(Packed),
    Indexed(Box<Indexed>),
}

/// What setting a score came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The member is new.
    Added,
    /// The member had another score.
    Updated,
    /// The member had this score.
    Same,
}

/// What undoes a change of a [`ZSet`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum ZSetUndo {
    Splice(Splice),
    Unconvert(Packed),
    RemoveLast,
    SetScore { at: usize, before: f64 },
    Insert { at: usize, member: Blob, score: f64 },
}

impl Default for ZSet {
    fn default() -> Self {
        Self(Repr::Packed(Packed::default()))
    }
}

impl ZSet {
    /// An empty one, in the form that it will have with so many members of at most so many bytes.
    pub fn with_form_of(members: usize, longest: usize, limits: &Limits) -> Self {
        if members > limits.zset_max_listpack_entries || longest > limits.zset_max_listpack_value {
            return Self(Repr::Indexed(Box::default()));
        }
        Self::default()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Packed(packed) => packed.len(),
            Repr::Indexed(indexed) => indexed.members().len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Repr::Packed(packed) => compact::find(packed, member).map(|(_, entry)| entry.score),
            Repr::Indexed(indexed) => indexed.score(member),
        }
    }

    /// The number of members before this one.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Repr::Packed(packed) => compact::find(packed, member).map(|(rank, _)| rank),
            Repr::Indexed(indexed) => indexed.rank(member),
        }
    }

    /// The member of a rank, with its score.
    pub fn by_rank(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.iter_from_rank(rank).next()
    }

    /// The number of members whose score is below `score`, or not above it if `exclusive`: the rank at which a range
    /// from `score` (or from behind it) begins.
    pub fn lower_bound(&self, score: f64, exclusive: bool) -> usize {
        let before = |other: f64| if exclusive { other <= score } else { other < score };
        match &self.0 {
            Repr::Packed(packed) => compact::entries(packed).take_while(|entry| before(entry.score)).count(),
            Repr::Indexed(indexed) => indexed.partition_scores(before),
        }
    }

    /// The number of members whose bytes are below `member`, or not above it if `exclusive`. Only meaningful if all
    /// scores are equal.
    pub fn lower_bound_lex(&self, member: &[u8], exclusive: bool) -> usize {
        let before = |other: &[u8]| if exclusive { other <= member } else { other < member };
        match &self.0 {
            Repr::Packed(packed) => compact::entries(packed).take_while(|entry| before(entry.member)).count(),
            Repr::Indexed(indexed) => indexed.partition_members(before),
        }
    }

    /// Members and scores from a rank on.
    pub fn iter_from_rank(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (packed, indexed) = self.forms();
        let packed = packed.into_iter().flat_map(move |packed| compact::entries(packed).skip(rank));
        packed
            .map(|entry| (entry.member, entry.score))
            .chain(indexed.into_iter().flat_map(move |indexed| indexed.iter_from(rank)))
    }

    /// Members and scores from a rank backwards to the first one.
    pub fn iter_rev_from_rank(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        let (packed, indexed) = self.forms();
        let packed = packed.filter(|packed| rank < packed.len()).map_or_else(Vec::new, |packed| {
            compact::entries(packed).take(rank + 1).map(|entry| (entry.member, entry.score)).collect()
        });
        packed
            .into_iter()
            .rev()
            .chain(indexed.into_iter().flat_map(move |indexed| indexed.iter_rev_from(rank)))
    }

    /// Members and scores in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.iter_from_rank(0)
    }

    /// One step of an iteration that survives changes in between; see
    /// [`Table::scan`](crate::table::Table::scan). A small sorted set is visited whole.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match &self.0 {
            Repr::Packed(packed) => {
                compact::entries(packed).for_each(|entry| visit(entry.member, entry.score));
                0
            }
            Repr::Indexed(indexed) => indexed.members().scan(cursor, |scored| {
                let (member, score) = scored.pair();
                visit(member, score);
            }),
        }
    }

    /// What OBJECT ENCODING calls it: `listpack` or `skiplist`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Packed(_) => "listpack",
            Repr::Indexed(_) => "skiplist",
        }
    }

    /// Bytes allocated on the heap, estimated from so many elements; from all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Repr::Packed(packed) => packed.heap_bytes(),
            Repr::Indexed(indexed) => size_of::<Indexed>() + indexed.heap_bytes(samples),
        }
    }

    /// Sets the score, which is not NaN, of a member that may be new.
    pub fn insert_or_update(
        &mut self,
        member: &[u8],
        score: f64,
        limits: &Limits,
        log: &mut impl Log<ZSetUndo>,
    ) -> Outcome {
        debug_assert!(!score.is_nan());
        match &mut self.0 {
            Repr::Packed(packed) => {
                if let Some(outcome) = compact::update(packed, member, score, &mut log.map(ZSetUndo::Splice))
                {
                    return outcome;
                }
                if packed.len() < limits.zset_max_listpack_entries
                    && member.len() <= limits.zset_max_listpack_value
                {
                    compact::insert(packed, member, score, &mut log.map(ZSetUndo::Splice));
                    return Outcome::Added;
                }
                let packed = std::mem::take(packed);
                let mut indexed = Indexed::default();
                for entry in compact::entries(&packed) {
                    indexed.insert_or_update(entry.member, entry.score, &mut NoLog);
                }
                log.record(|| ZSetUndo::Unconvert(packed));
                let outcome = indexed.insert_or_update(member, score, &mut NoLog);
                self.0 = Repr::Indexed(Box::new(indexed));
                outcome
            }
            Repr::Indexed(indexed) => indexed.insert_or_update(member, score, log),
        }
    }

    /// Removes a member and answers whether it was there.
    pub fn remove(&mut self, member: &[u8], log: &mut impl Log<ZSetUndo>) -> bool {
        match &mut self.0 {
            Repr::Packed(packed) => compact::remove(packed, member, &mut log.map(ZSetUndo::Splice)),
            Repr::Indexed(indexed) => indexed.remove(member, log),
        }
    }

    /// Removes up to `count` members from a rank on, and answers how many.
    pub fn remove_range_by_rank(
        &mut self,
        start: usize,
        count: usize,
        log: &mut impl Log<ZSetUndo>,
    ) -> usize {
        let count = count.min(self.len().saturating_sub(start));
        match &mut self.0 {
            _ if count == 0 => {}
            Repr::Packed(packed) => {
                compact::remove_range(packed, start, count, &mut log.map(ZSetUndo::Splice));
            }
            Repr::Indexed(indexed) => indexed.remove_range(start, count, log),
        }
        count
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: ZSetUndo) {
        match (&mut self.0, undo) {
            (_, ZSetUndo::Unconvert(packed)) => self.0 = Repr::Packed(packed),
            (Repr::Packed(packed), ZSetUndo::Splice(splice)) => packed.undo(splice),
            (Repr::Indexed(indexed), ZSetUndo::RemoveLast) => indexed.remove_last(),
            (Repr::Indexed(indexed), ZSetUndo::SetScore { at, before }) => indexed.set_score(at, before),
            (Repr::Indexed(indexed), ZSetUndo::Insert { at, member, score }) => {
                indexed.insert_at(at, member, score);
            }
            (_, undo) => unreachable!("{undo:?} was not recorded by this encoding"),
        }
    }

    fn forms(&self) -> (Option<&Packed>, Option<&Indexed>) {
        match &self.0 {
            Repr::Packed(packed) => (Some(packed), None),
            Repr::Indexed(indexed) => (None, Some(indexed)),
        }
    }
}

/// Whether one score and member come before another.
fn precedes(score: f64, member: &[u8], other_score: f64, other_member: &[u8]) -> bool {
    score < other_score || score == other_score && member < other_member
}
