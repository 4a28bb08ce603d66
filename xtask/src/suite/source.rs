//! Redis's source package, from the distribution's own archive into `target/suite`. Nothing of it enters the repository.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::programs;

/// The version that Perigee is compared with.
const VERSION: &str = "7.0.15";
/// What the suite calls by these names, apart from the server.
const TOOLS: &[&str] = &["redis-cli", "redis-benchmark"];

/// The unpacked package, fetched if it is not there.
///
/// # Errors
/// If the distribution has no such package, or cannot be reached.
pub(super) fn ready() -> Result<PathBuf> {
    let folder = programs::target_dir().join("suite");
    let source = folder.join(format!("redis-{VERSION}"));
    if !source.join("tests/test_helper.tcl").is_file() {
        println!("suite: fetching the source package of redis {VERSION}");
        fetch(&folder)?;
    }
    Ok(source)
}

/// Puts `server` in the place of redis-server, and the installed tools beside it.
///
/// # Errors
/// If there are no such tools.
pub(super) fn install(source: &Path, server: &Path) -> Result<()> {
    for name in ["redis-server", "valkey-server"] {
        link(server, &source.join("src").join(name))?;
    }
    for tool in TOOLS {
        let path = programs::on_path(tool)
            .with_context(|| format!("no {tool} on the PATH (apt-get install redis-tools)"))?;
        link(&path, &source.join("src").join(tool))?;
        link(&path, &source.join("src").join(tool.replace("redis", "valkey")))?;
    }
    Ok(())
}

fn link(program: &Path, name: &Path) -> Result<()> {
    if name.symlink_metadata().is_ok() {
        fs::remove_file(name)?;
    }
    symlink(program, name).with_context(|| name.display().to_string())
}

/// Has apt fetch the package with lists of its own, so that the system's are as they were.
fn fetch(folder: &Path) -> Result<()> {
    let apt = folder.join("apt");
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::write(apt.join("sources.list"), source_lines()?)?;
    let options = [
        format!("Dir::Etc::SourceList={}", apt.join("sources.list").display()),
        "Dir::Etc::SourceParts=-".to_owned(),
        format!("Dir::State::Lists={}", apt.join("lists").display()),
        format!("Dir::Cache={}", apt.join("cache").display()),
        "APT::Sandbox::User=root".to_owned(),
        "Acquire::http::Timeout=20".to_owned(),
        "Acquire::Retries=1".to_owned(),
    ];
    for words in [&["update"][..], &["source", "--download-only", "redis"]] {
        let mut command = Command::new("apt-get");
        command.arg("--quiet").args(options.iter().flat_map(|option| ["-o", option])).args(words);
        let output = command.current_dir(&apt).output().context("apt-get")?;
        if !output.status.success() {
            bail!("apt-get {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    let archive = apt.join(format!("redis_{VERSION}.orig.tar.gz"));
    ensure!(archive.is_file(), "the distribution's redis is not {VERSION}");
    let status =
        Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder).status().context("tar")?;
    ensure!(status.success(), "tar cannot unpack {}", archive.display());
    Ok(())
}

/// Sources where the system has its packages from.
fn source_lines() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ])
        .output()
        .context("apt-get")?;
    let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.dedup();
    ensure!(!lines.is_empty(), "apt knows no packages (apt-get update)");
    Ok(lines.join("\n") + "\n")
}
