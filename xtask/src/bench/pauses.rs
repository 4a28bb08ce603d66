//! How long other clients wait while one key or the keyspace grows large and goes again.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::connection::{Connection, Outcome, encode};
use crate::server::Server;
use crate::value::Value;

/// What grows: `count` steps, each of which adds an element or so.
struct Scenario {
    name: &'static str,
    /// Steps for each that was asked for.
    times: u64,
    step: fn(u64) -> Vec<String>,
    /// Requests that take everything away.
    clear: &'static [&'static str],
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "list", times: 1, step: |n| words(&["RPUSH", "key", &text(n)]), clear: DEL },
    Scenario { name: "set", times: 1, step: |n| words(&["SADD", "key", &text(n)]), clear: DEL },
    Scenario {
        name: "set of integers",
        times: 1,
        step: |n| words(&["SADD", "key", &n.to_string()]),
        clear: DEL,
    },
    Scenario { name: "hash", times: 1, step: |n| words(&["HSET", "key", &text(n), "value"]), clear: DEL },
    Scenario {
        name: "sorted set",
        times: 1,
        step: |n| words(&["ZADD", "key", &(spread(n) >> 40).to_string(), &text(n)]),
        clear: DEL,
    },
    Scenario { name: "stream", times: 1, step: |n| words(&["XADD", "key", "*", "f", &text(n)]), clear: DEL },
    Scenario { name: "string, APPEND", times: 1, step: |n| words(&["APPEND", "key", &text(n)]), clear: DEL },
    Scenario {
        name: "string, SETRANGE",
        times: 1,
        step: |n| words(&["SETRANGE", "key", &(n * 16).to_string(), &text(n)]),
        clear: DEL,
    },
    Scenario {
        name: "keys",
        times: 2,
        step: |n| words(&["SET", &format!("key:{n:012}"), &text(n)]),
        clear: &["FLUSHALL"],
    },
    Scenario {
        name: "keys with a TTL",
        times: 1,
        step: |n| {
            words(&["SET", &format!("key:{n:012}"), &text(n), "EX", &(1000 + spread(n) % 10_000).to_string()])
        },
        clear: &["FLUSHALL"],
    },
];

const DEL: &[&str] = &["DEL", "key"];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn text(number: u64) -> String {
    format!("member:{number:09}")
}

