//! Random commands, in episodes that start from empty servers, so that each mismatch can be replayed and made small.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::compare::{Policy, same, same_value};
use super::grammar;
use super::pair::{Pair, Request};
use super::report::{Report, group, show};
use super::shapes::Dice;
use super::{state, words};
use crate::connection::Outcome;
use crate::value::Value;

const STEPS: usize = 60;
const STATE_EVERY: usize = 20;
const REPLAYS: usize = 120;

/// Runs episodes until that many commands were sent, or the report is full.
pub(super) fn run(
    pair: &mut Pair,
    report: &mut Report,
    seed: u64,
    commands: u64,
    only: Option<&str>,
) -> Result<()> {
    let table = command_table(pair, only)?;
    println!("random commands: seed {seed}, {} commands of both tables", table.len());
    let mut sent = 0;
    let mut episode = seed;
    while sent < commands && !report.full() {
        let steps = write_episode(episode, &table, only.is_some());
        sent += steps.iter().map(|step| step.requests.len() as u64).sum::<u64>();
        if let Some(found) = play(pair, &steps, report)? {
            report_episode(pair, report, episode, steps, found)?;
        }
        episode = episode.wrapping_add(1);
    }
    Ok(())
}

/// Data that differs shows late: only the minimised episode tells which command did it, so it is grouped after that.
fn report_episode(
    pair: &mut Pair,
    report: &mut Report,
    seed: u64,
    steps: Vec<Step>,
    found: Mismatch,
) -> Result<()> {
    let state = found.group.starts_with("state:");
    if !state && !report.is_new(found.group.clone()) {
        return Ok(());
    }
    let (steps, found) = minimise(pair, report, steps, found)?;
    if !state || report.is_new(found.group.clone()) {
        let lines: Vec<String> = steps.iter().flat_map(Step::show).collect();
        report.print(&format!("(--seed {seed})"), &lines, &found.reference, &found.subject);
    }
    Ok(())
}

/// The commands that both servers have, and that answer alike whenever they are asked alike.
fn command_table(pair: &mut Pair, only: Option<&str>) -> Result<Vec<(String, i64)>> {
    pair.reset()?;
    let [reference, subject] = [0, 1].map(|which| arities(pair, which));
    let (reference, subject) = (reference?, subject?);
    let missing: Vec<&str> =
        reference.keys().filter(|name| !subject.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        println!("not in the subject's COMMAND table: {}", missing.join(" "));
    }
    let container =
        |name: &str| grammar::shaped_names().any(|shaped| shaped.starts_with(&format!("{name} ")));
    let mut table: Vec<(String, i64)> = reference
        .into_iter()
        .filter(|(name, _)| {
            subject.contains_key(name) && !LEFT_OUT.contains(&name.as_str()) && !container(name)
        })
        .collect();
    let of_container =
        |name: &str| name.split_once(' ').is_some_and(|(first, _)| subject.contains_key(first));
    table.extend(grammar::shaped_names().filter(|name| of_container(name)).map(|name| (name.to_owned(), -2)));
    if let Some(only) = only {
        let only = only.to_uppercase();
        table.retain(|(name, _)| *name == only || SEEDING.contains(&name.as_str()));
        if !table.iter().any(|(name, _)| *name == only) {
            bail!("there is no transcript and no examined command '{only}'");
        }
        let weight = table.len().max(10);
        let wanted = table.iter().find(|(name, _)| *name == only).cloned();
        table.extend(std::iter::repeat_n(wanted, weight).flatten());
    }
    Ok(table)
}

fn arities(pair: &mut Pair, which: usize) -> Result<BTreeMap<String, i64>> {
    let table = pair.ask(which, &[b"COMMAND"])?;
    let entries = table.items().context("COMMAND does not answer with an array")?;
    Ok(entries
        .iter()
        .filter_map(|entry| match entry.items()? {
            [name, Value::Int(arity), ..] => {
                Some((String::from_utf8_lossy(name.bytes()?).to_uppercase(), *arity))
            }
            _ => None,
        })
        .collect())
}

