//! COPY and MOVE.

use perigee_keyspace::Deadline;

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::generic::{SAME_OBJECT, database};
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const COPY: Command = command("copy", -3, copy)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::range(1, 1, 1))
    .acl(Categories::KEYSPACE)
    .docs(
        Group::Generic,
        "6.2.0",
        "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
        "Copy a key",
    )
    .syntax("source@0 destination@1 [DB destination-db:int] [REPLACE]");

fn copy(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (from, to) = (call.args[1], call.args[2]);
    let (mut replace, mut db) = (false, call.db);
    let mut words = call.options(3);
    while let Some(word) = words.next() {
        if word.is("REPLACE") {
            replace = true;
        } else if word.is("DB") && words.left() >= 1 {
            db = database(call, words.position())?;
            words.value()?;
        } else {
            return Err(Error::Syntax);
        }
    }
    if db == call.db && from == to {
        return Err(SAME_OBJECT);
    }
    let source = call.txn.entry(call.db, from);
    call.env.count_lookup(call.txn, call.db, from, source.is_some());
    let vacant = replace || !call.txn.contains(db, to);
    if let Some(source) = source.filter(|_| vacant) {
        let value = source.value().to_value();
        let deadline = source.deadline().map_or(Deadline::Never, Deadline::At);
        call.txn.remove(db, to);
        call.txn.insert(db, to, value, deadline);
        call.effects.notify(call.env.engine, call.txn, Event::Generic, "copy_to", db, to);
        call.reply.int(1);
    } else {
        call.reply.int(0);
    }
    Ok(())
}

pub(super) const MOVE: Command = command("move", 3, move_to_database)
    .flags(Flags::WRITE.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "1.0.0", "O(1)", "Move a key to another database")
    .syntax("key db:int");

fn move_to_database(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let db = database(call, 2)?;
    if db == call.db {
        return Err(SAME_OBJECT);
    }
    let possible = call.txn.contains(call.db, key) && !call.txn.contains(db, key);
    if possible {
        // An expired key of that name goes first.
        call.txn.expire_if_due(db, key);
        call.txn.rename((call.db, key), (db, key));
        call.notify(Event::Generic, "move_from", key);
        call.effects.notify(call.env.engine, call.txn, Event::Generic, "move_to", db, key);
    }
    call.reply.int(i64::from(possible));
    Ok(())
}
