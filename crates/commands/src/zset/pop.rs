//! ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which wait until there is something to take.

use std::ops::Range;

use perigee_resp::{Protocol, Reply};

use super::range::walk;
use super::writing;
use crate::blocking::{Block, deadline};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::{Options, integer, not_negative};
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

pub(super) const ZPOPMIN: Command = popping(
    "zpopmin",
    |call| zpop(call, End::Min),
    "Remove and return members with the lowest scores in a sorted set",
)
.syntax("key [count:int]");

pub(super) const ZPOPMAX: Command = popping(
    "zpopmax",
    |call| zpop(call, End::Max),
    "Remove and return members with the highest scores in a sorted set",
)
.syntax("key [count:int]");

const fn popping(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    writing(name, -2, handler).flags(Flags::FAST).docs(
        Group::SortedSet,
        "5.0.0",
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
        summary,
    )
}

fn zpop(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    if call.args.len() > 3 {
        return Err(Error::Syntax);
    }
    let key = call.args[1];
    let found = match call.args.get(2) {
        None => take(call, key, end, 1, Shape::Single)?,
        Some(count) => take(call, key, end, not_negative(count)?, Shape::Several)?,
    };
    if !found {
        call.reply.array(0);
    }
    Ok(())
}

pub(super) const ZMPOP: Command = command("zmpop", -4, zmpop)
    .flags(Flags::WRITE.or(Flags::MOVABLE_KEYS))
    .keys(Keys::counted(1))
    .acl(Categories::SORTEDSET)
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        "Remove and return members with scores in a sorted set",
    )
    .syntax("numkeys:int key... where<MIN|MAX> [COUNT count:int]");

fn zmpop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let request = Request::parse(call.args, 1)?;
    if !take_first(call, request.keys, request.end, request.count, Shape::KeyAndPairs)? {
        call.reply.null_array();
    }
    Ok(())
}

pub(super) const BZPOPMIN: Command = waiting(
    "bzpopmin",
    |call| bzpop(call, End::Min),
    "Remove and return the member with the lowest score from one or more sorted sets, or block until one is available",
)
    .syntax("key... timeout:double")
    .history(&[
        ("6.0.0", "`timeout` is interpreted as a double instead of an integer."),
    ]);

pub(super) const BZPOPMAX: Command = waiting(
    "bzpopmax",
    |call| bzpop(call, End::Max),
    "Remove and return the member with the highest score from one or more sorted sets, or block until one is available",
)
    .syntax("key... timeout:double")
    .history(&[
        ("6.0.0", "`timeout` is interpreted as a double instead of an integer."),
    ]);

const fn waiting(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    command(name, -3, handler)
        .flags(Flags::WRITE.or(Flags::NOSCRIPT).or(Flags::BLOCKING).or(Flags::FAST))
        .keys(Keys::range(1, -2, 1))
        .acl(Categories::SORTEDSET)
        .docs(
            Group::SortedSet,
            "5.0.0",
            "O(log(N)) with N being the number of elements in the sorted set.",
            summary,
        )
}

fn bzpop(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    let timeout_at = call.args.len() - 1;
    let deadline_ms = deadline(call, timeout_at)?;
    let keys = 1..timeout_at;
    if !take_first(call, keys.clone(), end, 1, Shape::KeyAndOne)? {
        let keys = keys.collect();
        call.block(Block { keys, deadline_ms, ..Block::default() });
    }
    Ok(())
}

pub(super) const BZMPOP: Command = command("bzmpop", -5, bzmpop)
    .flags(Flags::WRITE.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS))
    .keys(Keys::counted(2))
    .acl(Categories::SORTEDSET)
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
        "Remove and return members with scores in a sorted set or block until one is available",
    )
    .syntax("timeout:double numkeys:int key... where<MIN|MAX> [COUNT count:int]");

fn bzmpop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let request = Request::parse(call.args, 2)?;
    let deadline_ms = deadline(call, 1)?;
    if !take_first(call, request.keys.clone(), request.end, request.count, Shape::KeyAndPairs)? {
        let keys = request.keys.collect();
        call.block(Block { keys, deadline_ms, ..Block::default() });
    }
    Ok(())
}

/// Where members are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// The arguments of ZMPOP and BZMPOP.
struct Request {
    /// Positions of the keys.
    keys: Range<usize>,
    end: End,
    count: usize,
}

