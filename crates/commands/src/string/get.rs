//! GET, and those that change the key on the way: GETSET, GETDEL, GETEX.

use perigee_keyspace::{Deadline, StrRef};
use perigee_resp::Reply;

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::ExpiryOption;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const GET: Command = command("get", 2, get)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "1.0.0", "O(1)", "Get the value of a key")
    .syntax("key");

fn get(call: &mut Call<'_, '_>) -> Result<(), Error> {
    reply_current(call, call.args[1])?;
    Ok(())
}

/// Answers with the string at the key or null, and tells whether there is one.
#[inline]
pub(super) fn reply_current(call: &mut Call<'_, '_>, key: &[u8]) -> Result<bool, Error> {
    let found = call.txn.string(call.db, key)?;
    call.env.count_lookup(call.txn, call.db, key, found.is_some());
    match found {
        Some(value) => reply_string(call.reply, value),
        None => call.reply.null(),
    }
    Ok(found.is_some())
}

/// Answers with a string, without a copy if it is large.
#[inline]
pub(super) fn reply_string(reply: &mut dyn Reply, value: StrRef<'_>) {
    match value.share(..) {
        Some(content) => reply.bulk_shared(content),
        None => reply.bulk(value.as_bytes(&mut Default::default())),
    }
}

pub(super) const GETSET: Command = command("getset", 3, getset)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "1.0.0", "O(1)", "Set the string value of a key and return its old value")
    .syntax("key value")
    .deprecated("6.2.0", "`SET` with the `!GET` argument");

fn getset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    reply_current(call, key)?;
    super::set::store(call, key, call.args[2], Deadline::Never);
    Ok(())
}

pub(super) const GETDEL: Command = command("getdel", 2, getdel)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "6.2.0", "O(1)", "Get the value of a key and delete the key")
    .syntax("key");

fn getdel(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    if reply_current(call, key)? {
        call.txn.remove(call.db, key);
        call.notify(Event::Generic, "del", key);
    }
    Ok(())
}

pub(super) const GETEX: Command = command("getex", -2, getex)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "6.2.0", "O(1)", "Get the value of a key and optionally set its expiration")
    .syntax(
        "key [expiration<EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time|\
        PXAT unix-time-milliseconds:time|PERSIST>]",
    );

fn getex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let (mut expiry, mut persist) = (ExpiryOption::default(), false);
    let mut words = call.options(2);
    while let Some(word) = words.next() {
        if word.is("PERSIST") && !expiry.is_given() {
            persist = true;
        } else if persist || !expiry.take(word, &mut words)? {
            return Err(Error::Syntax);
        }
    }
    if call.txn.string(call.db, key)?.is_none() {
        call.env.count_lookup(call.txn, call.db, key, false);
        call.reply.null();
        return Ok(());
    }
    let deadline = expiry.deadline(call)?;
    reply_current(call, key)?;
    match deadline {
        Some(deadline) if call.is_over(deadline) => {
            call.txn.remove(call.db, key);
            call.notify(Event::Generic, "del", key);
        }
        Some(deadline) => {
            call.txn.set_deadline(call.db, key, Some(deadline));
            call.notify(Event::Generic, "expire", key);
        }
        None if persist && call.txn.persist(call.db, key) => call.notify(Event::Generic, "persist", key),
        None => {}
    }
    Ok(())
}
