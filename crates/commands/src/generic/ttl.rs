//! TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST.

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn remaining(
    name: &'static str,
    since: &'static str,
    handler: Handler,
    summary: &'static str,
) -> Command {
    command(name, 2, handler)
        .flags(Flags::READONLY.or(Flags::FAST))
        .keys(Keys::at(1))
        .acl(Categories::KEYSPACE)
        .docs(Group::Generic, since, "O(1)", summary)
}

pub(super) const TTL: Command = remaining(
    "ttl",
    "1.0.0",
    |call| reply_deadline(call, |deadline, now_ms| to_seconds(deadline.saturating_sub(now_ms))),
    "Get the time to live for a key in seconds",
)
.syntax("key")
.history(&[("2.8.0", "Added the -2 reply.")]);
pub(super) const PTTL: Command = remaining(
    "pttl",
    "2.6.0",
    |call| reply_deadline(call, |deadline, now_ms| deadline.saturating_sub(now_ms)),
    "Get the time to live for a key in milliseconds",
)
.syntax("key")
.history(&[("2.8.0", "Added the -2 reply.")]);
pub(super) const EXPIRETIME: Command = remaining(
    "expiretime",
    "7.0.0",
    |call| reply_deadline(call, |deadline, _| to_seconds(deadline)),
    "Get the expiration Unix timestamp for a key",
)
.syntax("key");
pub(super) const PEXPIRETIME: Command = remaining(
    "pexpiretime",
    "7.0.0",
    |call| reply_deadline(call, |deadline, _| deadline),
    "Get the expiration Unix timestamp for a key in milliseconds",
)
.syntax("key");

fn reply_deadline(call: &mut Call<'_, '_>, show: fn(u64, u64) -> u64) -> Result<(), Error> {
    let found = call.txn.peek(call.db, call.args[1]);
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    let answer = match found.map(|entry| entry.deadline()) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => show(deadline, call.now_ms()) as i64,
    };
    call.reply.int(answer);
    Ok(())
}

/// Whole seconds, to the nearest.
fn to_seconds(milliseconds: u64) -> u64 {
    (milliseconds + 500) / 1000
}

pub(super) const PERSIST: Command = command("persist", 2, persist)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "2.2.0", "O(1)", "Remove the expiration from a key")
    .syntax("key");

fn persist(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let persisted = call.txn.persist(call.db, key);
    if persisted {
        call.notify(Event::Generic, "persist", key);
    }
    call.reply.int(i64::from(persisted));
    Ok(())
}
