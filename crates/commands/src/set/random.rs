//! SPOP, SRANDMEMBER.

use perigee_keyspace::{Edit, Set};
use perigee_resp::Reply;

use super::change::tell_removed;
use super::{FAST_WRITE, READ, on_set};
use crate::call::Call;
use crate::error::Error;
use crate::parse::{not_negative, signed_count};
use crate::sample;
use crate::spec::{Command, Group};

pub(super) const SPOP: Command = on_set("spop", -2, spop, FAST_WRITE)
    .docs(
        Group::Set,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        "Remove and return one or multiple random members from a set",
    )
    .syntax("key [count:int^3.2.0]")
    .history(&[("3.2.0", "Added the `count` argument.")]);

fn spop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = match call.args[2..] {
        [] => None,
        [count] => Some(not_negative(count)?),
        _ => return Err(Error::Syntax),
    };
    let Some(mut set) = call.txn.set_mut(call.db, call.args[1])? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.set(0),
        }
        return Ok(());
    };
    let wanted = count.unwrap_or(1).min(set.len());
    if count.is_some() {
        call.reply.set(wanted);
    }
    let rng = &mut *call.env.worker.rng.borrow_mut();
    for _ in 0..wanted {
        let at = sample::position(rng, set.len());
        pop_at(&mut set, at, call.reply);
    }
    let emptied = set.is_empty();
    drop(set);
    if wanted > 0 {
        tell_removed(call, "spop", emptied);
    }
    Ok(())
}

fn pop_at(set: &mut Edit<'_, '_, Set>, at: usize, reply: &mut dyn Reply) {
    if let Some(member) = set.get_at(at) {
        reply.bulk(&member);
    }
    set.remove_at(at);
}

pub(super) const SRANDMEMBER: Command = on_set("srandmember", -2, srandmember, READ)
    .docs(
        Group::Set,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
        "Get one or multiple random members from a set",
    )
    .syntax("key [count:int^2.6.0]")
    .history(&[("2.6.0", "Added the optional `count` argument.")]);

fn srandmember(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = match call.args[2..] {
        [] => None,
        [count] => Some(signed_count(count)?),
        _ => return Err(Error::Syntax),
    };
    let set = call.txn.set(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    if let (Some(set), Some(count)) = (set, count) {
        sample::check_repeats(call.env, count, set.iter().map(|member| member.len()))?;
    }
    let mut rng = call.env.worker.rng.borrow_mut();
    match (set, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(set), None) => {
            let at = sample::position(&mut rng, set.len());
            if let Some(member) = set.get_at(at) {
                call.reply.bulk(&member);
            }
        }
        (Some(set), Some(count)) => {
            let positions = sample::positions(&mut rng, set.len(), count);
            call.reply.array(positions.len());
            positions.filter_map(|at| set.get_at(at)).for_each(|member| call.reply.bulk(&member));
        }
    }
    Ok(())
}
