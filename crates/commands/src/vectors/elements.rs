//! VREM, VISMEMBER, VCARD and VDIM.

use super::{FAST_READ, on_vectors};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const VREM: Command = on_vectors("vrem", 3, vrem, Flags::WRITE)
    .docs(
        Group::VectorSet,
        "8.0.0",
        "O(log(N)) for each element removed, where N is the number of elements in the vector set.",
        "Remove an element from a vector set.",
    )
    .syntax("key element");

fn vrem(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let removed = match call.txn.vectors_mut(call.db, call.args[1])? {
        Some(mut set) => set.remove(call.args[2]),
        None => false,
    };
    call.reply.bool(removed);
    Ok(())
}

pub(super) const VISMEMBER: Command = on_vectors("vismember", 3, vismember, Flags::READONLY)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Check if an element exists in a vector set.")
    .syntax("key element");

fn vismember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    call.reply.bool(set.is_some_and(|set| set.find(call.args[2]).is_some()));
    Ok(())
}

pub(super) const VCARD: Command = on_vectors("vcard", 2, vcard, FAST_READ)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Return the number of elements in a vector set.")
    .syntax("key");

fn vcard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    call.reply.int(set.map_or(0, |set| set.len() as i64));
    Ok(())
}

pub(super) const VDIM: Command = on_vectors("vdim", 2, vdim, FAST_READ)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Return the dimension of vectors in the vector set.")
    .syntax("key");

fn vdim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let set = set.ok_or(Error::Text("ERR key does not exist"))?;
    call.reply.int(set.params().dim as i64);
    Ok(())
}
