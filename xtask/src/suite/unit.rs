//! One unit of the suite: started, and its output read.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::skipped::Skipped;
use super::{Mode, Options};
use crate::programs;

/// What became of tests.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) passed: Vec<String>,
    /// The names of those that were not run, or were to fail and did.
    pub(super) skipped: Vec<String>,
    /// The names of tests, and what else was wrong.
    pub(super) failed: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.passed.extend(other.passed);
        self.skipped.extend(other.skipped);
        self.failed.extend(other.failed);
    }

    /// Keeps of what failed what the unit, played again, does not show to be right: what fails again, and in a run that ends before
    /// its time all that did not come to pass.
    fn confirm(&mut self, again: &Tally) {
        let is_cut = again.failed.iter().any(|failure| failure == CUT);
        let passes = |failure: &String| again.passed.contains(failure);
        self.failed.retain(|failure| again.failed.contains(failure) || is_cut && !passes(failure));
    }
}

/// Runs a unit as [`play_once`] does. Many of its tests give the server a fixed time, which it may spend without a processor; so
/// one that fails may do so for fewer than so many `tries`.
pub(super) fn play(
    source: &Path,
    skipped: &Skipped,
    name: &str,
    mode: Mode,
    options: Options,
    tries: u32,
) -> Result<Tally> {
    let mut tally = play_once(source, skipped, name, mode, options)?;
    for _ in 1..tries {
        if tally.failed.is_empty() {
            break;
        }
        println!("    {name} is played again");
        tally.confirm(&play_once(source, skipped, name, mode, options)?);
    }
    let name = shown(name, mode);
    tally.failed.iter_mut().for_each(|failure| *failure = format!("{name}: {failure}"));
    Ok(tally)
}

/// Runs a unit and prints its line, and what failed.
fn play_once(source: &Path, skipped: &Skipped, name: &str, mode: Mode, options: Options) -> Result<Tally> {
    let started = Instant::now();
    let mut unit = Unit { skipped, name, mode, options, tally: Tally::default(), details: 0 };
    unit.play(source)?;
    let mut tally = unit.tally;
    tally.failed.extend(skipped.stale(name, mode, &tally.skipped));
    println!(
        "{:<32} {:>4} passed {:>4} skipped {:>4} failed {:>7.1} s",
        shown(name, mode),
        tally.passed.len(),
        tally.skipped.len(),
        tally.failed.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(tally)
}

fn shown(name: &str, mode: Mode) -> String {
    if mode == Mode::Default { format!("{name} (not strict)") } else { name.to_owned() }
}

struct Unit<'a> {
    skipped: &'a Skipped,
    name: &'a str,
    mode: Mode,
    options: Options,
    tally: Tally,
    /// How many more lines of what the suite tells of the last failure are shown.
    details: usize,
}

