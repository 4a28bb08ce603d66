//! SINTER, SUNION, SDIFF and their kin.

use perigee_keyspace::{Deadline, Limits, Member, Set, Txn, Value, log::NoLog};
use perigee_resp::Reply;
use smallvec::SmallVec;

use super::{READ, on_set};
use crate::call::Call;
use crate::effects::Event;
use crate::engine::Env;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group, Handler, Keys};

const INTER_COMPLEXITY: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const COMPLEXITY: &str = "O(N) where N is the total number of elements in all given sets.";

const fn reader(name: &'static str, handler: Handler) -> Command {
    on_set(name, -2, handler, READ.or(Flags::SORT_FOR_SCRIPT)).keys(Keys::from(1))
}

const fn writer(name: &'static str, handler: Handler) -> Command {
    on_set(name, -3, handler, Flags::WRITE.or(Flags::DENYOOM)).keys(Keys::from(1))
}

pub(super) const SINTER: Command = reader("sinter", sinter)
    .docs(Group::Set, "1.0.0", INTER_COMPLEXITY, "Intersect multiple sets")
    .syntax("key...");

fn sinter(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let sets = lookup(call.env, call.txn, call.db, &call.args[1..])?;
    let members: Vec<Member<'_>> = intersection(&sets).collect();
    call.reply.set(members.len());
    members.iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}

pub(super) const SINTERCARD: Command = on_set("sintercard", -3, sintercard, READ.or(Flags::MOVABLE_KEYS))
    .keys(Keys::counted(1))
    .docs(
        Group::Set,
        "7.0.0",
        INTER_COMPLEXITY,
        "Intersect multiple sets and return the cardinality of the result",
    )
    .syntax("numkeys:int key... [LIMIT limit:int]");

fn sintercard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let number = integer(call.args[1]).filter(|&number| number > 0).ok_or(NO_KEYS)?;
    let end = 2usize.saturating_add(number as usize);
    if end > call.args.len() {
        return Err(TOO_MANY_KEYS);
    }
    let mut limit = usize::MAX;
    let mut words = call.options(end);
    while let Some(word) = words.next() {
        if !word.is("LIMIT") {
            return Err(Error::Syntax);
        }
        let number = integer(words.value()?).and_then(|number| usize::try_from(number).ok());
        limit = match number.ok_or(NEGATIVE_LIMIT)? {
            0 => usize::MAX,
            number => number,
        };
    }
    let count = intersection(&lookup(call.env, call.txn, call.db, &call.args[2..end])?).take(limit).count();
    call.reply.int(count as i64);
    Ok(())
}

pub(super) const SINTERSTORE: Command = writer("sinterstore", sinterstore)
    .docs(
        Group::Set,
        "1.0.0",
        INTER_COMPLEXITY,
        "Intersect multiple sets and store the resulting set in a key",
    )
    .syntax("destination@0 key@1...");

fn sinterstore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let result =
        build(&call.txn.limits(), intersection(&lookup(call.env, call.txn, call.db, &call.args[2..])?));
    store(call, result, "sinterstore");
    Ok(())
}

pub(super) const SUNION: Command =
    reader("sunion", sunion).docs(Group::Set, "1.0.0", COMPLEXITY, "Add multiple sets").syntax("key...");

fn sunion(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let sets = lookup(call.env, call.txn, call.db, &call.args[1..])?;
    let mut present = sets.iter().flatten();
    match (present.next(), present.next()) {
        (Some(only), None) => reply_set(call.reply, only),
        _ => {
            let union = build(&call.txn.limits(), union(&sets));
            reply_set(call.reply, &union);
        }
    }
    Ok(())
}

pub(super) const SUNIONSTORE: Command = writer("sunionstore", sunionstore)
    .docs(Group::Set, "1.0.0", COMPLEXITY, "Add multiple sets and store the resulting set in a key")
    .syntax("destination@0 key@1...");

fn sunionstore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let result = build(&call.txn.limits(), union(&lookup(call.env, call.txn, call.db, &call.args[2..])?));
    store(call, result, "sunionstore");
    Ok(())
}

pub(super) const SDIFF: Command =
    reader("sdiff", sdiff).docs(Group::Set, "1.0.0", COMPLEXITY, "Subtract multiple sets").syntax("key...");

fn sdiff(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let sets = lookup(call.env, call.txn, call.db, &call.args[1..])?;
    let members: Vec<Member<'_>> = difference(&sets).collect();
    call.reply.set(members.len());
    members.iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}

pub(super) const SDIFFSTORE: Command = writer("sdiffstore", sdiffstore)
    .docs(Group::Set, "1.0.0", COMPLEXITY, "Subtract multiple sets and store the resulting set in a key")
    .syntax("destination@0 key@1...");

