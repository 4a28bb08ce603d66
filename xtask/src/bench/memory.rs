//! Bytes for each key or element, by the server's own allocator and by the kernel.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::connection::{Connection, Outcome, REPLY_WITHIN, encode};
use crate::server::Server;
use crate::value::Value;

/// A kind of data.
struct Row {
    name: &'static str,
    /// The most that an element may cost Perigee, in bytes.
    limit: f64,
    /// Elements that one request adds.
    elements: u64,
    request: fn(u64) -> Vec<String>,
}

const ROWS: &[Row] = &[
    Row {
        name: "string, 16-byte key, 32-byte value",
        limit: 85.0,
        elements: 1,
        request: |number| words(&["SET", &key(number), &text(number, 32)]),
    },
    Row {
        name: "the same with a TTL",
        limit: 100.0,
        elements: 1,
        request: |number| {
            let seconds = (100_000 + spread(number) % 900_000).to_string();
            words(&["SET", &key(number), &text(number, 32), "EX", &seconds])
        },
    },
    Row {
        name: "string with an integer value",
        limit: 50.0,
        elements: 1,
        request: |number| words(&["SET", &key(number), &(1_000_000 + number).to_string()]),
    },
    Row {
        name: "hash of 10 small fields (per field)",
        limit: 26.0,
        elements: 10,
        request: |number| {
            let mut request = words(&["HSET", &key(number)]);
            for field in 0..10 {
                request.extend([format!("field{field}"), text(number, 10)]);
            }
            request
        },
    },
    Row {
        name: "one sorted set (per member)",
        limit: 65.0,
        elements: 1,
        request: |number| {
            let score = (spread(number) >> 40).to_string();
            words(&["ZADD", "key", &score, &format!("member:{number:07}")])
        },
    },
    Row {
        name: "one hash (per field)",
        limit: 52.0,
        elements: 1,
        request: |number| words(&["HSET", "key", &format!("field:{number:07}"), &text(number, 10)]),
    },
    Row {
        name: "one set of integers (per member)",
        limit: 28.0,
        elements: 1,
        request: |number| words(&["SADD", "key", &number.to_string()]),
    },
    Row {
        name: "one list (per element)",
        limit: 16.0,
        elements: 1,
        request: |number| words(&["RPUSH", "key", &text(number, 14)]),
    },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn key(number: u64) -> String {
    format!("key:{number:012}")
}

fn text(number: u64, len: usize) -> String {
    format!("{number:x>len$}")
}

/// A number that looks random, another for each.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Fills each server with `count` elements of each kind and prints what one costs; fails if Perigee is over a limit and `strict`.
pub(super) fn run(programs: &[(String, std::path::PathBuf)], count: u64, strict: bool) -> Result<()> {
    println!("{:<36} {:<16} {:>12} {:>12} {:>8}", "", "", "used_memory", "RSS", "limit");
    let mut over = Vec::new();
    for row in ROWS {
        for (index, (name, program)) in programs.iter().enumerate() {
            let server = Server::start(name, program, &[])?;
            let [used, resident] = bytes_each(&server, row, count)?;
            let title = if index == 0 { row.name } else { "" };
            let limit = if name == "perigee" { format!("{:.0}", row.limit) } else { String::new() };
            println!("{title:<36} {name:<16} {used:>12.1} {resident:>12.1} {limit:>8}");
            if name == "perigee" && used > row.limit {
                over.push(row.name);
            }
        }
    }
    if strict && !over.is_empty() {
        bail!("over the limit: {}", over.join("; "));
    }
    Ok(())
}

fn bytes_each(server: &Server, row: &Row, count: u64) -> Result<[f64; 2]> {
    let mut connection = server.connect()?;
    let before = memory(&mut connection, server.pid())?;
    let requests = count / row.elements;
    const BATCH: u64 = 500;
    for from in (0..requests).step_by(BATCH as usize) {
        let batch = from..requests.min(from + BATCH);
        let mut bytes = Vec::new();
        batch.clone().for_each(|number| encode(&mut bytes, &(row.request)(number)));
        connection.send_raw(&bytes)?;
        for _ in batch {
            match connection.read(REPLY_WITHIN) {
                Outcome::Reply(Value::Error(error)) => bail!("{}: {error:?}", row.name),
                Outcome::Reply(_) => {}
                other => bail!("{}: {other:?}", row.name),
            }
        }
    }
    let after = memory(&mut connection, server.pid())?;
    let elements = (requests * row.elements) as f64;
    Ok([0, 1].map(|at| (after[at] as f64 - before[at] as f64) / elements))
}

/// What the server says of its allocator, and what the kernel says of the server, in bytes.
fn memory(connection: &mut Connection, pid: u32) -> Result<[u64; 2]> {
    let info = match connection.call(&["INFO", "memory"])? {
        Value::Bulk(info) => String::from_utf8_lossy(&info).into_owned(),
        other => bail!("INFO answers {other:?}"),
    };
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("no used_memory")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
    Ok([used.trim().parse().context("used_memory")?, resident * 1024])
}
