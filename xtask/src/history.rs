//! Strict serializability, checked: what many clients have done and seen at once must be what they could have done and
//! seen one after the other, in an order that agrees with the clock.
//!
//! # How it works
//! Values are only ever appended to lists, each value once. So the final lists tell in which order a key was written; the reply
//! to RPUSH tells where a value went, and a reply to LRANGE is a beginning of the final list, which tells what had been
//! written by then. Transactions are the nodes of a graph. Whoever wrote a position comes before whoever wrote the next,
//! and before whoever saw it; whoever saw a list of some length comes before whoever wrote on; whoever had his reply before
//! another sent his request comes before him. If the graph has a cycle, no order explains the history.
//!
//! What was killed or aborted must be in no list.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::arguments::Arguments;
use crate::connection::{Connection, Outcome};
use crate::programs;
use crate::server::Server;
use crate::value::Value;

pub(crate) const HELP: &str = "\
history [--transactions N] [--workers N]... [--seed N] [--short]
    Random commands, transactions and scripts from many clients, some killed, some aborted, on 2, 4 and 8 workers (or those
    named); then looks for an order that explains every reply.";

const CLIENTS: u64 = 12;
/// Keys in use at the same time.
const KEYS: u64 = 6;
/// Transactions after which fresh keys come into use, so that lists stay short.
const GENERATION: u64 = 600;

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let short = arguments.flag("--short");
    let transactions = arguments.number("--transactions", if short { 6_000 } else { 60_000 })?;
    let seed = arguments.number("--seed", 1)?;
    let mut workers = arguments.values("--workers")?;
    arguments.finish()?;
    if workers.is_empty() {
        workers = ["2", "4", "8"].map(str::to_owned).to_vec();
    }
    // The short form takes the build that is there already; the long one has assertions.
    let program = programs::build_perigee(if short { "release" } else { "checked" })?;
    for (at, workers) in workers.iter().enumerate() {
        let placement = ["roam", "turn", "load"][at % 3];
        let server = Server::start(
            "perigee",
            &program,
            &["--io-threads", workers, "--io-threads-placement", placement],
        )?;
        let history = record(&server, transactions, seed + at as u64)?;
        let lists = read_lists(&server, &history)?;
        let summary = history.check(&lists)?;
        println!("{workers} workers, {placement}: {summary}");
    }
    Ok(())
}

/// One thing that a transaction did.
#[derive(Clone, Debug)]
enum Action {
    /// Appended a value, which came to this position.
    Append { key: u64, value: u64, at: usize },
    /// Saw the list.
    Read { key: u64, seen: Vec<u64> },
}

/// A transaction that took place, or was undone.
struct Done {
    from: Instant,
    to: Instant,
    kind: Kind,
    actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Multi,
    Declared,
    Undeclared,
}

#[derive(Default)]
struct History {
    done: Vec<Done>,
    /// Values that must be in no list.
    undone: Vec<u64>,
    killed: u64,
    aborted: u64,
}

fn record(server: &Server, transactions: u64, seed: u64) -> Result<History> {
    let (started, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut whole = History::default();
    thread::scope(|scope| -> Result<()> {
        let killer = scope.spawn(|| -> Result<()> {
            let (mut connection, mut rng) = (server.connect()?, StdRng::seed_from_u64(!seed));
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_micros(rng.random_range(500..8_000)));
                connection.call(&["SCRIPT", "KILL"])?;
            }
            Ok(())
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (started, seed) = (&started, seed * 1_000 + client);
                scope.spawn(move || converse(server, client, started, transactions, seed))
            })
            .collect();
        let histories: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        stop.store(true, Ordering::Relaxed);
        killer.join().expect("the killer does not panic")?;
        for history in histories {
            let history = history.expect("a client does not panic")?;
            whole.done.extend(history.done);
            whole.undone.extend(history.undone);
            whole.killed += history.killed;
            whole.aborted += history.aborted;
        }
        Ok(())
    })?;
    Ok(whole)
}

/// What a transaction is to do.
enum Wish {
    Append { key: u64, value: u64 },
    Read { key: u64 },
}