impl Unit<'_> {
    fn play(&mut self, source: &Path) -> Result<()> {
        let mut child = self.command(source)?.spawn().context("tclsh")?;
        let mut reader = BufReader::new(child.stdout.take().context("its output")?);
        let mut ended = false;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let text = without_colours(&String::from_utf8_lossy(&line));
            line.clear();
            // What failed is told again behind this.
            ended |= text.contains("The End");
            if !ended {
                self.note(text.trim_end());
            }
        }
        child.wait()?;
        if !ended {
            self.tally.failed.push(CUT.to_owned());
        }
        Ok(())
    }

    fn command(&self, source: &Path) -> Result<Command> {
        let folder = source.parent().context("it lies in target/suite")?;
        let (tests, blocks) = (folder.join("skipped-tests"), folder.join("skipped-blocks"));
        fs::write(&tests, self.skipped.skip_file(self.name, self.mode))?;
        fs::write(&blocks, self.skipped.blocks(self.name, self.mode))?;
        let mut command = Command::new("tclsh");
        command
            .arg(programs::root().join("xtask/suite/run.tcl"))
            .args([
                "--single",
                self.name,
                "--clients",
                "1",
                "--durable",
                "--no-latency",
                "--timeout",
                QUIET_FOR,
            ])
            .args(["--baseport", &first_port(), "--portcount", "1900", "--tags"])
            .arg(if self.options.slow { TAGS.to_owned() } else { format!("{TAGS} -slow") })
            .arg("--skipfile")
            .arg(&tests)
            .env("PERIGEE_BLOCKS", &blocks)
            .current_dir(source)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        match self.mode {
            Mode::Strict => command.args(["--config", "redis-strict", "yes"]),
            Mode::Default => &mut command,
            // Those of lists and sets are 7.0.15's.
            Mode::Newer => command.arg("--ignore-encoding"),
        };
        Ok(command)
    }

    /// Notes a line of the suite's output.
    fn note(&mut self, line: &str) {
        let Some((status, name)) = line.strip_prefix('[').and_then(|line| line.split_once("]: ")) else {
            if !line.is_empty() && self.details > 0 {
                println!("      {line}");
                self.details -= 1;
            }
            return;
        };
        self.details = 0;
        match status {
            // How long it took stands behind the name.
            "ok" => self.tally.passed.push(name.rsplit_once(" (").map_or(name, |(name, _)| name).to_owned()),
            "skip" => self.tally.skipped.push(name.to_owned()),
            "err" | "exception" | "TIMEOUT" => return self.note_failure(status, name),
            _ => return,
        }
        if self.options.verbose {
            println!("    {status}: {name}");
        }
    }

    fn note_failure(&mut self, status: &str, name: &str) {
        // The suite says in which file the test is.
        let name = name.strip_suffix(&*format!(" in tests/{}.tcl", self.name)).unwrap_or(name);
        if self.skipped.may_fail(self.name, self.mode, name) {
            self.tally.skipped.push(name.to_owned());
            return;
        }
        println!("    {status}: {name}");
        self.tally.failed.push(name.to_owned());
        self.details = if self.options.verbose { usize::MAX } else { DETAILS };
    }
}

/// What a unit that did not come to its end has failed in.
const CUT: &str = "the suite ended before its time";

/// What needs replicas, files or a cluster, and what takes very much memory.
const TAGS: &str = "-needs:repl -repl -aof -cluster -large-memory";

/// A unit in which nothing has happened for so many seconds is ended by the suite.
const QUIET_FOR: &str = "150";

/// So many lines of what the suite tells of a failure are shown.
const DETAILS: usize = 3;

/// Where the suite looks for free ports; others may run it at the same time.
fn first_port() -> String {
    (20_111 + std::process::id() % 6 * 2_000).to_string()
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
        let skipped = Skipped::parse("why: x\nunit: u\nfails: SAVE*\n", false).expect("a valid list");
        let tally = Tally::default();
        let options = Options { slow: false, verbose: false };
        let mut unit = Unit { skipped: &skipped, name: "u", mode: Mode::Strict, options, tally, details: 0 };
        for line in [
            "[\u{1b}[0;32;49mok\u{1b}[0m]: GET (1 ms)",
            "[skip]: LASTSAVE",
            "[err]: SAVE now in tests/u.tcl",
            "[ignore]: x",
            "[err]: SET in tests/u.tcl",
            "text",
        ] {
            unit.note(&without_colours(line));
        }
        let Tally { passed, skipped, failed } = unit.tally;
        assert_eq!(
            (passed, skipped, failed),
            (vec!["GET".into()], vec!["LASTSAVE".into(), "SAVE now".into()], vec!["SET".into()])
        );
    }

    #[test]
    fn only_what_passes_is_forgiven() {
        let tally = |passed: &[&str], failed: &[&str]| {
            let [passed, failed] =
                [passed, failed].map(|names| names.iter().map(|&name| name.into()).collect());
            Tally { passed, failed, ..Tally::default() }
        };
        let after = |again: Tally| {
            let mut first = tally(&["a"], &["b", "c"]);
            first.confirm(&again);
            first.failed
        };
        assert_eq!(after(tally(&["a", "b", "c"], &[])), [""; 0]);
        assert_eq!(after(tally(&["b"], &["a", "c"])), ["c"]);
        assert_eq!(after(tally(&["b"], &[CUT])), ["c"]);
    }
}
