//! One step of an episode: requests on one or several connections, and the comparison of what came back.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use super::compare::{Policy, same, same_value};
use super::listener;
use super::pair::{Pair, Request};
use super::report::{Report, group, show};
use super::{scripts, state, words};
use crate::connection::{Outcome, REPLY_WITHIN};
use crate::value::Value;

/// How a step's requests reach the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Face {
    /// One request as it is.
    Plain,
    /// One long request: enough elements for the encodings of large collections.
    Many,
    /// All in one transaction.
    Exec,
    /// One from a script that passes every argument on.
    Script { declared: bool, resp3: bool },
    /// One from a library's function that does so.
    Function,
    /// The first is a WATCH, the second is somebody else's; the rest is the transaction.
    Watched,
    /// The first waits on a connection of its own while the rest is called; then it is unblocked.
    Blocked,
    /// By the listener, whose answers are compared with all that it hears.
    Heard,
    /// An iteration that is followed to its end.
    Scan,
    /// A DUMP, whose payloads are exchanged.
    Dumped,
    /// Each request as it is, one after the other: a script that runs often.
    Series,
    /// A PEXPIRE whose deadline passes at once.
    Expired,
}

impl Face {
    /// In one word, for counting.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Many => "large",
            Self::Exec => "in transactions",
            Self::Script { .. } => "in scripts",
            Self::Function => "in functions",
            Self::Watched => "watched",
            Self::Blocked => "beside a waiting client",
            Self::Heard => "of a listener",
            Self::Scan => "iterations",
            Self::Dumped => "exchanged dumps",
            Self::Series => "runs of random scripts",
            Self::Expired => "expiring",
        }
    }
}

/// One step of an episode.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) face: Face,
    pub(super) requests: Vec<Request>,
}

/// What differed, printable and comparable between replays.
pub(super) struct Mismatch {
    pub(super) group: String,
    pub(super) reference: String,
    pub(super) subject: String,
    pub(super) at: usize,
    pub(super) silent: bool,
}

impl Step {
    /// Plays the step on both servers; the first difference that is not meant.
    pub(super) fn play(&self, pair: &mut Pair, report: &Report, at: usize) -> Result<Option<Mismatch>> {
        let found = match self.face {
            Face::Plain | Face::Many | Face::Script { .. } | Face::Function => self.one(pair, MAIN, 0)?,
            Face::Exec => self.transaction(pair, 0)?,
            Face::Watched => match self.one(pair, MAIN, 0)? {
                None => match self.one(pair, OTHER, 1)? {
                    None => self.transaction(pair, 2)?,
                    found => found,
                },
                found => found,
            },
            Face::Blocked => self.blocked(pair)?,
            Face::Heard => {
                listener::ask(pair, &self.requests[0])?;
                None
            }
            Face::Scan => self.scan(pair)?,
            Face::Dumped => self.exchange(pair)?,
            Face::Series => self.series(pair)?,
            Face::Expired => {
                let found = self.one(pair, MAIN, 0)?;
                std::thread::sleep(Duration::from_millis(3));
                found
            }
        };
        let found = found.filter(|_| !self.is_noticed_by_one_alone());
        if found.as_ref().is_some_and(|found| self.sees_stale_errno(found)) {
            forget_all(pair)?;
            return Ok(None);
        }
        if let Some(Difference { position, reference, subject }) = found {
            let request = &self.requests[position];
            if !report.accepts(&words::join(request), &reference, &subject) {
                let silent = [&reference, &subject].iter().any(|outcome| **outcome == Outcome::Silent);
                let group = group(name_of(request).as_bytes(), &reference, &subject);
                let (reference, subject) = (show(&reference), show(&subject));
                return Ok(Some(Mismatch { group, reference, subject, at, silent }));
            }
        }
        let [mut reference, mut subject] = listener::hear(pair)?;
        if self.requests.iter().any(|request| name_of(request).starts_with("SORT")) {
            // The patterns are looked up in the order of the set.
            [&mut reference, &mut subject].into_iter().for_each(listener::forget_order);
        }
        let served_once = self.face == Face::Blocked && self.overwrites_what_is_waited_for();
        if reference != subject && !served_once && !report.accepts("(heard)", &reference, &subject) {
            let group = format!("heard after {}", name_of(&self.requests[0]));
            let (reference, subject) = (show(&reference), show(&subject));
            return Ok(Some(Mismatch { group, reference, subject, at, silent: false }));
        }
        self.forget_random_effects(pair)?;
        Ok(None)
    }

