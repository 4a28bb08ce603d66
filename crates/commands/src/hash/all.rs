//! HGETALL, HKEYS, HVALS.

use super::{READ, on_hash};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

const COMPLEXITY: &str = "O(N) where N is the size of the hash.";

pub(super) const HGETALL: Command = on_hash("hgetall", 2, |call| answer(call, Part::Both), READ)
    .docs(Group::Hash, "2.0.0", COMPLEXITY, "Get all the fields and values in a hash")
    .syntax("key");
pub(super) const HKEYS: Command =
    on_hash("hkeys", 2, |call| answer(call, Part::Fields), READ.or(Flags::SORT_FOR_SCRIPT))
        .docs(Group::Hash, "2.0.0", COMPLEXITY, "Get all the fields in a hash")
        .syntax("key");
pub(super) const HVALS: Command =
    on_hash("hvals", 2, |call| answer(call, Part::Values), READ.or(Flags::SORT_FOR_SCRIPT))
        .docs(Group::Hash, "2.0.0", COMPLEXITY, "Get all the values in a hash")
        .syntax("key");

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Both,
    Fields,
    Values,
}

fn answer(call: &mut Call<'_, '_>, part: Part) -> Result<(), Error> {
    let hash = call.txn.hash(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], hash.is_some());
    let len = hash.map_or(0, |hash| hash.len());
    match part {
        Part::Both => call.reply.map(len),
        Part::Fields | Part::Values => call.reply.array(len),
    }
    for (field, value) in hash.into_iter().flat_map(|hash| hash.iter()) {
        if part != Part::Values {
            call.reply.bulk(field);
        }
        if part != Part::Fields {
            call.reply.bulk(value);
        }
    }
    Ok(())
}
