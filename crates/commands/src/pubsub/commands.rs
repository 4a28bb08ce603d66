//! SUBSCRIBE and its kin, PUBLISH, PUBSUB.

use perigee_resp::{Encoder, Reply};

use super::Kind;
use crate::call::Call;
use crate::error::Error;
use crate::session::{ReplyMode, Session};
use crate::spec::{Categories, Command, Flags, Group, command, container};

pub(crate) static COMMANDS: &[Command] =
    &[SUBSCRIBE, UNSUBSCRIBE, PSUBSCRIBE, PUNSUBSCRIBE, SSUBSCRIBE, SUNSUBSCRIBE, PUBLISH, SPUBLISH, PUBSUB];

const LISTEN_FLAGS: Flags = Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);

const fn listen(name: &'static str, arity: i8, handler: crate::spec::Handler) -> Command {
    command(name, arity, handler).flags(LISTEN_FLAGS)
}

const SUBSCRIBE: Command = listen("subscribe", -2, |call| join(call, Kind::Channel))
    .docs(
        Group::Pubsub,
        "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
        "Listen for messages published to the given channels",
    )
    .syntax("channel...");
const PSUBSCRIBE: Command = listen("psubscribe", -2, |call| join(call, Kind::Pattern))
    .docs(
        Group::Pubsub,
        "2.0.0",
        "O(N) where N is the number of patterns the client is already subscribed to.",
        "Listen for messages published to channels matching the given patterns",
    )
    .syntax("pattern(pattern:pattern)...");
const SSUBSCRIBE: Command = listen("ssubscribe", -2, |call| join(call, Kind::Shard))
    .docs(
        Group::Pubsub,
        "7.0.0",
        "O(N) where N is the number of shard channels to subscribe to.",
        "Listen for messages published to the given shard channels",
    )
    .syntax("shardchannel...");
const UNSUBSCRIBE: Command = listen("unsubscribe", -1, |call| leave(call, Kind::Channel))
    .docs(
        Group::Pubsub,
        "2.0.0",
        "O(N) where N is the number of clients already subscribed to a channel.",
        "Stop listening for messages posted to the given channels",
    )
    .syntax("[channel...]");
const PUNSUBSCRIBE: Command = listen("punsubscribe", -1, |call| leave(call, Kind::Pattern)).docs(
    Group::Pubsub,
    "2.0.0",
    "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).",
    "Stop listening for messages posted to channels matching the given patterns",
)
    .syntax("[pattern:pattern...]");
const SUNSUBSCRIBE: Command = listen("sunsubscribe", -1, |call| leave(call, Kind::Shard))
    .docs(
        Group::Pubsub,
        "7.0.0",
        "O(N) where N is the number of clients already subscribed to a shard channel.",
        "Stop listening for messages posted to the given shard channels",
    )
    .syntax("[shardchannel...]");

fn words(kind: Kind) -> (&'static [u8], &'static [u8]) {
    match kind {
        Kind::Channel => (b"subscribe", b"unsubscribe"),
        Kind::Pattern => (b"psubscribe", b"punsubscribe"),
        Kind::Shard => (b"ssubscribe", b"sunsubscribe"),
    }
}

