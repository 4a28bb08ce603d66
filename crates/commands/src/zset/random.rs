//! ZRANDMEMBER.

use perigee_keyspace::ZSet;
use rand::rngs::StdRng;

use super::range::walk;
use super::range_query::Pairs;
use super::reading;
use crate::call::Call;
use crate::error::Error;
use crate::parse::{Options, signed_count};
use crate::sample::{OUT_OF_RANGE, check_repeats, position, positions};
use crate::spec::{Command, Group};

pub(super) const ZRANDMEMBER: Command = reading("zrandmember", -2, zrandmember)
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(N) where N is the number of elements returned",
        "Get one or multiple random elements from a sorted set",
    )
    .syntax("key [options(count:int [WITHSCORES])]");

fn zrandmember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let wish = Wish::parse(&call.args[2..])?;
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    if let (Some(zset), Some(wish)) = (zset, wish) {
        let score = if wish.with_scores { LONGEST_SCORE } else { 0 };
        check_repeats(call.env, wish.count, zset.iter().map(|(member, _)| member.len() + score))?;
    }
    let mut rng = call.env.worker.rng.borrow_mut();
    match (zset, wish) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(zset), None) => {
            let (member, _) = zset.by_rank(position(&mut rng, zset.len())).expect("a rank below the length");
            call.reply.bulk(member);
        }
        (Some(zset), Some(wish)) if wish.with_scores => {
            let mut pairs = Pairs::start(call.reply, wish.answers(zset));
            wish.choose(zset, &mut rng, |member, score| pairs.push(member, score));
        }
        (Some(zset), Some(wish)) => {
            call.reply.array(wish.answers(zset));
            wish.choose(zset, &mut rng, |member, _| call.reply.bulk(member));
        }
    }
    Ok(())
}

/// A score with its frame takes up to so many bytes.
const LONGEST_SCORE: usize = 32;

/// How many members somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    /// Negative: so many, of which any may come again.
    count: i64,
    with_scores: bool,
}

impl Wish {
    /// Reads what stands behind the key; `None` where nothing does: then one member is wanted, not a list of one.
    fn parse(args: &[&[u8]]) -> Result<Option<Wish>, Error> {
        let Some(count) = args.first() else { return Ok(None) };
        let count = signed_count(count)?;
        let mut words = Options::new(args, 1);
        let with_scores = match words.next() {
            None => false,
            Some(word) if word.is("WITHSCORES") && words.left() == 0 => true,
            Some(_) => return Err(Error::Syntax),
        };
        if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(OUT_OF_RANGE);
        }
        Ok(Some(Wish { count, with_scores }))
    }

    /// How many members the answer has.
    fn answers(self, zset: &ZSet) -> usize {
        let count = self.count.unsigned_abs() as usize;
        if self.count < 0 { count } else { count.min(zset.len()) }
    }

    /// Calls `visit` with random members. All of them come from the highest to the lowest, as Redis has them.
    fn choose<'z>(self, zset: &'z ZSet, rng: &mut StdRng, mut visit: impl FnMut(&'z [u8], f64)) {
        let len = zset.len();
        let answers = self.answers(zset);
        if self.count >= 0 && answers == len {
            return walk(zset, 0..len, true, visit);
        }
        // Where many are wanted, one walk is cheaper than a search for each rank.
        let all: Vec<_> = if len / 16 <= answers { zset.iter().collect() } else { Vec::new() };
        for rank in positions(rng, len, self.count) {
            let found = all.get(rank).copied().or_else(|| zset.by_rank(rank));
            let (member, score) = found.expect("a rank below the length");
            visit(member, score);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use perigee_keyspace::Limits;
    use perigee_keyspace::log::NoLog;
    use rand::SeedableRng;

    use super::*;

    fn parse(request: &str) -> Result<Option<Wish>, Error> {
        Wish::parse(&request.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn arguments() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("-5"), Ok(Some(Wish { count: -5, with_scores: false })));
        assert_eq!(parse("3 withscores"), Ok(Some(Wish { count: 3, with_scores: true })));
        assert_eq!(parse("x foo"), Err(Error::NotInteger));
        assert_eq!(parse("1 foo"), Err(Error::Syntax));
        assert_eq!(parse("1 withscores withscores"), Err(Error::Syntax));
        assert!(parse("-9223372036854775808").is_err());
        assert_eq!(parse("4611686018427387904 withscores"), Err(OUT_OF_RANGE));
        assert!(parse("-4611686018427387903 withscores").is_ok());
    }

    #[test]
    fn members_come_once_or_as_often_as_they_like() {
        for len in [1_u32, 7, 300] {
            let mut zset = ZSet::default();
            for number in 0..len {
                let member = number.to_string();
                zset.insert_or_update(member.as_bytes(), number.into(), &Limits::default(), &mut NoLog);
            }
            let mut rng = StdRng::seed_from_u64(1);
            for count in [1, 2, 6, 7, 8, 299, 1000, -1, -7, -1000] {
                let wish = Wish { count, with_scores: true };
                let mut seen = Vec::new();
                wish.choose(&zset, &mut rng, |member, score| {
                    assert_eq!(zset.score(member), Some(score));
                    seen.push(member);
                });
                assert_eq!(seen.len(), wish.answers(&zset));
                let distinct = seen.iter().collect::<BTreeSet<_>>().len();
                assert!(count < 0 || distinct == seen.len(), "{count} of {len}");
                assert!(count > -1000 || len > 10 || distinct == len as usize, "{count} of {len}");
            }
        }
    }
}
