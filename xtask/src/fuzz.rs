//! Short runs of every cargo-fuzz target.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::arguments::Arguments;
use crate::programs;

pub(crate) const HELP: &str = "\
fuzz [--seconds N]
    Runs each cargo-fuzz target for N seconds (default 60). Skipped, and said so, without nightly or cargo-fuzz.";

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let seconds = arguments.number("--seconds", 60)?;
    if let Some(word) = arguments.finish()?.first() {
        bail!("unexpected argument {word}");
    }
    if let Some(why) = missing() {
        println!("fuzz: skipped: {why}");
        return Ok(());
    }
    let listed = cargo_fuzz().arg("list").output().context("cargo fuzz list")?;
    if !listed.status.success() {
        bail!("cargo fuzz list: {}", String::from_utf8_lossy(&listed.stderr));
    }
    for target in String::from_utf8_lossy(&listed.stdout).lines() {
        println!("fuzz: {target}, {seconds} s");
        let limit = format!("-max_total_time={seconds}");
        // What it finds goes into the first folder; the second is what it begins with.
        let folders = [format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}")];
        std::fs::create_dir_all(programs::root().join(&folders[0]))?;
        let options = ["-verbosity=0", "-print_funcs=0", "-timeout=60", "-rss_limit_mb=4096", &limit];
        let status = cargo_fuzz().args(["run", target]).args(&folders).arg("--").args(options).status()?;
        if !status.success() {
            bail!("{target} has found something: see fuzz/artifacts/{target}");
        }
    }
    Ok(())
}

/// Why fuzzing is not possible here.
pub(crate) fn missing() -> Option<&'static str> {
    let works = |arguments: &[&str]| {
        Command::new("cargo").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !programs::root().join("fuzz/Cargo.toml").is_file() {
        Some("there is no fuzz folder")
    } else if !works(&["+nightly", "--version"]) {
        Some("no nightly toolchain (rustup toolchain install nightly)")
    } else if !works(&["+nightly", "fuzz", "--version"]) {
        Some("no cargo-fuzz (cargo install cargo-fuzz)")
    } else {
        None
    }
}

fn cargo_fuzz() -> Command {
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz"]).current_dir(programs::root());
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}
