//! HGET, HMGET, HLEN, HSTRLEN, HEXISTS.

use perigee_keyspace::{Hash, Txn};

use super::{FAST_READ, on_hash};
use crate::call::Call;
use crate::engine::Env;
use crate::error::Error;
use crate::spec::{Command, Group};

pub(super) const HGET: Command = on_hash("hget", 3, hget, FAST_READ)
    .docs(Group::Hash, "2.0.0", "O(1)", "Get the value of a hash field")
    .syntax("key field");

fn hget(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match lookup(call.env, call.txn, call.db, call.args[1])?.and_then(|hash| hash.get(call.args[2])) {
        Some(value) => call.reply.bulk(value),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const HMGET: Command = on_hash("hmget", -3, hmget, FAST_READ)
    .docs(
        Group::Hash,
        "2.0.0",
        "O(N) where N is the number of fields being requested.",
        "Get the values of all the given hash fields",
    )
    .syntax("key field...");

fn hmget(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let hash = lookup(call.env, call.txn, call.db, call.args[1])?;
    let fields = &call.args[2..];
    call.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => call.reply.bulk(value),
            None => call.reply.null(),
        }
    }
    Ok(())
}

pub(super) const HLEN: Command = on_hash("hlen", 2, hlen, FAST_READ)
    .docs(Group::Hash, "2.0.0", "O(1)", "Get the number of fields in a hash")
    .syntax("key");

fn hlen(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let len = lookup(call.env, call.txn, call.db, call.args[1])?.map_or(0, |hash| hash.len());
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const HSTRLEN: Command = on_hash("hstrlen", 3, hstrlen, FAST_READ)
    .docs(Group::Hash, "3.2.0", "O(1)", "Get the length of the value of a hash field")
    .syntax("key field");

fn hstrlen(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let len = lookup(call.env, call.txn, call.db, call.args[1])?
        .and_then(|hash| hash.get(call.args[2]))
        .map_or(0, |value| value.len());
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const HEXISTS: Command = on_hash("hexists", 3, hexists, FAST_READ)
    .docs(Group::Hash, "2.0.0", "O(1)", "Determine if a hash field exists")
    .syntax("key field");

fn hexists(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let exists =
        lookup(call.env, call.txn, call.db, call.args[1])?.is_some_and(|hash| hash.contains(call.args[2]));
    call.reply.int(i64::from(exists));
    Ok(())
}

fn lookup<'t>(env: Env<'_>, txn: &'t Txn<'_>, db: u16, key: &[u8]) -> Result<Option<&'t Hash>, Error> {
    let hash = txn.hash(db, key)?;
    env.count_lookup(txn, db, key, hash.is_some());
    Ok(hash)
}
