//! Random commands, in episodes that start from empty servers, so that each mismatch can be replayed and made small.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use super::coverage::Coverage;
use super::grammar;
use super::newer;
use super::pair::{Pair, Request};
use super::peer::Peer;
use super::report::Report;
use super::scripts;
use super::shapes::Dice;
use super::state;
use super::step::{Face, Mismatch, Step, name_of};
use crate::syntax::Argument;

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
    let table = match pair.peer() {
        Some(peer) => newer_table(peer, command_table(pair, only)?, only.is_some()),
        None => command_table(pair, only)?,
    };
    let _same = pair.call(1, &["FUNCTION", "LOAD", "REPLACE", LIBRARY])?;
    println!("random commands: seed {seed}, {} commands of both tables", table.len());
    let mut coverage = Coverage::of_common(pair)?;
    let mut sent = 0;
    let mut faces = BTreeMap::<_, usize>::new();
    let mut episode = seed;
    while sent < commands && !report.full() {
        let steps = write_episode(episode, &table, only.is_some());
        for step in &steps {
            sent += step.requests.len() as u64;
            step.requests.iter().for_each(|request| coverage.count(request));
            *faces.entry(step.face.name()).or_default() += step.requests.len();
        }
        if let Some(found) = play(pair, &steps, report).with_context(|| format!("seed {episode}"))? {
            report_episode(pair, report, episode, steps, found)?;
        }
        episode = episode.wrapping_add(1);
    }
    let faces: Vec<_> = faces.iter().map(|(face, requests)| format!("{requests} {face}")).collect();
    println!("random commands: {sent} in seeds {seed} to {}: {}", episode.wrapping_sub(1), faces.join(", "));
    if only.is_none() {
        coverage.print();
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
fn command_table(pair: &mut Pair, only: Option<&str>) -> Result<Vec<(String, String)>> {
    pair.reset()?;
    let peer = pair.peer();
    let [reference, subject] = [0, 1].map(|which| shapes(pair, which));
    let (reference, subject) = (reference?, subject?);
    let missing: Vec<&str> =
        reference.keys().filter(|name| !subject.contains_key(*name)).map(String::as_str).collect();
    if !missing.is_empty() {
        println!("not in the subject's COMMAND table: {}", missing.join(" "));
    }
    let container =
        |name: &str| grammar::shaped_names(peer).any(|shaped| shaped.starts_with(&format!("{name} ")));
    let mut table: Vec<(String, String)> = reference
        .into_iter()
        .filter(|(name, _)| {
            subject.contains_key(name) && !LEFT_OUT.contains(&name.as_str()) && !container(name)
        })
        .collect();
    let of_container =
        |name: &str| name.split_once(' ').is_some_and(|(first, _)| subject.contains_key(first));
    let of_containers = grammar::shaped_names(peer).filter(|name| of_container(name));
    table.extend(
        of_containers.filter_map(|name| Some((name.to_owned(), grammar::shape(peer, name)?.to_owned()))),
    );
    if let Some(only) = only {
        let only = only.to_uppercase();
        let is_wanted = |name: &str| match only.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == only,
        };
        table.retain(|(name, _)| is_wanted(name) || SEEDING.contains(&name.as_str()));
        let wanted: Vec<_> = table.iter().filter(|(name, _)| is_wanted(name)).cloned().collect();
        if wanted.is_empty() {
            bail!("there is no transcript and no examined command '{only}'");
        }
        let weight = table.len().max(10);
        table.extend(wanted.into_iter().cycle().take(weight));
    }
    Ok(table)
}

/// Of the commands, those that have something new, together with what prepares their keys, and what else there
/// is for hashes.
fn newer_table(peer: Peer, mut table: Vec<(String, String)>, narrow: bool) -> Vec<(String, String)> {
    if !narrow {
        let is_new = |name: &str| newer::names(peer).any(|newer| newer == name);
        let is_near = |name: &str| {
            NEAR.contains(&name) || SEEDING.contains(&name) || (name.starts_with('H') && name != "HELLO")
        };
        table.retain(|(name, _)| is_new(name) || is_near(name));
    }
    table
}

/// What meets with the deadlines of fields, beside the commands for hashes.
const NEAR: &[&str] = &[
    "COPY",
    "RENAME",
    "MOVE",
    "EXPIRE",
    "PERSIST",
    "GEOADD",
    "EVAL",
    "TYPE",
    "OBJECT ENCODING",
    "SORT",
    "UNLINK",
];

