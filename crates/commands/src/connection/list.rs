//! CLIENT LIST and CLIENT INFO: one line for each client.

use std::sync::atomic::Ordering;

use perigee_resp::Protocol;

use super::client::{operator, ordinary};
use super::filter::{Asker, Filter};
use crate::call::Call;
use crate::clients::{Client, Mark};
use crate::engine::Env;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Group};

pub(super) const LIST: Command = operator("list", "client|list", -2, list)
    .docs(
        Group::Connection,
        "2.4.0",
        "O(N) where N is the number of client connections",
        "Get the list of client connections",
    )
    .syntax(
        "[TYPE normal_master_replica_pubsub<NORMAL|MASTER|REPLICA|PUBSUB>^5.0.0] \
        [ID id(client-id:int...)^6.2.0]",
    )
    .history(&[
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        (
            "6.2.0",
            "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` \
        filter.",
        ),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
    ]);

fn list(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let wanted = match call.args.len() {
        2 => Filter::default(),
        3 => return Err(Error::Syntax),
        _ => Filter::parse(call, Asker::List)?,
    };
    let (now_ms, me) = (call.env.now_ms, call.session.client.id);
    let mut lines = Vec::new();
    for client in call.env.engine.clients.all() {
        if wanted.includes(&client, now_ms) && !(wanted.skip_me && client.id == me) {
            push_line(&mut lines, call.env, &client);
        }
    }
    call.reply.verbatim(b"txt", &lines);
    Ok(())
}

pub(super) const INFO: Command = ordinary("info", "client|info", 2, |call| {
    let mut line = Vec::new();
    push_line(&mut line, call.env, &call.session.client);
    call.reply.verbatim(b"txt", &line);
    Ok(())
})
.docs(Group::Connection, "6.2.0", "O(1)", "Returns information about the current client connection.");

/// What kind of client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl Class {
    pub(super) fn parse(word: &[u8]) -> Result<Self, Error> {
        let known = [
            ("normal", Class::Normal),
            ("master", Class::Master),
            ("primary", Class::Master),
            ("replica", Class::Replica),
            ("slave", Class::Replica),
            ("pubsub", Class::Pubsub),
        ];
        let found = known.into_iter().find(|(name, _)| Word(word).is(name));
        let found = found.map(|(_, class)| class);
        found.ok_or_else(|| Error::quoting("ERR Unknown client type '", word, "'"))
    }

    pub(super) fn of(client: &Client) -> Self {
        if client.has(Mark::Subscribed) { Class::Pubsub } else { Class::Normal }
    }
}

/// A client's line without its end.
pub(crate) fn client_info(env: Env<'_>, client: &Client) -> Vec<u8> {
    let mut line = Vec::new();
    push_line(&mut line, env, client);
    line.pop();
    line
}

fn push_line(lines: &mut Vec<u8>, env: Env<'_>, client: &Client) {
    let relaxed = Ordering::Relaxed;
    let named = client.named.lock().clone();
    let seconds = |since_ms: u64| env.now_ms.saturating_sub(since_ms) / 1000;
    let [channels, patterns, shard_channels] =
        client.subscriptions.each_ref().map(|count| count.load(relaxed));
    let command = env.engine.commands.by_id(client.last_command.load(relaxed));
    let received = client.received();
    let unwritten = client.unwritten_bytes();
    let first = unwritten.min(REPLY_BUFFER);
    let (waiting, waiting_bytes) =
        (client.mailbox.len() + usize::from(unwritten > first), client.output_bytes() - first);
    lines.extend_from_slice(
        format!(
            "id={} addr={} laddr={} fd={} name=",
            client.id, client.address, client.local_address, client.fd
        )
        .as_bytes(),
    );
    lines.extend_from_slice(&named.name);
    lines.extend_from_slice(
        format!(
            " age={} idle={} flags={} capa={} db={} sub={channels} psub={patterns} ssub={shard_channels} multi={} watch={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl={first} oll={waiting} omem={waiting_bytes} tot-mem={} events=r cmd={} user=",
            seconds(client.created_ms),
            seconds(client.active_ms()),
            flags(client),
            if client.has(Mark::Redirectable) { "r" } else { "" },
            client.db.load(relaxed),
            client.queued.load(relaxed),
            client.watches.load(relaxed),
            received.unread,
            received.free,
            received.arguments,
            client.held_bytes.load(relaxed),
            client.memory_bytes(),
            command.map_or("NULL", |command| command.full_name),
        )
        .as_bytes(),
    );
    lines.extend_from_slice(named.user.as_ref().map_or(b"(superuser)", |user| &user.name));
    let protocol = if client.protocol() == Protocol::Resp3 { 3 } else { 2 };
    let redirect = client.redirection();
    lines.extend_from_slice(format!(" redir={redirect} resp={protocol} lib-name=").as_bytes());
    lines.extend_from_slice(&named.library);
    lines.extend_from_slice(b" lib-ver=");
    lines.extend_from_slice(&named.library_version);
    let [input, output] = client.traffic.each_ref().map(|bytes| bytes.load(relaxed));
    let requests = client.requests.load(relaxed);
    lines.extend_from_slice(
        format!(" tot-net-in={input} tot-net-out={output} tot-cmds={requests}\n").as_bytes(),
    );
}

/// What is not written of replies is shown as `obl` up to so many bytes, Redis's first buffer, and as `omem` beyond.
const REPLY_BUFFER: usize = 16 << 10;

pub(super) fn flags(client: &Client) -> String {
    let letters = [
        (Mark::Monitor, 'O'),
        (Mark::Subscribed, 'P'),
        (Mark::Multi, 'x'),
        (Mark::Blocked, 'b'),
        (Mark::Tracking, 't'),
        (Mark::BrokenRedirect, 'R'),
        (Mark::Broadcast, 'B'),
        (Mark::DirtyExec, 'd'),
        (Mark::CloseAfterReply, 'c'),
        (Mark::UnixSocket, 'U'),
        (Mark::NoEvict, 'e'),
        (Mark::NoTouch, 'T'),
        (Mark::ImportSource, 'I'),
    ];
    let set: String =
        letters.iter().filter(|(mark, _)| client.has(*mark)).map(|(_, letter)| letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}
