//! What is counted and shown: calls by command, the slow log, MONITOR.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::acl::known_database;
use crate::clients::{Client, Mark};
use crate::config::{Config, Param};
use crate::engine::Env;
use crate::error::Error;
use crate::histogram::Histogram;
use crate::scripts::{LocalScript, SharedScript, SlowestLine};
use crate::secrets;
use crate::session::{Role, Session};
use crate::spec::Flags;
use crate::table::Entry;

/// A counter that one thread writes and others read.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn fetch_add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + by, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self) {
        self.set(0);
    }
}

/// A command's figures on one worker.
#[derive(Default)]
pub(crate) struct CommandStats {
    pub(crate) calls: Counter,
    pub(crate) time_ns: Counter,
    pub(crate) rejected: Counter,
    pub(crate) failed: Counter,
    pub(crate) times: Histogram,
}

/// One worker's figures.
pub struct WorkerStats {
    pub(crate) commands: Box<[CommandStats]>,
    pub(crate) changes: Counter,
    pub(crate) keyspace_hits: Counter,
    pub(crate) keyspace_misses: Counter,
    pub(crate) input_bytes: Counter,
    pub(crate) output_bytes: Counter,
    /// How often something was read from a socket, and written to one.
    pub(crate) reads: Counter,
    pub(crate) writes: Counter,
    /// Bytes that the worker's Lua VM uses.
    pub(crate) script_vm_bytes: Counter,
    /// Errors by code.
    pub(crate) errors: Mutex<HashMap<String, u64>>,
}

impl WorkerStats {
    pub(crate) fn new(commands: usize) -> Self {
        WorkerStats {
            commands: (0..commands).map(|_| CommandStats::default()).collect(),
            changes: Counter::default(),
            keyspace_hits: Counter::default(),
            keyspace_misses: Counter::default(),
            input_bytes: Counter::default(),
            output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            script_vm_bytes: Counter::default(),
            errors: Mutex::default(),
        }
    }

    /// Counts traffic, in bytes.
    pub fn count_traffic(&self, input: usize, output: usize) {
        self.input_bytes.fetch_add(input as u64);
        self.output_bytes.fetch_add(output as u64);
        self.reads.fetch_add(u64::from(input > 0));
        self.writes.fetch_add(u64::from(output > 0));
    }

    #[inline]
    pub(crate) fn count_call(&self, entry: Entry) {
        self.commands[usize::from(entry.id)].calls.fetch_add(1);
    }

    /// Starts all figures again from zero.
    pub(crate) fn reset(&self) {
        for command in &self.commands {
            for counter in [&command.calls, &command.time_ns, &command.rejected, &command.failed] {
                counter.reset();
            }
            command.times.reset();
        }
        let traffic = [&self.input_bytes, &self.output_bytes, &self.reads, &self.writes];
        for counter in [&self.keyspace_hits, &self.keyspace_misses].into_iter().chain(traffic) {
            counter.reset();
        }
        self.errors.lock().clear();
    }
}

/// Counts a finished command, and notes it if it was slow.
#[inline(always)]
pub(crate) fn record(env: Env<'_>, session: &mut Session, entry: Entry, args: &[&[u8]]) {
    let mut elapsed_ns = env.worker.lap_ns();
    let (ran, sliced) = (env.worker.ran.take(), session.times.is_sliced());
    let stats = &env.worker.stats.commands[usize::from(entry.id)];
    if let Some(script) = &ran {
        elapsed_ns = session.times.count(script, elapsed_ns, env.worker.last_tick_ns.get());
        stats.failed.fetch_add(u64::from(env.worker.script_failed.take()));
    }
    count_time(env, session, entry, args, elapsed_ns, ran.map(|script| (script, sliced)));
}

/// As [`record`], for a command that had to wait for keys: `spent_ns` is what it took before, and what it waited is nobody's
/// work.
#[cold]
pub(crate) fn record_waited(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]], spent_ns: u64) {
    count_time(env, session, entry, args, spent_ns, None);
}

