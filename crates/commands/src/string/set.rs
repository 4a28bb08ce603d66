//! SET and its older spellings.

use perigee_keyspace::Deadline;

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::{Base, ExpiryOption, Unit, deadline};
use crate::spec::{Categories, Command, Flags, Group, Keys, command};
use crate::string::compare::Comparison;

const fn setter(name: &'static str, arity: i8, handler: crate::spec::Handler) -> Command {
    command(name, arity, handler)
        .flags(Flags::WRITE.or(Flags::DENYOOM))
        .keys(Keys::at(1))
        .acl(Categories::STRING)
}

pub(super) const SET: Command = setter("set", -3, set)
    .docs(Group::String, "1.0.0", "O(1)", "Set the string value of a key")
    .syntax(
        "key value [condition<NX|XX|IFEQ ifeq-value^8.4.0|IFNE ifne-value^8.4.0|\
        IFDEQ ifdeq-digest^8.4.0|IFDNE ifdne-digest^8.4.0>^2.6.12] [GET^6.2.0] \
        [expiration<EX seconds:int^2.6.12|PX milliseconds:int^2.6.12|\
        EXAT unix-time-seconds:time^6.2.0|PXAT unix-time-milliseconds:time^6.2.0|\
        KEEPTTL^6.0.0>]",
    )
    .history(&[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
    ]);

fn set(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call)?;
    options.run(call)
}

pub(super) const SETNX: Command = setter("setnx", 3, setnx)
    .flags(Flags::FAST)
    .docs(Group::String, "1.0.0", "O(1)", "Set the value of a key, only if the key does not exist")
    .syntax("key value");

fn setnx(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let vacant = !call.txn.contains(call.db, call.args[1]);
    if vacant {
        store(call, call.args[1], call.args[2], Deadline::Never);
    }
    call.reply.int(i64::from(vacant));
    Ok(())
}

pub(super) const SETEX: Command = setter("setex", 4, |call| set_with_expiry(call, Unit::Seconds))
    .docs(Group::String, "2.0.0", "O(1)", "Set the value and expiration of a key")
    .syntax("key seconds:int value");

pub(super) const PSETEX: Command = setter("psetex", 4, |call| set_with_expiry(call, Unit::Milliseconds))
    .docs(Group::String, "2.6.0", "O(1)", "Set the value and expiration in milliseconds of a key")
    .syntax("key milliseconds:int value");

fn set_with_expiry(call: &mut Call<'_, '_>, unit: Unit) -> Result<(), Error> {
    let deadline = deadline(call, call.args[2], unit, Base::Now)?;
    store(call, call.args[1], call.args[3], Deadline::At(deadline));
    call.notify(Event::Generic, "expire", call.args[1]);
    call.reply.ok();
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition<'a> {
    Always,
    IfVacant,
    IfPresent,
    If(Comparison<'a>),
}

struct Options<'a> {
    condition: Condition<'a>,
    deadline: Deadline,
    answer_old: bool,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a, '_>) -> Result<Self, Error> {
        let mut parsed =
            Options { condition: Condition::Always, deadline: Deadline::Never, answer_old: false };
        let mut expiry = ExpiryOption::default();
        let mut words = call.options(3);
        while let Some(word) = words.next() {
            if word.is("NX") && matches!(parsed.condition, Condition::Always | Condition::IfVacant) {
                parsed.condition = Condition::IfVacant;
            } else if word.is("XX") && matches!(parsed.condition, Condition::Always | Condition::IfPresent) {
                parsed.condition = Condition::IfPresent;
            } else if word.is("GET") {
                parsed.answer_old = true;
            } else if word.is("KEEPTTL") && !expiry.is_given() {
                parsed.deadline = Deadline::Keep;
            } else if parsed.deadline != Deadline::Keep && expiry.take(word, &mut words)? {
                // The moment is looked at when everything was read.
            } else if parsed.condition == Condition::Always
                && let Some(comparison) = Comparison::take(word, &mut words)?
            {
                parsed.condition = Condition::If(comparison);
            } else {
                return Err(Error::Syntax);
            }
        }
        if let Some(deadline) = expiry.deadline(call)? {
            parsed.deadline = Deadline::At(deadline);
        }
        Ok(parsed)
    }

    fn run(self, call: &mut Call<'_, '_>) -> Result<(), Error> {
        let key = call.args[1];
        // Before anything is answered: it may be an error.
        let compared = match self.condition {
            Condition::If(comparison) => match call.txn.string(call.db, key)? {
                Some(value) => comparison.holds(value)?,
                None => comparison.holds_of_nothing(),
            },
            _ => true,
        };
        let present = if self.answer_old {
            super::get::reply_current(call, key)?
        } else {
            self.condition != Condition::Always && call.txn.contains(call.db, key)
        };
        let refused = match self.condition {
            Condition::Always => false,
            Condition::IfVacant => present,
            Condition::IfPresent => !present,
            Condition::If(_) => !compared,
        };
        if refused {
            if !self.answer_old {
                call.reply.null();
            }
            return Ok(());
        }
        store(call, key, call.args[2], self.deadline);
        if let Deadline::At(_) = self.deadline {
            call.notify(Event::Generic, "expire", key);
        }
        if !self.answer_old {
            call.reply.ok();
        }
        Ok(())
    }
}

/// Sets a key to a string.
pub(super) fn store(call: &mut Call<'_, '_>, key: &[u8], value: &[u8], deadline: Deadline) {
    call.txn.insert_bytes(call.db, key, value, deadline);
    call.notify(Event::String, "set", key);
}
