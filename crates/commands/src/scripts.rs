//! Scripts as clients and the gate see them: the cache by SHA1, what is running, and the host that runs them.
//!
//! The Lua itself is in another crate, behind [`ScriptHost`].

mod cache;
mod commands;
mod debug;
mod figures;
mod local;
mod observe;
mod profile;
mod recent;
mod shebang;
mod times;

pub use cache::{Script, Scripts, sha1_hex};
pub(crate) use commands::{COMMANDS, NO_HOST, check_length, declares_no_writes, kill, start};
pub use debug::{DebugMode, end_session};
pub use figures::{Failure, Figures};
pub(crate) use local::LocalScripts;
pub use local::{LocalScript, SharedScript};
pub use profile::Profile;
pub use shebang::{Header, ScriptFlags};
pub(crate) use times::RunTimes;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use perigee_keyspace::{Footprint, Txn};
use perigee_resp::Reply;

use crate::config::Param;
use crate::effects::Effects;
use crate::engine::{Engine, Env};
use crate::error::Error;
use crate::functions::{LibraryLoad, SharedLibrary, Source, Sources};
use crate::session::{OwnedArgs, Session};

/// What runs scripts, one to a worker.
pub trait ScriptHost {
    /// Checks that the script compiles.
    ///
    /// # Errors
    /// The compiler's message.
    fn compile(&self, script: &Arc<Script>) -> Result<(), Vec<u8>>;

    /// Bytes that its VM uses.
    fn used_bytes(&self) -> usize;

    /// Begins to run a library's text, to find out what it registers. It may `require` the others.
    fn load(&self, source: &Arc<Source>, others: &Arc<Sources>) -> Box<dyn LibraryLoad>;

    /// Runs a script until it ends or has used up its slice. Its reply, an error included, goes to `reply` once it is
    /// done.
    fn run<'e>(
        &self,
        env: Env<'e>,
        invocation: Invocation<'_>,
        parent: &Session,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> Started;

    /// Gives back memory that scripts have left behind, for at most about a slice; whether there is more of it.
    fn tidy(&self) -> bool {
        false
    }
}

/// A script with its arguments.
pub struct Invocation<'a> {
    /// What to run.
    pub script: SharedScript,
    /// The library whose function it is; `None` for a script.
    pub library: Option<SharedLibrary>,
    /// KEYS.
    pub keys: &'a [&'a [u8]],
    /// ARGV.
    pub args: &'a [&'a [u8]],
    /// Writes are refused.
    pub read_only: bool,
    /// The client debugs it.
    pub debug: Option<DebugMode>,
}

/// What came of starting a script.
pub enum Started {
    /// It is done.
    Done,
    /// It goes on in its next slice.
    Yielded(Box<dyn ScriptRun>),
    /// It needs every shard: to be undone and run again.
    Widen,
}

/// A script between two slices.
pub trait ScriptRun {
    /// Says what request it serves, to those who look at what is running.
    fn serves(&self, _request: &[&[u8]]) {}

    /// Goes on. After [`ScriptFlow::Widen`] the caller rolls back; a killed script has rolled back itself.
    fn resume<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> ScriptFlow;

    /// Whether it stands still until its client, who debugs it, says something: see [`ScriptRun::tell`].
    fn asks(&self) -> bool {
        false
    }

    /// Whether somebody wants it stopped, so that it should be told so while it stands still.
    fn is_killed(&self) -> bool {
        false
    }

    /// Hears what its client has to say to the debugger, who answers into `reply`, and goes on if that is what it
    /// said. No words at all have it look whether it was killed meanwhile.
    fn tell<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        _words: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        self.resume(env, txn, effects, reply)
    }
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptFlow {
    /// The script is done and has replied.
    Done,
    /// It has used up its slice.
    Yielded,
    /// It needs every shard.
    Widen,
}

/// What `redis.call` works with.
pub struct ScriptContext<'c, 'e> {
    /// The engine, the worker, the moment.
    pub env: Env<'e>,
    /// What runs.
    pub script: &'c LocalScript,
    /// The fake client.
    pub session: &'c mut Session,
    /// The script's transaction.
    pub txn: &'c mut Txn<'e>,
    /// What is to be told at its commit.
    pub effects: &'c mut Effects,
    /// Writes are refused.
    pub read_only: bool,
    /// Whether a command that writes has run.
    pub wrote: bool,
    /// Commands that write and may still be called: `script-max-writes`.
    pub writes_left: u64,
}

impl ScriptContext<'_, '_> {
    /// Puts the running script on the list of those that can be stopped.
    pub fn register(&self) -> Registration {
        let started_ns = self.env.worker.clock.ticks_ns();
        self.env.engine.scripts.register(
            Arc::clone(self.script),
            self.session.client.id,
            started_ns,
            self.wrote,
        )
    }

