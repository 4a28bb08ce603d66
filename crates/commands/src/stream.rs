//! Commands on streams.

mod add;
mod claim;
mod delete;
mod group;
mod id;
mod info;
mod pending;
mod range;
mod read;
mod retain;
mod set_id;
mod trim;

use perigee_keyspace::{Edit, Stream, StreamEntry, StreamGroup, StreamItem, Txn};
use perigee_resp::Reply;

use crate::call::Call;
use crate::effects::Event;
use crate::engine::Env;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    add::XADD,
    trim::XTRIM,
    set_id::XSETID,
    delete::XDEL,
    delete::XDELEX,
    range::XLEN,
    range::XRANGE,
    range::XREVRANGE,
    read::XREAD,
    read::XREADGROUP,
    pending::XACK,
    delete::XACKDEL,
    pending::XPENDING,
    claim::XCLAIM,
    claim::XAUTOCLAIM,
    group::XGROUP,
    info::XINFO,
];

/// A command on the stream at its first argument.
const fn on_stream(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1)).acl(Categories::STREAM)
}

/// Answers with an entry: its ID, and fields and values in turn.
fn reply_entry(reply: &mut dyn Reply, entry: &StreamEntry<'_>) {
    reply.array(2);
    id::reply(reply, entry.id);
    reply_fields(reply, entry);
}

fn reply_fields(reply: &mut dyn Reply, entry: &StreamEntry<'_>) {
    reply.array(entry.len() * 2);
    for (field, value) in entry.fields() {
        reply_item(reply, field);
        reply_item(reply, value);
    }
}

fn reply_item(reply: &mut dyn Reply, item: StreamItem<'_>) {
    match item {
        StreamItem::Int(value) => reply.bulk_int(value),
        StreamItem::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The stream at a key, which counts as a look at it.
///
/// # Errors
/// [`Error::WrongType`].
fn look_up<'t>(env: Env<'_>, txn: &'t Txn<'_>, db: u16, key: &[u8]) -> Result<Option<&'t Stream>, Error> {
    let stream = txn.stream(db, key);
    env.count_lookup(txn, db, key, !matches!(stream, Ok(None)));
    Ok(stream?)
}

/// The position of a group of the stream at a key, and the group.
///
/// # Errors
/// [`Error::WrongType`]; that there is no such key or group.
fn look_up_group<'t>(
    env: Env<'_>,
    txn: &'t Txn<'_>,
    db: u16,
    key: &[u8],
    name: &[u8],
) -> Result<(usize, &'t StreamGroup), Error> {
    let group = look_up(env, txn, db, key)?.and_then(|stream| stream.group(name));
    group.ok_or_else(|| no_group(key, name, ""))
}

fn no_group(key: &[u8], group: &[u8], after: &str) -> Error {
    let until_nul = |word: &[u8]| word.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
    let (key, group) = (until_nul(key), until_nul(group));
    let parts: [&[u8]; 5] = [b"NOGROUP No such key '", &key, b"' or consumer group '", &group, b"'"];
    Error::Quoting([&parts.concat(), after.as_bytes()].concat())
}

/// The number of a consumer, which is created if there is none of that name, and whether it was. As in Redis 7.0, a consumer that
/// gets nothing is not created.
fn consumer_of(stream: &mut Edit<'_, '_, Stream>, group: usize, name: &[u8]) -> (u32, bool) {
    match stream.group_at(group).consumer_number(name) {
        Some(number) => (number, false),
        None => (stream.add_consumer(group, name), true),
    }
}

/// Tells that a consumer was created.
fn tell_created(call: &mut Call<'_, '_>, key: &[u8]) {
    call.notify(Event::Stream, "xgroup-createconsumer", key);
}
