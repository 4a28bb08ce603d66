//! Random choices among numbered things.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::config::Param;
use crate::engine::Env;
use crate::error::Error;

/// One of the positions below `len`, which is not 0; each equally likely.
pub(crate) fn position(rng: &mut StdRng, len: usize) -> usize {
    rng.random_range(0..len)
}

/// As many positions below `len` as the absolute value of `count` says: different ones (at most all) if it is positive,
/// independent ones if it is negative.
pub(crate) fn positions(rng: &mut StdRng, len: usize, count: i64) -> Positions<'_> {
    match usize::try_from(count) {
        Ok(count) => Positions::Distinct(distinct_positions(rng, len, count).into_iter()),
        Err(_) => Positions::Independent { rng, len, left: count.unsigned_abs() as usize },
    }
}

/// Refuses a negative count, members of which come again and again, if its reply could be larger than the largest string
/// (`proto-max-bulk-len`). Redis would answer until its memory is full.
pub(crate) fn check_repeats(
    env: Env<'_>,
    count: i64,
    lengths: impl Iterator<Item = usize>,
) -> Result<(), Error> {
    let times = count.unsigned_abs();
    if count >= 0 || times <= HARMLESS {
        return Ok(());
    }
    let longest = lengths.max().unwrap_or(0) as u64 + FRAME_BYTES;
    let allowed = env.engine.config.number(Param::ProtoMaxBulkLen) as u64;
    if times.saturating_mul(longest) > allowed { Err(OUT_OF_RANGE) } else { Ok(()) }
}

pub(crate) const OUT_OF_RANGE: Error = Error::Text("ERR value is out of range");
/// So many answers are not worth a look at the members.
const HARMLESS: u64 = 10_000;
/// What surrounds a short member in a reply.
const FRAME_BYTES: u64 = 6;

/// See [`positions`].
pub(crate) enum Positions<'r> {
    Distinct(std::vec::IntoIter<usize>),
    Independent { rng: &'r mut StdRng, len: usize, left: usize },
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Positions::Distinct(positions) => positions.next(),
            Positions::Independent { rng, len, left } => {
                *left = left.checked_sub(1)?;
                Some(position(rng, *len))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Positions::Distinct(positions) => positions.len(),
            Positions::Independent { left, .. } => *left,
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Positions<'_> {}

/// `count` different positions below `len`, each such choice equally likely; all of them if there are no more.
pub(crate) fn distinct_positions(rng: &mut StdRng, len: usize, count: usize) -> Vec<usize> {
    if count >= len {
        return (0..len).collect();
    }
    rand::seq::index::sample(rng, len, count).into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn distinct_positions_are_distinct_and_reach_everywhere() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut hits = [0; 10];
        for _ in 0..1000 {
            let mut positions = distinct_positions(&mut rng, 10, 3);
            positions.sort_unstable();
            positions.dedup();
            assert_eq!(positions.len(), 3);
            positions.into_iter().for_each(|at| hits[at] += 1);
        }
        assert!(hits.iter().all(|&hits| (200..400).contains(&hits)), "{hits:?}");
        assert_eq!(distinct_positions(&mut rng, 3, 5), [0, 1, 2]);
        assert!(distinct_positions(&mut rng, 0, 5).is_empty());
    }
}
