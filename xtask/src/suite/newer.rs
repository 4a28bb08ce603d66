//! The suites of newer servers, from sources that are named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::programs;

/// A newer server whose suite is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newer {
    /// As its sources name themselves.
    version: &'static str,
    /// What of its suite is not for Perigee, apart from what is so of Redis 7.0.15's.
    pub(super) list: &'static str,
    /// Its units beyond those of Redis 7.0.15.
    pub(super) units: &'static [&'static str],
}

const KNOWN: &[Newer] = &[
    Newer {
        version: "#define REDIS_VERSION \"8.0.",
        list: "xtask/suite/skipped-redis-8.0.list",
        units: &["unit/type/hash-field-expire", "unit/info-keysizes"],
    },
    Newer {
        version: "#define VALKEY_VERSION \"9.1.",
        list: "xtask/suite/skipped-valkey-9.1.list",
        units: &["unit/hashexpire", "unit/commandlog"],
    },
];

/// Which server's sources these are.
///
/// # Errors
/// If it is none whose suite is known.
pub(super) fn recognized(source: &Path) -> Result<Newer> {
    let path = source.join("src/version.h");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known = KNOWN.iter().find(|newer| text.contains(newer.version));
    known.copied().with_context(|| format!("{} is of no server whose suite is known", path.display()))
}

/// A copy of the suite in `target/suite`, so that the sources stay as they are.
///
/// # Errors
/// If there is no suite, or it cannot be copied.
pub(super) fn ready(source: &Path) -> Result<PathBuf> {
    let name = source.canonicalize()?;
    let name = name.file_name().with_context(|| format!("{}: not a folder's name", source.display()))?;
    let copy = programs::target_dir().join("suite/newer").join(name);
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(copy.join("src"))?;
    ensure!(source.join(HELPER).is_file(), "{} has no {HELPER}", source.display());
    for part in ["tests", "utils"] {
        let status = Command::new("cp").arg("-r").args([source.join(part), copy.join(part)]).status()?;
        if !status.success() {
            bail!("cp -r {}", source.join(part).display());
        }
    }
    let conf = copy.join("tests/assets/default.conf");
    let lines = fs::read_to_string(&conf)?;
    let lines = lines.lines().filter(|line| !line.starts_with(HIDDEN)).map(|line| format!("{line}\n"));
    fs::write(&conf, lines.collect::<String>())?;
    Ok(copy)
}

/// A parameter of Valkey's that its own CONFIG GET does not show.
const HIDDEN: &str = "enable-debug-assert";

const HELPER: &str = "tests/test_helper.tcl";
