//! Servers as child processes: started on a free loopback port, stopped when the handle is dropped, panic or not.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::connection::Connection;
use crate::value::Value;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Somebody may take a port that was free before the server does.
const PORTS_TRIED: u32 = 5;

/// A running server, killed and its folder removed on drop.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) port: u16,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts a program that understands redis-server's options, with persistence off, and waits until it answers.
    pub(crate) fn start(name: &str, program: &Path, options: &[&str]) -> Result<Self> {
        for _ in 1..PORTS_TRIED {
            let mut server = Self::spawn(name, program, options)?;
            match server.wait_until_ready() {
                Err(_) if server.found_its_port_taken() => {}
                ready => return ready.map(|()| server),
            }
        }
        let mut server = Self::spawn(name, program, options)?;
        server.wait_until_ready()?;
        Ok(server)
    }

    fn spawn(name: &str, program: &Path, options: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("perigee-xtask-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let log = fs::File::create(folder.join("server.log"))?;
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(options)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name: name.to_owned(), port, child, folder })
    }

    /// A new connection to it.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.port).with_context(|| format!("{} does not accept connections", self.name))
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What the server has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// The last lines of it.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Whether it has ended since it could not listen, in the words of Redis and of Perigee.
    fn found_its_port_taken(&mut self) -> bool {
        !self.alive() && self.log_tail().contains("Failed listening on port")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if !self.alive() {
                break;
            }
            let answer = Connection::open(self.port).and_then(|mut connection| connection.call(&[b"PING"]));
            if let Ok(Value::Simple(_)) = answer {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!("{} is not ready on port {}:\n{}", self.name, self.port, self.log_tail())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
        let _removed = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