/// The commands of a server with the shapes that are written here, or else follow from what it says of their arguments.
pub(super) fn shapes(pair: &mut Pair, which: usize) -> Result<BTreeMap<String, String>> {
    let peer = pair.peer();
    let docs = pair.ask(which, &[b"COMMAND", b"DOCS"])?;
    let entries = docs.items().context("COMMAND DOCS does not answer with a list")?.chunks_exact(2);
    Ok(entries
        .filter_map(|entry| {
            let name = String::from_utf8_lossy(entry[0].bytes()?).to_uppercase();
            let mut facts = entry[1].items()?.chunks_exact(2);
            let arguments = facts.find(|fact| fact[0].bytes() == Some(b"arguments"));
            let arguments = arguments.map(|fact| Argument::all_of(&fact[1])).unwrap_or_default();
            let derived = || arguments.iter().map(Argument::shape).collect::<Vec<_>>().join(" ");
            let shape = grammar::shape(peer, &name).map_or_else(derived, str::to_owned);
            Some((name, shape))
        })
        .collect())
}

fn write_episode(seed: u64, table: &[(String, String)], narrow: bool) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let mut steps = prelude(&mut dice);
    // A listener over RESP3 may track keys.
    let tracked = steps.iter().any(|step| step.face == Face::Heard && name_of(&step.requests[0]) == "HELLO");
    // Who finds out that a key has expired, and what others hear of it, is each server's own affair.
    let heard = steps.iter().any(|step| step.face == Face::Heard);
    // To Redis a module's commands are of no category, and each writes: whoever may not do all may do other things with them there, and
    // who listens hears of what has not changed.
    let restricted = steps.iter().any(|step| name_of(&step.requests[0]) == "AUTH");
    let fits = |name: &str| !(name.starts_with('V') && (restricted || heard));
    let table: Vec<_> = table.iter().filter(|(name, _)| fits(name)).cloned().collect();
    let table = &table[..];
    for _ in 0..STEPS {
        let any = |dice: &mut Dice, face: &Face| loop {
            let (name, shape) = dice.pick(table);
            let slow = name.starts_with('B') && !name.starts_with("BIT");
            let rare = (slow && matches!(face, Face::Plain)) || name.starts_with("FLUSH");
            let unfit = match face {
                Face::Exec | Face::Watched => ["EXEC", "DISCARD", "RESET"].contains(&name.as_str()),
                _ => name == "MULTI",
            } || (name == "SWAPDB" && tracked)
                || (name.starts_with('V') && matches!(face, Face::Watched));
            if !unfit && (!rare || narrow || dice.one_in(4)) {
                return grammar::request(dice, name, shape);
            }
        };
        let (face, count) = match dice.below(31) {
            0..=3 => (Face::Exec, 1 + dice.below(4)),
            4..=7 => (Face::Script { declared: dice.one_in(2), resp3: dice.one_in(3) }, 1),
            8 => (Face::Watched, 2 + dice.below(3)),
            9 => (Face::Blocked, 1 + dice.below(3)),
            10 => (Face::Heard, 0),
            11 => (Face::Scan, 0),
            12 => (Face::Many, 0),
            24 | 25 => (Face::Dumped, 0),
            13 | 14 => (Face::Function, 1),
            26..=28 => (Face::Series, 0),
            29 if !heard => (Face::Expired, 0),
            _ => (Face::Plain, 1),
        };
        let mut requests: Vec<Request> = match face {
            Face::Watched => vec![grammar::written(&mut dice, "WATCH < key >+")],
            Face::Blocked => vec![one_of(&mut dice, BLOCKING)],
            Face::Heard => vec![one_of(&mut dice, HEARING)],
            Face::Scan => vec![one_of(&mut dice, SCANNING)],
            Face::Many => vec![grammar::many(&mut dice)],
            Face::Dumped => vec![grammar::written(&mut dice, "DUMP key")],
            Face::Expired => vec![grammar::written(&mut dice, "PEXPIRE key 1")],
            Face::Series => scripts::series(&mut dice, table),
            _ => Vec::new(),
        };
        for _ in 0..count {
            let feeding = matches!(face, Face::Blocked) && dice.one_in(2);
            requests.push(if feeding { one_of(&mut dice, FEEDING) } else { any(&mut dice, &face) });
        }
        if face == Face::Blocked && (tracked || keys_of(&requests[0]) > 1) {
            // Which of the keys in the other database serves it follows from the order of a hash table. Caches hear of it from
            // Perigee alone.
            requests.retain(|request| name_of(request) != "SWAPDB");
        }
        if face == Face::Watched && !dice.one_in(4) {
            let touched = requests[1].get(1 + dice.below(2)).cloned();
            requests[0].extend(touched);
        }
        steps.push(Step { face, requests });
    }
    steps
}

