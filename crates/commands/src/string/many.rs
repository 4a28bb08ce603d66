//! MGET, MSET, MSETNX.

use perigee_keyspace::{Deadline, Value};

use crate::call::Call;
use crate::error::Error;
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
    );

fn mget(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.array(call.args.len() - 1);
    for key in &call.args[1..] {
        let found = call.txn.value(call.db, key);
        call.env.count_lookup(call.txn, call.db, key, found.is_some());
        match found {
            Some(Value::Str(value)) => call.reply.bulk(value.as_bytes(&mut Default::default())),
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
    );

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
    );

fn msetnx(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let pairs = pairs(call, "msetnx")?;
    let vacant = !pairs.iter().any(|[key, _]| call.txn.contains(call.db, key));
    if vacant {
        store_all(call, pairs);
    }
    call.reply.int(i64::from(vacant));
    Ok(())
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
