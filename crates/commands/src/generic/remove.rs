//! DEL and UNLINK. Large values are freed elsewhere in either case.

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const DEL: Command = command("del", -2, del)
    .flags(Flags::WRITE)
    .keys(Keys::from(1))
    .acl(Categories::KEYSPACE)
    .docs(
        Group::Generic,
        "1.0.0",
        "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
        "Delete a key",
    )
    .syntax("key...");

pub(super) const UNLINK: Command = command("unlink", -2, del)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::from(1))
    .acl(Categories::KEYSPACE)
    .docs(
        Group::Generic,
        "4.0.0",
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
        "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
    )
    .syntax("key...");

fn del(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut removed = 0;
    for key in &call.args[1..] {
        if call.txn.remove(call.db, key) {
            call.notify(Event::Generic, "del", key);
            removed += 1;
        }
    }
    call.reply.int(removed);
    Ok(())
}