/// How many different keys a request of [`BLOCKING`] waits for.
fn keys_of(request: &Request) -> usize {
    let is_key = |word: &&Vec<u8>| matches!(word[..], [b'a'..=b'z', b'0'..=b'9']);
    request.iter().filter(is_key).collect::<BTreeSet<_>>().len()
}

/// What the whole episode is played with: the protocol, and a listener that hears of every change.
fn prelude(dice: &mut Dice) -> Vec<Step> {
    let step = |face, line: &str| {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec());
        Step { face, requests: vec![words.collect()] }
    };
    let mut steps = Vec::new();
    if dice.one_in(2) {
        let sizes =
            *dice.pick(&["max-entries 3", "max-entries 1", "max-bytes 60", "max-bytes 200", "max-entries 0"]);
        steps.push(step(Face::Plain, &format!("CONFIG SET stream-node-{sizes}")));
    }
    if dice.one_in(3) {
        let small =
            [("hash", "entries"), ("hash", "value"), ("zset", "entries"), ("zset", "value"), ("set", "")];
        for (kind, what) in small {
            let limit = dice.pick(&["2", "4", "8", "40"]);
            let name = if kind == "set" {
                "set-max-intset-entries".into()
            } else {
                format!("{kind}-max-listpack-{what}")
            };
            steps.push(step(Face::Plain, &format!("CONFIG SET {name} {limit}")));
        }
    }
    if dice.one_in(2) {
        steps.push(step(Face::Plain, "HELLO 3"));
    }
    let (events, tracked) = (dice.one_in(2), dice.one_in(4));
    if tracked || (events && dice.one_in(2)) {
        steps.push(step(Face::Heard, "HELLO 3"));
    }
    if events {
        let flags = *dice.pick(&["KEA", "KEA", "KEAmn", "Kg", "El$", "AKE", "Ehmn", "Kzs", "KEx"]);
        steps.push(step(Face::Plain, &format!("CONFIG SET notify-keyspace-events {flags}")));
        steps.push(step(Face::Heard, "PSUBSCRIBE __key*"));
    }
    if tracked {
        let mode =
            *dice.pick(&["", "", " NOLOOP", " BCAST", " BCAST PREFIX s PREFIX l", " OPTIN", " OPTOUT"]);
        steps.push(step(Face::Heard, &format!("CLIENT TRACKING ON{mode}")));
    }
    if dice.one_in(5) {
        let rules = *dice.pick(RESTRICTED);
        steps.push(step(Face::Plain, &format!("ACL SETUSER restricted reset on nopass {rules} -pfmerge")));
        steps.push(step(Face::Plain, "AUTH restricted x"));
    }
    steps
}

/// What the episode's first connection may do, where that is not everything. PFMERGE stays away: see COMPAT.md.
const RESTRICTED: &[&str] = &[
    "+@all &* ~?0 %R~?1 %W~?2",
    "+@all -@dangerous -@blocking &* ~s* ~l* %R~h* %R~z* %W~t*",
    "+@read +@transaction +@scripting +select|0 &__key* %R~* (+@write -pfmerge %W~?1) (+@all -pfmerge ~?0)",
    "+@all -@write ~* (+set +del +zadd +hset ~?1) (+@write -@fast -pfmerge ~?2)",
    "+@all %R~*",
    "+@all -@all +@connection +@string +config|get -client|list +@fast +del -get +@transaction ~* &c0 &c1",
    "+@all -@scripting +eval -config|set -@geo +geosearch %W~* (+@read -get ~s*) (+get %R~s0)",
    "+@all ~s* ~{s}* ~?1 resetchannels &c? (+publish &*)",
];

fn one_of(dice: &mut Dice, shapes: &[&str]) -> Request {
    let shape = *dice.pick(shapes);
    grammar::written(dice, shape)
}