fn converse(server: &Server, client: u64, started: &AtomicU64, all: u64, seed: u64) -> Result<History> {
    let (mut connection, mut rng) = (server.connect()?, StdRng::seed_from_u64(seed));
    let (mut history, mut next_value) = (History::default(), client + 1);
    loop {
        let number = started.fetch_add(1, Ordering::Relaxed);
        if number >= all {
            return Ok(history);
        }
        let kind = match rng.random_range(0..10) {
            0..3 => Kind::Plain,
            3..5 => Kind::Multi,
            5..8 => Kind::Declared,
            _ => Kind::Undeclared,
        };
        let count = if kind == Kind::Plain { 1 } else { rng.random_range(1..6) };
        let wishes: Vec<Wish> = (0..count)
            .map(|_| {
                let key = number / GENERATION * KEYS + rng.random_range(0..KEYS);
                if rng.random_bool(0.5) {
                    next_value += CLIENTS;
                    Wish::Append { key, value: next_value }
                } else {
                    Wish::Read { key }
                }
            })
            .collect();
        let aborts = matches!(kind, Kind::Declared | Kind::Undeclared) && rng.random_bool(0.05);
        // Now and then long enough to lose its slice, or to be killed.
        let spin = if rng.random_bool(0.1) { rng.random_range(0..3_000_000) } else { 0 };
        let from = Instant::now();
        let reply = send(&mut connection, kind, &wishes, spin, aborts)?;
        let to = Instant::now();
        let undone = |wish: &Wish| match wish {
            Wish::Append { value, .. } => Some(*value),
            Wish::Read { .. } => None,
        };
        match reply {
            Value::Array(replies) if !aborts => {
                let actions = wishes.iter().zip(replies).map(|(wish, reply)| wish.became(reply));
                history.done.push(Done { from, to, kind, actions: actions.collect::<Result<_>>()? });
            }
            Value::Bulk(text) if aborts && text == b"aborted" => {
                history.aborted += 1;
                history.undone.extend(wishes.iter().filter_map(undone));
            }
            Value::Error(text) if text.windows(14).any(|part| part == b"killed by user") => {
                history.killed += 1;
                history.undone.extend(wishes.iter().filter_map(undone));
            }
            other => bail!("{kind:?} answered {other}"),
        }
    }
}

