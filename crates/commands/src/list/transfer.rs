//! LMOVE, RPOPLPUSH and their blocking forms.

use super::End;
use super::pop::tell_popped;
use crate::blocking::{Block, deadline};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn mover(name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler)
        .flags(Flags::WRITE.or(Flags::DENYOOM))
        .keys(Keys::range(1, 1, 1))
        .acl(Categories::LIST)
}

const fn blocking_mover(name: &'static str, arity: i8, handler: Handler) -> Command {
    mover(name, arity, handler).flags(Flags::NOSCRIPT.or(Flags::BLOCKING))
}

pub(super) const LMOVE: Command = mover("lmove", 5, lmove)
    .docs(Group::List, "6.2.0", "O(1)", "Pop an element from a list, push it to another list and return it")
    .syntax("source@0 destination@1 wherefrom<LEFT|RIGHT> whereto<LEFT|RIGHT>");

fn lmove(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (from, to) = (End::parse(call.args[3])?, End::parse(call.args[4])?);
    answer(call, from, to)
}

pub(super) const RPOPLPUSH: Command = mover("rpoplpush", 3, |call| answer(call, End::Right, End::Left))
    .docs(
        Group::List,
        "1.2.0",
        "O(1)",
        "Remove the last element in a list, prepend it to another list and return it",
    )
    .syntax("source@0 destination@1")
    .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments");

pub(super) const BLMOVE: Command = blocking_mover("blmove", 6, blmove)
    .docs(
        Group::List,
        "6.2.0",
        "O(1)",
        "Pop an element from a list, push it to another list and return it; or block until one is available",
    )
    .syntax("source@0 destination@1 wherefrom<LEFT|RIGHT> whereto<LEFT|RIGHT> timeout:double");

fn blmove(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (from, to) = (End::parse(call.args[3])?, End::parse(call.args[4])?);
    answer_or_block(call, from, to, 5)
}

pub(super) const BRPOPLPUSH: Command = blocking_mover("brpoplpush", 4, |call| {
    answer_or_block(call, End::Right, End::Left, 3)
})
.docs(
    Group::List,
    "2.2.0",
    "O(1)",
    "Pop an element from a list, push it to another list and return it; or block until one is available",
)
.syntax("source@0 destination@1 timeout:double")
.deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
.history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]);

fn answer(call: &mut Call<'_, '_>, from: End, to: End) -> Result<(), Error> {
    if !transfer(call, from, to)? {
        call.reply.null();
    }
    Ok(())
}

fn answer_or_block(call: &mut Call<'_, '_>, from: End, to: End, timeout_at: usize) -> Result<(), Error> {
    let deadline_ms = deadline(call, timeout_at)?;
    if transfer(call, from, to)? {
        return Ok(());
    }
    // The answer differs: where nobody may wait it is LMOVE's, after a wait it is that of every blocking command.
    if call.may_block() {
        call.block(Block { keys: vec![1], deadline_ms, ..Block::default() });
    } else {
        call.reply.null();
    }
    Ok(())
}

/// Moves an element and answers with it; `false` if there is none.
fn transfer(call: &mut Call<'_, '_>, from: End, to: End) -> Result<bool, Error> {
    let (source, destination) = (call.args[1], call.args[2]);
    if call.txn.list(call.db, source)?.is_none() {
        return Ok(false);
    }
    call.txn.list(call.db, destination)?;
    let Some(mut list) = call.txn.list_mut(call.db, source)? else { return Ok(false) };
    let Some(element) = from.pop(&mut list) else { return Ok(false) };
    if source == destination {
        to.push(&mut list, &element);
    }
    let emptied = list.is_empty();
    drop(list);
    if source != destination {
        to.push(&mut call.txn.list_entry(call.db, destination)?, &element);
    }
    call.notify(Event::List, to.push_event(), destination);
    tell_popped(call, source, from, emptied);
    call.reply.bulk(&element);
    Ok(true)
}