/// A number that looks random, another for each.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Grows and clears, with `count` elements, while another connection reads another key; prints its longest waits.
/// Fails if one of Perigee's is over `limit_ms` and `strict`.
pub(super) fn run(
    programs: &[(String, PathBuf)],
    count: u64,
    names: &[String],
    limit_ms: f64,
    strict: bool,
) -> Result<()> {
    println!(
        "{:<18} {:<24} {:>9} {:>22} {:>22} {:>9}",
        "", "", "growing", "longest wait of others", "while it was deleted", "DEL"
    );
    println!(
        "{:<18} {:<24} {:>9} {:>22} {:>22} {:>9}",
        "", "", "s", "ms (with the machine)", "ms (with the machine)", "ms"
    );
    let mut over = Vec::new();
    for scenario in SCENARIOS
        .iter()
        .filter(|scenario| names.is_empty() || names.iter().any(|name| scenario.name.contains(&**name)))
    {
        for (name, program) in programs {
            let workers: &[&str] = if name.starts_with("perigee") { &["1", "2"] } else { &["1"] };
            for workers in workers {
                let server = Server::start(name, program, &["--io-threads", workers])?;
                let title = format!("{name}, {workers} worker{}", if *workers == "1" { "" } else { "s" });
                let seen = measure(&server, scenario, count * scenario.times)
                    .with_context(|| format!("{} against {title}", scenario.name))?;
                let wait = |wait: &Wait| format!("{:.2} ({:.2})", ms(wait.net), ms(wait.whole));
                println!(
                    "{:<18} {title:<24} {:>9.1} {:>22} {:>22} {:>9.2}",
                    scenario.name,
                    seen.growing.as_secs_f64(),
                    wait(&seen.while_growing),
                    wait(&seen.while_deleted),
                    ms(seen.deleting),
                );
                if name == "perigee" && ms(seen.while_growing.net.max(seen.while_deleted.net)) > limit_ms {
                    over.push(format!("{} with {workers}", scenario.name));
                }
            }
        }
    }
    if strict && !over.is_empty() {
        bail!("over {limit_ms} ms: {}", over.join("; "));
    }
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

struct Seen {
    growing: Duration,
    while_growing: Wait,
    while_deleted: Wait,
    deleting: Duration,
}

fn measure(server: &Server, scenario: &Scenario, count: u64) -> Result<Seen> {
    let mut connection = server.connect()?;
    connection.call(&["SET", "other", "value"])?;
    let started = Instant::now();
    let ((), while_growing) = beside(server, || grow(&mut connection, scenario, count))?;
    let growing = started.elapsed();
    let (deleting, while_deleted) = beside(server, || {
        let started = Instant::now();
        request(&mut connection, scenario.clear)?;
        let deleting = started.elapsed();
        // What is freed later may disturb later.
        std::thread::sleep(Duration::from_secs(2));
        Ok(deleting)
    })?;
    Ok(Seen { growing, while_growing, while_deleted, deleting })
}

fn grow(connection: &mut Connection, scenario: &Scenario, count: u64) -> Result<()> {
    const BATCH: u64 = 50;
    for from in (0..count).step_by(BATCH as usize) {
        let batch = from..count.min(from + BATCH);
        let mut bytes = Vec::new();
        batch.clone().for_each(|number| encode(&mut bytes, &(scenario.step)(number)));
        connection.send_raw(&bytes)?;
        batch.into_iter().try_for_each(|_| reply(connection))?;
    }
    Ok(())
}

fn request(connection: &mut Connection, request: &[&str]) -> Result<()> {
    connection.send(request)?;
    reply(connection)
}

fn reply(connection: &mut Connection) -> Result<()> {
    match connection.read(Duration::from_secs(60)) {
        Outcome::Reply(Value::Error(error)) => bail!("{error:?}"),
        Outcome::Reply(_) => Ok(()),
        other => bail!("no reply but {other:?}"),
    }
}

/// The longest that a GET took, without what the machine took of it, and with that: the server's workers and the driver waited
/// for a processor, or the server had one and yet no time on it (the machine below took it).
#[derive(Clone, Copy, Default)]
struct Wait {
    net: Duration,
    whole: Duration,
}

/// Does the work while another connection reads another key.
fn beside<R>(server: &Server, work: impl FnOnce() -> Result<R>) -> Result<(R, Wait)> {
    let mut probe = server.connect()?;
    let threads = Threads::of(server.pid())?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| -> Result<Wait> {
            let mut longest = Wait::default();
            let mut before = threads.times();
            while !done.load(Ordering::Relaxed) {
                let started = Instant::now();
                request(&mut probe, &["GET", "other"])?;
                let whole = started.elapsed();
                let after = threads.times();
                let net = whole.saturating_sub(after.waited.saturating_sub(before.waited));
                let net = net.min(after.run.saturating_sub(before.run));
                before = after;
                longest = Wait { net: longest.net.max(net), whole: longest.whole.max(whole) };
                std::thread::sleep(Duration::from_micros(100));
            }
            Ok(longest)
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let wait = probing.join().expect("the probe does not panic")?;
        Ok((result?, wait))
    })
}

/// What the system tells of a server's threads, and of the one that asks.
struct Threads(Vec<Thread>);

struct Thread {
    file: PathBuf,
    /// Whether clients wait for it: not if it frees memory.
    serves: bool,
}

/// Times of all threads together.
struct Times {
    /// For a processor, of those that serve.
    waited: Duration,
    /// On a processor.
    run: Duration,
}

impl Threads {
    fn of(pid: u32) -> Result<Self> {
        let mut threads = Vec::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = thread?.path();
            let serves = !fs::read_to_string(path.join("comm"))?.contains("reaper");
            threads.push(Thread { file: path.join("schedstat"), serves });
        }
        threads.push(Thread { file: PathBuf::from("/proc/thread-self/schedstat"), serves: true });
        Ok(Threads(threads))
    }

    fn times(&self) -> Times {
        let (mut waited, mut run) = (0, 0);
        for thread in &self.0 {
            let Ok(text) = fs::read_to_string(&thread.file) else { continue };
            let mut numbers = text.split_whitespace().map_while(|number| number.parse::<u64>().ok());
            run += numbers.next().unwrap_or(0);
            waited += numbers.next().filter(|_| thread.serves).unwrap_or(0);
        }
        Times { waited: Duration::from_nanos(waited), run: Duration::from_nanos(run) }
    }
}
