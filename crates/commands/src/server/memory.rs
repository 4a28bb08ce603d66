//! MEMORY: what keys and the server occupy.

use perigee_keyspace::Entry;

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Keys, Scope, command, container};

pub(super) const MEMORY: Command = container("memory", &[HELP, STATS, USAGE]).docs(
    Group::Server,
    "4.0.0",
    "Depends on subcommand.",
    "A container for memory diagnostics commands",
);

const USAGE: Command =
    command("usage", -3, usage).full("memory|usage").flags(Flags::READONLY).keys(Keys::at(2)).docs(
        Group::Server,
        "4.0.0",
        "O(N) where N is the number of samples.",
        "Estimate the memory usage of a key",
    );

/// The number of samples is checked; the estimate itself looks at every allocation's size and needs none.
fn usage(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut options = call.options(3);
    while let Some(word) = options.next() {
        if !word.is("SAMPLES") || options.left() == 0 {
            return Err(Error::Syntax);
        }
        if options.integer()? < 0 {
            return Err(Error::Syntax);
        }
    }
    let key = call.args[2];
    match call.txn.peek(call.db, key) {
        None => call.reply.null(),
        Some(entry) => {
            let bytes = size_of::<Entry>() + key.len() + entry.value().heap_bytes(samples);
            call.reply.int(bytes as i64);
        }
    }
    Ok(())
}

const STATS: Command = command("stats", 2, stats).full("memory|stats").scope(Scope::All).docs(
    Group::Server,
    "4.0.0",
    "O(1)",
    "Show memory usage details",
);

fn stats(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let (allocated, resident) = (engine.process.memory)();
    let peak = engine.samples.note_memory(allocated);
    let startup = engine.samples.startup_bytes();
    let clients: usize = engine.clients.all().iter().map(|client| client.output_bytes()).sum();
    let (_, scripts) = engine.scripts.size();
    let keys: usize = (0..engine.keyspace.databases()).map(|db| call.txn.len(db)).sum();
    let libraries = engine.functions.libraries().code_bytes();
    let overhead = startup + clients + scripts + libraries;
    let dataset = allocated.saturating_sub(overhead);
    let share = |part: usize, whole: usize| part as f64 * 100.0 / whole.max(1) as f64;
    let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    enum Figure {
        Int(usize),
        Double(f64),
    }
    let figures = [
        ("peak.allocated", Figure::Int(peak)),
        ("total.allocated", Figure::Int(allocated)),
        ("startup.allocated", Figure::Int(startup)),
        ("clients.normal", Figure::Int(clients)),
        ("lua.caches", Figure::Int(scripts)),
        ("functions.caches", Figure::Int(libraries)),
        ("overhead.total", Figure::Int(overhead)),
        ("keys.count", Figure::Int(keys)),
        ("keys.bytes-per-key", Figure::Int(allocated.saturating_sub(startup) / keys.max(1) * keys.min(1))),
        ("dataset.bytes", Figure::Int(dataset)),
        ("dataset.percentage", Figure::Double(share(dataset, allocated.saturating_sub(startup)).min(100.0))),
        ("peak.percentage", Figure::Double(share(allocated, peak))),
        ("allocator.allocated", Figure::Int(allocated)),
        ("allocator.resident", Figure::Int(resident)),
        ("fragmentation", Figure::Double(ratio(resident, allocated))),
        ("fragmentation.bytes", Figure::Int(resident.saturating_sub(allocated))),
    ];
    call.reply.map(figures.len());
    for (name, figure) in figures {
        call.reply.bulk(name.as_bytes());
        match figure {
            Figure::Int(value) => call.reply.int(value as i64),
            Figure::Double(value) => call.reply.double(value),
        }
    }
    Ok(())
}

const HELP: Command = command("help", 2, help)
    .full("memory|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .docs(Group::Server, "4.0.0", "O(1)", "Show helpful text about the different subcommands");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "MEMORY",
        &[
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}