const SCRIPT: &str = "#!lua flags=atomic
local out, x = {}, 0
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then out[#out + 1] = redis.call('lrange', ARGV[i], 0, -1)
  else out[#out + 1] = redis.call('rpush', ARGV[i], ARGV[i + 1]) end
  for j = 1, tonumber(ARGV[1]) do x = x + j % 7 end
end
if ARGV[2] == 'abort' then redis.abort('aborted') end
return out";

fn send(connection: &mut Connection, kind: Kind, wishes: &[Wish], spin: u64, aborts: bool) -> Result<Value> {
    if matches!(kind, Kind::Plain | Kind::Multi) {
        if kind == Kind::Multi {
            connection.send(&["MULTI"])?;
        }
        for wish in wishes {
            connection.send(&wish.command())?;
        }
        if kind == Kind::Plain {
            return Ok(Value::Array(vec![read(connection)?]));
        }
        connection.send(&["EXEC"])?;
        for _ in 0..=wishes.len() {
            read(connection)?;
        }
        return read(connection);
    }
    let mut keys: Vec<String> = Vec::new();
    if kind == Kind::Declared {
        keys.extend(wishes.iter().map(|wish| name(wish.key())));
    }
    let mut request = vec!["EVAL".to_owned(), SCRIPT.to_owned(), keys.len().to_string()];
    request.extend(keys);
    request.extend([spin.to_string(), if aborts { "abort" } else { "" }.to_owned()]);
    for wish in wishes {
        request.push(name(wish.key()));
        request.push(match wish {
            Wish::Append { value, .. } => value.to_string(),
            Wish::Read { .. } => String::new(),
        });
    }
    connection.send(&request)?;
    read(connection)
}

fn read(connection: &mut Connection) -> Result<Value> {
    match connection.read(Duration::from_secs(60)) {
        Outcome::Reply(value) => Ok(value),
        other => bail!("no reply but {other:?}"),
    }
}

fn name(key: u64) -> String {
    format!("list:{key}")
}

impl Wish {
    fn key(&self) -> u64 {
        match self {
            Wish::Append { key, .. } | Wish::Read { key } => *key,
        }
    }

    fn command(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Wish::Append { key, value } => &["RPUSH", &name(*key), &value.to_string()],
            Wish::Read { key } => &["LRANGE", &name(*key), "0", "-1"],
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn became(&self, reply: Value) -> Result<Action> {
        Ok(match (self, reply) {
            (Wish::Append { key, value }, Value::Int(length)) => {
                Action::Append { key: *key, value: *value, at: usize::try_from(length)? - 1 }
            }
            (Wish::Read { key }, list) => Action::Read { key: *key, seen: numbers(&list)? },
            (_, other) => bail!("RPUSH answered {other}"),
        })
    }
}

fn numbers(list: &Value) -> Result<Vec<u64>> {
    let Value::Array(values) = list else { bail!("LRANGE answered {list}") };
    let number = |value: &Value| std::str::from_utf8(value.bytes()?).ok()?.parse().ok();
    values.iter().map(|value| number(value).context("a value that nobody has written")).collect()
}

fn read_lists(server: &Server, history: &History) -> Result<HashMap<u64, Vec<u64>>> {
    let mut connection = server.connect()?;
    let mut lists = HashMap::new();
    for action in history.done.iter().flat_map(|done| &done.actions) {
        let (Action::Append { key, .. } | Action::Read { key, .. }) = action;
        if !lists.contains_key(key) {
            lists.insert(*key, numbers(&connection.call(&["LRANGE", &name(*key), "0", "-1"])?)?);
        }
    }
    Ok(lists)
}

impl History {
    /// Looks for what no order explains.
    fn check(&self, lists: &HashMap<u64, Vec<u64>>) -> Result<String> {
        let mut writers: HashMap<(u64, usize), usize> = HashMap::new();
        for (number, done) in self.done.iter().enumerate() {
            for action in &done.actions {
                match action {
                    Action::Append { key, value, at } => {
                        let found = lists[key].get(*at);
                        ensure!(
                            found == Some(value),
                            "{key}[{at}] is {found:?}, not {value}: lost, or moved"
                        );
                        writers.insert((*key, *at), number);
                    }
                    Action::Read { key, seen } => {
                        ensure!(
                            lists[key].starts_with(seen),
                            "{key} was seen as {seen:?}, but is {:?}",
                            lists[key]
                        );
                    }
                }
            }
        }
        let written: usize = lists.values().map(Vec::len).sum();
        ensure!(writers.len() == written, "{written} values, of which {} were acknowledged", writers.len());
        let all: std::collections::HashSet<u64> = lists.values().flatten().copied().collect();
        ensure!(!self.undone.iter().any(|value| all.contains(value)), "something undone is there");
        let edges = self.edges(&writers);
        if let Some(cycle) = left_over(&edges) {
            let shown: Vec<String> = cycle
                .iter()
                .filter_map(|&node| self.done.get(node))
                .take(6)
                .map(|done| format!("{:?} {:?}", done.kind, done.actions))
                .collect();
            bail!("no order explains, among others:\n{}", shown.join("\n"));
        }
        Ok(format!(
            "{} transactions in one order, {} killed and {} aborted in none",
            self.done.len(),
            self.killed,
            self.aborted
        ))
    }

    /// Who comes before whom. Nodes behind the transactions are moments: the ends of transactions, in order.
    fn edges(&self, writers: &HashMap<(u64, usize), usize>) -> Vec<Vec<usize>> {
        let count = self.done.len();
        let mut edges = vec![Vec::new(); 2 * count];
        for (number, done) in self.done.iter().enumerate() {
            for action in &done.actions {
                let (before, after) = match action {
                    Action::Append { key, at, .. } => (
                        at.checked_sub(1).and_then(|at| writers.get(&(*key, at))),
                        writers.get(&(*key, at + 1)),
                    ),
                    Action::Read { key, seen } => (
                        seen.len().checked_sub(1).and_then(|at| writers.get(&(*key, at))),
                        writers.get(&(*key, seen.len())),
                    ),
                };
                edges_between(&mut edges, before.copied(), Some(number));
                edges_between(&mut edges, Some(number), after.copied());
            }
        }
        let mut ends: Vec<usize> = (0..count).collect();
        ends.sort_by_key(|&number| self.done[number].to);
        for (at, &number) in ends.iter().enumerate() {
            edges[number].push(count + at);
            edges_between(&mut edges, at.checked_sub(1).map(|at| count + at), Some(count + at));
        }
        for (number, done) in self.done.iter().enumerate() {
            let ended = ends.partition_point(|&other| self.done[other].to < done.from);
            edges_between(&mut edges, ended.checked_sub(1).map(|at| count + at), Some(number));
        }
        edges
    }
}

fn edges_between(edges: &mut [Vec<usize>], before: Option<usize>, after: Option<usize>) {
    if let (Some(before), Some(after)) = (before, after)
        && before != after
    {
        edges[before].push(after);
    }
}

/// The nodes that no order places: those on cycles, and those behind them.
fn left_over(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut waiting = vec![0; edges.len()];
    edges.iter().flatten().for_each(|&after| waiting[after] += 1);
    let mut free: Vec<usize> = (0..edges.len()).filter(|&node| waiting[node] == 0).collect();
    let mut placed = 0;
    while let Some(node) = free.pop() {
        placed += 1;
        for &after in &edges[node] {
            waiting[after] -= 1;
            if waiting[after] == 0 {
                free.push(after);
            }
        }
    }
    (placed < edges.len()).then(|| (0..edges.len()).filter(|&node| waiting[node] > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(from: u64, to: u64, actions: Vec<Action>) -> Done {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_secs(3600) + Duration::from_millis(ms);
        Done { from: at(from), to: at(to), kind: Kind::Declared, actions }
    }

    fn append(key: u64, value: u64, at: usize) -> Action {
        Action::Append { key, value, at }
    }

    fn saw(key: u64, seen: &[u64]) -> Action {
        Action::Read { key, seen: seen.to_vec() }
    }

    fn check(done: Vec<Done>, undone: Vec<u64>, lists: &[(u64, &[u64])]) -> Result<String> {
        let lists = lists.iter().map(|(key, list)| (*key, list.to_vec())).collect();
        History { done, undone, ..History::default() }.check(&lists)
    }

    #[test]
    fn what_can_be_ordered_is() {
        let history = vec![
            done(0, 10_000, vec![append(1, 7, 0), append(2, 8, 0)]),
            done(0, 10_000, vec![saw(1, &[]), saw(2, &[])]),
            done(20_000, 30_000, vec![saw(1, &[7]), append(1, 9, 1)]),
        ];
        check(history, vec![5], &[(1, &[7, 9]), (2, &[8])]).unwrap();
    }

    #[test]
    fn half_a_transaction_is_found_out() {
        let history = vec![
            done(0, 10_000, vec![append(1, 7, 0), append(2, 8, 0)]),
            done(0, 10_000, vec![saw(1, &[7]), saw(2, &[])]),
        ];
        check(history, vec![], &[(1, &[7]), (2, &[8])]).unwrap_err();
    }

    #[test]
    fn a_stale_read_is_found_out() {
        let history = vec![done(0, 10_000, vec![append(1, 7, 0)]), done(20_000, 30_000, vec![saw(1, &[])])];
        check(history, vec![], &[(1, &[7])]).unwrap_err();
    }

    #[test]
    fn what_was_undone_and_what_was_lost_are_found_out() {
        check(vec![done(0, 1, vec![append(1, 7, 0)])], vec![8], &[(1, &[7, 8])]).unwrap_err();
        check(vec![done(0, 1, vec![append(1, 7, 0)])], vec![], &[(1, &[])]).unwrap_err();
    }
}
