//! XLEN, XRANGE, XREVRANGE.

use perigee_keyspace::StreamId;

use super::{id, look_up, on_stream, reply_entry};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const XLEN: Command = on_stream("xlen", 2, xlen, Flags::READONLY.or(Flags::FAST))
    .docs(Group::Stream, "5.0.0", "O(1)", "Return the number of entries in a stream")
    .syntax("key");

fn xlen(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let stream = look_up(call.env, call.txn, call.db, call.args[1])?;
    call.reply.int(stream.map_or(0, |stream| stream.len()) as i64);
    Ok(())
}

const COMPLEXITY: &str = "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).";
const COMPLEXITY_REV: &str = "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).";

pub(super) const XRANGE: Command = on_stream("xrange", -4, xrange, Flags::READONLY)
    .docs(
        Group::Stream,
        "5.0.0",
        COMPLEXITY,
        "Return a range of elements in a stream, with IDs matching the specified IDs interval",
    )
    .syntax("key start end [COUNT count:int]")
    .history(&[("6.2.0", "Added exclusive ranges.")]);

fn xrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let start = id::parse_start(call.args[2])?;
    let end = id::parse_end(call.args[3])?;
    reply_range(call, start, end, false)
}

pub(super) const XREVRANGE: Command = on_stream("xrevrange", -4, xrevrange, Flags::READONLY).docs(
    Group::Stream,
    "5.0.0",
    COMPLEXITY_REV,
    "Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order (from greater to smaller IDs) compared to XRANGE",
)
    .syntax("key end start [COUNT count:int]")
    .history(&[
        ("6.2.0", "Added exclusive ranges."),
    ]);

fn xrevrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let start = id::parse_start(call.args[3])?;
    let end = id::parse_end(call.args[2])?;
    reply_range(call, start, end, true)
}

fn reply_range(
    call: &mut Call<'_, '_>,
    start: StreamId,
    end: StreamId,
    backwards: bool,
) -> Result<(), Error> {
    let mut limit = usize::MAX;
    let mut words = call.options(4);
    while let Some(word) = words.next() {
        if !word.is("COUNT") || words.left() == 0 {
            return Err(Error::Syntax);
        }
        limit = usize::try_from(words.integer()?).unwrap_or(0);
    }
    let Some(stream) = look_up(call.env, call.txn, call.db, call.args[1])? else {
        call.reply.array(0);
        return Ok(());
    };
    if limit == 0 {
        call.reply.null_array();
        return Ok(());
    }
    let range = stream.range(start, end);
    let len = range.count_up_to(limit);
    call.reply.array(len);
    if backwards {
        stream.range_rev(start, end).take(len).for_each(|entry| reply_entry(call.reply, &entry));
    } else {
        range.take(len).for_each(|entry| reply_entry(call.reply, &entry));
    }
    Ok(())
}
