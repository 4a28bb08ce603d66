//! Whether the process stays small when every EVAL brings a text of its own: the cache evicts, the VMs and the allocator
//! give back.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::connection::{Connection, Outcome, REPLY_WITHIN, encode};
use crate::programs;
use crate::server::Server;
use crate::value::Value;

pub(crate) const HELP: &str = "\
memory [--evals N] [--limit MB] [--short]
    Sends N distinct texts to EVAL (default 1,000,000; --short: 30,000), in turn over several connections, and fails if
    the process is then more than MB (default 20) above where it began.";

/// Connections, so that every worker compiles.
const CONNECTIONS: usize = 4;
/// Requests on their way at a time.
const BATCH: u64 = 100;

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let default = if arguments.flag("--short") { 30_000 } else { 1_000_000 };
    let evals = arguments.number("--evals", default)?;
    let limit_mb = arguments.number("--limit", 20)?;
    ensure!(arguments.finish()?.is_empty(), "memory takes no words");
    let server = Server::start("perigee", &programs::build_perigee("release")?, &[])?;
    let mut connections = (0..CONNECTIONS).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let (began_kb, started) = (resident_kb(server.pid())?, Instant::now());
    println!("{:>10} EVALs {:>8.1} MB", 0, began_kb as f64 / 1024.0);
    let report_every = (evals / 10).max(1);
    let mut most_kb = began_kb;
    for from in (0..evals).step_by(BATCH as usize) {
        let at = (from / BATCH) as usize % CONNECTIONS;
        batch(&mut connections[at], from..evals.min(from + BATCH))?;
        if (from + BATCH) / report_every > from / report_every {
            let now_kb = resident_kb(server.pid())?;
            most_kb = most_kb.max(now_kb);
            println!("{:>10} EVALs {:>8.1} MB", from + BATCH, now_kb as f64 / 1024.0);
        }
    }
    let grown_mb = (resident_kb(server.pid())? as f64 - began_kb as f64) / 1024.0;
    let us_per_eval = started.elapsed().as_micros() as f64 / evals.max(1) as f64;
    println!(
        "{grown_mb:+.1} MB after {evals} EVALs ({us_per_eval:.1} us each), at most {:+.1} MB",
        (most_kb as f64 - began_kb as f64) / 1024.0
    );
    ensure!(grown_mb <= limit_mb as f64, "more than {limit_mb} MB");
    Ok(())
}

fn batch(connection: &mut Connection, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut bytes = Vec::new();
    for number in numbers.clone() {
        let text = format!("local value = 'v:{number}' redis.call('set', KEYS[1], value) return {number}");
        encode(&mut bytes, &["EVAL", &text, "1", "key"]);
    }
    connection.send_raw(&bytes)?;
    for number in numbers {
        match connection.read(REPLY_WITHIN) {
            Outcome::Reply(Value::Int(value)) if value as u64 == number => {}
            other => bail!("EVAL {number} answers {other:?}"),
        }
    }
    Ok(())
}

/// The memory of a process that is in RAM, as the kernel counts it.
fn resident_kb(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS")
}
