//! INCR, DECR, INCRBY, DECRBY.

use perigee_keyspace::{Deadline, Str, Value};

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

const fn counter(
    name: &'static str,
    arity: i8,
    handler: crate::spec::Handler,
    summary: &'static str,
) -> Command {
    command(name, arity, handler)
        .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
        .keys(Keys::at(1))
        .acl(Categories::STRING)
        .docs(Group::String, "1.0.0", "O(1)", summary)
}

pub(super) const INCR: Command =
    counter("incr", 2, |call| add(call, 1), "Increment the integer value of a key by one").syntax("key");
pub(super) const DECR: Command =
    counter("decr", 2, |call| add(call, -1), "Decrement the integer value of a key by one").syntax("key");
pub(super) const INCRBY: Command =
    counter("incrby", 3, incrby, "Increment the integer value of a key by the given amount")
        .syntax("key increment:int");
pub(super) const DECRBY: Command =
    counter("decrby", 3, decrby, "Decrement the integer value of a key by the given number")
        .syntax("key decrement:int");

fn incrby(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let amount = call.integer(2)?;
    add(call, amount)
}

fn decrby(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let amount = call.integer(2)?;
    let negated = amount.checked_neg().ok_or(Error::Text("ERR decrement would overflow"))?;
    add(call, negated)
}

fn add(call: &mut Call<'_, '_>, amount: i64) -> Result<(), Error> {
    let key = call.args[1];
    let sum = if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        let current = value.view().as_int().ok_or(Error::NotInteger)?;
        let sum = current.checked_add(amount).ok_or(OVERFLOW)?;
        value.replace_by_int(sum);
        sum
    } else {
        call.txn.insert(call.db, key, Value::Str(Str::from(amount)), Deadline::Never);
        amount
    };
    call.notify(Event::String, "incrby", key);
    call.reply.int(sum);
    Ok(())
}

const OVERFLOW: Error = Error::Text("ERR increment or decrement would overflow");
