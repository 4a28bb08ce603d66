//! XADD.

use perigee_keyspace::{LARGEST_NODE, StreamId};

use super::id::{self, NewId};
use super::on_stream;
use super::retain::Retention;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const XADD: Command = on_stream("xadd", -5, xadd, Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
    .docs(
        Group::Stream,
        "5.0.0",
        "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        "Appends a new entry to a stream",
    )
    .syntax(
        "key [NOMKSTREAM^6.2.0] [condition<KEEPREF|DELREF|ACKED>^8.2.0] \
        [trim(strategy<MAXLEN|MINID^6.2.0> [operator<equal='='|\
        approximately='~'>] threshold [LIMIT count:int^6.2.0])] id_or_auto<auto_id='*'|id> \
        field_value(field value)...",
    )
    .history(&[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
    ]);

fn xadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut words = call.options(2);
    let retention = Retention::parse(call.env, &mut words, true)?;
    let fields = &call.args[words.position()..];
    let wanted = match retention.id {
        Some(id) if !fields.is_empty() && fields.len().is_multiple_of(2) => id,
        _ => return Err(Error::WrongArity("xadd")),
    };
    if wanted == NewId::Exactly(StreamId::MIN) {
        return Err(Error::Text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now_ms) = (call.args[1], call.now_ms());
    let mut stream = if retention.no_create {
        match call.txn.stream_mut(call.db, key)? {
            Some(stream) => stream,
            None => {
                call.reply.null();
                return Ok(());
            }
        }
    } else {
        call.txn.stream_entry(call.db, key)?
    };
    let id = choose(wanted, stream.last_id(), now_ms)?;
    if fields.iter().map(|item| item.len()).sum::<usize>() > LARGEST_NODE {
        return Err(TOO_LARGE);
    }
    stream.append(id, fields);
    let trimmed = retention.trim.map_or(0, |trim| stream.trim(&trim));
    drop(stream);
    id::reply(call.reply, id);
    call.notify(Event::Stream, "xadd", key);
    if trimmed > 0 {
        call.notify(Event::Stream, "xtrim", key);
    }
    Ok(())
}

/// The ID of a new entry, after the last one.
fn choose(wanted: NewId, last: StreamId, now_ms: u64) -> Result<StreamId, Error> {
    if last == StreamId::MAX {
        return Err(Error::Text(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = match wanted {
        NewId::Automatic if now_ms > last.ms => StreamId { ms: now_ms, seq: 0 },
        NewId::Automatic => last.next().unwrap_or(StreamId::MAX),
        // Redis's words, though it is the number of IDs of the millisecond that is exhausted.
        NewId::InMillisecond(ms) if ms == last.ms => {
            StreamId { ms, seq: last.seq.checked_add(1).ok_or(TOO_LARGE)? }
        }
        NewId::InMillisecond(ms) => StreamId { ms, seq: 0 },
        NewId::Exactly(id) => id,
    };
    if id > last { Ok(id) } else { Err(NOT_GREATER) }
}

const NOT_GREATER: Error =
    Error::Text("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: Error = Error::Text("ERR Elements are too large to be stored");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow() {
        let id = |ms, seq| StreamId { ms, seq };
        let last = id(5, u64::MAX);
        for (wanted, now_ms, expected) in [
            (NewId::Automatic, 6, Ok(id(6, 0))),
            (NewId::Automatic, 3, Ok(id(6, 0))),
            (NewId::InMillisecond(5), 0, Err(TOO_LARGE)),
            (NewId::InMillisecond(4), 0, Err(NOT_GREATER)),
            (NewId::InMillisecond(6), 0, Ok(id(6, 0))),
            (NewId::Exactly(last), 0, Err(NOT_GREATER)),
            (NewId::Exactly(StreamId::MAX), 0, Ok(StreamId::MAX)),
        ] {
            assert_eq!(choose(wanted, last, now_ms), expected, "{wanted:?}");
        }
        assert!(choose(NewId::Automatic, StreamId::MAX, 7).is_err());
    }
}
