//! HSETEX.

use super::fields::{deadline, set_deadline};
use super::{FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::expiry::unit_of;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group};

pub(super) const HSETEX: Command = on_hash("hsetex", -6, hsetex, FAST_WRITE.or(Flags::DENYOOM))
    .docs(
        Group::Hash,
        "8.0.0",
        "O(N) where N is the number of fields being set.",
        "Set the value of one or more fields of a given hash key, and optionally set their expiration.",
    )
    .syntax(
        "key [key-condition<NX|XX>] [condition<FNX|FXX>] [expiration<EX seconds:int|PX milliseconds:int|\
        EXAT unix-time-seconds:time|PXAT unix-time-milliseconds:time|KEEPTTL>] FIELDS \
        fields(numfields:int data(field value)...)",
    );

fn hsetex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let options = Options::parse(call)?;
    if !options.is_met(call)? {
        call.reply.int(0);
        return Ok(());
    }
    let mut hash = call.txn.hash_entry(call.db, key)?;
    let mut removed = 0;
    for [field, value] in options.pairs {
        if options.expiry == Expiry::None {
            hash.set_deadline(field, None);
        }
        hash.insert(field, value);
        if let Expiry::At(deadline) = options.expiry {
            removed += u64::from(set_deadline(&mut hash, field, deadline));
        }
    }
    let emptied = hash.is_empty();
    drop(hash);
    call.env.count_expired_fields(removed);
    call.notify(Event::Hash, "hset", key);
    if let Expiry::At(_) = options.expiry {
        call.notify(Event::Hash, if removed > 0 { "hdel" } else { "hexpire" }, key);
    }
    if emptied {
        call.notify(Event::Generic, "del", key);
    }
    call.reply.int(1);
    Ok(())
}

/// What becomes of the fields' deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    None,
    Keep,
    At(u64),
}

struct Options<'c> {
    /// Whether the key must be there, or must not: NX and XX, of Valkey 9 (<https://valkey.io/commands/hsetex/>).
    key_presence: Option<bool>,
    /// Whether all fields must be there, or none.
    presence: Option<bool>,
    expiry: Expiry,
    pairs: &'c [[&'c [u8]; 2]],
}

impl<'c> Options<'c> {
    fn parse(call: &Call<'c, '_>) -> Result<Self, Error> {
        let (mut key_presence, mut presence, mut expiry) = (None, None, Expiry::None);
        let mut words = call.options(2);
        while let Some(word) = words.next() {
            if word.is("FIELDS") {
                let pairs = pairs(call, words.position())?;
                return Ok(Options { key_presence, presence, expiry, pairs });
            }
            if word.is("FNX") || word.is("FXX") {
                if presence.is_some() {
                    return Err(Error::Text("ERR Only one of FXX or FNX arguments can be specified"));
                }
                presence = Some(word.is("FXX"));
                continue;
            }
            if word.is("NX") || word.is("XX") {
                if key_presence.is_some() {
                    return Err(Error::Syntax);
                }
                key_presence = Some(word.is("XX"));
                continue;
            }
            let timed = unit_of(word);
            if timed.is_none() && !word.is("KEEPTTL") {
                return Err(Error::quoting("ERR unknown argument: ", word.0, ""));
            }
            if expiry != Expiry::None {
                return Err(ONE_EXPIRY);
            }
            expiry = match timed {
                Some((unit, base)) => {
                    let amount = words.next().ok_or(Error::Text("ERR missing expire time"))?;
                    Expiry::At(deadline(call, amount.0, unit, base)?)
                }
                None => Expiry::Keep,
            };
        }
        Err(Error::Text("ERR Mandatory argument FIELDS is missing or not at the right position"))
    }

    /// Whether the key and the fields are there, or not there, as they must be.
    fn is_met(&self, call: &Call<'_, '_>) -> Result<bool, Error> {
        let hash = call.txn.hash(call.db, call.args[1])?;
        if self.key_presence.is_some_and(|wanted| hash.is_some() != wanted) {
            return Ok(false);
        }
        let is_there = |field: &[u8]| hash.is_some_and(|hash| hash.contains(field));
        Ok(self.presence.is_none_or(|wanted| self.pairs.iter().all(|[field, _]| is_there(field) == wanted)))
    }
}

const ONE_EXPIRY: Error =
    Error::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

/// The number at a position, and as many fields with values behind it.
fn pairs<'c>(call: &Call<'c, '_>, at: usize) -> Result<&'c [[&'c [u8]; 2]], Error> {
    const WRONG: Error = Error::WrongArity("hsetex");
    let [number, rest @ ..] = &call.args[at..] else { return Err(WRONG) };
    if rest.len() < 2 {
        return Err(WRONG);
    }
    let number = integer(number).filter(|number| (1..=i64::from(i32::MAX)).contains(number));
    let number = number.ok_or(Error::Text("ERR invalid number of fields"))?;
    match rest.as_chunks() {
        (pairs, []) if pairs.len() as i64 == number => Ok(pairs),
        _ => Err(WRONG),
    }
}
