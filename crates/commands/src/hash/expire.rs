//! HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT.

use super::fields::{deadline, fields, set_deadline};
use super::{FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::{Base, Condition, Unit};
use crate::parse::Word;
use crate::spec::{Command, Group, Handler};

const fn expiry(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    on_hash(name, -6, handler, FAST_WRITE).docs(
        Group::Hash,
        "7.4.0",
        "O(N) where N is the number of specified fields",
        summary,
    )
}

pub(super) const HEXPIRE: Command = expiry(
    "hexpire",
    |call| expire(call, Unit::Seconds, Base::Now),
    "Set expiry for hash field using relative time to expire (seconds)",
)
.syntax("key seconds:int [condition<NX|XX|GT|LT>] FIELDS fields(numfields:int field...)");
pub(super) const HPEXPIRE: Command = expiry(
    "hpexpire",
    |call| expire(call, Unit::Milliseconds, Base::Now),
    "Set expiry for hash field using relative time to expire (milliseconds)",
)
.syntax("key milliseconds:int [condition<NX|XX|GT|LT>] FIELDS fields(numfields:int field...)");
pub(super) const HEXPIREAT: Command = expiry(
    "hexpireat",
    |call| expire(call, Unit::Seconds, Base::Epoch),
    "Set expiry for hash field using an absolute Unix timestamp (seconds)",
)
.syntax(
    "key unix-time-seconds:time [condition<NX|XX|GT|LT>] FIELDS \
        fields(numfields:int field...)",
);
pub(super) const HPEXPIREAT: Command = expiry(
    "hpexpireat",
    |call| expire(call, Unit::Milliseconds, Base::Epoch),
    "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
)
.syntax(
    "key unix-time-milliseconds:time [condition<NX|XX|GT|LT>] FIELDS \
        fields(numfields:int field...)",
);

const NO_FIELD: i64 = -2;
const NOT_ALLOWED: i64 = 0;
const SET: i64 = 1;
const REMOVED: i64 = 2;

fn expire(call: &mut Call<'_, '_>, unit: Unit, base: Base) -> Result<(), Error> {
    let key = call.args[1];
    call.txn.hash(call.db, key)?;
    let deadline = deadline(call, call.args[2], unit, base)?;
    let mut condition = Condition::default();
    let at = 3 + usize::from(condition.take(Word(call.args[3])));
    let fields = fields(call, at, "ERR Parameter `numFields` should be greater than 0")?;

    call.reply.array(fields.len());
    let Some(mut hash) = call.txn.hash_mut(call.db, key)? else {
        fields.iter().for_each(|_| call.reply.int(NO_FIELD));
        return Ok(());
    };
    let (mut set, mut removed) = (0, 0);
    for field in fields {
        let outcome = if !hash.contains(field) {
            NO_FIELD
        } else if !condition.allows(hash.deadline(field), deadline as i64) {
            NOT_ALLOWED
        } else if set_deadline(&mut hash, field, deadline) {
            removed += 1;
            REMOVED
        } else {
            set += 1;
            SET
        };
        call.reply.int(outcome);
    }
    if set > 0 {
        // Also where the deadline is what it was.
        hash.mark_changed();
    }
    let emptied = hash.is_empty();
    drop(hash);
    call.env.count_expired_fields(removed);
    if removed > 0 {
        call.notify(Event::Hash, "hdel", key);
    } else if set > 0 {
        call.notify(Event::Hash, "hexpire", key);
    }
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
    Ok(())
}
