//! Redis's own test suite, in Tcl, against Perigee.

mod newer;
mod skipped;
mod source;
mod unit;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::programs;
use skipped::Skipped;
use unit::Tally;

pub(crate) const HELP: &str = "\
suite [UNIT]... [--source FOLDER] [--server PATH] [--short] [--slow] [--verbose]
    Runs units of the test suite of redis 7.0.15 (default: all that are for Perigee), with `redis-strict yes`, and those
    about scripts without it too. Fetches the source package into target/suite the first time. The tests that are not for
    Perigee are in xtask/suite/skipped.list.
    --source FOLDER
                   the suite of the unpacked sources of Redis 8.0 or Valkey 9.1 instead, without `redis-strict`; what of it is
                   not for Perigee either is in xtask/suite/skipped-*.list
    --server PATH  the server to examine (default: builds Perigee's release)
    --short        a selection, for CI; what fails is played again, since many tests give the server a fixed time, which it may
                   not have on a busy machine; skipped, and said so, where the package cannot be had
    --slow         the tests too that take long
    --verbose      the name of every test";

/// What concerns the cluster, modules, TLS, the files of persistence and the replication stream is left out.
const UNITS: &[&str] = &[
    "unit/dump",
    "unit/auth",
    "unit/protocol",
    "unit/keyspace",
    "unit/scan",
    "unit/info",
    "unit/info-command",
    "unit/type/string",
    "unit/type/incr",
    "unit/type/list",
    "unit/type/list-3",
    "unit/type/set",
    "unit/type/zset",
    "unit/type/hash",
    "unit/type/stream",
    "unit/type/stream-cgroups",
    "unit/sort",
    "unit/expire",
    "unit/other",
    "unit/multi",
    "unit/quit",
    "unit/acl",
    "unit/acl-v2",
    "unit/latency-monitor",
    "unit/pubsub",
    "unit/pubsubshard",
    "unit/slowlog",
    "unit/scripting",
    "unit/functions",
    "unit/maxmemory",
    "unit/introspection",
    "unit/introspection-2",
    "unit/limits",
    "unit/obuf-limits",
    "unit/bitops",
    "unit/bitfield",
    "unit/geo",
    "unit/memefficiency",
    "unit/hyperloglog",
    "unit/lazyfree",
    "unit/pause",
    "unit/tracking",
    "unit/shutdown",
    "unit/networking",
    "unit/client-eviction",
    "integration/redis-cli",
    "integration/redis-benchmark",
    "integration/corrupt-dump",
];

/// Nothing but tests that take long.
const SLOW: &[&str] = &["unit/querybuf", "unit/type/list-2"];

/// They say what `redis-strict` governs.
const OF_SCRIPTS: &[&str] = &["unit/scripting", "unit/functions", "unit/multi"];

/// Those that found most, and take little time.
const SHORT: &[&str] = &[
    "unit/info",
    "unit/type/list",
    "unit/type/stream-cgroups",
    "unit/multi",
    "unit/acl",
    "unit/acl-v2",
    "unit/pubsub",
    "unit/slowlog",
    "unit/scripting",
    "unit/functions",
    "unit/introspection-2",
    "unit/protocol",
    "unit/pause",
    "unit/tracking",
];

/// How often the short form plays what fails.
const SHORT_TRIES: u32 = 4;

/// How the server is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As it is.
    Default,
    /// With `redis-strict yes`.
    Strict,
    /// As it is, for the suite of a newer server.
    Newer,
}

impl Mode {
    /// Whether what is listed for this mode counts in `other`.
    fn stands_for(self, other: Mode) -> bool {
        self == other || (self == Mode::Default && other == Mode::Newer)
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Options {
    /// The tests too that take long.
    slow: bool,
    /// The name of every test.
    verbose: bool,
}

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let server = arguments.value("--server")?.map(PathBuf::from);
    let newer = arguments.value("--source")?.map(PathBuf::from);
    let short = arguments.flag("--short");
    let options = Options { slow: arguments.flag("--slow"), verbose: arguments.flag("--verbose") };
    let named = arguments.finish()?;
    let mut all = if short && named.is_empty() { SHORT } else { UNITS }.to_vec();
    if options.slow {
        all.extend(SLOW);
    }
    let suite = newer.as_deref().map(newer::recognized).transpose()?;
    all.extend(suite.iter().flat_map(|newer| newer.units));
    if let Some(unknown) = named.iter().find(|name| !all.contains(&&***name)) {
        bail!("there is no unit {unknown}, or it is not for Perigee");
    }
    let tclsh = programs::on_path("tclsh").context("no tclsh on the PATH (apt-get install tcl)");
    let source = match tclsh.and_then(|_| newer.as_deref().map_or_else(source::ready, newer::ready)) {
        Ok(source) => source,
        Err(error) if short => {
            println!("suite: skipped: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let server = server.map_or_else(|| programs::build_perigee("release"), Ok)?;
    source::install(&source, &server.canonicalize()?)?;
    // Valkey has none about redis-cli.
    all.retain(|unit| source.join(format!("tests/{unit}.tcl")).is_file());
    let skipped = Skipped::read(options.slow, suite.map(|newer| newer.list))?;
    let wanted = all.iter().filter(|unit| named.is_empty() || named.iter().any(|name| name == *unit));
    let mut total = Tally::default();
    for unit in wanted {
        let modes: &[Mode] = match suite {
            Some(_) => &[Mode::Newer],
            None if OF_SCRIPTS.contains(unit) => &[Mode::Strict, Mode::Default],
            None => &[Mode::Strict],
        };
        for mode in modes {
            let tries = if short { SHORT_TRIES } else { 1 };
            total.add(unit::play(&source, &skipped, unit, *mode, options, tries)?);
        }
    }
    println!(
        "suite: {} passed, {} skipped, {} failed",
        total.passed.len(),
        total.skipped.len(),
        total.failed.len()
    );
    total.failed.iter().for_each(|name| println!("    {name}"));
    ensure!(total.failed.is_empty(), "{} failed", total.failed.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_of_what_there_is() {
        assert!(SHORT.iter().chain(OF_SCRIPTS).all(|unit| UNITS.contains(unit)));
    }
}
