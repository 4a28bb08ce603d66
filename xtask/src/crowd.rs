//! Many clients at once that say anything, leave in the middle of it, and end each other: nobody is kept waiting, nothing
//! breaks, and when all are gone nothing of them is left.
//!
//! # What is looked at
//! While the crowd is there: a bystander's PING, again and again. Afterwards: the process lives and has not panicked; INFO
//! counts one client and nobody who waits, watches, listens or tracks; every key can be had (FLUSHALL takes all locks);
//! and the memory in use is what it was after half of the time, when the same was done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::arguments::Arguments;
use crate::connection::{Connection, Outcome, encode};
use crate::oracle::Caller;
use crate::programs;
use crate::server::Server;
use crate::value::Value;

pub(crate) const HELP: &str = "\
crowd [--seconds N] [--clients N] [--workers N]... [--seed N] [--server PATH]
    Random commands, transactions and scripts from many clients that leave and end each other whenever they like (default: 60
    seconds, 24 clients), on 1 and 4 workers (or those named); then looks for what they have left behind.";

/// A bystander who waits for longer has been forgotten.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// What may be in use more than before: samples, histograms, error codes, coroutines, freed memory that is kept.
const KEPT_BYTES: f64 = 8e6;

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let seconds = arguments.number("--seconds", 60)?;
    let clients = arguments.number("--clients", 24)?;
    let seed = arguments.number("--seed", 1)?;
    let program = arguments.value("--server")?.map(std::path::PathBuf::from);
    let mut workers = arguments.values("--workers")?;
    arguments.finish()?;
    if workers.is_empty() {
        workers = ["1", "4"].map(str::to_owned).to_vec();
    }
    let program = program.map_or_else(|| programs::build_perigee("checked"), Ok)?;
    for (at, workers) in workers.iter().enumerate() {
        let placement = ["roam", "turn", "load"][(at + seed as usize) % 3];
        let options =
            ["--io-threads", workers, "--io-threads-placement", placement, "--enable-debug-command", "yes"];
        let mut server = Server::start("perigee", &program, &options)?;
        let half = Duration::from_secs(seconds.max(2)) / 2;
        server.connect()?.call(&["ACL", "SETUSER", "operator", "on", "nopass", "+@all", "~*", "&*"])?;
        let said = visit(&server, half, clients, seed)?;
        let before = tidy(&mut server)?;
        let said = said + visit(&server, half, clients, seed + clients)?;
        let after = tidy(&mut server)?;
        println!(
            "{workers} workers, {placement}, seed {seed}: {said} requests; {:.1} MB in use after half of it, {:.1} in the end",
            before / 1e6,
            after / 1e6
        );
        ensure!(after < before + KEPT_BYTES, "memory is not given back");
    }
    Ok(())
}

/// Lets the crowd in for a time. How much it said.
fn visit(server: &Server, time: Duration, clients: u64, seed: u64) -> Result<u64> {
    let said = AtomicU64::new(0);
    let deadline = Instant::now() + time;
    thread::scope(|scope| {
        for client in 0..clients {
            let said = &said;
            scope.spawn(move || {
                let mut caller = Caller::new(seed + client);
                while Instant::now() < deadline {
                    // One that was ended comes again.
                    if let Ok(connection) = server.connect() {
                        converse(connection, &mut caller, deadline, said);
                    }
                }
            });
        }
        scope.spawn(|| disturb(server, &mut Caller::new(!seed), deadline));
        stand_by(server, deadline)
    })?;
    Ok(said.into_inner())
}