impl Request {
    /// Reads them from the number of keys on.
    fn parse(args: &[&[u8]], number_at: usize) -> Result<Self, Error> {
        let number = integer(args[number_at]).filter(|&number| number > 0).ok_or(NO_KEYS)?;
        let first = number_at + 1;
        let end_at = first.saturating_add(usize::try_from(number).unwrap_or(usize::MAX));
        let mut words = Options::new(args, end_at);
        let end = match words.next() {
            Some(word) if word.is("MIN") => End::Min,
            Some(word) if word.is("MAX") => End::Max,
            _ => return Err(Error::Syntax),
        };
        let mut count = None;
        while let Some(word) = words.next() {
            if !word.is("COUNT") || count.is_some() {
                return Err(Error::Syntax);
            }
            let number = integer(words.value()?).filter(|&number| number > 0);
            count = Some(number.and_then(|number| usize::try_from(number).ok()).ok_or(NO_COUNT)?);
        }
        Ok(Request { keys: first..end_at, end, count: count.unwrap_or(1) })
    }
}

/// How the members that were taken are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Member and score.
    Single,
    /// Members and scores, in pairs in RESP3.
    Several,
    /// Key, member, score.
    KeyAndOne,
    /// Key, and pairs.
    KeyAndPairs,
}

impl Shape {
    /// Announces so many members. Answers whether each comes as a pair.
    fn announce(self, reply: &mut dyn Reply, key: &[u8], count: usize) -> bool {
        match self {
            Shape::Single => reply.array(2),
            Shape::Several if reply.protocol() == Protocol::Resp3 => {
                reply.array(count);
                return true;
            }
            Shape::Several => reply.array(2 * count),
            Shape::KeyAndOne => {
                reply.array(3);
                reply.bulk(key);
            }
            Shape::KeyAndPairs => {
                reply.array(2);
                reply.bulk(key);
                reply.array(count);
                return true;
            }
        }
        false
    }
}

/// Takes from the first key that holds anything; `false` if none does.
fn take_first(
    call: &mut Call<'_, '_>,
    keys: Range<usize>,
    end: End,
    count: usize,
    shape: Shape,
) -> Result<bool, Error> {
    for at in keys {
        if call.may_use(at) && take(call, call.args[at], end, count, shape)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes up to `count` members from an end and answers with them; `false`, without an answer, if the key is vacant.
fn take(call: &mut Call<'_, '_>, key: &[u8], end: End, count: usize, shape: Shape) -> Result<bool, Error> {
    let Some(mut zset) = call.txn.zset_mut(call.db, key)? else { return Ok(false) };
    let len = zset.len();
    let count = count.min(len);
    let interval = match end {
        End::Min => 0..count,
        End::Max => len - count..len,
    };
    let in_pairs = shape.announce(call.reply, key, count);
    walk(&zset, interval.clone(), end == End::Max, |member, score| {
        if in_pairs {
            call.reply.array(2);
        }
        call.reply.bulk(member);
        call.reply.double(score);
    });
    zset.remove_range_by_rank(interval.start, count);
    drop(zset);
    if count > 0 {
        call.notify(Event::ZSet, if end == End::Min { "zpopmin" } else { "zpopmax" }, key);
    }
    if count == len {
        call.notify(Event::Generic, "del", key);
    }
    Ok(true)
}

const NO_KEYS: Error = Error::Text("ERR numkeys should be greater than 0");
const NO_COUNT: Error = Error::Text("ERR count should be greater than 0");

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(request: &str) -> Result<(usize, End, usize), Error> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        Request::parse(&args, 1).map(|request| (request.keys.len(), request.end, request.count))
    }

    #[test]
    fn arguments() {
        assert_eq!(parse("zmpop 1 k min"), Ok((1, End::Min, 1)));
        assert_eq!(parse("zmpop 2 k min MAX count 7"), Ok((2, End::Max, 7)));
    }

    #[test]
    fn refusals_in_order() {
        for request in ["zmpop 0 k foo", "zmpop x k min", "zmpop -1 k min"] {
            assert_eq!(parse(request), Err(NO_KEYS), "{request}");
        }
        for request in [
            "zmpop 2 k min",
            "zmpop 9223372036854775807 k min",
            "zmpop 1 k foo count 0",
            "zmpop 1 k min count",
            "zmpop 1 k min count 1 count 1",
            "zmpop 1 k min foo",
        ] {
            assert_eq!(parse(request), Err(Error::Syntax), "{request}");
        }
        assert_eq!(parse("zmpop 1 k min count 0"), Err(NO_COUNT));
        assert_eq!(parse("zmpop 1 k min count x count 1"), Err(NO_COUNT));
    }
}
