//! Where the programs are that the tools run: our own build, and the servers to compare with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// The folder that cargo builds into.
pub(crate) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Cargo, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the server in a profile (`release`, `checked`) and returns the binary's path.
pub(crate) fn build_perigee(profile: &str) -> Result<PathBuf> {
    let status = cargo()
        .args(["build", "--quiet", "--package", "perigee-server", "--profile", profile])
        .status()
        .context("cargo build")?;
    if !status.success() {
        bail!("the server does not build");
    }
    Ok(target_dir().join(profile).join("perigee"))
}

/// The program of that name on the PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The real server that Perigee is compared with.
pub(crate) fn redis_server() -> Result<PathBuf> {
    on_path("redis-server").context("no redis-server on the PATH (apt-get install redis-server)")
}

/// A program as the command line names it: `NAME=PATH`.
pub(crate) fn named(text: &str) -> Result<(String, PathBuf)> {
    let (name, path) = text.split_once('=').with_context(|| format!("--peer {text}: write NAME=PATH"))?;
    Ok((name.to_owned(), PathBuf::from(path)))
}
