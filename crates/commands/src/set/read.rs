//! SMEMBERS, SISMEMBER, SMISMEMBER, SCARD.

use perigee_keyspace::{Set, Txn};

use super::{FAST_READ, READ, on_set};
use crate::call::Call;
use crate::engine::Env;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const SMEMBERS: Command = on_set("smembers", 2, smembers, READ.or(Flags::SORT_FOR_SCRIPT))
    .docs(Group::Set, "1.0.0", "O(N) where N is the set cardinality.", "Get all the members in a set")
    .syntax("key");

fn smembers(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = lookup(call.env, call.txn, call.db, call.args[1])?;
    call.reply.set(set.map_or(0, |set| set.len()));
    for member in set.into_iter().flat_map(|set| set.iter()) {
        call.reply.bulk(&member);
    }
    Ok(())
}

pub(super) const SISMEMBER: Command = on_set("sismember", 3, sismember, FAST_READ)
    .docs(Group::Set, "1.0.0", "O(1)", "Determine if a given value is a member of a set")
    .syntax("key member");

fn sismember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let is_member =
        lookup(call.env, call.txn, call.db, call.args[1])?.is_some_and(|set| set.contains(call.args[2]));
    call.reply.int(i64::from(is_member));
    Ok(())
}

pub(super) const SMISMEMBER: Command = on_set("smismember", -3, smismember, FAST_READ)
    .docs(
        Group::Set,
        "6.2.0",
        "O(N) where N is the number of elements being checked for membership",
        "Returns the membership associated with the given elements for a set",
    )
    .syntax("key member...");

fn smismember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = lookup(call.env, call.txn, call.db, call.args[1])?;
    let members = &call.args[2..];
    call.reply.array(members.len());
    for member in members {
        call.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub(super) const SCARD: Command = on_set("scard", 2, scard, FAST_READ)
    .docs(Group::Set, "1.0.0", "O(1)", "Get the number of members in a set")
    .syntax("key");

fn scard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let len = lookup(call.env, call.txn, call.db, call.args[1])?.map_or(0, |set| set.len());
    call.reply.int(len as i64);
    Ok(())
}

fn lookup<'t>(env: Env<'_>, txn: &'t Txn<'_>, db: u16, key: &[u8]) -> Result<Option<&'t Set>, Error> {
    let set = txn.set(db, key)?;
    env.count_lookup(txn, db, key, set.is_some());
    Ok(set)
}
