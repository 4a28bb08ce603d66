//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST.

use super::fields::{NOT_POSITIVE, fields};
use super::{FAST_READ, FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler};

const fn on_fields(name: &'static str, handler: Handler, flags: Flags, summary: &'static str) -> Command {
    on_hash(name, -5, handler, flags).docs(
        Group::Hash,
        "7.4.0",
        "O(N) where N is the number of specified fields",
        summary,
    )
}

pub(super) const HTTL: Command = on_fields(
    "httl",
    |call| reply_deadlines(call, |deadline, now_ms| to_seconds(deadline.saturating_sub(now_ms))),
    FAST_READ,
    "Returns the TTL in seconds of a hash field.",
)
.syntax("key FIELDS fields(numfields:int field...)");
pub(super) const HPTTL: Command = on_fields(
    "hpttl",
    |call| reply_deadlines(call, |deadline, now_ms| deadline.saturating_sub(now_ms)),
    FAST_READ,
    "Returns the TTL in milliseconds of a hash field.",
)
.syntax("key FIELDS fields(numfields:int field...)");
pub(super) const HEXPIRETIME: Command = on_fields(
    "hexpiretime",
    |call| reply_deadlines(call, |deadline, _| to_seconds(deadline)),
    FAST_READ,
    "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
)
.syntax("key FIELDS fields(numfields:int field...)");
pub(super) const HPEXPIRETIME: Command = on_fields(
    "hpexpiretime",
    |call| reply_deadlines(call, |deadline, _| deadline),
    FAST_READ,
    "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
)
.syntax("key FIELDS fields(numfields:int field...)");

const NO_FIELD: i64 = -2;
const NO_DEADLINE: i64 = -1;

fn reply_deadlines(call: &mut Call<'_, '_>, show: fn(u64, u64) -> u64) -> Result<(), Error> {
    let (key, now_ms) = (call.args[1], call.now_ms());
    let hash = call.txn.hash(call.db, key)?;
    call.env.count_lookup(call.txn, call.db, key, hash.is_some());
    let fields = fields(call, 2, NOT_POSITIVE)?;
    call.reply.array(fields.len());
    for field in fields {
        let hash = hash.filter(|hash| hash.contains(field));
        call.reply.int(match hash.map(|hash| hash.deadline(field)) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => show(deadline, now_ms) as i64,
        });
    }
    Ok(())
}

/// Whole seconds, rounded up.
fn to_seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1000)
}

pub(super) const HPERSIST: Command =
    on_fields("hpersist", hpersist, FAST_WRITE, "Removes the expiration time for each specified field")
        .syntax("key FIELDS fields(numfields:int field...)");

fn hpersist(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    call.txn.hash(call.db, key)?;
    let fields = fields(call, 2, NOT_POSITIVE)?;
    call.reply.array(fields.len());
    let Some(mut hash) = call.txn.hash_mut(call.db, key)? else {
        fields.iter().for_each(|_| call.reply.int(NO_FIELD));
        return Ok(());
    };
    let mut persisted = false;
    for field in fields {
        let had_one = hash.set_deadline(field, None);
        persisted |= had_one;
        call.reply.int(match had_one {
            true => 1,
            false if hash.contains(field) => NO_DEADLINE,
            false => NO_FIELD,
        });
    }
    drop(hash);
    if persisted {
        call.notify(Event::Hash, "hpersist", key);
    }
    Ok(())
}
