//! XINFO.

use perigee_keyspace::{History, Stream, StreamConsumer, StreamGroup, StreamId};
use perigee_resp::Reply;

use super::group::no_such_group;
use super::{id, look_up, reply_entry};
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command, container};

pub(super) const XINFO: Command = container(
    "xinfo",
    &[
        on_key("stream", "xinfo|stream", -3, stream)
            .docs(Group::Stream, "5.0.0", "O(1)", "Get information about a stream")
            .syntax("key [FULL full([COUNT count:int])]")
            .history(&[
                ("6.0.0", "Added the `FULL` modifier."),
                (
                    "7.0.0",
                    "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, \
        `entries-read` and `lag` fields",
                ),
            ]),
        on_key("groups", "xinfo|groups", 3, groups)
            .docs(Group::Stream, "5.0.0", "O(1)", "List the consumer groups of a stream")
            .syntax("key")
            .history(&[("7.0.0", "Added the `entries-read` and `lag` fields")]),
        on_key("consumers", "xinfo|consumers", 4, consumers)
            .docs(Group::Stream, "5.0.0", "O(1)", "List the consumers in a consumer group")
            .syntax("key groupname"),
        command("help", 2, help)
            .full("xinfo|help")
            .flags(Flags::LOADING.or(Flags::STALE))
            .acl(Categories::STREAM)
            .docs(Group::Stream, "5.0.0", "O(1)", "Show helpful text about the different subcommands"),
    ],
)
.docs(Group::Stream, "5.0.0", "Depends on subcommand.", "A container for stream introspection commands");

const fn on_key(name: &'static str, full_name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler)
        .full(full_name)
        .flags(Flags::READONLY)
        .keys(Keys::at(2))
        .acl(Categories::STREAM)
}

fn consumers(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let now_ms = call.now_ms();
    let stream = look_up(call.env, call.txn, call.db, call.args[2])?.ok_or(Error::NoSuchKey)?;
    let found = stream.group(call.args[3]);
    let (_, group) = found.ok_or_else(|| no_such_group(call.args[2], call.args[3]))?;
    call.reply.array(group.consumers_len());
    for consumer in group.consumers() {
        call.reply.map(4);
        call.reply.bulk(b"name");
        call.reply.bulk(&consumer.name);
        reply_number(call.reply, "pending", consumer.pending_len() as i64);
        reply_number(call.reply, "idle", now_ms.saturating_sub(consumer.seen_ms) as i64);
        let inactive = consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms) as i64);
        reply_number(call.reply, "inactive", inactive);
    }
    Ok(())
}

fn groups(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let stream = look_up(call.env, call.txn, call.db, call.args[2])?.ok_or(Error::NoSuchKey)?;
    let groups = stream.groups();
    call.reply.array(groups.len());
    for (name, group) in groups {
        call.reply.map(6);
        call.reply.bulk(b"name");
        call.reply.bulk(name);
        reply_number(call.reply, "consumers", group.consumers_len() as i64);
        reply_number(call.reply, "pending", group.pending_len() as i64);
        reply_progress(call.reply, stream, group);
    }
    Ok(())
}

fn stream(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let stream = look_up(call.env, call.txn, call.db, call.args[2])?.ok_or(Error::NoSuchKey)?;
    match full(call)? {
        None => reply_overview(call.reply, stream),
        Some(limit) => reply_full(call.reply, stream, limit),
    }
    Ok(())
}

/// Of how many entries everything is wanted, if it is.
fn full(call: &Call<'_, '_>) -> Result<Option<usize>, Error> {
    const DEFAULT: usize = 10;
    let refused = || Error::unknown_subcommand_or_arity(call.args);
    match call.args[3..] {
        [] => Ok(None),
        [word] if Word(word).is("FULL") => Ok(Some(DEFAULT)),
        [word, count, _] if Word(word).is("FULL") && Word(count).is("COUNT") => {
            Ok(Some(match usize::try_from(call.integer(5)?) {
                Ok(0) => usize::MAX,
                Ok(count) => count,
                Err(_) => DEFAULT,
            }))
        }
        _ => Err(refused()),
    }
}

fn reply_overview(reply: &mut dyn Reply, stream: &Stream) {
    reply.map(10);
    reply_history(reply, stream);
    reply_number(reply, "groups", stream.groups().len() as i64);
    for (name, entry) in [("first-entry", stream.iter().next()), ("last-entry", stream.last())] {
        reply.bulk(name.as_bytes());
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn reply_full(reply: &mut dyn Reply, stream: &Stream, limit: usize) {
    reply.map(9);
    reply_history(reply, stream);
    reply.bulk(b"entries");
    reply.array(stream.len().min(limit));
    stream.iter().take(limit).for_each(|entry| reply_entry(reply, &entry));
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply_progress(reply, stream, group);
        reply_number(reply, "pel-count", group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(limit));
        for (id, pending) in group.pending_in(StreamId::MIN..=StreamId::MAX).take(limit) {
            reply.array(4);
            id::reply(reply, id);
            reply.bulk(&group.consumer(pending.consumer).name);
            reply.int(pending.delivered_ms as i64);
            reply.int(pending.deliveries as i64);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumers_len());
        group.consumers().for_each(|consumer| reply_consumer(reply, group, consumer, limit));
    }
}

fn reply_consumer(reply: &mut dyn Reply, group: &StreamGroup, consumer: &StreamConsumer, limit: usize) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(&consumer.name);
    reply_number(reply, "seen-time", consumer.seen_ms as i64);
    reply_number(reply, "active-time", consumer.active_ms.map_or(-1, |active_ms| active_ms as i64));
    reply_number(reply, "pel-count", consumer.pending_len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(limit));
    let ids = consumer.pending_in(StreamId::MIN..=StreamId::MAX).take(limit);
    for (id, pending) in ids.filter_map(|id| Some((id, group.pending(id)?))) {
        reply.array(3);
        id::reply(reply, id);
        reply.int(pending.delivered_ms as i64);
        reply.int(pending.deliveries as i64);
    }
}

/// The seven facts that both forms of XINFO STREAM begin with.
fn reply_history(reply: &mut dyn Reply, stream: &Stream) {
    let History { len, first_id, last_id, max_deleted_id, entries_added } = *stream.history();
    reply_number(reply, "length", len as i64);
    reply_number(reply, "radix-tree-keys", stream.node_count() as i64);
    reply_number(reply, "radix-tree-nodes", stream.radix_nodes() as i64);
    for (name, id) in [("last-generated-id", last_id), ("max-deleted-entry-id", max_deleted_id)] {
        reply.bulk(name.as_bytes());
        id::reply(reply, id);
    }
    reply_number(reply, "entries-added", entries_added as i64);
    reply.bulk(b"recorded-first-entry-id");
    id::reply(reply, first_id);
}

/// How far a group has read.
fn reply_progress(reply: &mut dyn Reply, stream: &Stream, group: &StreamGroup) {
    reply.bulk(b"last-delivered-id");
    id::reply(reply, group.last_id);
    for (name, number) in [("entries-read", group.entries_read), ("lag", stream.lag(group))] {
        reply.bulk(name.as_bytes());
        match number {
            Some(number) => reply.int(number),
            None => reply.null(),
        }
    }
}

fn reply_number(reply: &mut dyn Reply, name: &str, number: i64) {
    reply.bulk(name.as_bytes());
    reply.int(number);
}

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    );
    Ok(())
}
