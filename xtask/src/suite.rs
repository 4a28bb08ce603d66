//! Redis's own test suite, in Tcl, against Perigee.

mod skipped;
mod source;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::programs;
use skipped::Skipped;

pub(crate) const HELP: &str = "\
suite [UNIT]... [--server PATH] [--short] [--verbose]
    Runs units of the test suite of redis 7.0.15 (default: all that are for Perigee), with `redis-strict yes`, and those
    about scripts without it too. Fetches the source package into target/suite the first time. The tests that are not for
    Perigee are in xtask/suite/skipped.list.
    --server PATH  the server to examine (default: builds Perigee's release)
    --short        a selection, for CI; skipped, and said so, where the package cannot be had
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

/// What needs replicas, files or a cluster, and what takes very long or very much memory.
const TAGS: &str = "-needs:repl -repl -aof -cluster -slow -large-memory";

/// How the server is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// As it is.
    Default,
    /// With `redis-strict yes`.
    Strict,
}

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let server = arguments.value("--server")?.map(PathBuf::from);
    let (short, verbose) = (arguments.flag("--short"), arguments.flag("--verbose"));
    let named = arguments.finish()?;
    if let Some(unknown) = named.iter().find(|name| !UNITS.contains(&&***name)) {
        bail!("there is no unit {unknown}, or it is not for Perigee");
    }
    let tclsh = programs::on_path("tclsh").context("no tclsh on the PATH (apt-get install tcl)");
    let source = match tclsh.and_then(|_| source::ready()) {
        Ok(source) => source,
        Err(error) if short => {
            println!("suite: skipped: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let server = server.map_or_else(|| programs::build_perigee("release"), Ok)?;
    source::install(&source, &server.canonicalize()?)?;
    let skipped = Skipped::read()?;
    let all = if short { SHORT } else { UNITS };
    let wanted = all.iter().filter(|unit| named.is_empty() || named.iter().any(|name| name == *unit));
    let mut total = Tally::default();
    for unit in wanted {
        let modes: &[Mode] =
            if OF_SCRIPTS.contains(unit) { &[Mode::Strict, Mode::Default] } else { &[Mode::Strict] };
        for mode in modes {
            total.add(play(&source, &skipped, unit, *mode, verbose)?);
        }
    }
    println!(
        "suite: {} passed, {} skipped, {} failed",
        total.passed,
        total.skipped.len(),
        total.failed.len()
    );
    total.failed.iter().for_each(|name| println!("    {name}"));
    ensure!(total.failed.is_empty(), "{} failed", total.failed.len());
    Ok(())
}

/// What became of tests.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: Vec<String>,
    failed: Vec<String>,
    /// Lines of what the suite tells of the last test that failed.
    details: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.skipped.extend(other.skipped);
        self.failed.extend(other.failed);
    }
}

/// Runs one unit and prints its line, and what failed.
fn play(source: &Path, skipped: &Skipped, unit: &str, mode: Mode, verbose: bool) -> Result<Tally> {
    let started = Instant::now();
    let mut tally = play_tests(source, skipped, unit, mode, verbose)?;
    // The suite says in which file a test is that fails.
    let place = format!(" in tests/{unit}.tcl");
    let name_of = |failure: &String| failure.strip_suffix(&place).unwrap_or(failure).to_owned();
    let (meant, failed) = tally
        .failed
        .drain(..)
        .map(|failure| name_of(&failure))
        .partition(|name| skipped.may_fail(unit, mode, name));
    tally.failed = failed;
    tally.skipped.extend::<Vec<_>>(meant);
    tally.failed.extend(skipped.stale(unit, mode, &tally.skipped));
    let name = if mode == Mode::Default { format!("{unit} (not strict)") } else { unit.to_owned() };
    println!(
        "{name:<32} {:>4} passed {:>4} skipped {:>4} failed {:>7.1} s",
        tally.passed,
        tally.skipped.len(),
        tally.failed.len(),
        started.elapsed().as_secs_f64()
    );
    tally.failed.iter_mut().for_each(|failure| *failure = format!("{name}: {failure}"));
    Ok(tally)
}

fn play_tests(source: &Path, skipped: &Skipped, unit: &str, mode: Mode, verbose: bool) -> Result<Tally> {
    let folder = source.parent().context("it lies in target/suite")?;
    let (tests, blocks) = (folder.join("skipped-tests"), folder.join("skipped-blocks"));
    fs::write(&tests, skipped.skip_file(unit, mode))?;
    fs::write(&blocks, skipped.blocks(unit, mode))?;
    let mut command = Command::new("tclsh");
    command
        .arg(programs::root().join("xtask/suite/run.tcl"))
        .args(["--single", unit, "--clients", "1", "--durable", "--no-latency", "--timeout", QUIET_FOR])
        .args(["--baseport", &first_port(), "--portcount", "1900", "--tags", TAGS, "--skipfile"])
        .arg(&tests)
        .env("PERIGEE_BLOCKS", &blocks)
        .current_dir(source)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if mode == Mode::Strict {
        command.args(["--config", "redis-strict", "yes"]);
    }
    let mut child = command.spawn().context("tclsh")?;
    let mut reader = BufReader::new(child.stdout.take().context("its output")?);
    let mut tally = Tally::default();
    let mut ended = false;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = without_colours(&String::from_utf8_lossy(&line));
        line.clear();
        // What failed is told again behind this.
        ended |= text.contains("The End");
        if !ended {
            note(&mut tally, text.trim_end(), verbose);
        }
    }
    child.wait()?;
    if !ended {
        tally.failed.push("the suite ended before its time".to_owned());
    }
    Ok(tally)
}

/// A unit in which nothing has happened for so many seconds is ended by the suite.
const QUIET_FOR: &str = "150";

/// Where the suite looks for free ports; others may run it at the same time.
fn first_port() -> String {
    (20_111 + std::process::id() % 8 * 2_000).to_string()
}

/// So many lines of what the suite tells of a failure are shown.
const DETAILS: usize = 3;

/// Notes a line of the suite's output.
fn note(tally: &mut Tally, line: &str, verbose: bool) {
    let Some((status, name)) = line.strip_prefix('[').and_then(|line| line.split_once("]: ")) else {
        if !line.is_empty() && !tally.failed.is_empty() {
            if tally.details < DETAILS || verbose {
                println!("      {line}");
            }
            tally.details += 1;
        }
        return;
    };
    match status {
        "ok" => tally.passed += 1,
        "skip" => tally.skipped.push(name.to_owned()),
        "err" | "exception" | "TIMEOUT" => tally.failed.push(name.to_owned()),
        _ => return,
    }
    tally.details = 0;
    if verbose || status != "ok" && status != "skip" {
        println!("    {status}: {name}");
    }
}

fn without_colours(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "[\u{1b}[0;32;49mok\u{1b}[0m]: GET (1 ms)",
            "[skip]: SAVE",
            "[ignore]: x",
            "[err]: SET in x",
            "text",
        ] {
            note(&mut tally, &without_colours(line), false);
        }
        assert_eq!(
            (tally.passed, tally.skipped, tally.failed),
            (1, vec!["SAVE".to_owned()], vec!["SET in x".to_owned()])
        );
    }

    #[test]
    fn selections_are_of_what_there_is() {
        assert!(SHORT.iter().chain(OF_SCRIPTS).all(|unit| UNITS.contains(unit)));
    }
}
