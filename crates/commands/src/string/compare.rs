//! DIGEST, and those that act only on a certain value: DELEX, DELIFEQ, and the options of SET.

use perigee_keyspace::StrRef;
use xxhash_rust::xxh3::xxh3_64;

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::{Options, Word};
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn on_string(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags.or(Flags::FAST)).keys(Keys::at(1)).acl(Categories::STRING)
}

pub(super) const DIGEST: Command = on_string("digest", 2, digest, Flags::READONLY)
    .docs(
        Group::String,
        "8.4.0",
        "O(N) where N is the length of the string value.",
        "Get the XXH3 hash of a string value",
    )
    .syntax("key");

fn digest(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let found = call.txn.string(call.db, key)?;
    call.env.count_lookup(call.txn, call.db, key, found.is_some());
    match found {
        Some(value) => call.reply.bulk(digest_of(value).as_bytes()),
        None => call.reply.null(),
    }
    Ok(())
}

/// The 64-bit XXH3 hash in hexadecimal.
fn digest_of(value: StrRef<'_>) -> String {
    format!("{:016x}", xxh3_64(value.as_bytes(&mut Default::default())))
}

pub(super) const DELEX: Command = on_string("delex", -2, delex, Flags::WRITE)
    .docs(
        Group::String,
        "8.4.0",
        "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
        "Conditionally removes the specified key based on value or digest comparison.",
    )
    .syntax(
        "key \
        [condition<IFEQ ifeq-value|IFNE ifne-value|IFDEQ ifdeq-digest|IFDNE ifdne-digest>]",
    );

fn delex(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let wanted = match call.args.len() {
        2 => true,
        4 if !call.txn.contains(call.db, key) => false,
        4 => {
            let value = call.txn.string(call.db, key).map_err(|_| NO_STRING)?;
            let mut words = call.options(2);
            let word = words.next().ok_or(Error::Syntax)?;
            let comparison = Comparison::take(word, &mut words)?.ok_or(INVALID_CONDITION)?;
            value.map_or(Ok(false), |value| comparison.holds(value))?
        }
        _ => return Err(Error::WrongArity("delex")),
    };
    remove_if(call, wanted);
    Ok(())
}

const NO_STRING: Error = Error::Text("ERR Key should be of string type if conditions are specified");
const INVALID_CONDITION: Error = Error::Text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");

pub(super) const DELIFEQ: Command = on_string("delifeq", 3, delifeq, Flags::WRITE)
    .docs(Group::String, "9.0.0", "O(1)", "Delete key if value matches string.")
    .syntax("key value");

fn delifeq(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let value = call.txn.string(call.db, call.args[1])?;
    let wanted = value.is_some_and(|value| is_equal(value, call.args[2]));
    remove_if(call, wanted);
    Ok(())
}

fn remove_if(call: &mut Call<'_, '_>, wanted: bool) {
    let key = call.args[1];
    let removed = wanted && call.txn.remove(call.db, key);
    if removed {
        call.notify(Event::Generic, "del", key);
    }
    call.reply.int(i64::from(removed));
}

/// What must hold of a string: IFEQ, IFNE with a value, IFDEQ, IFDNE with a digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    with: &'a [u8],
    of_digests: bool,
    equal: bool,
}

impl<'a> Comparison<'a> {
    /// Takes the word and what it compares with; `None` if it is none of the four.
    ///
    /// # Errors
    /// [`Error::Syntax`] if the request ends here.
    pub(super) fn take(word: Word<'a>, words: &mut Options<'a>) -> Result<Option<Self>, Error> {
        let known =
            [("IFEQ", false, true), ("IFNE", false, false), ("IFDEQ", true, true), ("IFDNE", true, false)];
        let Some(&(_, of_digests, equal)) = known.iter().find(|(name, ..)| word.is(name)) else {
            return Ok(None);
        };
        Ok(Some(Comparison { with: words.value()?, of_digests, equal }))
    }

    /// Whether it holds of this string.
    ///
    /// # Errors
    /// A digest of another length than digests have.
    pub(super) fn holds(&self, value: StrRef<'_>) -> Result<bool, Error> {
        const WRONG_LENGTH: Error = Error::Text("ERR must be exactly 16 hexadecimal characters");
        let equal = match self.of_digests {
            true if self.with.len() != 16 => return Err(WRONG_LENGTH),
            true => self.with.eq_ignore_ascii_case(digest_of(value).as_bytes()),
            false => is_equal(value, self.with),
        };
        Ok(equal == self.equal)
    }

    /// Whether it holds where there is no string.
    pub(super) fn holds_of_nothing(&self) -> bool {
        !self.equal
    }
}

fn is_equal(value: StrRef<'_>, bytes: &[u8]) -> bool {
    value.as_bytes(&mut Default::default()) == bytes
}