#[inline(always)]
fn count_time(
    env: Env<'_>,
    session: &Session,
    entry: Entry,
    args: &[&[u8]],
    elapsed_ns: u64,
    ran: Option<(SharedScript, bool)>,
) {
    let stats = &env.worker.stats.commands[usize::from(entry.id)];
    stats.calls.fetch_add(1);
    stats.time_ns.fetch_add(elapsed_ns);
    let config = &env.engine.config;
    if config.is_on(Param::LatencyTracking) {
        stats.times.record(elapsed_ns);
    }
    if config.is_on(Param::LatencyMonitorThreshold) || elapsed_ns >= slow_ns(config) {
        note_slow(env, session, entry, args, elapsed_ns, ran);
    }
}

/// From which time on a command belongs into the slow log. -1, for never, becomes the longest of all times.
#[inline]
fn slow_ns(config: &Config) -> u64 {
    (config.number(Param::SlowlogLogSlowerThan) as u64).saturating_mul(1000)
}

/// Tells the latency monitor and the slow log of a command, if it took as long as they want to hear of. `ran`: the script
/// that it was, and whether that took more than one slice.
#[cold]
fn note_slow(
    env: Env<'_>,
    session: &Session,
    entry: Entry,
    args: &[&[u8]],
    elapsed_ns: u64,
    ran: Option<(SharedScript, bool)>,
) {
    let config = &env.engine.config;
    let noted_ms = config.number(Param::LatencyMonitorThreshold) as u64;
    if noted_ms > 0 && elapsed_ns / 1_000_000 >= noted_ms {
        let event = if entry.command.has(Flags::FAST) { "fast-command" } else { "command" };
        env.engine.latency.note(event, env.now_ms, elapsed_ns / 1_000_000);
    }
    if elapsed_ns >= slow_ns(config) && !entry.command.has(Flags::SKIP_SLOWLOG) {
        let limit = config.number(Param::SlowlogMaxLen) as usize;
        let shown = secrets::hidden(entry, args);
        let note = ran.and_then(|(script, sliced)| script_note(env, &script, sliced));
        env.engine.slowlog.push(env, session, &shown, note, elapsed_ns / 1000, limit);
    }
}

/// What the slow log tells of a script behind the request's arguments.
#[cold]
fn script_note(env: Env<'_>, script: &LocalScript, sliced: bool) -> Option<String> {
    if env.engine.config.is_on(Param::RedisStrict) {
        return None;
    }
    let sha1 = String::from_utf8_lossy(&script.sha1);
    let mut note = match script.name() {
        Some(name) => format!("(script {name}, sha1 {sha1}"),
        None => format!("(script sha1 {sha1}"),
    };
    if let Some(slowest) = script.figures.take_slowest_line().filter(|_| sliced) {
        let SlowestLine { line, slices, of } = slowest;
        note += &format!(", slowest line {line}: {slices} of {of} samples");
    }
    Some(note + ")")
}

/// Counts a request that the gate refused.
#[cold]
pub(crate) fn count_rejection(env: Env<'_>, args: &[&[u8]], error: &Error) {
    let commands = &env.engine.commands;
    let named = commands.find(args[0]).and_then(|entry| match args.get(1) {
        Some(word) if !entry.command.subcommands.is_empty() => commands.find_subcommand(entry, word),
        _ => Some(entry),
    });
    if let Some(entry) = named {
        env.worker.stats.commands[usize::from(entry.id)].rejected.fetch_add(1);
    }
    count_error(env, error);
}

/// Counts a command that returned an error.
#[cold]
pub(crate) fn count_failure(env: Env<'_>, entry: Entry, error: &Error) {
    env.worker.stats.commands[usize::from(entry.id)].failed.fetch_add(1);
    count_error(env, error);
}

fn count_error(env: Env<'_>, error: &Error) {
    count_error_text(env, &error.text());
}

/// Counts an error by its code.
#[cold]
pub(crate) fn count_error_text(env: Env<'_>, text: &[u8]) {
    // Where a line ends the reply has a space.
    let code = text.split(|byte| b" \r\n".contains(byte)).next().unwrap_or(b"ERR");
    let code = String::from_utf8_lossy(code);
    let mut errors = env.worker.stats.errors.lock();
    // The code may come from a script: bounded, so that it can't fill memory.
    if errors.len() < 128 || errors.contains_key(&*code) {
        *errors.entry(code.into_owned()).or_default() += 1;
    }
}

