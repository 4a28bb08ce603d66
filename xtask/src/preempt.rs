//! What scripts that never end do to everybody else: latency of GET beside them, and how fast SCRIPT KILL ends them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::arguments::Arguments;
use crate::connection::{Connection, Outcome};
use crate::programs;
use crate::server::Server;
use crate::value::Value;

pub(crate) const HELP: &str = "\
preempt [KIND]... [--seconds N] [--workers N] [--program PATH] [--check]
    With a script of each kind running on every worker: percentiles of GET from other clients, and the time from SCRIPT KILL to
    the last script's reply. A kind is named by any part of its name.
    --program    the server to measure instead of a release build of this one
    --check      fail where p99 passes 5 ms or a kill takes longer than 20 ms (for a machine with nothing else to do)";

/// Name and script. Each runs until it is killed.
const KINDS: &[(&str, &str)] = &[
    ("empty loop", "while true do end"),
    ("pure Lua", "local t = {} while true do for i = 1, 1000 do t[i % 100] = tostring(i) .. 'x' end end"),
    ("redis.call", "while true do redis.call('incr', KEYS[1]) end"),
    ("pcall", "while true do pcall(error, {}) end"),
    ("coroutines", "while true do coroutine.wrap(function() coroutine.yield(1) end)() end"),
    (
        "table.sort with a comparator",
        "local t = {} while true do for i = 1, 100000 do t[i] = i * 7919 % 100003 end
         table.sort(t, function(a, b) return a < b end) end",
    ),
    (
        "gsub with a callback",
        "local s = string.rep('word ', 100000) while true do s:gsub('%w+', function(w) return w end) end",
    ),
    ("gsub with a text", "local s = string.rep('word ', 1000000) while true do s:gsub('%w+', 'x') end"),
    ("find that backtracks", "return string.find(string.rep('a', 100000), string.rep('.-', 12) .. 'b')"),
    ("find of plain text", "local s = string.rep('a', 2e7) while true do s:find('b', 1, true) end"),
    ("string.rep", "local i = 0 while true do i = i + 1 string.rep(i, 2e7) end"),
    (
        "table.concat",
        "local s = string.rep('x', 1000000) local t = {} for i = 1, 100 do t[i] = s end
         local i = 0 while true do i = i + 1 t[1] = i table.concat(t, ',') end",
    ),
    (
        "upper and reverse",
        "local i = 0 while true do i = i + 1 (i .. string.rep('x', 3e7)):upper():reverse() end",
    ),
    (
        "table.insert at the front",
        "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
    ),
    (
        "cjson.encode",
        "local t = {} for i = 1, 200000 do t[i] = i t['k' .. i] = {i} end t[1.5] = 1 while true do cjson.encode(t) end",
    ),
    (
        "cjson.decode",
        "local t = {} for i = 1, 200000 do t[i] = {i} end local s = cjson.encode(t) while true do cjson.decode(s) end",
    ),
    (
        "cmsgpack",
        "local t = {} for i = 1, 200000 do t['k' .. i] = {i} end
         while true do cmsgpack.unpack(cmsgpack.pack(t)) end",
    ),
    ("joining with ..", "while true do local s = 'x' for i = 1, 24 do s = s .. s end end"),
    ("string.format", "local s, i = string.rep('x', 1e7), 0 while true do i = i + 1 string.format('%s%d', s, i) end"),
    ("unpack", "local t = {} for i = 1, 7000 do t[i] = i end while true do select('#', unpack(t)) end"),
    (
        "string.byte and char",
        "local s = string.rep('x', 7000) while true do string.char(string.byte(s, 1, -1)) end",
    ),
    (
        "loadstring",
        "local s = string.rep('local a = 1 do local b = a + 1 end ', 8000) s = 'do ' .. s:gsub('local a', 'a') .. ' end'
         local i = 0 while true do i = i + 1 loadstring(s .. '--' .. i) end",
    ),
    (
        "huge keys",
        "local t, i = {}, 0 local s = string.rep('x', 1e6)
         while true do i = i + 1 t[s:sub(i % 1000)] = true if i % 10 == 0 then t = {} end end",
    ),
    (
        "comparison of texts",
        "local a, b = string.rep('x', 2e7) .. 'a', string.rep('x', 2e7) .. 'b' while true do if a < b then a = a end end",
    ),
    (
        "redis.call of 20 MB",
        "local s = string.rep('x', 2e7) while true do redis.call('set', KEYS[1], s) redis.call('get', KEYS[1]) end",
    ),
    ("xpcall", "while true do xpcall(error, function() for i = 1, 1e9 do end end) end"),
    ("collectgarbage", "local t = {} for i = 1, 1e6 do t[i] = {} end while true do collectgarbage() end"),
];