/// One client's visit, until it leaves or is closed.
fn converse(mut connection: Connection, caller: &mut Caller, deadline: Instant, said: &AtomicU64) {
    for _ in 0..caller.below(150) {
        let requests = match caller.below(40) {
            0 => {
                leave_halfway(&mut connection, caller);
                return;
            }
            1 => vec![script("while true do redis.call('incr', KEYS[1]) end", &["1", "n"])],
            2 => vec![caller.written("< SUBSCRIBE | PSUBSCRIBE | SSUBSCRIBE | MONITOR > channel")],
            3 => vec![caller.written("HELLO < 2 | 3 >")],
            4 | 5 => large(caller),
            6..=16 => caller.series(),
            _ => vec![caller.request()],
        };
        said.fetch_add(requests.len() as u64, Ordering::Relaxed);
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| encode(&mut bytes, request));
        let sent = if caller.one_in(3) {
            in_pieces(&mut connection, &bytes, caller)
        } else {
            connection.send_raw(&bytes)
        };
        if sent.is_err() || caller.one_in(100) || Instant::now() > deadline {
            return;
        }
        for _ in &requests {
            match connection.read(Duration::from_millis(50)) {
                Outcome::Reply(_) => {}
                // It waits, or has been told to be silent.
                Outcome::Silent if caller.one_in(2) => break,
                Outcome::Silent | Outcome::Closed => return,
                Outcome::Garbled(bytes) => panic!("not a reply: {}", String::from_utf8_lossy(&bytes)),
            }
        }
    }
}

fn script(text: &str, rest: &[&str]) -> Vec<Vec<u8>> {
    [&["EVAL", text], rest].concat().iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Values of up to some megabytes, sent and asked for.
fn large(caller: &mut Caller) -> Vec<Vec<Vec<u8>>> {
    let size = (1 << (10 + caller.below(13))) + caller.below(1000);
    let mut first =
        caller.written("< SET kstr | APPEND kstr | RPUSH klist | HSET khash field | SETRANGE kstr int >");
    if caller.one_in(4) {
        let text = "return {ARGV[1], redis.call('getset', KEYS[1], ARGV[1] .. ARGV[1])}";
        first = script(text, &["1", "s0"]);
    }
    first.push(vec![b'x'; size]);
    let rest = ["GET kstr", "LRANGE klist 0 -1", "HGETALL khash", "GETRANGE kstr 1 -2"];
    let count = caller.below(6);
    let mut asks = || {
        let which = caller.below(rest.len());
        caller.written(rest[which])
    };
    let rest = (0..count).map(|_| asks()).collect();
    [vec![first], rest].concat()
}

/// Sends what arrives in several reads, cut anywhere.
fn in_pieces(connection: &mut Connection, bytes: &[u8], caller: &mut Caller) -> Result<()> {
    let mut rest = bytes;
    for _ in 0..1 + caller.below(6) {
        let at = if caller.one_in(2) { caller.below(8).min(rest.len()) } else { caller.below(rest.len()) };
        let (piece, more) = rest.split_at(at);
        connection.send_raw(piece)?;
        rest = more;
        thread::sleep(Duration::from_micros(50 * caller.below(12) as u64));
    }
    connection.send_raw(rest)
}

fn leave_halfway(connection: &mut Connection, caller: &mut Caller) {
    let mut bytes = Vec::new();
    encode(&mut bytes, &caller.request());
    bytes.truncate(caller.below(bytes.len()));
    let _sent = connection.send_raw(&bytes);
}

/// What operators do, and far too often.
fn disturb(server: &Server, caller: &mut Caller, deadline: Instant) {
    const DEEDS: &[&str] = &[
        "SCRIPT KILL",
        "SCRIPT KILL",
        "SCRIPT KILL",
        "FUNCTION KILL",
        "SCRIPT FLUSH",
        "FUNCTION FLUSH",
        "FLUSHALL < SYNC | ASYNC >",
        "FLUSHDB",
        "SWAPDB < 0 | 1 > < 1 | 2 >",
        "CLIENT PAUSE 3 < WRITE | ALL >",
        "CLIENT KILL TYPE < normal | pubsub >",
        "CONFIG SET maxmemory < 0 | 1 | 5mb >",
        "CONFIG SET maxmemory-policy < noeviction | allkeys-lru | allkeys-lfu | volatile-ttl | allkeys-random >",
        "CONFIG SET maxmemory-clients < 0 | 2mb | 1% >",
        "CONFIG SET hz < 1 | 100 >",
        "DEBUG SET-ACTIVE-EXPIRE < 0 | 1 >",
        "CONFIG SET lazyfree-lazy-user-del < yes | no >",
        "ACL SETUSER default < +@all | -@dangerous | +@all | +@all >",
    ];
    while Instant::now() < deadline {
        thread::sleep(Duration::from_micros(200 + 37 * caller.below(200) as u64));
        let Ok(mut connection) = operator(server) else { continue };
        let which = caller.below(DEEDS.len() + 12);
        let request = match DEEDS.get(which) {
            Some(deed) => caller.written(deed),
            None => {
                let id = somebody(&mut connection, caller).unwrap_or_default();
                let deed = ["CLIENT UNBLOCK", "CLIENT UNBLOCK", "CLIENT KILL ID"][which % 3];
                caller.written(&format!("{deed} {id}"))
            }
        };
        let _reply = connection.call(&request);
    }
}

/// A connection that may do everything, whatever the others are allowed.
fn operator(server: &Server) -> Result<Connection> {
    let mut connection = server.connect()?;
    connection.call(&["AUTH", "operator", "x"])?;
    Ok(connection)
}

/// The ID of a client that is there.
fn somebody(connection: &mut Connection, caller: &mut Caller) -> Option<String> {
    let list = connection.call(&["CLIENT", "LIST"]).ok()?;
    let list = String::from_utf8_lossy(list.bytes()?).into_owned();
    let ids: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).collect();
    ids.get(caller.below(ids.len())).map(|id| (*id).to_owned())
}

