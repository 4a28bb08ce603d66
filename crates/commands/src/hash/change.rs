//! HSET, HMSET, HSETNX, HDEL.

use super::{FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const HSET: Command = on_hash("hset", -4, hset, FAST_WRITE.or(Flags::DENYOOM)).docs(
    Group::Hash,
    "2.0.0",
    "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
    "Set the string value of a hash field",
)
    .syntax("key field_value(field value)...")
    .history(&[
        ("4.0.0", "Accepts multiple `field` and `value` arguments."),
    ]);

fn hset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let added = insert_pairs(call, "hset")?;
    call.reply.int(added);
    Ok(())
}

pub(super) const HMSET: Command = on_hash("hmset", -4, hmset, FAST_WRITE.or(Flags::DENYOOM))
    .docs(
        Group::Hash,
        "2.0.0",
        "O(N) where N is the number of fields being set.",
        "Set multiple hash fields to multiple values",
    )
    .syntax("key field_value(field value)...")
    .deprecated("4.0.0", "`HSET` with multiple field-value pairs");

fn hmset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    insert_pairs(call, "hmset")?;
    call.reply.ok();
    Ok(())
}

/// Sets the fields of the request and answers how many are new.
fn insert_pairs(call: &mut Call<'_, '_>, name: &'static str) -> Result<i64, Error> {
    let (pairs, []) = call.args[2..].as_chunks::<2>() else { return Err(Error::WrongArity(name)) };
    let mut hash = call.txn.hash_entry(call.db, call.args[1])?;
    let mut added = 0;
    for [field, value] in pairs {
        hash.set_deadline(field, None);
        added += i64::from(hash.insert(field, value));
    }
    drop(hash);
    call.notify(Event::Hash, "hset", call.args[1]);
    Ok(added)
}

pub(super) const HSETNX: Command = on_hash("hsetnx", 4, hsetnx, FAST_WRITE.or(Flags::DENYOOM))
    .docs(Group::Hash, "2.0.0", "O(1)", "Set the value of a hash field, only if the field does not exist")
    .syntax("key field value");

fn hsetnx(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut hash = call.txn.hash_entry(call.db, call.args[1])?;
    let vacant = !hash.contains(call.args[2]);
    if vacant {
        hash.insert(call.args[2], call.args[3]);
    }
    drop(hash);
    if vacant {
        call.notify(Event::Hash, "hset", call.args[1]);
    }
    call.reply.int(i64::from(vacant));
    Ok(())
}

pub(super) const HDEL: Command = on_hash("hdel", -3, hdel, FAST_WRITE)
    .docs(
        Group::Hash,
        "2.0.0",
        "O(N) where N is the number of fields to be removed.",
        "Delete one or more hash fields",
    )
    .syntax("key field...")
    .history(&[("2.4.0", "Accepts multiple `field` arguments.")]);

fn hdel(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(mut hash) = call.txn.hash_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let removed = call.args[2..].iter().filter(|field| hash.remove(field)).count();
    let emptied = hash.is_empty();
    drop(hash);
    if removed > 0 {
        call.notify(Event::Hash, "hdel", call.args[1]);
    }
    if emptied {
        call.notify(Event::Generic, "del", call.args[1]);
    }
    call.reply.int(removed as i64);
    Ok(())
}