/// What waits on a connection of its own.
const BLOCKING: &[&str] = &[
    "BLPOP < klist >+ 0",
    "BRPOP < klist >+ 0",
    "BLMOVE klist klist < LEFT | RIGHT > < LEFT | RIGHT > 0",
    "BRPOPLPUSH klist klist 0",
    "BLMPOP 0 n:klist < LEFT | RIGHT > [ COUNT cnt ]",
    "BZPOPMIN < kzset >+ 0",
    "BZPOPMAX < kzset >+ 0",
    "BZMPOP 0 n:kzset < MIN | MAX > [ COUNT cnt ]",
    "XREAD [ COUNT cnt ] BLOCK 0 STREAMS < kstream < $ | readid > | kstream kstream $ < $ | readid > >",
    "XREADGROUP GROUP group consumer [ COUNT cnt | NOACK ] BLOCK 0 STREAMS < kstream < GREATER > | kstream kstream < GREATER > < GREATER > >",
];

/// What may end such a wait.
const FEEDING: &[&str] = &[
    "RPUSH klist < member >+",
    "LPUSH klist < member >+",
    "ZADD kzset < score member >+",
    "LMOVE klist klist LEFT RIGHT",
    "RENAME key klist",
    "RENAME key kzset",
    "COPY key key REPLACE",
    "DEL < key >+",
    "SORT klist ALPHA STORE klist",
    "ZUNIONSTORE kzset 2 kset kzset",
    "LINSERT klist BEFORE member member",
    "SET klist val",
    "SWAPDB 0 1",
    "MOVE klist 1",
    "XADD kstream newid < field val >+",
    "XADD kstream 20-* field val",
    "XGROUP DESTROY kstream group",
    "XGROUP SETID kstream group 0",
    "XDEL kstream id id id",
    "RENAME key kstream",
    "EVAL return(redis.call(unpack(ARGV))) 0 RPUSH klist member member",
    "EVAL return({redis.call('RPUSH',KEYS[1],'x'),redis.call('LPOP',KEYS[1])}) 1 klist",
    "EVAL return(redis.call(unpack(ARGV))) 0 ZADD kzset score member",
];

/// What a listener asks, beside the pings that are allowed to it.
const HEARING: &[&str] = &[
    "SUBSCRIBE < channel >+",
    "UNSUBSCRIBE < channel >+",
    "PSUBSCRIBE < chpattern >+",
    "PUNSUBSCRIBE < chpattern >+",
    "SSUBSCRIBE < channel >+",
    "SUNSUBSCRIBE < channel >+",
    "PING [ val ]",
    "GET kstr",
    "GET kstr",
    "EXISTS < key >+",
    "HGET khash field",
    "LRANGE klist 0 -1",
    "ZCARD kzset",
    "EVAL return(redis.call(unpack(ARGV))) 1 s0 GET kstr",
    "SET kstr val",
    "CLIENT CACHING < YES | NO >",
    "CLIENT TRACKINGINFO",
    "CLIENT TRACKING < ON | ON | OFF > [ NOLOOP | BCAST | BCAST PREFIX s | OPTIN | OPTOUT ]",
    "SUBSCRIBE",
];

/// Iterations that are followed to their end.
const SCANNING: &[&str] = &[
    "SCAN 0 [ MATCH pattern | COUNT < 1 | 3 | 10 | 1000 > | TYPE type ]*",
    "SSCAN kset 0 [ MATCH pattern | COUNT < 1 | 3 | 10 | 1000 > ]*",
    "HSCAN khash 0 [ MATCH pattern | COUNT < 1 | 3 | 10 | 1000 > ]*",
    "ZSCAN kzset 0 [ MATCH pattern | COUNT < 1 | 3 | 10 | 1000 > ]*",
];

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

/// What calls commands in [`Face::Function`].
const LIBRARY: &str = "#!lua name=oracle\nredis.register_function('call', function(keys, args) return redis.call(unpack(args)) end)";

/// Enough to fill keys of every type when one command is examined alone.
const SEEDING: &[&str] = &["SET", "RPUSH", "HSET", "SADD", "ZADD", "XADD", "XGROUP CREATE", "DEL"];

/// Commands whose place is in the transcripts, or in a face of their own.
const LEFT_OUT: &[&str] = &[
    "BGREWRITEAOF",
    "BGSAVE",
    "CLUSTER",
    "COMMAND",
    "DEBUG",
    "FAILOVER",
    "LOLWUT",
    "MIGRATE",
    "MODULE",
    "MONITOR",
    "PFSELFTEST",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "REPLCONF",
    "REPLICAOF",
    "SAVE",
    "SHUTDOWN",
    "SLAVEOF",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_depends_on_its_seed_alone() {
        let table = [("SET".to_owned(), "key val".to_owned()), ("BLPOP".to_owned(), "key val".to_owned())];
        let text = |seed| write_episode(seed, &table, false).iter().flat_map(Step::show).collect::<Vec<_>>();
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }
}
