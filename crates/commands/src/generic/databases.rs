//! SWAPDB, FLUSHDB, FLUSHALL.

use crate::call::Call;
use crate::error::Error;
use crate::generic::DATABASE_OUT_OF_RANGE;
use crate::parse::{Word, integer};
use crate::spec::{Categories, Command, Flags, Group, Scope, command};

pub(super) const SWAPDB: Command = command("swapdb", 3, swapdb)
    .flags(Flags::WRITE.or(Flags::FAST))
    .scope(Scope::All)
    .acl(Categories::KEYSPACE.or(Categories::DANGEROUS))
    .docs(
        Group::Server,
        "4.0.0",
        "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        "Swaps two Redis databases",
    )
    .syntax("index1:int index2:int");

fn swapdb(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let number = |at: usize| integer(call.args[at]).and_then(|number| i32::try_from(number).ok());
    let first = number(1).ok_or(Error::Text("ERR invalid first DB index"))?;
    let second = number(2).ok_or(Error::Text("ERR invalid second DB index"))?;
    let databases = call.env.engine.keyspace.databases();
    let known = |number: i32| u16::try_from(number).ok().filter(|number| *number < databases);
    let (Some(first), Some(second)) = (known(first), known(second)) else {
        return Err(DATABASE_OUT_OF_RANGE);
    };
    if first != second {
        call.txn.swap(first, second);
        call.txn.untrack_all();
    }
    call.reply.ok();
    Ok(())
}

const fn flush(name: &'static str, handler: crate::spec::Handler) -> Command {
    command(name, -1, handler)
        .flags(Flags::WRITE)
        .scope(Scope::All)
        .acl(Categories::KEYSPACE.or(Categories::DANGEROUS))
}

pub(super) const FLUSHDB: Command = flush("flushdb", flushdb)
    .docs(
        Group::Server,
        "1.0.0",
        "O(N) where N is the number of keys in the selected database",
        "Remove all keys from the current database",
    )
    .syntax("[async<ASYNC^4.0.0|SYNC^6.2.0>]")
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ]);

fn flushdb(call: &mut Call<'_, '_>) -> Result<(), Error> {
    check_mode(call)?;
    call.txn.flush(call.db);
    call.txn.untrack_all();
    call.reply.ok();
    Ok(())
}

pub(super) const FLUSHALL: Command = flush("flushall", flushall)
    .docs(
        Group::Server,
        "1.0.0",
        "O(N) where N is the total number of keys in all databases",
        "Remove all keys from all databases",
    )
    .syntax("[async<ASYNC^4.0.0|SYNC^6.2.0>]")
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ]);

fn flushall(call: &mut Call<'_, '_>) -> Result<(), Error> {
    check_mode(call)?;
    for db in 0..call.env.engine.keyspace.databases() {
        call.txn.flush(db);
    }
    call.txn.untrack_all();
    call.reply.ok();
    Ok(())
}

/// SYNC and ASYNC are the same here: the memory is always freed by another thread, after the answer.
fn check_mode(call: &Call<'_, '_>) -> Result<(), Error> {
    match call.args[1..] {
        [] => Ok(()),
        [mode] if Word(mode).is("SYNC") || Word(mode).is("ASYNC") => Ok(()),
        _ => Err(Error::Syntax),
    }
}