/// How a request reaches the server.
#[derive(Clone, Debug)]
enum Face {
    Plain,
    Exec,
    Script { declared: bool, resp3: bool },
}

/// One call of an episode.
#[derive(Clone, Debug)]
struct Step {
    face: Face,
    requests: Vec<Request>,
}

/// What differed, printable and comparable between replays.
struct Mismatch {
    group: String,
    reference: String,
    subject: String,
    at: usize,
    silent: bool,
}

fn write_episode(seed: u64, table: &[(String, i64)], narrow: bool) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let resp3 = dice.one_in(2);
    let mut steps: Vec<Step> = Vec::new();
    if resp3 {
        steps.push(Step { face: Face::Plain, requests: vec![vec![b"HELLO".to_vec(), b"3".to_vec()]] });
    }
    for _ in 0..STEPS {
        let (face, count) = match dice.below(10) {
            0 | 1 => (Face::Exec, 1 + dice.below(4)),
            2 | 3 => (Face::Script { declared: dice.one_in(2), resp3: dice.one_in(3) }, 1),
            _ => (Face::Plain, 1),
        };
        let mut requests = Vec::new();
        while requests.len() < count {
            let (name, arity) = dice.pick(table).clone();
            let slow = name.starts_with('B') && !name.starts_with("BIT");
            if slow && matches!(face, Face::Plain) && !narrow && !dice.one_in(4) {
                continue;
            }
            requests.push(grammar::request(&mut dice, &name, arity));
        }
        steps.push(Step { face, requests });
    }
    steps
}

/// Plays an episode on empty servers up to the first difference.
fn play(pair: &mut Pair, steps: &[Step], report: &mut Report) -> Result<Option<Mismatch>> {
    pair.reset()?;
    for (at, step) in steps.iter().enumerate() {
        report.compared += 1;
        if let Some(found) = step.play(pair, report, at)? {
            return Ok(Some(found));
        }
        let look = (at + 1) % STATE_EVERY == 0 || at + 1 == steps.len();
        if look
            && let Some((what, reference, subject)) = state::difference(pair)?
            && !report.accepts_state(&what)
        {
            let kind = what.split(", db").next().unwrap_or_default();
            let names: Vec<_> = step.requests.iter().map(name_of).collect();
            let group = format!("state: {kind} (about {})", names.join(","));
            let (reference, subject) = (format!("{what}: {reference}"), format!("{what}: {subject}"));
            return Ok(Some(Mismatch { group, reference, subject, at, silent: false }));
        }
    }
    Ok(None)
}