fn sdiffstore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let result =
        build(&call.txn.limits(), difference(&lookup(call.env, call.txn, call.db, &call.args[2..])?));
    store(call, result, "sdiffstore");
    Ok(())
}

/// The sets at a range of keys; `None` where there is none.
type Sets<'t> = SmallVec<[Option<&'t Set>; 8]>;

fn lookup<'t>(env: Env<'_>, txn: &'t Txn<'_>, db: u16, keys: &[&[u8]]) -> Result<Sets<'t>, Error> {
    let mut sets = Sets::new();
    for key in keys {
        let set = txn.set(db, key)?;
        env.count_lookup(txn, db, key, set.is_some());
        sets.push(set);
    }
    Ok(sets)
}

/// The members of the smallest set that are in all the others, which are asked the smallest first.
fn intersection<'t>(sets: &[Option<&'t Set>]) -> impl Iterator<Item = Member<'t>> {
    let mut present: SmallVec<[&Set; 8]> = sets.iter().copied().flatten().collect();
    let all_present = present.len() == sets.len();
    present.sort_by_key(|set| set.len());
    let smallest = present.first().copied().filter(|_| all_present);
    smallest
        .into_iter()
        .flat_map(Set::iter)
        .filter(move |member| present[1..].iter().all(|set| holds(set, member)))
}

fn union<'t>(sets: &[Option<&'t Set>]) -> impl Iterator<Item = Member<'t>> {
    sets.iter().copied().flatten().flat_map(Set::iter)
}

/// The members of the first set that are in none of the others, which are asked the biggest first.
fn difference<'t>(sets: &[Option<&'t Set>]) -> impl Iterator<Item = Member<'t>> {
    let mut others: SmallVec<[&Set; 8]> = sets[1..].iter().copied().flatten().collect();
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let first = sets[0].into_iter().flat_map(Set::iter);
    first.filter(move |member| !others.iter().any(|set| holds(set, member)))
}

fn holds(set: &Set, member: &Member<'_>) -> bool {
    match member.as_int() {
        Some(value) => set.contains_int(value),
        None => set.contains(member),
    }
}

fn build<'t>(limits: &Limits, members: impl Iterator<Item = Member<'t>>) -> Set {
    let mut set = Set::default();
    members.for_each(|member| _ = set.insert(&member, limits, &mut NoLog));
    set
}

fn reply_set(reply: &mut dyn Reply, set: &Set) {
    reply.set(set.len());
    set.iter().for_each(|member| reply.bulk(&member));
}

/// Has the destination hold the result, or nothing if that is empty, and answers with its size.
fn store(call: &mut Call<'_, '_>, result: Set, event: &str) {
    let destination = call.args[1];
    let len = result.len();
    if len > 0 {
        call.txn.insert(call.db, destination, Value::Set(Box::new(result)), Deadline::Never);
        call.notify(Event::Set, event, destination);
    } else if call.txn.remove(call.db, destination) {
        call.notify(Event::Generic, "del", destination);
    }
    call.reply.int(len as i64);
}

const NO_KEYS: Error = Error::Text("ERR numkeys should be greater than 0");
const TOO_MANY_KEYS: Error = Error::Text("ERR Number of keys can't be greater than number of args");
const NEGATIVE_LIMIT: Error = Error::Text("ERR LIMIT can't be negative");

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[&str]) -> Set {
        let mut set = Set::default();
        members.iter().for_each(|member| _ = set.insert(member.as_bytes(), &Limits::default(), &mut NoLog));
        set
    }

    fn sorted<'t>(members: impl Iterator<Item = Member<'t>>) -> Vec<String> {
        let mut members: Vec<_> =
            members.map(|member| String::from_utf8_lossy(&member).into_owned()).collect();
        members.sort();
        members
    }

    #[test]
    fn integers_meet_their_spelling_in_sets_of_other_kinds() {
        let (ints, texts, few) = (set(&["1", "2", "3"]), set(&["1", "3", "x", "03"]), set(&["3", "x"]));
        let all = [Some(&ints), Some(&texts), Some(&few)];
        assert_eq!(sorted(intersection(&all)), ["3"]);
        assert_eq!(sorted(difference(&all)), ["2"]);
        assert_eq!(sorted(difference(&[Some(&texts), Some(&ints)])), ["03", "x"]);
        assert_eq!(sorted(union(&all)), ["03", "1", "1", "2", "3", "3", "3", "x", "x"]);
    }

    #[test]
    fn a_missing_set_is_empty() {
        let some = set(&["a"]);
        assert_eq!(sorted(intersection(&[Some(&some), None])), [""; 0]);
        assert_eq!(sorted(difference(&[Some(&some), None])), ["a"]);
        assert_eq!(sorted(difference(&[None, Some(&some)])), [""; 0]);
        assert_eq!(sorted(union(&[None, Some(&some)])), ["a"]);
    }
}
