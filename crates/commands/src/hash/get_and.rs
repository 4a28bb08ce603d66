//! HGETEX and HGETDEL, which change on the way what they answer with.

use super::fields::{NOT_POSITIVE, deadline, fields, set_deadline};
use super::{FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::unit_of;
use crate::parse::Word;
use crate::spec::{Command, Group};

const COMPLEXITY: &str = "O(N) where N is the number of specified fields";

pub(super) const HGETEX: Command = on_hash("hgetex", -5, hgetex, FAST_WRITE)
    .docs(
        Group::Hash,
        "8.0.0",
        COMPLEXITY,
        "Get the value of one or more fields of a given hash key, and optionally set their expiration.",
    )
    .syntax(
        "key [expiration<EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time|\
        PXAT unix-time-milliseconds:time|PERSIST>] FIELDS fields(numfields:int field...)",
    );

#[derive(Clone, Copy)]
enum Change {
    None,
    Persist,
    Expire(u64),
}

fn hgetex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    call.txn.hash(call.db, key)?;
    let (change, at) = parse_change(call)?;
    let fields = fields(call, at, NOT_POSITIVE)?;

    call.reply.array(fields.len());
    let Some(mut hash) = call.txn.hash_mut(call.db, key)? else {
        fields.iter().for_each(|_| call.reply.null());
        return Ok(());
    };
    let (mut set, mut removed) = (0, 0);
    for field in fields {
        let Some(value) = hash.get(field) else {
            call.reply.null();
            continue;
        };
        call.reply.bulk(value);
        match change {
            Change::None => {}
            Change::Persist => set += u64::from(hash.set_deadline(field, None)),
            Change::Expire(deadline) => match set_deadline(&mut hash, field, deadline) {
                true => removed += 1,
                false => set += 1,
            },
        }
    }
    if set > 0 {
        hash.mark_changed();
    }
    let emptied = hash.is_empty();
    drop(hash);
    call.env.count_expired_fields(removed);
    if set > 0 {
        let event = if let Change::Persist = change { "hpersist" } else { "hexpire" };
        call.notify(Event::Hash, event, key);
    } else if removed > 0 {
        call.notify(Event::Hash, "hdel", key);
    }
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
    Ok(())
}

/// What is to be done, and where FIELDS must follow.
fn parse_change(call: &Call<'_, '_>) -> Result<(Change, usize), Error> {
    let word = Word(call.args[2]);
    match unit_of(word) {
        Some((unit, base)) => {
            let deadline = deadline(call, call.args[3], unit, base)?;
            // As Redis 8.0.6 has it: more must follow than the word.
            if call.args.len() == 5 {
                return Err(Error::WrongArity("hgetex"));
            }
            Ok((Change::Expire(deadline), 4))
        }
        None if word.is("PERSIST") => Ok((Change::Persist, 3)),
        None => Ok((Change::None, 2)),
    }
}

pub(super) const HGETDEL: Command = on_hash("hgetdel", -5, hgetdel, FAST_WRITE)
    .docs(Group::Hash, "8.0.0", COMPLEXITY, "Returns the value of a field and deletes it from the hash.")
    .syntax("key FIELDS fields(numfields:int field...)");

fn hgetdel(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    call.txn.hash(call.db, key)?;
    let fields = fields(call, 2, NOT_POSITIVE)?;
    call.reply.array(fields.len());
    let Some(mut hash) = call.txn.hash_mut(call.db, key)? else {
        fields.iter().for_each(|_| call.reply.null());
        return Ok(());
    };
    let mut removed = false;
    for field in fields {
        match hash.get(field) {
            Some(value) => call.reply.bulk(value),
            None => call.reply.null(),
        }
        removed |= hash.remove(field);
    }
    let emptied = hash.is_empty();
    drop(hash);
    if removed {
        call.notify(Event::Hash, "hdel", key);
    }
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
    Ok(())
}
