//! VRANDMEMBER.

use super::on_vectors;
use crate::call::Call;
use crate::error::Error;
use crate::parse::integer;
use crate::sample::{check_repeats, position, positions};
use crate::spec::{Command, Flags, Group};

pub(super) const VRANDMEMBER: Command = on_vectors("vrandmember", -2, vrandmember, Flags::READONLY)
    .docs(
        Group::VectorSet,
        "8.0.0",
        "O(N) where N is the absolute value of the count argument.",
        "Return one or multiple random members from a vector set.",
    )
    .syntax("key [count:int]");

fn vrandmember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    const NOT_INTEGER: Error = Error::Text("ERR COUNT value is not an integer");
    let count = match call.args[2..] {
        [] => None,
        [count] => Some(integer(count).ok_or(NOT_INTEGER)?),
        _ => return Err(Error::WrongArity("vrandmember")),
    };
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let (set, count) = match (set, count) {
        (Some(set), Some(count)) => (set, count),
        (Some(set), None) => {
            let at = position(&mut call.env.worker.rng.borrow_mut(), set.len());
            call.reply.bulk(set.name(at));
            return Ok(());
        }
        (None, Some(_)) => {
            call.reply.array(0);
            return Ok(());
        }
        (None, None) => {
            call.reply.null();
            return Ok(());
        }
    };
    check_repeats(call.env, count, (0..set.len()).map(|at| set.name(at).len()))?;
    let mut rng = call.env.worker.rng.borrow_mut();
    let chosen = positions(&mut rng, set.len(), count);
    call.reply.array(chosen.len());
    chosen.for_each(|at| call.reply.bulk(set.name(at)));
    Ok(())
}
