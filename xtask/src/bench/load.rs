//! The load generator: connections that always have requests under way, and the server's CPU clock around them.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::connection::{Connection, Outcome, REPLY_WITHIN, encode};
use crate::server::Server;
use crate::value::Value;

/// Distinct keys that requests choose from.
pub(super) const KEYS: u64 = 100_000;

/// Writes the n-th request of a connection: number of the request, a random number, the connection's number.
pub(super) type Request = Box<dyn Fn(u64, u64, u64) -> Vec<Vec<u8>> + Sync>;

/// Work to be measured.
pub(super) struct Workload {
    /// Its name in tables, by which it can be chosen.
    pub(super) name: String,
    /// What is sent once before: data and scripts.
    pub(super) setup: Vec<Vec<Vec<u8>>>,
    /// The request.
    pub(super) request: Request,
    /// Connections that send at the same time.
    pub(super) connections: u64,
    /// Requests that a connection sends before it waits.
    pub(super) pipeline: u64,
    /// Requests in all.
    pub(super) requests: u64,
    /// Operations that one request does: what the result is divided by.
    pub(super) operations: u64,
}

/// One measurement.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) per_second: f64,
    pub(super) cpu_us: f64,
}

/// Runs the workload once on an empty server.
pub(super) fn run(workload: &Workload, server: &Server, quick: bool) -> Result<Sample> {
    let mut control = server.connect()?;
    control.call(&["FLUSHALL"])?;
    for request in &workload.setup {
        if let Value::Error(text) = control.call(request)? {
            bail!("setup: {}", text.escape_ascii());
        }
    }
    let requests = if quick { (workload.requests / 50).max(2) } else { workload.requests };
    send_all(workload, server, requests.div_ceil(10))?;
    let cpu_before = cpu_ns(server.pid())?;
    let started = Instant::now();
    let done = send_all(workload, server, requests)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_ns(server.pid())?.saturating_sub(cpu_before);
    let operations = (done * workload.operations) as f64;
    Ok(Sample { per_second: operations / seconds, cpu_us: cpu as f64 / 1_000.0 / operations })
}

/// Sends the requests over all connections, and returns how many there were.
fn send_all(workload: &Workload, server: &Server, requests: u64) -> Result<u64> {
    let rounds = requests.div_ceil(workload.connections * workload.pipeline).max(1);
    let mut clients =
        (0..workload.connections).map(|number| Client::open(server, number)).collect::<Result<Vec<_>>>()?;
    for client in &mut clients {
        client.send(workload)?;
    }
    for round in 1..=rounds {
        for client in &mut clients {
            client.receive(workload.pipeline)?;
            if round < rounds {
                client.send(workload)?;
            }
        }
    }
    Ok(rounds * workload.connections * workload.pipeline)
}

struct Client {
    connection: Connection,
    number: u64,
    sent: u64,
    chance: u64,
    buffer: Vec<u8>,
}

impl Client {
    fn open(server: &Server, number: u64) -> Result<Self> {
        let chance = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ok(Self { connection: server.connect()?, number, sent: 0, chance, buffer: Vec::new() })
    }

    fn send(&mut self, workload: &Workload) -> Result<()> {
        self.buffer.clear();
        for _ in 0..workload.pipeline {
            self.chance ^= self.chance << 13;
            self.chance ^= self.chance >> 7;
            self.chance ^= self.chance << 17;
            encode(&mut self.buffer, &(workload.request)(self.sent, self.chance, self.number));
            self.sent += 1;
        }
        self.connection.send_raw(&self.buffer)
    }

    fn receive(&mut self, replies: u64) -> Result<()> {
        for _ in 0..replies {
            match self.connection.read(REPLY_WITHIN * 6) {
                Outcome::Reply(Value::Error(text)) => bail!("the reply is an error: {}", text.escape_ascii()),
                Outcome::Reply(_) => {}
                other => bail!("no reply but {other:?}"),
            }
        }
        Ok(())
    }
}

/// CPU time that a process and all its threads have used.
fn cpu_ns(pid: u32) -> Result<u64> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("the server has gone")? {
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}
