//! VRANGE.

use std::ops::Bound;

use super::on_vectors;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

/// Of Redis 8.4, after its documentation: <https://redis.io/docs/latest/commands/vrange/>. It names no error: those of ZRANGEBYLEX
/// stand here.
pub(super) const VRANGE: Command = on_vectors("vrange", -4, vrange, Flags::READONLY)
    .docs(
        Group::VectorSet,
        "8.4.0",
        "O(N) where N is the number of elements in the vector set.",
        "Return elements in a lexicographical range",
    )
    .syntax("key start end [count:int]");

fn vrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let bounds = (bound(call.args[2])?, bound(call.args[3])?);
    let count = match call.args[4..] {
        [] => -1,
        [_] => call.integer(4)?,
        _ => return Err(Error::WrongArity("vrange")),
    };
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let names = match (set, bounds) {
        (Some(set), (Edge::First | Edge::At(_), Edge::Last | Edge::At(_))) => {
            set.names_between(bounds.0.bound(), bounds.1.bound(), limit)
        }
        _ => Vec::new(),
    };
    call.reply.array(names.len());
    names.into_iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

/// Where a range begins or ends.
#[derive(Clone, Copy)]
enum Edge<'a> {
    First,
    Last,
    At(Bound<&'a [u8]>),
}

impl<'a> Edge<'a> {
    fn bound(self) -> Bound<&'a [u8]> {
        match self {
            Edge::First | Edge::Last => Bound::Unbounded,
            Edge::At(bound) => bound,
        }
    }
}

fn bound(text: &[u8]) -> Result<Edge<'_>, Error> {
    match text {
        b"-" => Ok(Edge::First),
        b"+" => Ok(Edge::Last),
        [b'[', name @ ..] => Ok(Edge::At(Bound::Included(name))),
        [b'(', name @ ..] => Ok(Edge::At(Bound::Excluded(name))),
        _ => Err(Error::Text("ERR min or max not valid string range item")),
    }
}
