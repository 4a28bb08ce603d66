//! MGET, MSET, MSETNX, MSETEX.

use perigee_keyspace::{Deadline, ValueRef};

use super::get::reply_string;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::ExpiryOption;
use crate::parse::integer;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const MGET: Command = command("mget", -2, mget)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::from(1))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "1.0.0",
        "O(N) where N is the number of keys to retrieve.",
        "Get the values of all the given keys",
    )
    .syntax("key...");

fn mget(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.array(call.args.len() - 1);
    for key in &call.args[1..] {
        let found = call.txn.value(call.db, key);
        call.env.count_lookup(call.txn, call.db, key, found.is_some());
        match found {
            Some(ValueRef::Str(value)) => reply_string(call.reply, value),
            _ => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) const MSET: Command = command("mset", -3, mset)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::range(1, -1, 2))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "1.0.1",
        "O(N) where N is the number of keys to set.",
        "Set multiple keys to multiple values",
    )
    .syntax("key_value(key value)...");

fn mset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    store_all(call, pairs(call, "mset")?);
    call.reply.ok();
    Ok(())
}

pub(super) const MSETNX: Command = command("msetnx", -3, msetnx)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::range(1, -1, 2))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "1.0.1",
        "O(N) where N is the number of keys to set.",
        "Set multiple keys to multiple values, only if none of the keys exist",
    )
    .syntax("key_value(key value)...");

fn msetnx(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let pairs = pairs(call, "msetnx")?;
    let vacant = !pairs.iter().any(|[key, _]| call.txn.contains(call.db, key));
    if vacant {
        store_all(call, pairs);
    }
    call.reply.int(i64::from(vacant));
    Ok(())
}

pub(super) const MSETEX: Command = command("msetex", -4, msetex)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS))
    .keys(Keys::Custom(counted_keys))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "8.4.0",
        "O(N) where N is the number of keys to set.",
        "Atomically sets multiple string keys with a shared expiration in a single operation. Supports flexible argument parsing where condition and expiration flags can appear in any order.",
    )
    .syntax("numkeys:int data(key value)... [condition<NX|XX>] [expiration<EX seconds:int|\
        PX milliseconds:int|EXAT unix-time-seconds:time|PXAT unix-time-milliseconds:time|\
        KEEPTTL>]");

fn msetex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let number = pair_count(call.args).ok_or(Error::Text("ERR invalid numkeys value"))?;
    let end = 2 + number * 2;
    let pairs = call.args.get(2..end).ok_or(Error::Text("ERR wrong number of key-value pairs"))?;
    let (pairs, _) = pairs.as_chunks();
    let (deadline, presence) = parse_options(call, end)?;

    let is_met = |wanted| pairs.iter().all(|[key, _]: &[&[u8]; 2]| call.txn.contains(call.db, key) == wanted);
    let allowed = presence.is_none_or(is_met);
    if allowed {
        for [key, value] in pairs {
            super::set::store(call, key, value, deadline);
            if let Deadline::At(_) = deadline {
                call.notify(Event::Generic, "expire", key);
            }
        }
    }
    call.reply.int(i64::from(allowed));
    Ok(())
}

/// What becomes of the deadlines, and whether all keys must be there, or none.
fn parse_options(call: &Call<'_, '_>, at: usize) -> Result<(Deadline, Option<bool>), Error> {
    let (mut presence, mut keep, mut expiry) = (None, false, ExpiryOption::default());
    let mut words = call.options(at);
    while let Some(word) = words.next() {
        if word.is("NX") && presence != Some(true) {
            presence = Some(false);
        } else if word.is("XX") && presence != Some(false) {
            presence = Some(true);
        } else if word.is("KEEPTTL") && !expiry.is_given() {
            keep = true;
        } else if keep || !expiry.take(word, &mut words)? {
            return Err(Error::Syntax);
        }
    }
    let deadline = match expiry.deadline(call)? {
        Some(deadline) => Deadline::At(deadline),
        None if keep => Deadline::Keep,
        None => Deadline::Never,
    };
    Ok((deadline, presence))
}

fn pair_count(args: &[&[u8]]) -> Option<usize> {
    let number = integer(args.get(1)?)?;
    (1..=i64::from(i32::MAX)).contains(&number).then_some(number as usize)
}

/// Every other argument behind the number of them.
fn counted_keys(args: &[&[u8]]) -> Vec<usize> {
    let Some(number) = pair_count(args) else { return Vec::new() };
    (2..args.len()).step_by(2).take(number).collect()
}

type Pairs<'c> = &'c [[&'c [u8]; 2]];

fn pairs<'c>(call: &Call<'c, '_>, name: &'static str) -> Result<Pairs<'c>, Error> {
    let (pairs, rest) = call.args[1..].as_chunks();
    if rest.is_empty() { Ok(pairs) } else { Err(Error::WrongArity(name)) }
}

fn store_all(call: &mut Call<'_, '_>, pairs: Pairs<'_>) {
    for [key, value] in pairs {
        super::set::store(call, key, value, Deadline::Never);
    }
}
