//! `daemonize yes`: the server runs in a process of its own, and this one ends.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Says to the child that it is one.
const MARK: &str = "PERIGEE_DAEMON";

/// Whether this process was started by [`start_child`].
pub(crate) fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts the server again, detached from the terminal.
pub(crate) fn start_child() -> anyhow::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(())
}
