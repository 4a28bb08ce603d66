//! SADD, SREM, SMOVE.

use super::{FAST_WRITE, on_set};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Keys};

pub(super) const SADD: Command = on_set("sadd", -3, sadd, FAST_WRITE.or(Flags::DENYOOM)).docs(
    Group::Set,
    "1.0.0",
    "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    "Add one or more members to a set",
)
    .syntax("key member...")
    .history(&[
        ("2.4.0", "Accepts multiple `member` arguments."),
    ]);

fn sadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut set = call.txn.set_entry(call.db, call.args[1])?;
    let added = call.args[2..].iter().filter(|member| set.insert(member)).count();
    drop(set);
    if added > 0 {
        call.notify(Event::Set, "sadd", call.args[1]);
    }
    call.reply.int(added as i64);
    Ok(())
}

pub(super) const SREM: Command = on_set("srem", -3, srem, FAST_WRITE)
    .docs(
        Group::Set,
        "1.0.0",
        "O(N) where N is the number of members to be removed.",
        "Remove one or more members from a set",
    )
    .syntax("key member...")
    .history(&[("2.4.0", "Accepts multiple `member` arguments.")]);

fn srem(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(mut set) = call.txn.set_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let removed = call.args[2..].iter().filter(|member| set.remove(member)).count();
    let emptied = set.is_empty();
    drop(set);
    if removed > 0 {
        tell_removed(call, "srem", emptied);
    }
    call.reply.int(removed as i64);
    Ok(())
}

pub(super) const SMOVE: Command = on_set("smove", 4, smove, FAST_WRITE)
    .keys(Keys::range(1, 1, 1))
    .docs(Group::Set, "1.0.0", "O(1)", "Move a member from one set to another")
    .syntax("source@0 destination@1 member");

fn smove(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (source, destination, member) = (call.args[1], call.args[2], call.args[3]);
    let is_member = match call.txn.set(call.db, source)? {
        None => false,
        Some(set) => {
            call.txn.set(call.db, destination)?;
            set.contains(member)
        }
    };
    if is_member && source != destination {
        let mut emptied = false;
        if let Some(mut set) = call.txn.set_mut(call.db, source)? {
            set.remove(member);
            emptied = set.is_empty();
        }
        tell_removed(call, "srem", emptied);
        if call.txn.set_entry(call.db, destination)?.insert(member) {
            call.notify(Event::Set, "sadd", destination);
        }
    }
    call.reply.int(i64::from(is_member));
    Ok(())
}

/// Tells that members were removed from the first key, and the key with the last of them.
pub(super) fn tell_removed(call: &mut Call<'_, '_>, event: &str, emptied: bool) {
    call.notify(Event::Set, event, call.args[1]);
    if emptied {
        call.notify(Event::Generic, "del", call.args[1]);
    }
}