    /// Whether more than `busy-reply-threshold` has passed since a moment in the worker's ticks.
    pub fn is_overdue(&self, since_ns: u64) -> bool {
        let limit_ms = match self.env.engine.config.number(Param::BusyReplyThreshold) {
            0 => 5000,
            limit_ms => limit_ms as u64,
        };
        let now_ns = self.env.worker.clock.ticks_ns();
        now_ns.saturating_sub(since_ns) >= limit_ms.saturating_mul(1_000_000)
    }

    /// Writes to the server's log; levels are those of `redis.log`.
    pub fn log(&self, level: u8, text: &[u8]) {
        (self.env.engine.process.log)(level, &String::from_utf8_lossy(text));
    }
}

/// A script that has outlived its first slice, as those who may want to stop it see it.
pub struct Running {
    /// What runs.
    pub script: Arc<Script>,
    /// Who runs it.
    pub client_id: u64,
    /// When it began, in the worker's ticks.
    pub started_ns: u64,
    /// The request that it serves.
    pub request: OnceLock<OwnedArgs>,
    /// The shards that it holds.
    pub footprint: Mutex<Footprint>,
    killed: AtomicBool,
    wrote: AtomicBool,
    /// Where it was at the ends of its slices: lines with their counts.
    lines: Mutex<Vec<(u32, u32)>>,
}

impl Running {
    fn busy(&self) -> Error {
        if self.script.is_function() { Error::BusyFunction } else { Error::BusyScript }
    }

    /// Whether somebody wants it stopped.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Whether it has passed `script-hard-time-limit`.
    pub fn is_out_of_time(&self, env: Env<'_>) -> bool {
        let limit_ms = env.engine.config.number(Param::ScriptHardTimeLimit) as u64;
        limit_ms > 0 && env.worker.clock.ticks_ns().saturating_sub(self.started_ns) >= limit_ms * 1_000_000
    }
}

/// Lines of a run that are told apart.
const LINES: usize = 256;

/// The line of a script that a long run was at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowestLine {
    /// Counted from 1.
    pub line: u32,
    /// Slices that ended there.
    pub slices: u32,
    /// Slices that ended at any line.
    pub of: u32,
}

/// A running script's entry in the list; dropping it takes it out.
pub struct Registration {
    engine_list: Arc<RunningList>,
    id: u64,
    /// The entry.
    pub running: Arc<Running>,
}

impl Registration {
    /// Notes what the script has done and holds, at the end of a slice.
    pub fn update(&self, wrote: bool, footprint: Footprint) {
        self.running.wrote.store(wrote, Ordering::Relaxed);
        *self.running.footprint.lock() = footprint;
    }

    /// Notes where it is at the end of a slice.
    pub fn note_line(&self, line: u32) {
        let mut lines = self.running.lines.lock();
        if let Some((_, count)) = lines.iter_mut().find(|(known, _)| *known == line) {
            *count += 1;
        } else if lines.len() < LINES {
            lines.push((line, 1));
        }
    }

    /// The line at which most of its slices ended.
    pub fn slowest_line(&self) -> Option<SlowestLine> {
        let lines = self.running.lines.lock();
        let &(line, slices) = lines.iter().max_by_key(|(_, count)| *count)?;
        Some(SlowestLine { line, slices, of: lines.iter().map(|(_, count)| count).sum() })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.engine_list.leave(self.id);
    }
}

/// The scripts that have outlived their first slice.
#[derive(Default)]
pub struct RunningList {
    runs: Mutex<Vec<(u64, Arc<Running>)>>,
    count: AtomicU64,
    last_id: AtomicU64,
}

impl RunningList {
    fn leave(&self, id: u64) {
        let mut runs = self.runs.lock();
        runs.retain(|(other, _)| *other != id);
        self.count.store(runs.len() as u64, Ordering::Release);
    }
}

/// Which of the running scripts are to be stopped.
#[derive(Clone, Copy, Debug)]
pub enum KillTarget<'a> {
    /// All.
    Every,
    /// Those with this SHA1, in either case, or this name.
    Script(&'a [u8]),
    /// That of this client.
    Client(u64),
}

impl KillTarget<'_> {
    fn is_meant(self, run: &Running) -> bool {
        match self {
            KillTarget::Every => true,
            KillTarget::Script(name) => {
                run.script.sha1.eq_ignore_ascii_case(name)
                    || run.script.name().is_some_and(|own| own.as_bytes() == name)
            }
            KillTarget::Client(id) => run.client_id == id,
        }
    }
}

/// Why SCRIPT KILL did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillRefused {
    /// Nothing runs.
    NotBusy,
    /// A function runs where a script was meant, or a script where a function was.
    Busy(Error),
    /// It has written, and `redis-strict` says that such a script can't be killed.
    Unkillable,
}

