//! XDEL, and Redis 8.2's XDELEX and XACKDEL, which say what becomes of references that consumer groups have
//! (<https://redis.io/docs/latest/commands/xdelex/>, <https://redis.io/docs/latest/commands/xackdel/>).

use perigee_keyspace::{Audience, Edit, References, Stream, StreamId};

use super::retain::parse_references;
use super::{id, on_stream};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group};

const DELETER: Flags = Flags::WRITE.or(Flags::FAST);

pub(super) const XDEL: Command = on_stream("xdel", -3, xdel, DELETER).docs(
    Group::Stream,
    "5.0.0",
    "O(1) for each single item to delete in the stream, regardless of the stream size.",
    "Removes the specified entries from the stream. Returns the number of items actually deleted, that may be different from the number of IDs passed in case certain IDs do not exist.",
)
    .syntax("key id...");

fn xdel(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let mut deleted = 0;
    if let Some(mut stream) = call.txn.stream_mut(call.db, key)? {
        let ids = id::parse_all(&call.args[2..])?;
        stream.tell(Audience::Watchers);
        for id in ids {
            deleted += i64::from(stream.delete(id));
        }
    }
    if deleted > 0 {
        call.notify(Event::Stream, "xdel", key);
    }
    call.reply.int(deleted);
    Ok(())
}

pub(super) const XDELEX: Command = on_stream("xdelex", -5, xdelex, DELETER)
    .docs(
        Group::Stream,
        "8.2.0",
        "O(1) for each single item to delete in the stream, regardless of the stream size.",
        "Deletes entries from a stream, with a choice of what becomes of references to them",
    )
    .syntax("key [condition<KEEPREF|DELREF|ACKED>] IDS ids(numids:int id...)");

fn xdelex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, 2)?;
    delete_each(call, &options, |stream, id| {
        if stream.get(id).is_none() {
            if options.references == References::Delete {
                stream.remove_references(id);
            }
            return Fate::Missing;
        }
        delete(stream, id, options.references)
    })
}

pub(super) const XACKDEL: Command = on_stream("xackdel", -6, xackdel, DELETER).docs(
    Group::Stream,
    "8.2.0",
    "O(1) for each message ID processed.",
    "Acknowledges entries for a consumer group and deletes them, with a choice of what becomes of other references",
)
    .syntax("key group [condition<KEEPREF|DELREF|ACKED>] IDS ids(numids:int id...)");

fn xackdel(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, 3)?;
    let group = call.args[2];
    delete_each(call, &options, |stream, id| {
        let Some((group, _)) = stream.group(group) else { return Fate::Missing };
        if stream.remove_pending(group, id) { delete(stream, id, options.references) } else { Fate::Missing }
    })
}

/// What became of an entry, as the reply tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Missing = -1,
    Deleted = 1,
    /// Groups refer to it.
    Kept = 2,
}

/// Does something to each of the entries and answers with what became of them.
fn delete_each(
    call: &mut Call<'_, '_>,
    options: &Options,
    mut delete: impl FnMut(&mut Edit<'_, '_, Stream>, StreamId) -> Fate,
) -> Result<(), Error> {
    let key = call.args[1];
    let mut deleted = false;
    let mut stream = call.txn.stream_mut(call.db, key)?;
    if let Some(stream) = &mut stream {
        stream.tell(Audience::Nobody);
    }
    call.reply.array(options.ids.len());
    for &id in &options.ids {
        let fate = stream.as_mut().map_or(Fate::Missing, |stream| delete(stream, id));
        call.reply.int(fate as i64);
        deleted |= fate == Fate::Deleted;
    }
    if let Some(stream) = stream.as_mut().filter(|_| deleted) {
        stream.tell(Audience::Watchers);
    }
    drop(stream);
    if deleted {
        call.notify(Event::Stream, "xdel", key);
    }
    Ok(())
}

fn delete(stream: &mut Edit<'_, '_, Stream>, id: StreamId, references: References) -> Fate {
    match references {
        References::Acknowledged if stream.is_referenced(id) => return Fate::Kept,
        References::Delete => stream.remove_references(id),
        References::Keep | References::Acknowledged => {}
    }
    stream.delete(id);
    Fate::Deleted
}

struct Options {
    references: References,
    ids: Vec<StreamId>,
}

impl Options {
    fn parse(call: &Call<'_, '_>, at: usize) -> Result<Self, Error> {
        let (mut references, mut ids) = (None, None);
        let mut words = call.options(at);
        while let Some(word) = words.next() {
            if let Some(wanted) = parse_references(word).filter(|_| references.is_none()) {
                references = Some(wanted);
            } else if word.is("IDS") && words.left() > 0 {
                let number = integer(words.value()?).and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|&number| number > 0).ok_or(NOT_POSITIVE)?;
                if number > words.left() {
                    return Err(MISMATCH);
                }
                let first = words.position();
                ids = Some(&call.args[first..first + number]);
                words = call.options(first + number);
            } else {
                return Err(Error::Syntax);
            }
        }
        let ids = id::parse_all(ids.ok_or(Error::Syntax)?)?;
        Ok(Options { references: references.unwrap_or_default(), ids })
    }
}

const NOT_POSITIVE: Error = Error::Text("ERR Number of IDs must be a positive integer");
const MISMATCH: Error = Error::Text("ERR The `numids` parameter must match the number of arguments");
