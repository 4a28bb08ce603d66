//! Small sorted sets: scores and members in order, in one allocation.

use super::{Outcome, precedes};
use crate::{
    log::Log,
    types::packed::{self, Packed, Splice},
};

/// Bytes of a score.
const SCORE: usize = size_of::<f64>();

/// An entry of the compact form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    offset: usize,
    pub(super) member: &'a [u8],
    pub(super) score: f64,
}

pub(super) fn entries(packed: &Packed) -> impl Iterator<Item = Entry<'_>> {
    let bytes = packed.bytes();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let offset = bytes.len() - rest.len();
        let (score, behind) = rest.split_first_chunk::<SCORE>()?;
        let member;
        (member, rest) = packed::take(behind);
        Some(Entry { offset, member, score: f64::from_le_bytes(*score) })
    })
}

pub(super) fn find<'a>(packed: &'a Packed, member: &[u8]) -> Option<(usize, Entry<'a>)> {
    entries(packed).enumerate().find(|(_, entry)| entry.member == member)
}

/// Adds a member that is not here, in its order. A score of -0 becomes 0, as in Redis's small sorted sets, which keep
/// integers as such; big ones tell them apart.
pub(super) fn insert(packed: &mut Packed, member: &[u8], score: f64, log: &mut impl Log<Splice>) {
    let score = score + 0.0;
    let behind = entries(packed).find(|entry| precedes(score, member, entry.score, entry.member));
    let offset = behind.map_or(packed.bytes().len(), |entry| entry.offset);
    packed.splice(offset, 0, SCORE + packed::put_len(member.len()), 1, log, |place| {
        let (score_place, rest) = place.split_at_mut(SCORE);
        score_place.copy_from_slice(&score.to_le_bytes());
        packed::put(rest, member);
    });
}

/// Gives a member another score; `None` if it is not here.
pub(super) fn update(
    packed: &mut Packed,
    member: &[u8],
    score: f64,
    log: &mut impl Log<Splice>,
) -> Option<Outcome> {
    let (_, entry) = find(packed, member)?;
    if entry.score == score {
        return Some(Outcome::Same);
    }
    let offset = entry.offset;
    remove_at(packed, offset, member, log);
    insert(packed, member, score, log);
    Some(Outcome::Updated)
}

pub(super) fn remove(packed: &mut Packed, member: &[u8], log: &mut impl Log<Splice>) -> bool {
    let Some((_, entry)) = find(packed, member) else { return false };
    let offset = entry.offset;
    remove_at(packed, offset, member, log);
    true
}

fn remove_at(packed: &mut Packed, offset: usize, member: &[u8], log: &mut impl Log<Splice>) {
    packed.splice(offset, SCORE + packed::put_len(member.len()), 0, -1, log, |_| ());
}

pub(super) fn remove_range(packed: &mut Packed, start: usize, count: usize, log: &mut impl Log<Splice>) {
    let offset_of = |rank| entries(packed).nth(rank).map_or(packed.bytes().len(), |entry| entry.offset);
    let (offset, end) = (offset_of(start), offset_of(start + count));
    packed.splice(offset, end - offset, 0, -(count as i32), log, |_| ());
}