    /// The step's lines in a report.
    pub(super) fn show(&self) -> Vec<String> {
        let line = |request: &Request| words::join(request);
        let rest = |from: usize| self.requests[from..].iter().map(line);
        let transaction = |from| std::iter::once("MULTI".into()).chain(rest(from)).chain(["EXEC".into()]);
        let first = &self.requests[0];
        match self.face {
            Face::Plain | Face::Script { .. } | Face::Function => vec![line(&self.wire(0))],
            Face::Expired => vec![line(first), "(3 ms)".into()],
            Face::Series => self.series_lines(),
            Face::Many => vec![format!("{} ... ({} words)", line(&first[..4].to_vec()), first.len())],
            Face::Exec => transaction(0).collect(),
            Face::Watched => [line(first), format!("(other) {}", line(&self.requests[1]))]
                .into_iter()
                .chain(transaction(2))
                .collect(),
            Face::Blocked => std::iter::once(format!("(waits) {}", line(first))).chain(rest(1)).collect(),
            Face::Heard => vec![format!("(listener) {}", line(first))],
            Face::Scan => vec![format!("(to the end) {}", line(first))],
            Face::Dumped => vec![format!("(exchanged) {}", line(first))],
        }
    }

    fn one(&self, pair: &mut Pair, connection: u32, position: usize) -> Result<Option<Difference>> {
        let [reference, subject] = pair.call(connection, &self.wire(position))?;
        self.judge(pair, position, reference, subject)
    }

