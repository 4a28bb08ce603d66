//! ZADD and ZINCRBY.

use perigee_keyspace::{Edit, Outcome, Txn, WrongType, ZSet};
use perigee_resp::parse_f64;
use smallvec::SmallVec;

use super::writing;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const ZADD: Command = writing("zadd", -4, zadd)
    .flags(Flags::DENYOOM.or(Flags::FAST))
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        "Add one or more members to a sorted set, or update its score if it already exists",
    )
    .syntax(
        "key [condition<NX|XX>^3.0.2] [comparison<GT|LT>^6.2.0] [change=CH^3.0.2] \
        [increment=INCR^3.0.2] score_member(score:double member)...",
    )
    .history(&[
        ("2.4.0", "Accepts multiple elements."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ]);

fn zadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (options, at) = Options::parse(call.args)?;
    let pairs = &call.args[at..];
    if options.increment {
        let amount = score(pairs[0])?;
        return increment(call, pairs[1], amount, options);
    }
    let scores: SmallVec<[f64; 8]> =
        pairs.chunks_exact(2).map(|pair| score(pair[0])).collect::<Result<_, _>>()?;
    add(call, options, pairs.chunks_exact(2).map(|pair| pair[1]).zip(scores))
}

/// Gives members of the key that is the first argument their scores, as far as the options permit. Answers how many are
/// new, with those that have changed if the options say so.
///
/// # Errors
/// The key holds another type.
#[inline]
pub(crate) fn add<'a>(
    call: &mut Call<'_, '_>,
    options: Options,
    scored: impl Iterator<Item = (&'a [u8], f64)>,
) -> Result<(), Error> {
    let key = call.args[1];
    let Some(mut zset) = target(call.txn, call.db, key, options)? else {
        call.reply.int(0);
        return Ok(());
    };
    let (mut added, mut updated) = (0, 0);
    for (member, score) in scored {
        if options.is_conditional() && !options.permits(zset.score(member), score) {
            continue;
        }
        match zset.insert_or_update(member, score) {
            Outcome::Added => added += 1,
            Outcome::Updated => updated += 1,
            Outcome::Same => {}
        }
    }
    drop(zset);
    if added + updated > 0 {
        call.notify(Event::ZSet, "zadd", key);
    }
    call.reply.int(if options.count_changed { added + updated } else { added });
    Ok(())
}

pub(super) const ZINCRBY: Command = writing("zincrby", 4, zincrby)
    .flags(Flags::DENYOOM.or(Flags::FAST))
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)) where N is the number of elements in the sorted set.",
        "Increment the score of a member in a sorted set",
    )
    .syntax("key increment:int member");

fn zincrby(call: &mut Call<'_, '_>) -> Result<(), Error> {
    // An increment that is called as an option of ZADD is taken for it, and then is missing.
    Options::parse(call.args)?;
    let amount = score(call.args[2])?;
    increment(call, call.args[3], amount, Options::default())
}

/// Adds to a member's score, and answers the new one, or null if the options forbid it.
fn increment(call: &mut Call<'_, '_>, member: &[u8], amount: f64, options: Options) -> Result<(), Error> {
    let key = call.args[1];
    let Some(mut zset) = target(call.txn, call.db, key, options)? else {
        call.reply.null();
        return Ok(());
    };
    let before = zset.score(member);
    let score = before.map_or(amount, |before| before + amount);
    if options.only == Only::New && before.is_some() {
        call.reply.null();
        return Ok(());
    }
    if score.is_nan() {
        return Err(NOT_A_NUMBER);
    }
    if !options.permits(before, score) {
        call.reply.null();
        return Ok(());
    }
    let outcome = zset.insert_or_update(member, score);
    drop(zset);
    if outcome != Outcome::Same {
        call.notify(Event::ZSet, "zincr", key);
    }
    call.reply.double(score);
    Ok(())
}

/// The sorted set to add to; `None` if there is none and the options forbid to make one.
fn target<'t, 'e>(
    txn: &'t mut Txn<'e>,
    db: u16,
    key: &[u8],
    options: Options,
) -> Result<Option<Edit<'t, 'e, ZSet>>, WrongType> {
    match options.only {
        Only::Present => txn.zset_mut(db, key),
        Only::New | Only::Any => txn.zset_entry(db, key).map(Some),
    }
}

