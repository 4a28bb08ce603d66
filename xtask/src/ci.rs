//! Everything that must hold before a change is merged: the same here as in CI.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::{fuzz, programs};

pub(crate) const HELP: &str = "\
ci [STEP]...
    Runs all steps (or those named) and prints a summary: fmt, clippy, test, doc, docs, oracle,
    suite, clients, bench, memory, history, fuzz.";

/// Enough for a change to be seen to be sound; longer runs are for the desk.
const ORACLE: &[&str] = &["oracle", "--seed", "1", "--commands", "50000"];

const STEPS: &[(&str, &[&str])] = &[
    ("fmt", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ("test", &["test", "--workspace"]),
    ("doc", &["doc", "--workspace", "--no-deps"]),
    ("docs", &["docs", "--check"]),
    ("oracle", ORACLE),
    ("suite", &["suite", "--short"]),
    ("clients", &["clients", "--short"]),
    ("bench", &["bench", "--quick"]),
    ("memory", &["memory", "--short"]),
    ("history", &["history", "--short"]),
    ("fuzz", &["fuzz", "--seconds", "10"]),
];

/// Lines of a failed step's output that are shown once more at the end, where they are looked for.
const LAST_LINES: usize = 120;

/// The steps that this program does itself; cargo does the others.
const OWN: &[&str] = &["docs", "oracle", "suite", "clients", "bench", "memory", "history", "fuzz"];

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let names = arguments.finish()?;
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == *name)) {
        bail!("there is no step {unknown}");
    }
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    for (name, words) in
        STEPS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|own| own == name))
    {
        println!("\n== {name}");
        let started = Instant::now();
        let mut last_lines = VecDeque::new();
        let outcome = step(name, words, &mut last_lines);
        if let Err(error) = &outcome {
            println!("{name}: {error:#}");
            failures.push((*name, last_lines));
        }
        results.push((*name, outcome.is_ok(), started.elapsed()));
    }
    for (name, lines) in failures {
        println!("\n== {name} failed; the last of what it said:");
        for line in lines {
            println!("{line}");
        }
    }
    summary(&results)
}

fn step(name: &str, words: &[&str], last_lines: &mut VecDeque<String>) -> Result<()> {
    let own = OWN.contains(&name);
    if own && !["docs", "fuzz", "memory", "history"].contains(&name) {
        install("redis-server", "redis-server")?;
        install("redis-cli", "redis-tools")?;
    }
    // Without it, the step says that it is skipped.
    if name == "suite"
        && let Err(error) = install("tclsh", "tcl")
    {
        println!("{error:#}");
    }
    if name == "fuzz"
        && let Some(why) = fuzz::missing()
    {
        println!("fuzz: skipped: {why}");
        return Ok(());
    }
    let mut command = if own { Command::new(std::env::current_exe()?) } else { programs::cargo() };
    command.args(words).current_dir(programs::root());
    if name == "doc" {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    let status = watched(command, last_lines).with_context(|| name.to_owned())?;
    ensure!(status.success(), "failed");
    Ok(())
}

/// Runs a command whose output goes to ours, and whose last lines are kept.
fn watched(mut command: Command, last_lines: &mut VecDeque<String>) -> Result<ExitStatus> {
    let (output, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the ends of the pipe that are to be closed when the child ends.
    drop(command);
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            println!("{line}");
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let status = child.wait()?;
    // A process that the child has left behind may keep the pipe open.
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(2)) {
        if last_lines.len() == LAST_LINES {
            last_lines.pop_front();
        }
        last_lines.push_back(line);
    }
    Ok(status)
}

/// Installs the package that has the program, if the program is not there.
fn install(program: &str, package: &str) -> Result<()> {
    if programs::on_path(program).is_some() {
        return Ok(());
    }
    println!("installing {package}");
    for words in [&["update"][..], &["install", "-y", package]] {
        let status = Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive").status();
        ensure!(status.context("apt-get")?.success(), "apt-get {} failed", words.join(" "));
    }
    Ok(())
}

fn summary(results: &[(&str, bool, Duration)]) -> Result<()> {
    println!();
    for (name, passed, took) in results {
        println!(
            "{:<8} {:<6} {:>7.1} s",
            name,
            if *passed { "passed" } else { "FAILED" },
            took.as_secs_f64()
        );
    }
    let failed = results.iter().filter(|(_, passed, _)| !passed).count();
    println!("{} passed, {failed} failed", results.len() - failed);
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}
