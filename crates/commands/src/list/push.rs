//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::{End, on_list};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Handler};

const COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.";

const fn pusher(name: &'static str, handler: Handler, since: &'static str, summary: &'static str) -> Command {
    on_list(name, -3, handler, Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST)).docs(
        Group::List,
        since,
        COMPLEXITY,
        summary,
    )
}

pub(super) const LPUSH: Command =
    pusher("lpush", |call| push(call, End::Left), "1.0.0", "Prepend one or multiple elements to a list")
        .syntax("key element...")
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")]);
pub(super) const RPUSH: Command =
    pusher("rpush", |call| push(call, End::Right), "1.0.0", "Append one or multiple elements to a list")
        .syntax("key element...")
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")]);
pub(super) const LPUSHX: Command = pusher(
    "lpushx",
    |call| push_if_present(call, End::Left),
    "2.2.0",
    "Prepend an element to a list, only if the list exists",
)
.syntax("key element...")
.history(&[("4.0.0", "Accepts multiple `element` arguments.")]);
pub(super) const RPUSHX: Command = pusher(
    "rpushx",
    |call| push_if_present(call, End::Right),
    "2.2.0",
    "Append an element to a list, only if the list exists",
)
.syntax("key element...")
.history(&[("4.0.0", "Accepts multiple `element` arguments.")]);

fn push(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    let mut list = call.txn.list_entry(call.db, call.args[1])?;
    for element in &call.args[2..] {
        end.push(&mut list, element);
    }
    let len = list.len();
    drop(list);
    call.notify(Event::List, end.push_event(), call.args[1]);
    call.reply.int(len as i64);
    Ok(())
}

fn push_if_present(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    if call.txn.list(call.db, call.args[1])?.is_some() {
        return push(call, end);
    }
    call.reply.int(0);
    Ok(())
}
