//! What ZUNION and its relatives take: keys, weights, how scores are put together.

use perigee_resp::parse_f64;
use smallvec::SmallVec;

use crate::error::Error;
use crate::parse::{Options, integer};

/// How many of the arguments from `number_at` on are keys: they follow their number.
///
/// # Errors
/// [`Error::NotInteger`], `at least 1 input key is needed`, [`Error::Syntax`] where the request ends before them.
pub(super) fn keys<'a>(
    args: &'a [&'a [u8]],
    number_at: usize,
    command: &str,
) -> Result<&'a [&'a [u8]], Error> {
    let number = integer(args[number_at]).ok_or(Error::NotInteger)?;
    if number < 1 {
        return Err(Error::Owned(format!("ERR at least 1 input key is needed for '{command}' command")));
    }
    let rest = &args[number_at + 1..];
    usize::try_from(number).ok().and_then(|number| rest.get(..number)).ok_or(Error::Syntax)
}

/// How the scores of a member that several sets have become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// One score of two. The sum of infinities of both signs is 0.
    pub(super) fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => zero_if_nan(one + other),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            Aggregate::Min | Aggregate::Max => one,
        }
    }
}

/// A number; 0 in the place of NaN, as which infinity times a weight of 0 comes.
pub(super) fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Which options a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// WEIGHTS and AGGREGATE.
    pub(super) arithmetic: bool,
    /// WITHSCORES.
    pub(super) scores: bool,
    /// LIMIT.
    pub(super) limit: bool,
}

/// The options.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// One for each key, or none: all are 1.
    weights: SmallVec<[f64; 4]>,
    pub(super) aggregate: Aggregate,
    pub(super) with_scores: bool,
    /// How many members to count at most; 0 for all.
    pub(super) limit: usize,
}

impl Plan {
    /// Reads the options that follow so many keys.
    pub(super) fn parse(mut words: Options<'_>, keys: usize, allowed: Allowed) -> Result<Self, Error> {
        let mut plan = Plan::default();
        while let Some(word) = words.next() {
            if allowed.arithmetic && word.is("WEIGHTS") && words.left() >= keys {
                plan.weights.clear();
                for _ in 0..keys {
                    plan.weights.push(parse_f64(words.value()?).ok_or(NOT_A_WEIGHT)?);
                }
            } else if allowed.arithmetic && word.is("AGGREGATE") {
                plan.aggregate = match words.next() {
                    Some(word) if word.is("SUM") => Aggregate::Sum,
                    Some(word) if word.is("MIN") => Aggregate::Min,
                    Some(word) if word.is("MAX") => Aggregate::Max,
                    _ => return Err(Error::Syntax),
                };
            } else if allowed.scores && word.is("WITHSCORES") {
                plan.with_scores = true;
            } else if allowed.limit && word.is("LIMIT") {
                let limit = integer(words.value()?).and_then(|limit| usize::try_from(limit).ok());
                plan.limit = limit.ok_or(NEGATIVE_LIMIT)?;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(plan)
    }

    /// The weight of the scores of a key, by its position among the keys.
    pub(super) fn weight(&self, key: usize) -> f64 {
        self.weights.get(key).copied().unwrap_or(1.0)
    }
}

const NOT_A_WEIGHT: Error = Error::Text("ERR weight value is not a float");
const NEGATIVE_LIMIT: Error = Error::Text("ERR LIMIT can't be negative");

#[cfg(test)]
mod tests {
    use super::*;

    const UNION: Allowed = Allowed { arithmetic: true, scores: true, limit: false };
    const DIFF_STORE: Allowed = Allowed { arithmetic: false, scores: false, limit: false };
    const CARD: Allowed = Allowed { arithmetic: false, scores: false, limit: true };

    fn parse(request: &str, keys: usize, allowed: Allowed) -> Result<Plan, Error> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        Plan::parse(Options::new(&args, 0), keys, allowed)
    }

    #[test]
    fn the_last_of_each_option_counts() {
        let plan = parse("weights 1 2 aggregate min WEIGHTS -1 0.5 aggregate MAX withscores", 2, UNION);
        let plan = plan.unwrap();
        assert_eq!((plan.weight(0), plan.weight(1)), (-1.0, 0.5));
        assert_eq!((plan.aggregate, plan.with_scores), (Aggregate::Max, true));
        assert_eq!(parse("limit 5 limit 7", 1, CARD).unwrap().limit, 7);
    }

    #[test]
    fn refusals() {
        for (request, allowed, error) in [
            ("weights 1", UNION, Error::Syntax),
            ("weights 1 x", UNION, NOT_A_WEIGHT),
            ("weights nan 1", UNION, NOT_A_WEIGHT),
            ("aggregate", UNION, Error::Syntax),
            ("aggregate avg", UNION, Error::Syntax),
            ("limit 1", UNION, Error::Syntax),
            ("weights 1 2", DIFF_STORE, Error::Syntax),
            ("withscores", DIFF_STORE, Error::Syntax),
            ("limit", CARD, Error::Syntax),
            ("limit -1", CARD, NEGATIVE_LIMIT),
            ("limit x", CARD, NEGATIVE_LIMIT),
        ] {
            assert_eq!(parse(request, 2, allowed), Err(error), "{request}");
        }
    }

    #[test]
    fn the_number_of_keys() {
        let keys = |request: &str| {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            keys(&args, 1, "zunion").map(<[_]>::len)
        };
        assert_eq!(keys("zunion 2 a b weights"), Ok(2));
        assert_eq!(keys("zunion x a"), Err(Error::NotInteger));
        assert_eq!(keys("zunion 3 a b"), Err(Error::Syntax));
        assert_eq!(keys("zunion 9223372036854775807 a b"), Err(Error::Syntax));
        assert!(matches!(keys("zunion 0 a"), Err(Error::Owned(_))));
    }

    #[test]
    fn infinities_and_what_is_no_number() {
        let (infinity, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(Aggregate::Sum.of(infinity, -infinity), 0.0);
        assert_eq!(Aggregate::Sum.of(5.0, nan), 0.0);
        assert_eq!(Aggregate::Min.of(5.0, nan), 5.0);
        assert_eq!(Aggregate::Max.of(5.0, nan), 5.0);
        assert_eq!(Aggregate::Min.of(5.0, -infinity), -infinity);
    }
}