/// Leaves out steps as long as the last one still differs.
fn minimise(
    pair: &mut Pair,
    report: &Report,
    mut steps: Vec<Step>,
    mut found: Mismatch,
) -> Result<(Vec<Step>, Mismatch)> {
    steps.truncate(found.at + 1);
    if found.silent {
        return Ok((steps, found));
    }
    let mut replays = 0;
    let mut chunk = steps.len().div_ceil(2);
    let state = found.group.starts_with("state:");
    while chunk > 0 && replays < REPLAYS {
        let mut start = 0;
        while start < steps.len() && replays < REPLAYS {
            let mut fewer = steps.clone();
            fewer.drain(start..(start + chunk).min(steps.len()));
            replays += 1;
            match play(pair, &fewer, &mut report.aside())? {
                Some(again) if again.same_finding(&found, state) => {
                    fewer.truncate(again.at + 1);
                    steps = fewer;
                    found = again;
                }
                _ => start += chunk,
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    Ok((steps, found))
}

impl Mismatch {
    fn same_finding(&self, other: &Self, state: bool) -> bool {
        let kind = |group: &str| group.split(" (about").next().unwrap_or_default().to_owned();
        if state { kind(&self.group) == kind(&other.group) } else { self.group == other.group }
    }
}

impl Step {
    fn play(&self, pair: &mut Pair, report: &Report, at: usize) -> Result<Option<Mismatch>> {
        let [reference, subject] = match &self.face {
            Face::Exec => {
                pair.call(1, &["MULTI"])?;
                for request in &self.requests {
                    let [reference, subject] = pair.call(1, request)?;
                    if reference != subject && !report.accepts(&words::join(request), &reference, &subject) {
                        return Ok(Some(mismatch(request, &reference, &subject, at)));
                    }
                }
                pair.call(1, &["EXEC"])?
            }
            _ => pair.call(1, &self.wire())?,
        };
        if let Some(position) = self.differs(pair, &reference, &subject)? {
            let request = &self.requests[position];
            if !report.accepts(&words::join(request), &reference, &subject) {
                return Ok(Some(mismatch(request, &reference, &subject, at)));
            }
        }
        self.forget_random_effects(pair)?;
        Ok(None)
    }

    /// The request as it is sent, outside of transactions.
    fn wire(&self) -> Request {
        let request = &self.requests[0];
        match self.face {
            Face::Script { declared, resp3 } => {
                let (from, keys) = if declared && request.len() > 1 {
                    ("redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))", vec![request[1].clone()])
                } else {
                    ("redis.call(unpack(ARGV))", Vec::new())
                };
                let head = if resp3 { "redis.setresp(3) return " } else { "return " };
                let mut wire: Request = vec![b"EVAL".to_vec(), format!("{head}{from}").into_bytes()];
                wire.push(keys.len().to_string().into_bytes());
                wire.extend(keys.iter().cloned());
                wire.extend(
                    request
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| *at != 1 || keys.is_empty())
                        .map(|(_, w)| w.clone()),
                );
                wire
            }
            Face::Plain | Face::Exec => request.clone(),
        }
    }

    /// The position of the first request whose answers differ.
    fn differs(&self, pair: &mut Pair, reference: &Outcome, subject: &Outcome) -> Result<Option<usize>> {
        let pairs: Vec<(usize, &Value, &Value)> = match (&self.face, reference, subject) {
            (Face::Exec, Outcome::Reply(Value::Array(a)), Outcome::Reply(Value::Array(b)))
                if a.len() == b.len() && a.len() == self.requests.len() =>
            {
                a.iter().zip(b).enumerate().map(|(at, (a, b))| (at, a, b)).collect()
            }
            (_, Outcome::Reply(a), Outcome::Reply(b)) => vec![(0, a, b)],
            _ => return Ok((!same(Policy::Exact, reference, subject)).then_some(0)),
        };
        for (at, a, b) in pairs {
            let request = &self.requests[at];
            if !same_value(policy(request), a, b) && !self.order_is_free(pair, request, a, b)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Whether the answers differ only in an order that the reference takes from a hash table.
    fn order_is_free(
        &self,
        pair: &mut Pair,
        request: &Request,
        reference: &Value,
        subject: &Value,
    ) -> Result<bool> {
        let relaxed = match name_of(request).as_str() {
            "HKEYS" | "HVALS" => Policy::Unordered,
            "HGETALL" => Policy::UnorderedPairs,
            "SORT" | "SORT_RO" => Policy::Shape,
            _ => return Ok(false),
        };
        let Some(key) = request.get(1) else { return Ok(false) };
        let encoding = pair.ask(0, &[b"OBJECT", b"ENCODING", key])?;
        let table = encoding.bytes() == Some(b"hashtable") || matches!(self.face, Face::Exec);
        Ok(table && same_value(relaxed, reference, subject))
    }

    /// What was chosen at random differs between the servers: remove it from both.
    fn forget_random_effects(&self, pair: &mut Pair) -> Result<()> {
        for request in self.requests.iter().filter(|request| name_of(request) == "SPOP" && request.len() > 1)
        {
            for which in [0, 1] {
                pair.ask(which, &[b"DEL", &request[1]])?;
            }
        }
        Ok(())
    }

    fn show(&self) -> Vec<String> {
        let mut lines: Vec<String> = match self.face {
            Face::Exec => self.requests.iter().map(|request| words::join(request)).collect(),
            _ => vec![words::join(&self.wire())],
        };
        if matches!(self.face, Face::Exec) {
            lines.insert(0, "MULTI".into());
            lines.push("EXEC".into());
        }
        lines
    }
}

fn mismatch(request: &Request, reference: &Outcome, subject: &Outcome, at: usize) -> Mismatch {
    let silent = [reference, subject].iter().any(|outcome| **outcome == Outcome::Silent);
    let group = group(name_of(request).as_bytes(), reference, subject);
    Mismatch { group, reference: show(reference), subject: show(subject), at, silent }
}

fn name_of(request: &Request) -> String {
    String::from_utf8_lossy(&request[0]).to_uppercase()
}

fn policy(request: &Request) -> Policy {
    match name_of(request).as_str() {
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" | "SPOP" | "TIME" | "DUMP" | "HELLO" => {
            Policy::Shape
        }
        "SMEMBERS" | "SUNION" | "SDIFF" | "SINTER" | "KEYS" => Policy::Unordered,
        "SCAN" => scan_policy(request.get(1)),
        "SSCAN" | "HSCAN" | "ZSCAN" => scan_policy(request.get(2)),
        "TTL" | "EXPIRETIME" => Policy::Near(2.0),
        "PTTL" | "PEXPIRETIME" => Policy::Near(1_500.0),
        _ => Policy::Exact,
    }
}

/// Where a cursor other than the first leads is each server's own affair.
fn scan_policy(cursor: Option<&Vec<u8>>) -> Policy {
    let number = cursor.and_then(|cursor| std::str::from_utf8(cursor).ok()?.parse::<i128>().ok());
    if number.is_some_and(|number| number != 0) { Policy::Ignore } else { Policy::Scan }
}

/// Enough to fill keys of every type when one command is examined alone.
const SEEDING: &[&str] = &["SET", "RPUSH", "HSET", "SADD", "ZADD", "DEL"];

/// Commands about the server or the connection: their place is in the transcripts.
const LEFT_OUT: &[&str] = &[
    "ACL",
    "ASKING",
    "AUTH",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "CONFIG",
    "DEBUG",
    "DISCARD",
    "EVAL",
    "EVALSHA",
    "EVALSHA_RO",
    "EVAL_RO",
    "EXEC",
    "FAILOVER",
    "FCALL",
    "FCALL_RO",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION",
    "HELLO",
    "INFO",
    "LASTSAVE",
    "LATENCY",
    "LOLWUT",
    "MEMORY",
    "MIGRATE",
    "MODULE",
    "MONITOR",
    "MULTI",
    "OBJECT",
    "PFDEBUG",
    "PFSELFTEST",
    "PSUBSCRIBE",
    "PSYNC",
    "PUBSUB",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "REPLICAOF",
    "RESET",
    "RESTORE",
    "RESTORE-ASKING",
    "ROLE",
    "SAVE",
    "SCRIPT",
    "SELECT",
    "SHUTDOWN",
    "SLAVEOF",
    "SLOWLOG",
    "SPUBLISH",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "TIME",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WAIT",
    "WATCH",
    "XADD",
    "XAUTOCLAIM",
    "XCLAIM",
    "XREAD",
    "XREADGROUP",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_depends_on_its_seed_alone() {
        let table = [("SET".to_owned(), -3), ("BLPOP".to_owned(), -3)];
        let text = |seed| write_episode(seed, &table, false).iter().flat_map(Step::show).collect::<Vec<_>>();
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }

    #[test]
    fn scripts_pass_every_argument() {
        let request: Request = ["GET", "k", "x"].map(|word| word.as_bytes().to_vec()).into();
        let wire = |declared| {
            let face = Face::Script { declared, resp3: false };
            words::join(&Step { face, requests: vec![request.clone()] }.wire())
        };
        assert_eq!(wire(false), "EVAL \"return redis.call(unpack(ARGV))\" 0 GET k x");
        assert_eq!(wire(true), "EVAL \"return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))\" 1 k GET x");
    }
}
