//! The keyspace's unsafe code under Miri, which knows what the language allows.

use std::process::Command;

use anyhow::{Result, bail};

use crate::arguments::Arguments;
use crate::programs;

pub(crate) const HELP: &str = "\
miri [TEST]...
    Runs the keyspace's unit tests, or those named by any part of their names, under Miri: entries, locks, what is held,
    what is freed. Skipped, and said so, without it. Takes two minutes.";

/// What Miri cannot follow: pages that are moved and unmapped in parts. `mapped.rs` stands aside for it.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let tests = arguments.finish()?;
    let works = Command::new("cargo").args(["+nightly", "miri", "--version"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("miri: skipped: no Miri (rustup +nightly component add miri rust-src)");
        return Ok(());
    }
    let status = Command::new("cargo")
        .args(["+nightly", "miri", "test", "--package", "perigee-keyspace", "--lib", "--"])
        .args(tests)
        // A random model is run a few times: each takes seconds.
        .env("PROPTEST_CASES", "4")
        // Proptest asks for the working directory; parking_lot keeps pointers in integers.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation -Zmiri-permissive-provenance")
        .current_dir(programs::root())
        .status()?;
    if !status.success() {
        bail!("Miri has found something");
    }
    Ok(())
}
