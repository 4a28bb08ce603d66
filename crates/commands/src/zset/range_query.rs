//! ZRANGE and its older spellings.

use perigee_keyspace::ZSet;
use perigee_resp::Reply;

use super::range::{Bounds, Limit, Range, walk};
use super::reading;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Options;
use crate::spec::{Command, Group, Handler};

pub(super) const ZRANGE: Command = reading("zrange", -4, |call| query(call, Form::FREE)).docs(
    Group::SortedSet,
    "1.2.0",
    "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    "Return a range of members in a sorted set",
)
    .syntax("key start stop [sortby<BYSCORE|BYLEX>^6.2.0] [REV^6.2.0] \
        [LIMIT offset_count(offset:int count:int)^6.2.0] [WITHSCORES]")
    .history(&[
        ("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."),
    ]);

pub(super) const ZREVRANGE: Command =
    reading("zrevrange", -4, |call| query(call, Form::fixed(By::Rank, true))).docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
        "Return a range of members in a sorted set, by index, with scores ordered from high to low",
    )
    .syntax("key start:int stop:int [WITHSCORES]")
    .deprecated("6.2.0", "`ZRANGE` with the `REV` argument");

pub(super) const ZRANGEBYSCORE: Command = limited(
    "zrangebyscore",
    |call| query(call, Form::fixed(By::Score, false)),
    "1.0.5",
    "Return a range of members in a sorted set, by score",
)
.syntax(
    "key min:double max:double [WITHSCORES^2.0.0] \
        [LIMIT offset_count(offset:int count:int)]",
)
.deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
.history(&[("2.0.0", "Added the `WITHSCORES` modifier.")]);

pub(super) const ZREVRANGEBYSCORE: Command = limited(
    "zrevrangebyscore",
    |call| query(call, Form::fixed(By::Score, true)),
    "2.2.0",
    "Return a range of members in a sorted set, by score, with scores ordered from high to low",
)
.syntax("key max:double min:double [WITHSCORES] [LIMIT offset_count(offset:int count:int)]")
.deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
.history(&[("2.1.6", "`min` and `max` can be exclusive.")]);

pub(super) const ZRANGEBYLEX: Command = limited(
    "zrangebylex",
    |call| query(call, Form::fixed(By::Lex, false)),
    "2.8.9",
    "Return a range of members in a sorted set, by lexicographical range",
)
.syntax("key min max [LIMIT offset_count(offset:int count:int)]")
.deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument");

pub(super) const ZREVRANGEBYLEX: Command = limited(
    "zrevrangebylex",
    |call| query(call, Form::fixed(By::Lex, true)),
    "2.8.9",
    "Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower strings.",
)
    .syntax("key max min [LIMIT offset_count(offset:int count:int)]")
    .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments");

const fn limited(
    name: &'static str,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    reading(name, -4, handler).docs(
        Group::SortedSet,
        since,
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary,
    )
}

fn query(call: &mut Call<'_, '_>, form: Form) -> Result<(), Error> {
    let (range, with_scores) = form.parse(&call.args[2..])?;
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    match zset {
        Some(zset) => reply_with(call.reply, zset, &range, with_scores),
        None => call.reply.array(0),
    }
    Ok(())
}

fn reply_with(reply: &mut dyn Reply, zset: &ZSet, range: &Range<'_>, with_scores: bool) {
    let interval = range.interval(zset);
    if with_scores {
        let mut pairs = Pairs::start(reply, interval.len());
        walk(zset, interval, range.reversed, |member, score| pairs.push(member, score));
    } else {
        reply.array(interval.len());
        walk(zset, interval, range.reversed, |member, _| reply.bulk(member));
    }
}

/// An answer of members with their scores: pairs in RESP3, one flat list in RESP2.
pub(super) struct Pairs<'r> {
    reply: &'r mut dyn Reply,
    nested: bool,
}

impl<'r> Pairs<'r> {
    /// Announces so many members with their scores.
    pub(super) fn start(reply: &'r mut dyn Reply, len: usize) -> Self {
        let nested = reply.protocol() == perigee_resp::Protocol::Resp3;
        reply.array(if nested { len } else { 2 * len });
        Pairs { reply, nested }
    }

    /// The next one.
    #[inline]
    pub(super) fn push(&mut self, member: &[u8], score: f64) {
        if self.nested {
            self.reply.array(2);
        }
        self.reply.bulk(member);
        self.reply.double(score);
    }
}