fn join(call: &mut Call<'_, '_>, kind: Kind) -> Result<(), Error> {
    if call.session.in_exec && kind == Kind::Shard {
        return Err(Error::Text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    let session = &mut *call.session;
    for name in &call.args[1..] {
        session.subscriptions.join(&call.env.engine.pubsub, &session.client, kind, name);
        confirm(session, call.reply, kind, words(kind).0, Some(name));
    }
    Ok(())
}

fn leave(call: &mut Call<'_, '_>, kind: Kind) -> Result<(), Error> {
    let session = &mut *call.session;
    let all;
    let named: Vec<&[u8]> = match &call.args[1..] {
        [] => {
            all = session.subscriptions.names(kind);
            all.iter().map(|name| &**name).collect()
        }
        names => names.to_vec(),
    };
    if named.is_empty() {
        confirm(session, call.reply, kind, words(kind).1, None);
    }
    for name in named {
        session.subscriptions.leave(&call.env.engine.pubsub, &session.client, kind, name);
        confirm(session, call.reply, kind, words(kind).1, Some(name));
    }
    Ok(())
}

/// A client that wants no replies hears of it all the same, as of a message.
fn confirm(session: &Session, reply: &mut dyn Reply, kind: Kind, word: &[u8], name: Option<&[u8]>) {
    let count = session.subscriptions.count(kind);
    write_confirmation(reply, word, name, count);
    if session.reply_mode != ReplyMode::On {
        let mut message = Encoder::new(session.protocol());
        write_confirmation(&mut message, word, name, count);
        session.client.send(message.take().into());
    }
}

fn write_confirmation(reply: &mut dyn Reply, word: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(count as i64);
}

const PUBLISH: Command = command("publish", 3, publish)
    .flags(Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::MAY_REPLICATE))
    .docs(
        Group::Pubsub,
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
        "Post a message to a channel",
    )
    .syntax("channel message");

fn publish(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let receivers = call.env.engine.pubsub.receivers(Kind::Channel, call.args[1]);
    call.effects.publish(call.args[1], call.args[2]);
    call.reply.int(receivers as i64);
    Ok(())
}

const SPUBLISH: Command = command("spublish", 3, spublish)
    .flags(Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::MAY_REPLICATE))
    .docs(
        Group::Pubsub,
        "7.0.0",
        "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        "Post a message to a shard channel",
    )
    .syntax("shardchannel message");

fn spublish(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let receivers = call.env.engine.pubsub.receivers(Kind::Shard, call.args[1]);
    call.effects.publish_to_shard(call.args[1], call.args[2]);
    call.reply.int(receivers as i64);
    Ok(())
}

const PUBSUB: Command = container("pubsub", &[CHANNELS, HELP, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB])
    .docs(Group::Pubsub, "2.8.0", "Depends on subcommand.", "A container for Pub/Sub commands");

const fn inspect(
    name: &'static str,
    full: &'static str,
    arity: i8,
    handler: crate::spec::Handler,
) -> Command {
    command(name, arity, handler)
        .full(full)
        .flags(Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE))
        .acl(Categories(0))
}

const CHANNELS: Command = inspect("channels", "pubsub|channels", -2, |call| channels(call, Kind::Channel)).docs(
    Group::Pubsub,
    "2.8.0",
    "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
    "List active channels",
)
    .syntax("[pattern:pattern]");
const SHARDCHANNELS: Command = inspect("shardchannels", "pubsub|shardchannels", -2, |call| channels(call, Kind::Shard))
    .docs(
        Group::Pubsub,
        "7.0.0",
        "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
        "List active shard channels",
    )
    .syntax("[pattern:pattern]");

fn channels(call: &mut Call<'_, '_>, kind: Kind) -> Result<(), Error> {
    if call.args.len() > 3 {
        return Err(Error::unknown_subcommand_or_arity(call.args));
    }
    let names = call.env.engine.pubsub.channel_names(kind, call.args.get(2).copied());
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

const NUMPAT: Command = inspect("numpat", "pubsub|numpat", 2, numpat).docs(
    Group::Pubsub,
    "2.8.0",
    "O(1)",
    "Get the count of unique patterns pattern subscriptions",
);

fn numpat(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.int(call.env.engine.pubsub.pattern_count() as i64);
    Ok(())
}

const NUMSUB: Command = inspect("numsub", "pubsub|numsub", -2, |call| numsub(call, Kind::Channel))
    .docs(
        Group::Pubsub,
        "2.8.0",
        "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        "Get the count of subscribers for channels",
    )
    .syntax("[channel...]");
const SHARDNUMSUB: Command =
    inspect("shardnumsub", "pubsub|shardnumsub", -2, |call| numsub(call, Kind::Shard))
        .docs(
            Group::Pubsub,
            "7.0.0",
            "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
            "Get the count of subscribers for shard channels",
        )
        .syntax("[shardchannel...]");

fn numsub(call: &mut Call<'_, '_>, kind: Kind) -> Result<(), Error> {
    call.reply.array(2 * (call.args.len() - 2));
    for name in &call.args[2..] {
        call.reply.bulk(name);
        call.reply.int(call.env.engine.pubsub.subscribers(kind, name) as i64);
    }
    Ok(())
}

const HELP: Command = command("help", 2, help)
    .full("pubsub|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .docs(Group::Pubsub, "6.2.0", "O(1)", "Show helpful text about the different subcommands");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}
