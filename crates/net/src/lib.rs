//! Workers, connections, timers: the only crate that names tokio or a socket.
//!
//! [`Server::run`] starts one thread for each worker; a connection lives on one worker at a time, and its commands run
//! there. The crate is thin: what a request does is the business of `perigee-commands`.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the crate that owns the clock")]

mod bulk;
mod clock;
mod connection;
mod doors;
mod listen;
mod outbox;
mod placement;
mod turns;
mod worker;

pub use clock::{SystemClock, TokioTimer};
pub use listen::{BindError, Listener, bind, bind_unix};

use std::io;
use std::sync::Arc;

use perigee_commands::Engine;
use perigee_commands::scripts::ScriptHost;

/// Makes a worker's script host, on the worker's thread.
pub type MakeHost = Arc<dyn Fn(&Arc<Engine>, usize) -> Option<Box<dyn ScriptHost>> + Send + Sync>;

/// A server that is ready to run.
pub struct Server {
    /// What it serves.
    pub engine: Arc<Engine>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// How many threads run commands.
    pub workers: usize,
    /// Where scripts come from.
    pub make_host: MakeHost,
}

impl Server {
    /// Serves until somebody asks the engine to shut down; calls `ready` once connections are accepted.
    ///
    /// # Errors
    /// If threads or listeners cannot be started.
    pub fn run(self, ready: impl FnOnce()) -> io::Result<()> {
        worker::run(self, ready)
    }
}
