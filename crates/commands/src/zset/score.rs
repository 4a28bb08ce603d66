//! One member or the number of them: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK.

use super::reading;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler};

pub(super) const ZCARD: Command = reading("zcard", 2, zcard)
    .flags(Flags::FAST)
    .docs(Group::SortedSet, "1.2.0", "O(1)", "Get the number of members in a sorted set")
    .syntax("key");

fn zcard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    call.reply.int(zset.map_or(0, |zset| zset.len() as i64));
    Ok(())
}

pub(super) const ZSCORE: Command = reading("zscore", 3, zscore)
    .flags(Flags::FAST)
    .docs(Group::SortedSet, "1.2.0", "O(1)", "Get the score associated with the given member in a sorted set")
    .syntax("key member");

fn zscore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    match zset.and_then(|zset| zset.score(call.args[2])) {
        Some(score) => call.reply.double(score),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const ZMSCORE: Command = reading("zmscore", -3, zmscore)
    .flags(Flags::FAST)
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(N) where N is the number of members being requested.",
        "Get the score associated with the given members in a sorted set",
    )
    .syntax("key member...");

fn zmscore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    call.reply.array(call.args.len() - 2);
    for member in &call.args[2..] {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => call.reply.double(score),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) const ZRANK: Command =
    ranking("zrank", |call| rank(call, false), "Determine the index of a member in a sorted set")
        .syntax("key member [WITHSCORE^7.2.0]");

pub(super) const ZREVRANK: Command = ranking(
    "zrevrank",
    |call| rank(call, true),
    "Determine the index of a member in a sorted set, with scores ordered from high to low",
)
.syntax("key member [WITHSCORE^7.2.0]");

/// With `WITHSCORE`, as from Redis 7.2 on; 7.0 knows no option and takes exactly two arguments.
const fn ranking(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    reading(name, -3, handler).flags(Flags::FAST).docs(Group::SortedSet, "2.0.0", "O(log(N))", summary)
}

fn rank(call: &mut Call<'_, '_>, reversed: bool) -> Result<(), Error> {
    let mut words = call.options(3);
    let with_score = match words.next() {
        None => false,
        Some(_) if words.left() > 0 => {
            return Err(Error::WrongArity(if reversed { "zrevrank" } else { "zrank" }));
        }
        Some(word) if word.is("WITHSCORE") => true,
        Some(_) => return Err(Error::Syntax),
    };
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    let member = call.args[2];
    let found = zset.and_then(|zset| {
        let rank = zset.rank(member)?;
        let rank = if reversed { zset.len() - 1 - rank } else { rank };
        Some((rank as i64, with_score.then(|| zset.score(member)).flatten()))
    });
    match found {
        Some((rank, None)) => call.reply.int(rank),
        Some((rank, Some(score))) => {
            call.reply.array(2);
            call.reply.int(rank);
            call.reply.double(score);
        }
        None if with_score => call.reply.null_array(),
        None => call.reply.null(),
    }
    Ok(())
}
