//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT.

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::{Base, Condition, Unit, invalid_expire_time, moment};
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn expiry(name: &'static str, since: &'static str, handler: Handler, summary: &'static str) -> Command {
    command(name, -3, handler)
        .flags(Flags::WRITE.or(Flags::FAST))
        .keys(Keys::at(1))
        .acl(Categories::KEYSPACE)
        .docs(Group::Generic, since, "O(1)", summary)
}

pub(super) const EXPIRE: Command = expiry(
    "expire",
    "1.0.0",
    |call| expire(call, Unit::Seconds, Base::Now),
    "Set a key's time to live in seconds",
)
.syntax("key seconds:int [condition<NX|XX|GT|LT>^7.0.0]")
.history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]);
pub(super) const PEXPIRE: Command = expiry(
    "pexpire",
    "2.6.0",
    |call| expire(call, Unit::Milliseconds, Base::Now),
    "Set a key's time to live in milliseconds",
)
.syntax("key milliseconds:int [condition<NX|XX|GT|LT>^7.0.0]")
.history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]);
pub(super) const EXPIREAT: Command = expiry(
    "expireat",
    "1.2.0",
    |call| expire(call, Unit::Seconds, Base::Epoch),
    "Set the expiration for a key as a UNIX timestamp",
)
.syntax("key unix-time-seconds:time [condition<NX|XX|GT|LT>^7.0.0]")
.history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]);
pub(super) const PEXPIREAT: Command = expiry(
    "pexpireat",
    "2.6.0",
    |call| expire(call, Unit::Milliseconds, Base::Epoch),
    "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
)
.syntax("key unix-time-milliseconds:time [condition<NX|XX|GT|LT>^7.0.0]")
.history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]);

fn expire(call: &mut Call<'_, '_>, unit: Unit, base: Base) -> Result<(), Error> {
    let key = call.args[1];
    let condition = parse_condition(call)?;
    let moment = moment(call, call.integer(2)?, unit, base).ok_or_else(|| invalid_expire_time(call))?;
    let allowed =
        call.txn.entry(call.db, key).is_some_and(|entry| condition.allows(entry.deadline(), moment));
    if !allowed {
        call.reply.int(0);
        return Ok(());
    }
    let deadline = u64::try_from(moment).unwrap_or(0).max(1);
    if call.is_over(deadline) {
        call.txn.remove(call.db, key);
        call.notify(Event::Generic, "del", key);
    } else {
        call.txn.set_deadline(call.db, key, Some(deadline));
        call.notify(Event::Generic, "expire", key);
    }
    call.reply.int(1);
    Ok(())
}

fn parse_condition(call: &Call<'_, '_>) -> Result<Condition, Error> {
    let mut condition = Condition::default();
    let mut words = call.options(3);
    while let Some(word) = words.next() {
        if !condition.take(word) {
            return Err(Error::quoting("ERR Unsupported option ", word.0, ""));
        }
    }
    condition.check()?;
    Ok(condition)
}
