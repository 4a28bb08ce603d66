//! Which clients CLIENT LIST and CLIENT KILL mean: those that meet every condition.
//!
//! ID with several numbers, TYPE, USER, ADDR, LADDR, SKIPME and MAXAGE as in Redis; the others, and each condition's opposite
//! NOT-, as in Valkey 9 (its documentation of CLIENT LIST and CLIENT KILL, tests/unit/introspection.tcl).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::list::{Class, flags};
use crate::acl::User;
use crate::call::Call;
use crate::clients::{Client, Mark, Named};
use crate::error::Error;
use crate::parse::{Options, Word, integer};

/// The conditions.
#[derive(Default)]
pub(super) struct Filter<'a> {
    conditions: Vec<(Kind, Condition<'a>)>,
    max_age_s: Option<u64>,
    min_idle_s: Option<u64>,
    /// Who asks is not meant.
    pub(super) skip_me: bool,
}

/// Whose words they are: they differ in what they take for a client's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    List,
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    field: Field,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Type,
    User,
    Address,
    LocalAddress,
    Name,
    Flags,
    LibraryName,
    LibraryVersion,
    Db,
    Capabilities,
    Ip,
}

const FIELDS: [(&str, Field); 12] = [
    ("ID", Field::Id),
    ("TYPE", Field::Type),
    ("USER", Field::User),
    ("ADDR", Field::Address),
    ("LADDR", Field::LocalAddress),
    ("NAME", Field::Name),
    ("FLAGS", Field::Flags),
    ("LIB-NAME", Field::LibraryName),
    ("LIB-VER", Field::LibraryVersion),
    ("DB", Field::Db),
    ("CAPA", Field::Capabilities),
    ("IP", Field::Ip),
];

impl Kind {
    fn named(word: Word<'_>) -> Option<Self> {
        let negated = word.0.get(..4).is_some_and(|start| Word(start).is("NOT-"));
        let name = Word(if negated { &word.0[4..] } else { word.0 });
        let found = FIELDS.into_iter().find(|(known, _)| name.is(known));
        found.map(|(_, field)| Kind { field, negated })
    }
}

/// What a field is compared with.
enum Condition<'a> {
    Ids(Vec<u64>),
    Class(Class),
    User(Arc<User>),
    Db(u16),
    Text(&'a [u8]),
}

impl<'a> Filter<'a> {
    /// A client at an address, as the old form of CLIENT KILL has it.
    pub(super) fn at(address: &'a [u8]) -> Self {
        let kind = Kind { field: Field::Address, negated: false };
        Filter { conditions: vec![(kind, Condition::Text(address))], ..Filter::default() }
    }

    /// Reads the conditions from the third argument on. Of one that is repeated the last counts, but numbers add up.
    pub(super) fn parse(call: &Call<'a, '_>, asker: Asker) -> Result<Self, Error> {
        let mut filter = Filter { skip_me: asker == Asker::Kill, ..Filter::default() };
        let mut options = call.options(2);
        while let Some(word) = options.next() {
            if word.is("MAXAGE") {
                let refusals =
                    ["ERR maxage is not an integer or out of range", "ERR maxage should be greater than 0"];
                filter.max_age_s = Some(seconds(&mut options, refusals)?);
            } else if word.is("IDLE") {
                let refusals =
                    ["ERR idle is not an integer or out of range", "ERR idle should be greater than 0"];
                filter.min_idle_s = Some(seconds(&mut options, refusals)?);
            } else if word.is("SKIPME") {
                filter.skip_me = match Word(options.value()?) {
                    word if word.is("YES") => true,
                    word if word.is("NO") => false,
                    _ => return Err(Error::Syntax),
                };
            } else {
                let kind = Kind::named(word).ok_or(Error::Syntax)?;
                let condition = condition(call, asker, kind, &mut options)?;
                filter.add(kind, condition);
            }
        }
        Ok(filter)
    }

    fn add(&mut self, kind: Kind, condition: Condition<'a>) {
        match (self.conditions.iter_mut().find(|(known, _)| *known == kind), condition) {
            (Some((_, Condition::Ids(ids))), Condition::Ids(more)) => ids.extend(more),
            (Some((_, known)), condition) => *known = condition,
            (None, condition) => self.conditions.push((kind, condition)),
        }
    }

    /// Whether the client is meant, `skip_me` apart.
    pub(super) fn includes(&self, client: &Client, now_ms: u64) -> bool {
        let seconds_since = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        if self.max_age_s.is_some_and(|max| seconds_since(client.created_ms) < max)
            || self.min_idle_s.is_some_and(|min| seconds_since(client.active_ms()) < min)
        {
            return false;
        }
        let named = client.named.lock();
        let holds = |(kind, condition): &(Kind, Condition<'_>)| {
            condition.holds(kind.field, client, &named) != kind.negated
        };
        self.conditions.iter().all(holds)
    }
}

fn seconds(options: &mut Options<'_>, [not_integer, not_positive]: [&'static str; 2]) -> Result<u64, Error> {
    let seconds = integer(options.value()?).ok_or(Error::Text(not_integer))?;
    u64::try_from(seconds).ok().filter(|&seconds| seconds > 0).ok_or(Error::Text(not_positive))
}

