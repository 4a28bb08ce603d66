//! LLEN, LINDEX, LRANGE.

use super::{on_list, position, span};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const LLEN: Command = on_list("llen", 2, llen, Flags::READONLY.or(Flags::FAST))
    .docs(Group::List, "1.0.0", "O(1)", "Get the length of a list")
    .syntax("key");

fn llen(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let list = call.txn.list(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], list.is_some());
    call.reply.int(list.map_or(0, |list| list.len()) as i64);
    Ok(())
}

pub(super) const LINDEX: Command = on_list("lindex", 3, lindex, Flags::READONLY).docs(
    Group::List,
    "1.0.0",
    "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
    "Get an element from a list by its index",
)
    .syntax("key index:int");

fn lindex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let list = call.txn.list(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], list.is_some());
    let element = match list {
        None => None,
        Some(list) => position(call.integer(2)?, list.len()).and_then(|at| list.get(at)),
    };
    match element {
        Some(element) => call.reply.bulk(element),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const LRANGE: Command = on_list("lrange", 4, lrange, Flags::READONLY).docs(
    Group::List,
    "1.0.0",
    "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
    "Get a range of elements from a list",
)
    .syntax("key start:int stop:int");

fn lrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let list = call.txn.list(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], list.is_some());
    let Some(list) = list else {
        call.reply.array(0);
        return Ok(());
    };
    let span = span(start, stop, list.len());
    call.reply.array(span.len());
    list.iter_from(span.start).take(span.len()).for_each(|element| call.reply.bulk(element));
    Ok(())
}
