//! The load generator: connections that always have requests under way, and the server's CPU clock around them.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::connection::{REPLY_WITHIN, encode};
use crate::server::Server;
use crate::value::Value;

/// Distinct keys that requests choose from.
pub(super) const KEYS: u64 = 100_000;

/// Writes the n-th request of a connection: number of the request, a random number, the connection's number. One word that
/// ends a line is sent as it is.
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
    let mut clients = (0..workload.connections)
        .map(|number| Client::open(server, workload, number))
        .collect::<Result<Vec<_>>>()?;
    for client in &mut clients {
        client.send()?;
    }
    for round in 1..=rounds {
        for client in &mut clients {
            client.receive(workload.pipeline)?;
            if round < rounds {
                client.send()?;
            }
        }
    }
    Ok(rounds * workload.connections * workload.pipeline)
}

/// A connection whose requests were all written beforehand, so that the server is the one that is waited for.
struct Client {
    stream: TcpStream,
    batches: Vec<Vec<u8>>,
    sent: usize,
    input: Vec<u8>,
    filled: usize,
}

/// Batches that a connection sends in turn.
const BATCHES: usize = 64;

impl Client {
    fn open(server: &Server, workload: &Workload, number: u64) -> Result<Self> {
        let stream = server.connect()?.into_stream();
        stream.set_read_timeout(Some(REPLY_WITHIN * 6))?;
        let mut chance = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let batches = (0..BATCHES as u64).map(|batch| {
            let mut bytes = Vec::new();
            for at in 0..workload.pipeline {
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                let request = (workload.request)(batch * workload.pipeline + at, chance, number);
                match request.as_slice() {
                    [line] if line.ends_with(b"\r\n") => bytes.extend_from_slice(line),
                    words => encode(&mut bytes, words),
                }
            }
            bytes
        });
        Ok(Self { stream, batches: batches.collect(), sent: 0, input: vec![0; 64 << 10], filled: 0 })
    }

    fn send(&mut self) -> Result<()> {
        self.stream.write_all(&self.batches[self.sent % BATCHES]).context("write")?;
        self.sent += 1;
        Ok(())
    }

    /// Reads the replies to a batch; an error among them is an error.
    fn receive(&mut self, replies: u64) -> Result<()> {
        let (mut at, mut left) = (0, replies);
        while left > 0 {
            match skip_reply(&self.input[at..self.filled]) {
                Some(length) => {
                    if self.input[at] == b'-' {
                        bail!("the reply is an error: {}", self.input[at..at + length].escape_ascii());
                    }
                    at += length;
                    left -= 1;
                }
                None => {
                    if self.filled == self.input.len() {
                        self.input.resize(2 * self.filled, 0);
                    }
                    match self.stream.read(&mut self.input[self.filled..]) {
                        Ok(0) => bail!("the server has closed the connection"),
                        Ok(count) => self.filled += count,
                        // So it is for a process that was stopped and goes on.
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) => return Err(error).context("read"),
                    }
                }
            }
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

/// The length of the RESP2 reply at the beginning, once it is complete.
fn skip_reply(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let number = || std::str::from_utf8(&bytes[1..line]).ok()?.parse::<i64>().ok();
    let mut end = line + 2;
    match bytes[0] {
        b'$' => {
            let length = number()?;
            end += if length < 0 { 0 } else { length as usize + 2 };
        }
        b'*' => {
            for _ in 0..number()?.max(0) {
                end += skip_reply(bytes.get(end..)?)?;
            }
        }
        _ => {}
    }
    (end <= bytes.len()).then_some(end)
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
