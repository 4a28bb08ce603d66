//! LPOP, RPOP.

use perigee_keyspace::{Edit, List};
use perigee_resp::Reply;

use super::{End, on_list};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::not_negative;
use crate::spec::{Command, Flags, Group};

const COMPLEXITY: &str = "O(N) where N is the number of elements returned";

pub(super) const LPOP: Command =
    on_list("lpop", -2, |call| pop(call, End::Left), Flags::WRITE.or(Flags::FAST))
        .docs(Group::List, "1.0.0", COMPLEXITY, "Remove and get the first elements in a list")
        .syntax("key [count:int^6.2.0]")
        .history(&[("6.2.0", "Added the `count` argument.")]);
pub(super) const RPOP: Command =
    on_list("rpop", -2, |call| pop(call, End::Right), Flags::WRITE.or(Flags::FAST))
        .docs(Group::List, "1.0.0", COMPLEXITY, "Remove and get the last elements in a list")
        .syntax("key [count:int^6.2.0]")
        .history(&[("6.2.0", "Added the `count` argument.")]);

fn pop(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    let count = match call.args[2..] {
        [] => None,
        [count] => Some(not_negative(count)?),
        _ if end == End::Left => return Err(Error::WrongArity("lpop")),
        _ => return Err(Error::WrongArity("rpop")),
    };
    let key = call.args[1];
    let Some(mut list) = call.txn.list_mut(call.db, key)? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.null_array(),
        }
        return Ok(());
    };
    match count {
        None => pop_one(&mut list, end, call.reply),
        Some(0) => {
            call.reply.array(0);
            return Ok(());
        }
        Some(count) => pop_many(&mut list, end, count, call.reply),
    }
    let emptied = list.is_empty();
    drop(list);
    tell_popped(call, key, end, emptied);
    Ok(())
}

/// Removes the element at the end and answers with it.
pub(super) fn pop_one(list: &mut Edit<'_, '_, List>, end: End, reply: &mut dyn Reply) {
    let answered = match end {
        End::Left => list.pop_front_with(|element| reply.bulk(element)),
        End::Right => list.pop_back_with(|element| reply.bulk(element)),
    };
    if answered.is_none() {
        reply.null();
    }
}

/// Removes up to `count` elements and answers with an array of them, the one at the end first.
pub(super) fn pop_many(list: &mut Edit<'_, '_, List>, end: End, count: usize, reply: &mut dyn Reply) {
    let len = list.len();
    let count = count.min(len);
    reply.array(count);
    if count == 1 {
        return pop_one(list, end, reply);
    }
    match end {
        End::Left => {
            list.iter().take(count).for_each(|element| reply.bulk(element));
            list.remove_range(0, count);
        }
        End::Right => {
            list.iter_rev_from(len.saturating_sub(1)).take(count).for_each(|element| reply.bulk(element));
            list.remove_range(len - count, count);
        }
    }
}

/// Tells that elements were removed from an end, and the key with the last of them.
pub(super) fn tell_popped(call: &mut Call<'_, '_>, key: &[u8], end: End, emptied: bool) {
    call.notify(Event::List, end.pop_event(), key);
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
}