/// Asks all the time, and is closed now and then.
fn stand_by(server: &Server, deadline: Instant) -> Result<()> {
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
        let mut connection = server.connect().context("a bystander is not let in")?;
        let sent = connection.send(&["PING"]).is_ok();
        let outcome = connection.read(ANSWER_WITHIN);
        ensure!(!sent || outcome != Outcome::Silent, "a bystander has no answer: {}", server.log_tail());
    }
    Ok(())
}

/// Empties the server, and examines it. The bytes in use.
fn tidy(server: &mut Server) -> Result<f64> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match emptied(server) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if Instant::now() > deadline || !server.alive() => {
                return Err(error.context(server.log_tail()));
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn emptied(server: &Server) -> Result<f64> {
    let mut connection = operator(server)?;
    // Of those whose clients have left.
    for kill in ["SCRIPT", "FUNCTION"] {
        while !matches!(connection.call(&[kill, "KILL"])?, Value::Error(_)) {}
    }
    for request in [
        "ACL SETUSER default reset on nopass +@all ~* &*",
        "CLIENT UNPAUSE",
        "CONFIG SET maxmemory 0 maxmemory-clients 0",
        "DEBUG SET-ACTIVE-EXPIRE 1",
        "FLUSHALL SYNC",
        "SCRIPT FLUSH SYNC",
        "FUNCTION FLUSH SYNC",
        "SLOWLOG RESET",
        "ACL LOG RESET",
        "CONFIG RESETSTAT",
        "MEMORY PURGE",
    ] {
        let reply = connection.call(&request.split(' ').collect::<Vec<_>>())?;
        ensure!(!matches!(reply, Value::Error(_)), "{request}: {reply:?}");
    }
    let info = connection.call(&["INFO", "everything"])?;
    let info = String::from_utf8_lossy(info.bytes().context("INFO")?).into_owned();
    let field = |name: &str| -> Result<f64> {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("INFO has no {name}"))?.parse()?)
    };
    ensure!(field("connected_clients")? == 1.0, "{} clients are left", field("connected_clients")?);
    const NOBODY: &[&str] = &[
        "blocked_clients",
        "tracking_clients",
        "pubsub_clients",
        "watching_clients",
        "total_blocking_keys",
        "tracking_total_keys",
        "tracking_total_prefixes",
        "pubsub_channels",
        "pubsub_patterns",
        "pubsubshard_channels",
        "number_of_cached_scripts",
        "number_of_functions",
    ];
    for name in NOBODY {
        let left = field(name)?;
        ensure!(left == 0.0, "{name} is {left}");
    }
    ensure!(connection.call(&["DBSIZE"])?.number() == Some(0.0), "keys are left");
    ensure!(!server.log().contains("panicked"), "a worker has panicked");
    field("used_memory")
}
