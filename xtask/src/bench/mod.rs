//! The benchmark: the same work against Perigee and every peer, in turn, interleaved over rounds.
//!
//! A group is a list of workloads; a new one is a file with a `workloads` function and a line in `GROUPS`. What counts is
//! the server's CPU per operation: throughput on a shared machine says more about its neighbours.

mod commands;
mod load;
mod memory;
mod pauses;
mod report;
mod scripts;
mod workers;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::programs;
use crate::server::Server;
use load::{Sample, Workload};
use report::Row;

pub(crate) const HELP: &str = "\
bench [GROUP | WORKLOAD]... [--peer NAME=PATH]... [--json FILE] [--rounds N] [--quick] [--without-perigee]
    The same work against Perigee, redis-server and valkey-server: operations per second, server CPU per operation, and
    the ratio to the first redis-server. Groups: commands, scripts. A workload is named by any part of its name.
    --rounds N   rounds per workload, of which the median counts (default 5)
    --quick      one short round: shows that everything runs, measures nothing
bench workers [--rounds N]
    Heavy scripts on two connections and disjoint keys: how much faster two workers finish them than one.
bench memory [--count N] [--strict] [--peer NAME=PATH]... [--without-perigee]
    Bytes for each of N (default 1,000,000) keys or elements of several kinds, as INFO's used_memory and as RSS. --strict:
    fails if Perigee needs more than it may.
bench pauses [NAME]... [--count N] [--strict] [--peer NAME=PATH]... [--without-perigee]
    How long a GET of another key waits at most while one key of each type grows to N (default 10,000,000) members, and
    the keyspace to twice as many keys, and while that is deleted: without the time for which the machine had no processor
    to give, and with it. --strict: fails if Perigee has one wait over 5 ms without it.";

type Group = (&'static str, fn() -> Vec<Workload>);

const GROUPS: &[Group] = &[("commands", commands::workloads), ("scripts", scripts::workloads)];

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let extra = arguments.values("--peer")?;
    let json = arguments.value("--json")?;
    let quick = arguments.flag("--quick");
    let rounds = arguments.number("--rounds", if quick { 1 } else { 5 })?.max(1);
    let without_perigee = arguments.flag("--without-perigee");
    let count = arguments.number("--count", 0)?;
    let strict = arguments.flag("--strict");
    let names = arguments.finish()?;
    if names == ["memory"] {
        let count = if count == 0 { 1_000_000 } else { count };
        return memory::run(&programs_to_measure(&extra, !without_perigee)?, count, strict);
    }
    if let [first, names @ ..] = &names[..]
        && first == "pauses"
    {
        let count = if count == 0 { 10_000_000 } else { count };
        return pauses::run(&programs_to_measure(&extra, !without_perigee)?, count, names, 5.0, strict);
    }
    if names == ["workers"] {
        return workers::run(&programs::build_perigee("release")?, rounds);
    }
    let workloads = selected(&names)?;
    let servers = programs_to_measure(&extra, !without_perigee)?
        .iter()
        .map(|(name, path)| Server::start(name, path, &[]))
        .collect::<Result<Vec<_>>>()?;
    println!("{}", report::machine());
    let mut rows = Vec::new();
    report::print_head();
    for workload in workloads {
        let measured = measure(&workload, &servers, rounds, quick)?;
        let row = Row::new(&workload, &servers, &measured);
        row.print();
        rows.push(row);
    }
    println!("{}", report::machine());
    json.map_or(Ok(()), |path| report::write_json(&path, &rows))
}

fn selected(names: &[String]) -> Result<Vec<Workload>> {
    let mut chosen = Vec::new();
    for (group, workloads) in GROUPS {
        let whole = names.is_empty() || names.iter().any(|name| name == group);
        let wanted =
            |workload: &Workload| whole || names.iter().any(|name| workload.name.contains(name.as_str()));
        chosen.extend(workloads().into_iter().filter(wanted));
    }
    ensure!(!chosen.is_empty(), "no group or workload is called {}", names.join(" or "));
    Ok(chosen)
}

fn programs_to_measure(extra: &[String], perigee: bool) -> Result<Vec<(String, PathBuf)>> {
    let mut programs = Vec::new();
    if perigee {
        programs.push(("perigee".to_owned(), programs::build_perigee("release")?));
    }
    for name in ["redis-server", "valkey-server"] {
        programs.extend(programs::on_path(name).map(|path| (name.to_owned(), path)));
    }
    for peer in extra {
        programs.push(programs::named(peer)?);
    }
    if programs.is_empty() {
        bail!("there is nothing to measure: no redis-server on the PATH and no --peer");
    }
    Ok(programs)
}

/// All rounds of a workload: a list of samples for each server.
fn measure(workload: &Workload, servers: &[Server], rounds: u64, quick: bool) -> Result<Vec<Vec<Sample>>> {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for step in 0..servers.len() {
            let at = (step + round as usize) % servers.len();
            let sample = load::run(workload, &servers[at], quick);
            samples[at]
                .push(sample.with_context(|| format!("{} against {}", workload.name, servers[at].name))?);
        }
    }
    Ok(samples)
}