/// What the bounds of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name leaves to its options.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// `None`: BYSCORE and BYLEX say it.
    by: Option<By>,
    /// `None`: REV says it.
    reversed: Option<bool>,
    /// WITHSCORES may be asked for.
    scores_allowed: bool,
}

impl Form {
    /// ZRANGE: the options say everything.
    pub(super) const FREE: Form = Form { by: None, reversed: None, scores_allowed: true };
    /// ZRANGESTORE: as ZRANGE, but scores are not asked for.
    pub(super) const STORED: Form = Form { scores_allowed: false, ..Form::FREE };

    /// A command whose name says everything.
    pub(super) const fn fixed(by: By, reversed: bool) -> Form {
        Form { by: Some(by), reversed: Some(reversed), scores_allowed: true }
    }

    /// Reads two bounds and the options behind them; answers also whether scores are asked for.
    ///
    /// # Errors
    /// As Redis, in its order: the options one by one, their combination, the bounds.
    pub(super) fn parse<'a>(self, args: &'a [&'a [u8]]) -> Result<(Range<'a>, bool), Error> {
        let (mut by, mut reversed) = (self.by, self.reversed);
        let (mut limit, mut with_scores) = (None, false);
        let mut words = Options::new(args, 2);
        while let Some(word) = words.next() {
            if self.scores_allowed && word.is("WITHSCORES") {
                with_scores = true;
            } else if word.is("LIMIT") && words.left() >= 2 {
                limit = Some(Limit { offset: words.integer()?, count: words.integer()? });
            } else if reversed.is_none() && word.is("REV") {
                reversed = Some(true);
            } else if by.is_none() && word.is("BYSCORE") {
                by = Some(By::Score);
            } else if by.is_none() && word.is("BYLEX") {
                by = Some(By::Lex);
            } else {
                return Err(Error::Syntax);
            }
        }
        let (by, reversed) = (by.unwrap_or(By::Rank), reversed.unwrap_or(false));
        if by == By::Rank && limit.is_some_and(|limit| limit.count != -1) {
            return Err(LIMIT_BY_RANK);
        }
        if by == By::Lex && with_scores {
            return Err(SCORES_BY_LEX);
        }
        let (first, second) = (args[0], args[1]);
        let (min, max) = if reversed { (second, first) } else { (first, second) };
        let bounds = match by {
            By::Rank => Bounds::rank(first, second)?,
            By::Score => Bounds::score(min, max)?,
            By::Lex => Bounds::lex(min, max)?,
        };
        let limit = limit.filter(|_| by != By::Rank);
        Ok((Range { bounds, reversed, limit }, with_scores))
    }
}

const LIMIT_BY_RANK: Error =
    Error::Text("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_BY_LEX: Error =
    Error::Text("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: Form, request: &str, expected: Result<(By, bool, bool), Error>) {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let parsed = form.parse(&args).map(|(range, with_scores)| {
            let by = match range.bounds {
                Bounds::Rank { .. } => By::Rank,
                Bounds::Score { .. } => By::Score,
                Bounds::Lex { .. } => By::Lex,
            };
            (by, range.reversed, with_scores)
        });
        assert!(parsed == expected, "{request}");
    }

    #[test]
    fn options_in_any_order() {
        check(Form::FREE, "0 -1", Ok((By::Rank, false, false)));
        check(Form::FREE, "0 -1 rev withscores limit 5 -1", Ok((By::Rank, true, true)));
        check(Form::FREE, "5 (1 Limit 0 1 REV ByScore", Ok((By::Score, true, false)));
        check(Form::STORED, "- [a bylex", Ok((By::Lex, false, false)));
        check(Form::fixed(By::Score, true), "5 1 withscores withscores", Ok((By::Score, true, true)));
    }

    #[test]
    fn refusals_in_order() {
        check(Form::FREE, "x y limit 0 z foo", Err(Error::NotInteger));
        check(Form::FREE, "x y limit 0 1 foo", Err(Error::Syntax));
        check(Form::FREE, "x y limit 0 1", Err(LIMIT_BY_RANK));
        check(Form::FREE, "x y limit 0", Err(Error::Syntax));
        check(Form::FREE, "x y bylex withscores", Err(SCORES_BY_LEX));
        check(Form::FREE, "x y", Err(Error::NotInteger));
        check(Form::FREE, "0 1 byscore bylex", Err(Error::Syntax));
        check(Form::FREE, "0 1 rev rev", Err(Error::Syntax));
        check(Form::STORED, "0 1 withscores", Err(Error::Syntax));
        check(Form::fixed(By::Rank, true), "0 1 rev", Err(Error::Syntax));
    }
}