/// Which members are given a score.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Only {
    #[default]
    Any,
    New,
    Present,
}

/// On what conditions members are given a score, and what is answered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) only: Only,
    /// Present members change only to a greater score.
    pub(crate) greater: bool,
    /// Present members change only to a lower score.
    pub(crate) less: bool,
    /// The answer counts members that have changed, too.
    pub(crate) count_changed: bool,
    /// The score is added to that which is there.
    pub(crate) increment: bool,
}

impl Options {
    /// Reads the options, and answers where the pairs of score and member begin.
    fn parse(args: &[&[u8]]) -> Result<(Self, usize), Error> {
        let mut options = Options::default();
        let (mut new, mut present) = (false, false);
        let mut words = crate::parse::Options::new(args, 2);
        let pairs_at = loop {
            let at = words.position();
            match words.next() {
                Some(word) if word.is("NX") => new = true,
                Some(word) if word.is("XX") => present = true,
                Some(word) if word.is("GT") => options.greater = true,
                Some(word) if word.is("LT") => options.less = true,
                Some(word) if word.is("CH") => options.count_changed = true,
                Some(word) if word.is("INCR") => options.increment = true,
                _ => break at,
            }
        };
        let left = args.len() - pairs_at;
        if left == 0 || left % 2 == 1 {
            return Err(Error::Syntax);
        }
        if new && present {
            return Err(NEW_AND_PRESENT);
        }
        if new && (options.greater || options.less) || options.greater && options.less {
            return Err(CONFLICTING_CONDITIONS);
        }
        if options.increment && left > 2 {
            return Err(INCREMENT_OF_SEVERAL);
        }
        if new {
            options.only = Only::New;
        } else if present {
            options.only = Only::Present;
        }
        Ok((options, pairs_at))
    }

    #[inline]
    fn is_conditional(self) -> bool {
        self.only != Only::Any || self.greater || self.less
    }

    /// Whether a member that has the score `before`, if any, may get the score `after`.
    fn permits(self, before: Option<f64>, after: f64) -> bool {
        match before {
            None => self.only != Only::Present,
            Some(before) => {
                self.only != Only::New && (!self.greater || after > before) && (!self.less || after < before)
            }
        }
    }
}

fn score(text: &[u8]) -> Result<f64, Error> {
    parse_f64(text).ok_or(Error::NotFloat)
}

const NEW_AND_PRESENT: Error = Error::Text("ERR XX and NX options at the same time are not compatible");
const CONFLICTING_CONDITIONS: Error =
    Error::Text("ERR GT, LT, and/or NX options at the same time are not compatible");
const INCREMENT_OF_SEVERAL: Error = Error::Text("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: Error = Error::Text("ERR resulting score is not a number (NaN)");

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(request: &str) -> Result<usize, Error> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        Options::parse(&args).map(|(_, at)| at)
    }

    #[test]
    fn options_end_where_the_pairs_begin() {
        assert_eq!(parse("zadd k 1 a"), Ok(2));
        assert_eq!(parse("zadd k nx ch 1 nx 2 xx"), Ok(4));
        assert_eq!(parse("zadd k Xx gT inCr 1 a"), Ok(5));
    }

    #[test]
    fn contradictions() {
        assert_eq!(parse("zadd k nx xx"), Err(Error::Syntax));
        assert_eq!(parse("zadd k 1 a 2"), Err(Error::Syntax));
        assert_eq!(parse("zadd k nx xx lt 1 a"), Err(NEW_AND_PRESENT));
        for options in ["gt lt", "nx lt", "nx gt", "xx gt lt"] {
            assert_eq!(parse(&format!("zadd k {options} 1 a")), Err(CONFLICTING_CONDITIONS), "{options}");
        }
        assert_eq!(parse("zadd k incr 1 a 2 b"), Err(INCREMENT_OF_SEVERAL));
    }

    #[test]
    fn conditions_on_scores() {
        let greater = Options { greater: true, ..Options::default() };
        assert!(greater.permits(None, -5.0) && greater.permits(Some(1.0), 2.0));
        assert!(!greater.permits(Some(1.0), 1.0) && !greater.permits(Some(1.0), 0.0));
        let present = Options { only: Only::Present, less: true, ..Options::default() };
        assert!(!present.permits(None, 1.0) && present.permits(Some(1.0), 0.0));
        assert!(!present.permits(Some(1.0), 1.0));
    }
}