    fn series(&self, pair: &mut Pair) -> Result<Option<Difference>> {
        for position in 0..self.requests.len() {
            let found = self.one(pair, MAIN, position)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn series_lines(&self) -> Vec<String> {
        let runs = self.requests.chunk_by(|a, b| a == b);
        runs.map(|same| format!("({} times) {}", same.len(), words::join(&same[0]))).collect()
    }

    fn transaction(&self, pair: &mut Pair, from: usize) -> Result<Option<Difference>> {
        pair.call(MAIN, &["MULTI"])?;
        let mut queued = Vec::new();
        for position in from..self.requests.len() {
            let [reference, subject] = pair.call(MAIN, &self.requests[position])?;
            if reference != subject {
                return Ok(Some(Difference { position, reference, subject }));
            }
            if matches!(reference, Outcome::Reply(Value::Simple(_))) {
                queued.push(position);
            }
        }
        match pair.call(MAIN, &["EXEC"])? {
            [Outcome::Reply(Value::Array(a)), Outcome::Reply(Value::Array(b))]
                if a.len() == b.len() && a.len() == queued.len() =>
            {
                for (position, (a, b)) in queued.into_iter().zip(a.into_iter().zip(b)) {
                    let found = self.judge(pair, position, Outcome::Reply(a), Outcome::Reply(b))?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
            [reference, subject] if reference == subject => Ok(None),
            [reference, subject] => {
                Ok(Some(Difference { position: from.min(self.requests.len() - 1), reference, subject }))
            }
        }
    }

    fn blocked(&self, pair: &mut Pair) -> Result<Option<Difference>> {
        let ids = pair.call(WAITING, &["CLIENT", "ID"])?;
        pair.send(WAITING, &self.requests[0])?;
        let early = [await_block(pair, 0)?, await_block(pair, 1)?];
        for position in 1..self.requests.len() {
            let found = self.one(pair, MAIN, position)?;
            if found.is_some() {
                pair.drop_connection(WAITING);
                return Ok(found);
            }
        }
        let difference = |reference, subject| Some(Difference { position: 0, reference, subject });
        match early {
            [Some(reference), Some(subject)] => return self.judge(pair, 0, reference, subject),
            [None, None] => {}
            [reference, subject] => {
                pair.drop_connection(WAITING);
                let [reference, subject] = [reference, subject].map(|early| early.unwrap_or(Outcome::Silent));
                return Ok(difference(reference, subject));
            }
        }
        let mut unblocked = Vec::new();
        for (which, id) in ids.iter().enumerate() {
            let Outcome::Reply(Value::Int(id)) = id else { bail!("CLIENT ID does not answer with a number") };
            unblocked.push(pair.ask(which, &[b"CLIENT", b"UNBLOCK", id.to_string().as_bytes()])?);
        }
        let [reference, subject] = pair.read(WAITING, REPLY_WITHIN)?;
        if self.overwrites_what_is_waited_for() {
            return Ok(None);
        }
        if unblocked[0] != unblocked[1] || !same(Policy::of(&self.requests[0]), &reference, &subject) {
            return Ok(difference(reference, subject));
        }
        Ok(None)
    }

    /// Redis leaves a client that waits for a sorted set waiting when another value is overwritten with one; Perigee serves it.
    fn overwrites_what_is_waited_for(&self) -> bool {
        let stores = |request: &Request| {
            let name = name_of(request);
            name.starts_with('Z') && name.ends_with("STORE")
        };
        name_of(&self.requests[0]).starts_with("BZ") && self.requests[1..].iter().any(stores)
    }

    /// A watching client of Redis does not notice the key that a BITFIELD makes or lengthens, if none of its writes fits. What writes
    /// to vector sets it notices in any case.
    fn is_noticed_by_one_alone(&self) -> bool {
        let may_fail = |request: &Request| {
            name_of(request) == "BITFIELD" && request.iter().any(|word| word.eq_ignore_ascii_case(b"FAIL"))
        };
        let of_vectors = |request: &Request| name_of(request).starts_with('V');
        self.face == Face::Watched && (may_fail(&self.requests[1]) || of_vectors(&self.requests[1]))
    }

    /// SORT in Redis sees the ERANGE that an earlier number of the same transaction or script has left in `errno`.
    fn sees_stale_errno(&self, found: &Difference) -> bool {
        let refused = |outcome: &Outcome| {
            matches!(outcome, Outcome::Reply(Value::Error(text))
                if *text == *b"ERR One or more scores can't be converted into double")
        };
        let sorted = |outcome: &Outcome| matches!(outcome, Outcome::Reply(Value::Int(_) | Value::Array(_)));
        name_of(&self.requests[found.position]).starts_with("SORT")
            && found.position > 0
            && refused(&found.reference)
            && sorted(&found.subject)
    }

    fn scan(&self, pair: &mut Pair) -> Result<Option<Difference>> {
        let request = &self.requests[0];
        let [reference, subject] = [iterate(pair, 0, request)?, iterate(pair, 1, request)?];
        let differs = reference != subject;
        Ok(differs.then_some(Difference { position: 0, reference, subject }))
    }

    /// What a server has dumped is restored on the other one: both must be the same, and of most encodings already the payloads.
    fn exchange(&self, pair: &mut Pair) -> Result<Option<Difference>> {
        let [reference, subject] = pair.call(MAIN, &self.requests[0])?;
        let [Some(mine), Some(theirs)] = [&reference, &subject].map(payload) else {
            return Ok((reference != subject).then_some(Difference { position: 0, reference, subject }));
        };
        // The other kinds have an order of their own, or tell times.
        const HASH_TABLE: u8 = 4;
        const TRAILER: usize = 10;
        const EXACT: &[u8] = b"\x00\x05\x0b\x10\x11";
        let kinds = [mine, theirs].map(<[u8]>::first);
        // The version of the format, and the checksum of it all.
        let written = |payload: &[u8]| payload[..payload.len().saturating_sub(TRAILER)].to_vec();
        let same_payload = mine == theirs || (pair.peer().is_some() && written(mine) == written(theirs));
        if kinds[0] == kinds[1] && kinds[0].is_some_and(|kind| EXACT.contains(kind)) && !same_payload {
            return Ok(Some(Difference { position: 0, reference, subject }));
        }
        let mut restored = state::restored(pair, [theirs, mine])?;
        if mine.first() == Some(&HASH_TABLE) {
            // Restored, it may be compact, in the order of the table.
            restored.iter_mut().for_each(state::Entry::forget_order);
        }
        let [a, b] = restored;
        let difference = (!a.same(&b)).then_some((a, b));
        Ok(difference.map(|(a, b)| {
            let [reference, subject] =
                [a, b].map(|entry| Outcome::Reply(Value::Bulk(entry.show().into_bytes())));
            Difference { position: 0, reference, subject }
        }))
    }

    /// The request as it is sent, outside of transactions.
    fn wire(&self, position: usize) -> Request {
        let request = &self.requests[position];
        if self.face == Face::Function {
            let mut wire: Request = [&b"FCALL"[..], b"call", b"0"].map(<[u8]>::to_vec).into();
            wire.extend(request.iter().cloned());
            return wire;
        }
        let Face::Script { declared, resp3 } = self.face else { return request.clone() };
        let (from, keys) = if declared && request.len() > 1 {
            ("redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))", vec![request[1].clone()])
        } else {
            ("redis.call(unpack(ARGV))", Vec::new())
        };
        let head = if resp3 { "redis.setresp(3) return " } else { "return " };
        let mut wire: Request = vec![b"EVAL".to_vec(), format!("{head}{from}").into_bytes()];
        wire.push(keys.len().to_string().into_bytes());
        wire.extend(keys.iter().cloned());
        let rest = request.iter().enumerate().filter(|(at, _)| *at != 1 || keys.is_empty());
        wire.extend(rest.map(|(_, word)| word.clone()));
        wire
    }

    fn judge(
        &self,
        pair: &mut Pair,
        position: usize,
        reference: Outcome,
        subject: Outcome,
    ) -> Result<Option<Difference>> {
        let request = &self.requests[position];
        let fine = match (&reference, &subject) {
            (Outcome::Reply(a), Outcome::Reply(b)) => {
                same_value(Policy::beside(pair.peer(), request), a, b)
                    || self.follows_chance(position)
                    || self.order_is_free(pair, request, a, b)?
            }
            _ => same(Policy::Exact, &reference, &subject),
        };
        Ok((!fine).then_some(Difference { position, reference, subject }))
    }

    /// Whether something was taken at random before, in the same step.
    fn follows_chance(&self, position: usize) -> bool {
        self.requests[..position].iter().any(|request| name_of(request) == "SPOP")
    }

    /// Whether the answers differ only in an order that the reference takes from a hash table.
    fn order_is_free(&self, pair: &mut Pair, request: &Request, a: &Value, b: &Value) -> Result<bool> {
        let by = request.iter().any(|word| word.eq_ignore_ascii_case(b"BY"));
        let from_map = matches!(self.face, Face::Script { resp3: true, .. });
        if self.face == Face::Series {
            return Ok(
                self.requests.iter().any(scripts::has_free_order) && same_value(Policy::Unordered, a, b)
            );
        }
        let relaxed = match name_of(request).as_str() {
            "HGETALL" | "LCS" | "XREAD" | "XREADGROUP" if from_map => {
                return Ok(same_value(Policy::UnorderedPairs, a, b));
            }
            "SORT" | "SORT_RO" if by => {
                return Ok([Policy::Shape, Policy::Unordered].iter().any(|&policy| same_value(policy, a, b)));
            }
            "HKEYS" | "HVALS" => Policy::Unordered,
            "HGETALL" => Policy::UnorderedPairs,
            "SORT" | "SORT_RO" => Policy::Shape,
            _ => return Ok(false),
        };
        let Some(key) = request.get(1) else { return Ok(false) };
        let [encoding, _] = pair.call(MAIN, &[&b"OBJECT"[..], b"ENCODING", key])?;
        let table = matches!(&encoding, Outcome::Reply(value) if value.bytes() == Some(b"hashtable"));
        let table = table || matches!(self.face, Face::Exec | Face::Watched);
        Ok(table && same_value(relaxed, a, b))
    }

    /// What was chosen at random differs between the servers: remove it from both.
    fn forget_random_effects(&self, pair: &mut Pair) -> Result<()> {
        let chance = (0..self.requests.len()).any(|position| self.follows_chance(position));
        let served_once = self.face == Face::Blocked && self.overwrites_what_is_waited_for();
        if served_once || self.is_noticed_by_one_alone() || (chance && self.requests.len() > 1) {
            forget_all(pair)?;
        }
        for request in &self.requests {
            let victim = match name_of(request).as_str() {
                "SPOP" => request.get(1),
                "SORT" => stored_in_free_order(request),
                _ => None,
            };
            if let Some(victim) = victim {
                pair.call(MAIN, &[&b"DEL"[..], victim])?;
            }
        }
        Ok(())
    }
}

/// The answers to one of the step's requests.
struct Difference {
    position: usize,
    reference: Outcome,
    subject: Outcome,
}

const MAIN: u32 = 1;
const OTHER: u32 = 3;
const WAITING: u32 = 4;

/// Empties both servers, where what they hold may differ for good reason.
fn forget_all(pair: &mut Pair) -> Result<()> {
    let flush = [vec!["FLUSHALL"]];
    pair.ask_all([&flush, &flush])?;
    listener::hear(pair)?;
    Ok(())
}

/// A request's command in upper case.
pub(super) fn name_of(request: &Request) -> String {
    String::from_utf8_lossy(&request[0]).to_uppercase()
}

/// The answer that comes at once, or `None` as soon as the client is blocked.
fn await_block(pair: &mut Pair, which: usize) -> Result<Option<Outcome>> {
    for _ in 0..2_000 {
        match pair.connections(WAITING)?[which].read(Duration::from_millis(1)) {
            Outcome::Silent => {}
            outcome => return Ok(Some(outcome)),
        }
        let clients = pair.ask(which, &[b"INFO", b"clients"])?;
        if String::from_utf8_lossy(clients.bytes().unwrap_or_default()).contains("blocked_clients:1") {
            return Ok(None);
        }
    }
    Ok(Some(Outcome::Silent))
}

fn payload(outcome: &Outcome) -> Option<&[u8]> {
    match outcome {
        Outcome::Reply(reply) => reply.bytes(),
        _ => None,
    }
}

/// Everything that an iteration brought, each element once; or the first answer that is none.
fn iterate(pair: &mut Pair, which: usize, request: &Request) -> Result<Outcome> {
    let mut request = request.clone();
    let name = name_of(&request);
    let (cursor, group) = match name.as_str() {
        "SCAN" => (1, 1),
        "SSCAN" => (2, 1),
        _ => (2, 2),
    };
    let mut met = BTreeSet::new();
    for _ in 0..5_000 {
        let connection = &mut pair.connections(MAIN)?[which];
        connection.send(&request)?;
        let outcome = connection.read(REPLY_WITHIN);
        let Outcome::Reply(Value::Array(reply)) = &outcome else { return Ok(outcome) };
        let [Value::Bulk(next), Value::Array(elements)] = &reply[..] else { return Ok(outcome) };
        met.extend(elements.chunks(group).map(<[Value]>::to_vec));
        if next == b"0" {
            return Ok(Outcome::Reply(Value::Array(met.into_iter().flatten().collect())));
        }
        request[cursor].clone_from(next);
    }
    bail!("{name} does not end")
}

/// Where SORT stores what it does not sort: the order of a set is each server's own affair.
fn stored_in_free_order(request: &Request) -> Option<&Vec<u8>> {
    let is = |word: &Vec<u8>, name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let store = request.iter().rposition(|word| is(word, "STORE"))?;
    let by = request.iter().position(|word| is(word, "BY"));
    by.and_then(|_| request.get(store + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_pass_every_argument() {
        let request: Request = ["GET", "k", "x"].map(|word| word.as_bytes().to_vec()).into();
        let wire = |declared| {
            let face = Face::Script { declared, resp3: false };
            words::join(&Step { face, requests: vec![request.clone()] }.wire(0))
        };
        assert_eq!(wire(false), "EVAL \"return redis.call(unpack(ARGV))\" 0 GET k x");
        assert_eq!(wire(true), "EVAL \"return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))\" 1 k GET x");
    }
}
