//! RENAME and RENAMENX.

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const RENAME: Command = command("rename", 3, rename)
    .flags(Flags::WRITE)
    .keys(Keys::range(1, 1, 1))
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "1.0.0", "O(1)", "Rename a key")
    .syntax("key newkey@1");

fn rename(call: &mut Call<'_, '_>) -> Result<(), Error> {
    move_to_new_name(call, true)?;
    call.reply.ok();
    Ok(())
}

pub(super) const RENAMENX: Command = command("renamenx", 3, renamenx)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::range(1, 1, 1))
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "1.0.0", "O(1)", "Rename a key, only if the new key does not exist")
    .syntax("key newkey@1")
    .history(&[(
        "3.2.0",
        "The command no longer returns an error when source and destination names are the \
        same.",
    )]);

fn renamenx(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let renamed = move_to_new_name(call, false)?;
    call.reply.int(i64::from(renamed));
    Ok(())
}

/// Renames the key, also over another one if `replace`. Tells whether the name was free for it.
fn move_to_new_name(call: &mut Call<'_, '_>, replace: bool) -> Result<bool, Error> {
    let (from, to) = (call.args[1], call.args[2]);
    if !call.txn.contains(call.db, from) {
        return Err(Error::NoSuchKey);
    }
    if from == to {
        return Ok(false);
    }
    if !replace && call.txn.contains(call.db, to) {
        return Ok(false);
    }
    call.txn.remove(call.db, to);
    call.txn.rename((call.db, from), (call.db, to));
    call.notify(Event::Generic, "rename_from", from);
    call.notify(Event::Generic, "rename_to", to);
    Ok(true)
}
