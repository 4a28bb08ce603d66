//! VSETATTR and VGETATTR.

use super::{FAST_READ, on_vectors};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const VSETATTR: Command = on_vectors("vsetattr", 4, vsetattr, Flags::WRITE.or(Flags::FAST))
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Associate or remove the JSON attributes of elements.")
    .syntax("key element attributes");

fn vsetattr(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let attributes = Some(call.args[3]).filter(|attributes| !attributes.is_empty());
    let there = match call.txn.vectors_mut(call.db, call.args[1])? {
        Some(mut set) => set.set_attribute(call.args[2], attributes),
        None => false,
    };
    call.reply.bool(there);
    Ok(())
}

pub(super) const VGETATTR: Command = on_vectors("vgetattr", 3, vgetattr, FAST_READ)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Retrieve the JSON attributes of elements.")
    .syntax("key element");

fn vgetattr(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    match set.and_then(|set| set.attribute(set.find(call.args[2])?)) {
        Some(attributes) => call.reply.bulk(attributes),
        None => call.reply.null(),
    }
    Ok(())
}
