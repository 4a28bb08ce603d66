//! OBJECT.

use perigee_keyspace::{Entry, ValueRef};

use crate::call::Call;
use crate::config::Config;
use crate::error::Error;
use crate::help;
use crate::maxmemory::Policy;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command, container};

pub(super) const OBJECT: Command = container("object", SUBCOMMANDS).docs(
    Group::Generic,
    "2.2.3",
    "Depends on subcommand.",
    "A container for object introspection commands",
);

static SUBCOMMANDS: &[Command] = &[
    inspection("encoding", "object|encoding", encoding)
        .docs(Group::Generic, "2.2.3", "O(1)", "Inspect the internal encoding of a Redis object")
        .syntax("key"),
    inspection("freq", "object|freq", freq)
        .docs(
            Group::Generic,
            "4.0.0",
            "O(1)",
            "Get the logarithmic access frequency counter of a Redis object",
        )
        .syntax("key"),
    inspection("idletime", "object|idletime", idletime)
        .docs(Group::Generic, "2.2.3", "O(1)", "Get the time since a Redis object was last accessed")
        .syntax("key"),
    inspection("refcount", "object|refcount", refcount)
        .docs(Group::Generic, "2.2.3", "O(1)", "Get the number of references to the value of the key")
        .syntax("key"),
    command("help", 2, help)
        .full("object|help")
        .flags(Flags::LOADING.or(Flags::STALE))
        .acl(Categories::KEYSPACE)
        .docs(Group::Generic, "6.2.0", "O(1)", "Show helpful text about the different subcommands"),
];

const fn inspection(name: &'static str, full_name: &'static str, handler: Handler) -> Command {
    command(name, 3, handler)
        .full(full_name)
        .flags(Flags::READONLY)
        .keys(Keys::at(2))
        .acl(Categories::KEYSPACE)
}

/// What is at the key, which counts as a look at it, though nobody is told of a miss.
fn look_up<'c>(call: &'c Call<'_, '_>) -> Option<&'c Entry> {
    let entry = call.txn.peek(call.db, call.args[2]);
    let stats = &call.env.worker.stats;
    if entry.is_some() { &stats.keyspace_hits } else { &stats.keyspace_misses }.fetch_add(1);
    entry
}

fn encoding(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match look_up(call) {
        Some(entry) => call.reply.bulk(entry.value().encoding().as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}

fn freq(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(entry) = look_up(call) else {
        call.reply.null();
        return Ok(());
    };
    if !Policy::counts_accesses(&call.env.engine.config) {
        return Err(Error::Text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    call.reply.int(i64::from(entry.frequency(call.txn.now_ms(), call.env.engine.keyspace.lfu())));
    Ok(())
}

fn idletime(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match look_up(call) {
        Some(_) if Policy::counts_accesses(&call.env.engine.config) => {
            return Err(Error::Text(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(entry) => call.reply.int(i64::from(entry.idle_s(call.txn.now_ms()))),
        None => call.reply.null(),
    }
    Ok(())
}

fn refcount(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match look_up(call) {
        Some(entry) => call.reply.int(references(&call.env.engine.config, entry)),
        None => call.reply.null(),
    }
    Ok(())
}

/// Redis shares the integers below 10,000 and gives for them the highest number that there is.
pub(super) fn references(config: &Config, entry: &Entry) -> i64 {
    match entry.value() {
        ValueRef::Str(value) if value.encoding() == "int" && !Policy::tells_integers_apart(config) => {
            match value.as_int() {
                Some(0..10_000) => i64::from(i32::MAX),
                _ => 1,
            }
        }
        _ => 1,
    }
}

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    help::reply(
        call,
        "OBJECT",
        &[
            "ENCODING <key>",
            "    Return the kind of internal representation used in order to store the value",
            "    associated with a <key>.",
            "FREQ <key>",
            "    Return the access frequency index of the <key>. The returned integer is",
            "    proportional to the logarithm of the recent access frequency of the key.",
            "IDLETIME <key>",
            "    Return the idle time of the <key>, that is the approximated number of",
            "    seconds elapsed since the last access to the key.",
            "REFCOUNT <key>",
            "    Return the number of references of the value associated with the specified",
            "    <key>.",
        ],
    );
    Ok(())
}
