//! MEMORY: what keys and the server occupy.

mod doctor;
mod figures;
mod stats;

pub(super) use figures::Figures;

use perigee_keyspace::Entry;

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, Keys, command, container};

pub(super) const MEMORY: Command = container(
    "memory",
    &[doctor::DOCTOR, HELP, MALLOC_STATS, PURGE, stats::STATS, USAGE],
)
.docs(Group::Server, "4.0.0", "Depends on subcommand.", "A container for memory diagnostics commands");

const USAGE: Command = command("usage", -3, usage)
    .full("memory|usage")
    .flags(Flags::READONLY)
    .keys(Keys::at(2))
    .docs(
        Group::Server,
        "4.0.0",
        "O(N) where N is the number of samples.",
        "Estimate the memory usage of a key",
    )
    .syntax("key [SAMPLES count:int]");

/// Elements of a collection that are looked at, unless the request says otherwise.
const SAMPLES: usize = 5;

fn usage(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut samples = SAMPLES;
    let mut options = call.options(3);
    while let Some(word) = options.next() {
        if !word.is("SAMPLES") || options.left() == 0 {
            return Err(Error::Syntax);
        }
        samples = usize::try_from(options.integer()?).map_err(|_| Error::Syntax)?;
    }
    let key = call.args[2];
    match call.txn.peek(call.db, key) {
        None => call.reply.null(),
        Some(entry) => {
            let bytes = size_of::<Entry>() + entry.allocated_bytes() + entry.value().heap_bytes(samples);
            call.reply.int(bytes as i64);
        }
    }
    Ok(())
}

const PURGE: Command = command("purge", 2, purge).full("memory|purge").docs(
    Group::Server,
    "4.0.0",
    "Depends on how much memory is allocated, could be slow",
    "Ask the allocator to release memory",
);

fn purge(call: &mut Call<'_, '_>) -> Result<(), Error> {
    (call.env.engine.process.allocator.purge)();
    call.reply.ok();
    Ok(())
}

const MALLOC_STATS: Command = command("malloc-stats", 2, malloc_stats).full("memory|malloc-stats").docs(
    Group::Server,
    "4.0.0",
    "Depends on how much memory is allocated, could be slow",
    "Show allocator internal stats",
);

fn malloc_stats(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match (call.env.engine.process.allocator.report)() {
        Some(text) => call.reply.verbatim(b"txt", &text),
        None => call.reply.bulk(b"Stats not supported for the current allocator"),
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
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}
