//! Big sorted sets: members in a table, their order in a tree.

use super::{Outcome, ZSetUndo, tree};
use crate::{
    log::{Log, NoLog},
    table::{Keyed, Table, hash_of},
    types::Blob,
};

/// Members with scores in a [`Table`]; their positions there are the ids in the tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Indexed {
    members: Table<Scored>,
    tree: tree::Tree,
}

#[derive(Clone, Debug)]
pub(super) struct Scored {
    member: Blob,
    score: f64,
}

impl Keyed for Scored {
    fn key(&self) -> &[u8] {
        &self.member
    }
}

impl Indexed {
    pub(super) fn members(&self) -> &Table<Scored> {
        &self.members
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.get(member).map(|scored| scored.score)
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        self.members.get(member).map(|scored| self.rank_of(scored))
    }

    /// The number of scores for which `before` holds; they must be the first ones.
    pub(super) fn partition_scores(&self, before: impl Fn(f64) -> bool) -> usize {
        self.tree.partition(|entry| before(entry.score))
    }

    /// The number of members for which `before` holds; they must be the first ones.
    pub(super) fn partition_members(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        self.tree.partition(|entry| before(self.member(entry)))
    }

    pub(super) fn iter_from(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        self.tree.walk_from(rank).map(|entry| (self.member(entry), entry.score))
    }

    pub(super) fn iter_rev_from(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        self.tree.walk_back_from(rank).map(|entry| (self.member(entry), entry.score))
    }

    pub(super) fn insert_or_update(
        &mut self,
        member: &[u8],
        score: f64,
        log: &mut impl Log<ZSetUndo>,
    ) -> Outcome {
        let hash = hash_of(member);
        let Some(at) = self.members.get_index_of_hashed(hash, member) else {
            let rank = self.place_of(score, member);
            let at = self.members.insert_unique_hashed(hash, Scored { member: member.into(), score });
            self.tree.insert(rank, tree::Entry { score, id: at as u32 });
            log.record(|| ZSetUndo::RemoveLast);
            return Outcome::Added;
        };
        let before = self.scored(at).score;
        if before == score {
            return Outcome::Same;
        }
        self.set_score(at, score);
        log.record(|| ZSetUndo::SetScore { at, before });
        Outcome::Updated
    }

    pub(super) fn remove(&mut self, member: &[u8], log: &mut impl Log<ZSetUndo>) -> bool {
        let Some(at) = self.members.get_index_of(member) else { return false };
        let rank = self.rank_of(self.scored(at));
        self.remove_at(at, rank, log);
        true
    }

    pub(super) fn remove_range(&mut self, start: usize, count: usize, log: &mut impl Log<ZSetUndo>) {
        for _ in 0..count {
            let entry = self.tree.get(start).expect("a rank in the range");
            self.remove_at(entry.id as usize, start, log);
        }
    }

    pub(super) fn set_score(&mut self, at: usize, score: f64) {
        let scored = self.scored(at);
        self.tree.remove(self.rank_of(scored));
        let rank = self.place_of(score, &self.scored(at).member);
        self.tree.insert(rank, tree::Entry { score, id: at as u32 });
        self.members.get_at_mut(at).expect("a position of the table").score = score;
    }

    pub(super) fn remove_last(&mut self) {
        let last = self.members.len() - 1;
        self.remove_at(last, self.rank_of(self.scored(last)), &mut NoLog);
    }

    /// The inverse of a removal: the member that is at `at` now becomes the last one again.
    pub(super) fn insert_at(&mut self, at: usize, member: Blob, score: f64) {
        let last = self.members.len();
        if at != last {
            let displaced = self.rank_of(self.scored(at));
            self.tree.relabel(displaced, last as u32);
        }
        self.members.insert_at(at, Scored { member, score });
        let rank = self.place_of(score, &self.scored(at).member);
        self.tree.insert(rank, tree::Entry { score, id: at as u32 });
    }

    pub(super) fn heap_bytes(&self, samples: usize) -> usize {
        self.members.allocated_bytes()
            + self.members.sampled_bytes(samples, |scored| scored.member.heap_bytes())
            + self.tree.allocated_bytes()
    }

    /// Removes the member at a position of the table, whose rank is known.
    fn remove_at(&mut self, at: usize, rank: usize, log: &mut impl Log<ZSetUndo>) {
        self.tree.remove(rank);
        let last = self.members.len() - 1;
        if at != last {
            let moved = self.rank_of(self.scored(last));
            self.tree.relabel(moved, at as u32);
        }
        let Scored { member, score } = self.members.swap_remove_at(at);
        log.record(|| ZSetUndo::Insert { at, member, score });
    }

    fn rank_of(&self, scored: &Scored) -> usize {
        self.place_of(scored.score, &scored.member)
    }

    /// The number of members before this score and member.
    fn place_of(&self, score: f64, member: &[u8]) -> usize {
        self.tree
            .partition(|entry| entry.score < score || entry.score == score && self.member(entry) < member)
    }

    fn member(&self, entry: tree::Entry) -> &[u8] {
        &self.scored(entry.id as usize).member
    }

    fn scored(&self, at: usize) -> &Scored {
        self.members.get_at(at).expect("a position of the table")
    }
}

impl Scored {
    pub(super) fn pair(&self) -> (&[u8], f64) {
        (&self.member, self.score)
    }
}
