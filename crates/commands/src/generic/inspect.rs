//! EXISTS, TYPE, TOUCH.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const EXISTS: Command = command("exists", -2, exists)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::from(1))
    .acl(Categories::KEYSPACE)
    .docs(
        Group::Generic,
        "1.0.0",
        "O(N) where N is the number of keys to check.",
        "Determine if a key exists",
    )
    .syntax("key...")
    .history(&[("3.0.3", "Accepts multiple `key` arguments.")]);

fn exists(call: &mut Call<'_, '_>) -> Result<(), Error> {
    count(call, |call, key| call.txn.peek(call.db, key).is_some());
    Ok(())
}

pub(super) const TOUCH: Command = command("touch", -2, touch)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::from(1))
    .acl(Categories::KEYSPACE)
    .docs(
        Group::Generic,
        "3.2.1",
        "O(N) where N is the number of keys that will be touched.",
        "Alters the last access time of a key(s). Returns the number of existing keys specified.",
    )
    .syntax("key...");

fn touch(call: &mut Call<'_, '_>) -> Result<(), Error> {
    // Also for a client, or a script of one, whose other commands leave access times alone.
    let kept = call.txn.renew_access_times();
    count(call, |call, key| call.txn.contains(call.db, key));
    if kept {
        call.txn.keep_access_times();
    }
    Ok(())
}

/// Answers with the number of keys that are there, counting one as often as it is named.
fn count(call: &mut Call<'_, '_>, is_there: fn(&Call<'_, '_>, &[u8]) -> bool) {
    let mut found = 0;
    for key in &call.args[1..] {
        let hit = is_there(call, key);
        call.env.count_lookup(call.txn, call.db, key, hit);
        found += i64::from(hit);
    }
    call.reply.int(found);
}

pub(super) const TYPE: Command = command("type", 2, type_of)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "1.0.0", "O(1)", "Determine the type stored at key")
    .syntax("key");

fn type_of(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let name = call.txn.peek(call.db, call.args[1]).map(|entry| entry.value().type_name());
    call.env.count_lookup(call.txn, call.db, call.args[1], name.is_some());
    call.reply.simple(name.unwrap_or("none").as_bytes());
    Ok(())
}
