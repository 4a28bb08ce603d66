//! LINSERT, LREM, LSET, LTRIM.

use super::{on_list, position, span};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Flags, Group};

pub(super) const LINSERT: Command = on_list("linsert", 5, linsert, Flags::WRITE.or(Flags::DENYOOM)).docs(
    Group::List,
    "2.2.0",
    "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
    "Insert an element before or after another element in a list",
)
    .syntax("key where<BEFORE|AFTER> pivot element");

fn linsert(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let where_to = Word(call.args[2]);
    let after = where_to.is("AFTER");
    if !after && !where_to.is("BEFORE") {
        return Err(Error::Syntax);
    }
    let (pivot, element) = (call.args[3], call.args[4]);
    let Some(mut list) = call.txn.list_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let found = list.iter().position(|other| other == pivot);
    let Some(at) = found else {
        call.reply.int(-1);
        return Ok(());
    };
    list.insert_before(at + usize::from(after), element);
    let len = list.len();
    drop(list);
    call.notify(Event::List, "linsert", call.args[1]);
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const LREM: Command = on_list("lrem", 4, lrem, Flags::WRITE)
    .docs(
        Group::List,
        "1.0.0",
        "O(N+M) where N is the length of the list and M is the number of elements removed.",
        "Remove elements from a list",
    )
    .syntax("key count:int element");

fn lrem(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = call.integer(2)?;
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let Some(mut list) = call.txn.list_mut(call.db, call.args[1])? else {
        call.reply.int(0);
        return Ok(());
    };
    let removed = list.remove_equal(call.args[3], limit, count < 0);
    let emptied = list.is_empty();
    drop(list);
    if removed > 0 {
        call.notify(Event::List, "lrem", call.args[1]);
    }
    if emptied {
        call.notify(Event::Generic, "del", call.args[1]);
    }
    call.reply.int(removed as i64);
    Ok(())
}

pub(super) const LSET: Command = on_list("lset", 4, lset, Flags::WRITE.or(Flags::DENYOOM)).docs(
    Group::List,
    "1.0.0",
    "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
    "Set the value of an element in a list by its index",
)
    .syntax("key index:int element");

fn lset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let index = call.integer(2);
    let mut list = call.txn.list_mut(call.db, call.args[1])?.ok_or(Error::NoSuchKey)?;
    let at = position(index?, list.len()).ok_or(Error::OutOfRange)?;
    list.set(at, call.args[3]);
    drop(list);
    call.notify(Event::List, "lset", call.args[1]);
    call.reply.ok();
    Ok(())
}

pub(super) const LTRIM: Command = on_list("ltrim", 4, ltrim, Flags::WRITE)
    .docs(
        Group::List,
        "1.0.0",
        "O(N) where N is the number of elements to be removed by the operation.",
        "Trim a list to the specified range",
    )
    .syntax("key start:int stop:int");

fn ltrim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let Some(mut list) = call.txn.list_mut(call.db, call.args[1])? else {
        call.reply.ok();
        return Ok(());
    };
    let len = list.len();
    let kept = span(start, stop, len);
    list.remove_range(kept.end, len - kept.end);
    list.remove_range(0, kept.start);
    list.mark_changed();
    let emptied = list.is_empty();
    drop(list);
    call.notify(Event::List, "ltrim", call.args[1]);
    if emptied {
        call.notify(Event::Generic, "del", call.args[1]);
    }
    call.reply.ok();
    Ok(())
}
