//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT.

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::{Base, Unit, invalid_expire_time, moment};
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
);
pub(super) const PEXPIRE: Command = expiry(
    "pexpire",
    "2.6.0",
    |call| expire(call, Unit::Milliseconds, Base::Now),
    "Set a key's time to live in milliseconds",
);
pub(super) const EXPIREAT: Command = expiry(
    "expireat",
    "1.2.0",
    |call| expire(call, Unit::Seconds, Base::Epoch),
    "Set the expiration for a key as a UNIX timestamp",
);
pub(super) const PEXPIREAT: Command = expiry(
    "pexpireat",
    "2.6.0",
    |call| expire(call, Unit::Milliseconds, Base::Epoch),
    "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
);

fn expire(call: &mut Call<'_, '_>, unit: Unit, base: Base) -> Result<(), Error> {
    let key = call.args[1];
    let condition = Condition::parse(call)?;
    let moment = moment(call, call.integer(2)?, unit, base).ok_or_else(|| invalid_expire_time(call))?;
    let allowed =
        call.txn.entry(call.db, key).is_some_and(|entry| condition.allows(entry.deadline(), moment));
    if !allowed {
        call.reply.int(0);
        return Ok(());
    }
    let deadline = u64::try_from(moment).unwrap_or(0);
    if deadline <= call.now_ms() {
        call.txn.remove(call.db, key);
        call.notify(Event::Generic, "del", key);
    } else {
        call.txn.set_deadline(call.db, key, Some(deadline));
        call.notify(Event::Generic, "expire", key);
    }
    call.reply.int(1);
    Ok(())
}

/// NX, XX, GT, LT.
#[derive(Clone, Copy, Default)]
struct Condition {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Condition {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Error> {
        let mut condition = Condition::default();
        let mut words = call.options(3);
        while let Some(word) = words.next() {
            let option = if word.is("NX") {
                &mut condition.if_none
            } else if word.is("XX") {
                &mut condition.if_some
            } else if word.is("GT") {
                &mut condition.if_later
            } else if word.is("LT") {
                &mut condition.if_sooner
            } else {
                return Err(Error::quoting("ERR Unsupported option ", word.0, ""));
            };
            *option = true;
        }
        let Condition { if_none, if_some, if_later, if_sooner } = condition;
        if if_none && (if_some || if_later || if_sooner) {
            return Err(Error::Text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if if_later && if_sooner {
            return Err(Error::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// Whether a key with this deadline may have the new one; a key without deadline lives for ever.
    fn allows(self, current: Option<u64>, new: i64) -> bool {
        let current = current.map(|current| current as i64);
        !(self.if_none && current.is_some()
            || self.if_some && current.is_none()
            || self.if_later && current.is_none_or(|current| new <= current)
            || self.if_sooner && current.is_some_and(|current| new >= current))
    }
}
