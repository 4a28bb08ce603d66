//! Heavy scripts on disjoint keys: how much faster two workers are than one.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::report;
use crate::server::Server;
use crate::value::Value;

/// A script that works for some tens of milliseconds on one key, and its name.
const SCRIPTS: &[(&str, &str)] = &[
    ("redis.call hset", "for i = 1, 100000 do redis.call('hset', KEYS[1], i % 1000, i) end"),
    ("redis.call incr", "for i = 1, 200000 do redis.call('incr', KEYS[1]) end"),
    (
        "computation",
        "local x = 42 for i = 1, 2e7 do x = (x * 1103515245 + 12345) % 2147483648 end redis.call('set', KEYS[1], x)",
    ),
];

/// Runs of the script on each connection in a round.
const RUNS: usize = 20;

pub(super) fn run(program: &Path, rounds: u64) -> Result<()> {
    println!("{}", report::machine());
    println!(
        "{:<24} {:>14} {:>14} {:>10}",
        "two scripts at once", "one worker ms", "two workers ms", "speed-up"
    );
    // With turns, two connections are on two workers.
    let servers = ["1", "2"].map(|threads| {
        Server::start("perigee", program, &["--io-threads", threads, "--io-threads-placement", "turn"])
    });
    let [one, two] = servers;
    let (one, two) = (one?, two?);
    for (name, script) in SCRIPTS {
        let mut samples = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (server, samples) in [&one, &two].into_iter().zip(&mut samples) {
                samples.push(seconds(server, script)?);
            }
        }
        let [one, two] = samples.map(|mut samples| {
            samples.sort_by(f64::total_cmp);
            samples[samples.len() / 2]
        });
        println!("{name:<24} {:>14.1} {:>14.1} {:>9.2}x", one * 1_000.0, two * 1_000.0, one / two);
    }
    println!("{}", report::machine());
    Ok(())
}

/// How long two connections take to run the script so many times each, on a key each.
fn seconds(server: &Server, script: &str) -> Result<f64> {
    server.connect()?.call(&["FLUSHALL"])?;
    let connections = [server.connect()?, server.connect()?];
    let started = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let threads = connections.into_iter().zip(["a", "b"]).map(|(mut connection, key)| {
            scope.spawn(move || -> Result<()> {
                for _ in 0..RUNS {
                    let reply = connection.call(&["EVAL", script, "1", key])?;
                    ensure!(!matches!(reply, Value::Error(_)), "the script failed: {reply:?}");
                }
                Ok(())
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(started.elapsed().as_secs_f64())
}
