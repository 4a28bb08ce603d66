//! MEMORY STATS.

use super::Figures;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Group, Scope, command};

pub(super) const STATS: Command = command("stats", 2, stats).full("memory|stats").scope(Scope::All).docs(
    Group::Server,
    "4.0.0",
    "O(1)",
    "Show memory usage details",
);

enum Figure {
    Int(i64),
    Double(f64),
}

fn stats(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let figures = Figures::of(engine);
    let databases: Vec<(u16, [usize; 2])> = (0..engine.keyspace.databases())
        .filter(|&db| !call.txn.is_empty(db))
        .map(|db| (db, call.txn.index_bytes(db)))
        .collect();
    let indexes: usize = databases.iter().flat_map(|(_, bytes)| bytes).sum();
    let keys: usize = databases.iter().map(|&(db, _)| call.txn.len(db)).sum();
    let overhead = figures.overhead + indexes;
    let dataset = figures.used.saturating_sub(overhead);
    let int = |bytes: usize| Figure::Int(bytes as i64);
    let before = [
        ("peak.allocated", int(figures.peak)),
        ("total.allocated", int(figures.used)),
        ("startup.allocated", int(figures.startup)),
        ("replication.backlog", int(0)),
        ("clients.slaves", int(0)),
        ("clients.normal", int(figures.clients)),
        ("cluster.links", int(0)),
        ("aof.buffer", int(0)),
        ("lua.caches", int(figures.scripts)),
        ("functions.caches", int(figures.libraries)),
    ];
    let data = Figures { overhead, dataset, ..figures };
    let (fragmentation, kept) = (data.fragmentation(), data.kept_pages());
    let (process, total) = (data.process_overhead(), data.total());
    let after = [
        ("overhead.total", int(overhead)),
        ("keys.count", int(keys)),
        ("keys.bytes-per-key", int(data.used.saturating_sub(data.startup).checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", int(dataset)),
        ("dataset.percentage", Figure::Double(data.dataset_share())),
        ("peak.percentage", Figure::Double(data.peak_share())),
        ("allocator.allocated", int(data.used)),
        ("allocator.active", int(data.active)),
        ("allocator.resident", int(data.kept)),
        ("allocator-fragmentation.ratio", Figure::Double(fragmentation.ratio)),
        ("allocator-fragmentation.bytes", Figure::Int(fragmentation.bytes)),
        ("allocator-rss.ratio", Figure::Double(kept.ratio)),
        ("allocator-rss.bytes", Figure::Int(kept.bytes)),
        ("rss-overhead.ratio", Figure::Double(process.ratio)),
        ("rss-overhead.bytes", Figure::Int(process.bytes)),
        ("fragmentation", Figure::Double(total.ratio)),
        ("fragmentation.bytes", Figure::Int(total.bytes)),
    ];
    call.reply.map(before.len() + databases.len() + after.len());
    before.into_iter().for_each(|figure| reply(call, figure));
    for (db, [main, deadlines]) in databases {
        call.reply.bulk(format!("db.{db}").as_bytes());
        call.reply.map(3);
        reply(call, ("overhead.hashtable.main", int(main)));
        reply(call, ("overhead.hashtable.expires", int(deadlines)));
        reply(call, ("overhead.hashtable.slot-to-keys", int(0)));
    }
    after.into_iter().for_each(|figure| reply(call, figure));
    Ok(())
}

fn reply(call: &mut Call<'_, '_>, (name, figure): (&str, Figure)) {
    call.reply.bulk(name.as_bytes());
    match figure {
        Figure::Int(value) => call.reply.int(value),
        Figure::Double(value) => call.reply.double(value),
    }
}