fn condition<'a>(
    call: &Call<'a, '_>,
    asker: Asker,
    kind: Kind,
    options: &mut Options<'a>,
) -> Result<Condition<'a>, Error> {
    let not = if kind.negated { "NOT-" } else { "" };
    if kind.field == Field::Id {
        let lists = asker == Asker::List && !kind.negated;
        return if lists { listed_ids(options) } else { ids(options) }.map(Condition::Ids);
    }
    let value = options.value()?;
    match kind.field {
        Field::Type => Class::parse(value).map(Condition::Class),
        Field::User => {
            let user = call.env.engine.acl.find(value);
            user.map(Condition::User).ok_or_else(|| Error::quoting("ERR No such user '", value, "'"))
        }
        Field::Db => {
            let number = integer(value).and_then(|number| i32::try_from(number).ok());
            let number = number
                .ok_or_else(|| Error::Owned(format!("ERR {not}DB is not an integer or out of range")))?;
            let databases = call.env.engine.keyspace.databases();
            let known = u16::try_from(number).ok().filter(|&number| number < databases);
            known.map(Condition::Db).ok_or_else(|| {
                Error::Owned(format!("ERR {not}DB number should be between 0 and {}", databases - 1))
            })
        }
        Field::Flags | Field::Capabilities => {
            let (what, letters) =
                if kind.field == Field::Flags { ("flags", FLAGS) } else { ("capa", CAPABILITIES) };
            if value.iter().all(|letter| letters.contains(letter)) {
                return Ok(Condition::Text(value));
            }
            let place =
                if kind.negated { format!("NOT-{}", what.to_uppercase()) } else { "provided".to_owned() };
            Err(Error::quoting(&format!("ERR Unknown {what} found in the {place} filter: "), value, ""))
        }
        _ => Ok(Condition::Text(value)),
    }
}

/// Every letter that CLIENT LIST may show in Redis or Valkey.
const FLAGS: &[u8] = b"OSMPxbtRBdcuAUreTIN";
/// `r` is what CLIENT CAPA calls `redirect`.
const CAPABILITIES: &[u8] = b"r";

/// One number or more, as many as follow.
fn ids(options: &mut Options<'_>) -> Result<Vec<u64>, Error> {
    const NOT_POSITIVE: Error = Error::Text("ERR client-id should be greater than 0");
    let positive = |value: Option<i64>| {
        value.and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0).ok_or(NOT_POSITIVE)
    };
    let mut ids = vec![positive(integer(options.value()?))?];
    while let Some(id) = options.peek().and_then(integer) {
        options.next();
        ids.push(positive(Some(id))?);
    }
    Ok(ids)
}

/// The same as CLIENT LIST reads them: any number, up to the next condition.
fn listed_ids(options: &mut Options<'_>) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    while let Some(word) = options.peek() {
        let Some(id) = integer(word) else {
            let follows = ["MAXAGE", "IDLE", "SKIPME"].iter().any(|known| Word(word).is(known));
            if !ids.is_empty() && (follows || Kind::named(Word(word)).is_some()) {
                break;
            }
            return Err(Error::Text("ERR Invalid client ID"));
        };
        options.next();
        ids.push(id as u64);
    }
    if ids.is_empty() { Err(Error::Syntax) } else { Ok(ids) }
}

impl Condition<'_> {
    fn holds(&self, field: Field, client: &Client, named: &Named) -> bool {
        match self {
            Condition::Ids(ids) => ids.contains(&client.id),
            Condition::Class(class) => Class::of(client) == *class,
            Condition::User(user) => named.user.as_ref().is_some_and(|own| Arc::ptr_eq(own, user)),
            Condition::Db(db) => client.db.load(Ordering::Relaxed) == *db,
            Condition::Text(text) => match field {
                Field::Address => client.address.as_bytes() == *text,
                Field::LocalAddress => client.local_address.as_bytes() == *text,
                Field::Name => named.name == *text,
                Field::LibraryName => named.library == *text,
                Field::LibraryVersion => named.library_version == *text,
                Field::Flags => {
                    let own = flags(client);
                    text.iter().all(|letter| own.as_bytes().contains(letter))
                }
                Field::Capabilities => text.is_empty() || client.has(Mark::Redirectable),
                Field::Ip => ip(&client.address).is_some_and(|ip| ip.as_bytes() == *text),
                Field::Id | Field::Type | Field::User | Field::Db => unreachable!("not a text"),
            },
        }
    }
}

/// The part of an address before its port; nothing for a Unix socket, whose port is 0.
fn ip(address: &str) -> Option<&str> {
    let (ip, port) = address.rsplit_once(':')?;
    (port != "0").then(|| ip.trim_matches(['[', ']']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ip_is_what_stands_before_the_port() {
        assert_eq!(ip("127.0.0.1:5"), Some("127.0.0.1"));
        assert_eq!(ip("[::1]:5"), Some("::1"));
        assert_eq!(ip("/tmp/socket:0"), None);
    }

    #[test]
    fn kinds_have_opposites() {
        let kind = Kind::named(Word(b"not-lib-ver"));
        assert_eq!(kind, Some(Kind { field: Field::LibraryVersion, negated: true }));
        assert_eq!(Kind::named(Word(b"Addr")).map(|kind| kind.negated), Some(false));
        assert_eq!(Kind::named(Word(b"not-skipme")), None);
        assert_eq!(Kind::named(Word(b"no")), None);
    }

    #[test]
    fn numbers_end_where_something_else_begins() {
        let words: [&[u8]; 4] = [b"3", b"-1", b"4", b"type"];
        let mut options = Options::new(&words, 0);
        assert_eq!(listed_ids(&mut options).ok(), Some(vec![3, u64::MAX, 4]));
        assert_eq!(options.peek(), Some(&b"type"[..]));
        assert!(ids(&mut Options::new(&words, 0)).is_err());
        let mut options = Options::new(&words, 2);
        assert_eq!(ids(&mut options).ok(), Some(vec![4]));
        assert_eq!(options.peek(), Some(&b"type"[..]));
    }
}