impl Scripts {
    /// Puts a script that has outlived its first slice on the list.
    pub fn register(
        &self,
        script: Arc<Script>,
        client_id: u64,
        started_ns: u64,
        wrote: bool,
    ) -> Registration {
        let list = self.running.clone();
        let id = list.last_id.fetch_add(1, Ordering::Relaxed);
        let running = Arc::new(Running {
            script,
            client_id,
            started_ns,
            request: OnceLock::new(),
            footprint: Mutex::default(),
            killed: AtomicBool::new(false),
            wrote: AtomicBool::new(wrote),
            lines: Mutex::default(),
        });
        let mut runs = list.runs.lock();
        runs.push((id, running.clone()));
        list.count.store(runs.len() as u64, Ordering::Release);
        drop(runs);
        Registration { engine_list: list, id, running }
    }

    /// Stops the running scripts, or the running functions, that are meant, undoing what they did.
    ///
    /// # Errors
    /// See [`KillRefused`].
    pub fn kill(&self, engine: &Engine, functions: bool, target: KillTarget<'_>) -> Result<(), KillRefused> {
        let runs = self.running.runs.lock();
        let mut runs = runs.iter().map(|(_, run)| run).filter(|run| target.is_meant(run)).peekable();
        let first = runs.peek().ok_or(KillRefused::NotBusy)?.busy();
        let wanted: Vec<_> = runs.filter(|run| run.script.is_function() == functions).collect();
        if wanted.is_empty() {
            return Err(KillRefused::Busy(first));
        }
        let strict = engine.config.is_on(Param::RedisStrict);
        let spared = |run: &Running| strict && run.wrote.load(Ordering::Relaxed);
        if wanted.iter().all(|run| spared(run)) {
            return Err(KillRefused::Unkillable);
        }
        for run in wanted.into_iter().filter(|run| !spared(run)) {
            run.killed.store(true, Ordering::Release);
            // It may stand still and wait for what its client says.
            if let Some(client) = engine.clients.find(run.client_id) {
                client.mailbox.wake();
            }
        }
        Ok(())
    }

    /// The function that has run longest, if one has outlived its first slice.
    pub(crate) fn running_function(&self) -> Option<Arc<Running>> {
        let runs = self.running.runs.lock();
        let functions = runs.iter().map(|(_, run)| run).filter(|run| run.script.is_function());
        functions.min_by_key(|run| run.started_ns).cloned()
    }

    /// The refusal for everybody, once a script has passed the time limit (`busy-reply-scope server`).
    #[inline]
    pub(crate) fn server_busy(&self, env: Env<'_>) -> Option<Error> {
        if self.running.count.load(Ordering::Acquire) > 0 { self.busy_for_everybody(env) } else { None }
    }

    #[cold]
    fn busy_for_everybody(&self, env: Env<'_>) -> Option<Error> {
        let config = &env.engine.config;
        let everybody = config.number(Param::BusyReplyScope) == 1 || config.is_on(Param::RedisStrict);
        if everybody { self.over_limit(env, |_| true) } else { None }
    }

    /// The refusal for who wants these shards, once a script that holds one has passed the time limit.
    pub(crate) fn busy(&self, env: Env<'_>, wanted: &Footprint) -> Option<Error> {
        self.over_limit(env, |run| overlap(&run.footprint.lock(), wanted))
    }

    fn over_limit(&self, env: Env<'_>, concerned: impl Fn(&Running) -> bool) -> Option<Error> {
        // As in Redis, no limit is no reason for anybody to hear of a script.
        if env.engine.config.number(Param::BusyReplyThreshold) == 0 {
            return None;
        }
        let limit_ns = (env.engine.config.number(Param::BusyReplyThreshold) as u64).saturating_mul(1_000_000);
        let now_ns = env.worker.clock.ticks_ns();
        let runs = self.running.runs.lock();
        let over = |run: &Running| now_ns.saturating_sub(run.started_ns) >= limit_ns && concerned(run);
        runs.iter().find(|(_, run)| over(run)).map(|(_, run)| run.busy())
    }
}

fn overlap(a: &Footprint, b: &Footprint) -> bool {
    let list = |footprint: &Footprint| match footprint {
        Footprint::None => Some(Vec::new()),
        Footprint::One(shard) => Some(vec![*shard]),
        Footprint::Several(shards) => Some(shards.to_vec()),
        Footprint::All => None,
    };
    match (list(a), list(b)) {
        (Some(a), Some(b)) => a.iter().any(|shard| b.contains(shard)),
        (Some(some), None) | (None, Some(some)) => !some.is_empty(),
        (None, None) => true,
    }
}