/// A slow command, or one whose request or reply is large.
#[derive(Clone)]
pub(crate) struct SlowEntry {
    pub(crate) id: u64,
    pub(crate) at_s: u64,
    /// Microseconds that it took, or bytes.
    pub(crate) value: u64,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) client_name: Vec<u8>,
}

/// The latest slow commands.
#[derive(Default)]
pub struct Slowlog {
    entries: Mutex<VecDeque<SlowEntry>>,
    next_id: AtomicU64,
}

/// Shown of one request at most.
const SLOWLOG_MAX_ARGS: usize = 32;
/// Shown of one argument at most.
const SLOWLOG_MAX_ARG_BYTES: usize = 128;

impl Slowlog {
    #[cold]
    pub(crate) fn push(
        &self,
        env: Env<'_>,
        session: &Session,
        args: &[&[u8]],
        note: Option<String>,
        value: u64,
        limit: usize,
    ) {
        let mut args = shortened(args);
        args.extend(note.map(String::into_bytes));
        let entry = SlowEntry {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            at_s: env.now_ms / 1000,
            value,
            args,
            address: session.client.address.clone(),
            client_name: session.client.named.lock().name.clone(),
        };
        let mut entries = self.entries.lock();
        entries.push_front(entry);
        entries.truncate(limit);
    }

    /// The latest `count`, newest first.
    pub(crate) fn latest(&self, count: usize) -> Vec<SlowEntry> {
        self.entries.lock().iter().take(count).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.lock().len()
    }

    pub(crate) fn clear(&self) {
        self.entries.lock().clear();
    }
}

fn shortened(args: &[&[u8]]) -> Vec<Vec<u8>> {
    let shown = if args.len() > SLOWLOG_MAX_ARGS { SLOWLOG_MAX_ARGS - 1 } else { args.len() };
    let mut list: Vec<Vec<u8>> = args[..shown]
        .iter()
        .map(|arg| match arg.len().checked_sub(SLOWLOG_MAX_ARG_BYTES) {
            None | Some(0) => arg.to_vec(),
            Some(more) => {
                [&arg[..SLOWLOG_MAX_ARG_BYTES], format!("... ({more} more bytes)").as_bytes()].concat()
            }
        })
        .collect();
    if shown < args.len() {
        list.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    list
}

/// Clients that see every command.
#[derive(Default)]
pub struct Monitors {
    clients: RwLock<Vec<Arc<Client>>>,
    count: AtomicUsize,
}

impl Monitors {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn join(&self, client: &Arc<Client>) {
        let mut clients = self.clients.write();
        clients.push(client.clone());
        self.count.store(clients.len(), Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, id: u64) {
        let mut clients = self.clients.write();
        clients.retain(|client| client.id != id);
        self.count.store(clients.len(), Ordering::Relaxed);
    }
}

/// Shows a request to the clients in MONITOR mode.
#[cold]
pub(crate) fn feed_monitors(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]]) {
    if entry.command.has(Flags::ADMIN) {
        return;
    }
    let now_us = env.worker.clock.now_us();
    let client = &session.client;
    let source = match session.role {
        Role::Script => "lua".to_owned(),
        _ if client.has(Mark::UnixSocket) => format!("unix:{}", client.address.trim_end_matches(":0")),
        _ => client.address.clone(),
    };
    // The database is that in which the request leaves the client.
    let db = match (entry.command.name, args) {
        ("select", [_, db]) => known_database(db, env.engine.keyspace.databases()).unwrap_or(session.db),
        ("reset", _) => 0,
        _ => session.db,
    };
    let mut line = format!("+{}.{:06} [{db} {source}]", now_us / 1_000_000, now_us % 1_000_000).into_bytes();
    for arg in secrets::hidden(entry, args) {
        line.push(b' ');
        quote(&mut line, arg);
    }
    line.extend_from_slice(b"\r\n");
    let line = Bytes::from(line);
    for client in env.engine.monitors.clients.read().iter() {
        client.send(line.clone());
    }
}

/// Appends bytes in double quotes, with C's escapes.
pub fn quote(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            7 => line.extend_from_slice(b"\\a"),
            8 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}