/// Name and request, which a client on each worker sends again and again.
const REQUESTS: &[(&str, &[&str])] =
    &[("SET of 100 MB", &["SET", "large", "100 MB"]), ("GET of 100 MB", &["GET", "large"])];

/// Clients that measure.
const CLIENTS: usize = 4;

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let seconds = arguments.number("--seconds", 2)?.max(1);
    let workers = arguments.number("--workers", thread::available_parallelism()?.get() as u64)?;
    let check = arguments.flag("--check");
    let program = arguments.value("--program")?;
    let names = arguments.finish()?;
    let program = match program {
        Some(path) => PathBuf::from(path),
        None => programs::build_perigee("release")?,
    };
    let server = Server::start(
        "perigee",
        &program,
        &["--io-threads", &workers.to_string(), "--io-threads-placement", "turn"],
    )?;
    server.connect()?.call(&["SET", "quick", "value"])?;
    println!(
        "{:<30} {:>9} {:>9} {:>9} {:>9}",
        "script on every worker", "p50 ms", "p99 ms", "max ms", "kill ms"
    );
    report("none", &measure(&server, Duration::from_secs(seconds))?, None);
    let mut slow = Vec::new();
    for (name, script) in KINDS {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        // Connections are dealt to the workers in turn.
        let mut scripts = (0..workers).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
        for (at, connection) in scripts.iter_mut().enumerate() {
            connection.send(&["EVAL", script, "1", &format!("key {at}")])?;
        }
        thread::sleep(Duration::from_millis(300));
        let latencies = measure(&server, Duration::from_secs(seconds))?;
        let kill = kill(&server, &mut scripts)?;
        let p99 = report(name, &latencies, Some(kill));
        if p99 > 5.0 || kill > Duration::from_millis(20) {
            slow.push(*name);
        }
    }
    let body = "x".repeat(100_000_000);
    for (name, request) in REQUESTS {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let latencies = beside_requests(&server, workers, Duration::from_secs(seconds), request, &body)?;
        if report(name, &latencies, None) > 5.0 {
            slow.push(*name);
        }
    }
    ensure!(!check || slow.is_empty(), "too slow: {}", slow.join(", "));
    Ok(())
}

/// Latencies of GET, while clients on all workers send a request with this body.
fn beside_requests(
    server: &Server,
    workers: u64,
    duration: Duration,
    request: &[&str],
    body: &str,
) -> Result<Vec<Duration>> {
    let request: Vec<&str> = request.iter().map(|&word| if word == "100 MB" { body } else { word }).collect();
    server.connect()?.call(&["SET", "large", body])?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut connection = server.connect()?;
                    while !stop.load(Ordering::Relaxed) {
                        connection.call(&request)?;
                    }
                    Ok(())
                })
            })
            .collect();
        let latencies = measure(server, duration);
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("a client thread ends")?;
        }
        latencies
    })
}

/// Latencies of GET, sorted, from clients on all workers.
fn measure(server: &Server, duration: Duration) -> Result<Vec<Duration>> {
    let stop = AtomicBool::new(false);
    let results = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<Vec<Duration>> {
                    let mut connection = server.connect()?;
                    let mut latencies = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let begin = Instant::now();
                        connection.call(&["GET", "quick"])?;
                        latencies.push(begin.elapsed());
                    }
                    Ok(latencies)
                })
            })
            .collect();
        thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client thread ends")).collect::<Vec<_>>()
    });
    let mut all = Vec::new();
    for latencies in results {
        all.extend(latencies?);
    }
    all.sort_unstable();
    Ok(all)
}

/// The time until every script has answered that it was killed.
fn kill(server: &Server, scripts: &mut [Connection]) -> Result<Duration> {
    let mut connection = server.connect()?;
    let begin = Instant::now();
    connection.call(&["SCRIPT", "KILL"])?;
    for script in scripts {
        match script.read(Duration::from_secs(10)) {
            Outcome::Reply(Value::Error(text)) if text.windows(14).any(|part| part == b"killed by user") => {}
            other => bail!("not killed, but {other:?}"),
        }
    }
    Ok(begin.elapsed())
}

/// Prints a line, and returns p99 in milliseconds.
fn report(name: &str, latencies: &[Duration], kill: Option<Duration>) -> f64 {
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let at = |part: f64| ms(latencies[((latencies.len() as f64 * part) as usize).min(latencies.len() - 1)]);
    let kill = kill.map_or_else(|| "-".to_owned(), |kill| format!("{:.2}", ms(kill)));
    println!("{name:<30} {:>9.2} {:>9.2} {:>9.2} {kill:>9}", at(0.5), at(0.99), at(1.0));
    at(0.99)
}
