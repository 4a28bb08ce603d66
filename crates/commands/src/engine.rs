//! What all sessions share, and what each worker brings: the two halves of a session's environment.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use event_listener::Event;
use parking_lot::Mutex;
use perigee_keyspace::{Footprint, Keyspace, Txn, mapped};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::acl::Acl;
use crate::blocking::Waiter;
use crate::clients::Clients;
use crate::command_log::CommandLog;
use crate::commit::commit;
use crate::config::{Config, Param};
use crate::functions::{Functions, LocalFunctions};
use crate::generic::Switches;
use crate::latency::LatencyMonitor;
use crate::listening::Listening;
use crate::maxmemory::{Memory, Pool, Told};
use crate::pause::Pause;
use crate::payload::NodeLimits;
use crate::pubsub::Pubsub;
use crate::samples::Samples;
use crate::scripts::{LocalScripts, ScriptHost, Scripts, SharedScript};
use crate::session::Transaction;
use crate::stats::{Monitors, Slowlog, WorkerStats};
use crate::table::CommandTable;
use crate::tracking::Tracking;

/// A server without sockets: data, configuration, and everything that clients share.
pub struct Engine {
    /// The data.
    pub keyspace: Keyspace,
    /// The configuration in force.
    pub config: Config,
    /// Every command by name.
    pub commands: CommandTable,
    /// Users and what they may do.
    pub acl: Acl,
    /// Every connected client.
    pub clients: Clients,
    /// Who listens to which channel.
    pub pubsub: Pubsub,
    /// Who wants to hear that keys have changed.
    pub(crate) tracking: Tracking,
    /// The script cache and the scripts that run.
    pub scripts: Scripts,
    /// The libraries of functions.
    pub functions: Functions,
    /// The slow log.
    pub slowlog: Slowlog,
    /// Commands with large requests and replies.
    pub(crate) command_log: CommandLog,
    /// What took long.
    pub(crate) latency: LatencyMonitor,
    /// Clients in MONITOR mode.
    pub monitors: Monitors,
    /// How the server is to end, once somebody said so.
    pub shutdown: Shutdown,
    /// Where it is listened for connections.
    pub listening: Listening,
    /// What the host tells about the process.
    pub process: Process,
    /// CLIENT PAUSE.
    pub(crate) pause: Pause,
    /// Rates and peaks, for INFO.
    pub(crate) samples: Samples,
    /// How much memory is in use.
    pub(crate) memory: Memory,
    pub(crate) waiters: DashMap<u64, Arc<Waiter>>,
    pub(crate) counters: Counters,
    /// What DEBUG has turned off.
    pub(crate) switches: Switches,
    /// An element of a list of so many bytes is a node of its own where nodes are told of: DEBUG QUICKLIST-PACKED-THRESHOLD.
    pub(crate) plain_node_bytes: AtomicUsize,
    workers: Mutex<Vec<Arc<WorkerStats>>>,
}

/// Facts about the process that only the binary knows.
#[derive(Clone)]
pub struct Process {
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// When it started, in milliseconds since the epoch.
    pub started_ms: u64,
    /// The binary.
    pub executable: String,
    /// The configuration file, empty if there is none.
    pub config_file: String,
    /// Bytes of the process that are in RAM.
    pub resident_bytes: fn() -> usize,
    /// What gives out memory.
    pub allocator: Allocator,
    /// Writes a line to the log: 0 debug, 1 verbose, 2 notice, 3 warning.
    pub log: fn(u8, &str),
    /// Microseconds of processor time spent in the kernel, and in the process itself.
    pub cpu_us: fn() -> (u64, u64),
    /// Bytes of memory that the machine has, 0 if unknown.
    pub machine_memory: usize,
    /// The operating system with its release and the machine's architecture.
    pub system: String,
    /// Fills bytes with what nobody can guess, for passwords; without it the worker's generator must do.
    pub random_bytes: Option<RandomBytes>,
    /// Reads a file.
    pub read_file: fn(&str) -> std::io::Result<Vec<u8>>,
    /// Puts a text in the place of a file's, at once.
    pub replace_file: fn(&str, &[u8]) -> std::io::Result<()>,
    /// Makes a directory the one that relative paths begin at, and returns its own path.
    pub enter_directory: fn(&str) -> std::io::Result<String>,
    /// Has the system allow as many clients as `maxclients` says by now; or says how many it allows.
    pub allow_clients: fn(&Config) -> Result<(), u64>,
}

/// Fills bytes with chance.
pub type RandomBytes = fn(&mut [u8]) -> std::io::Result<()>;

impl Default for Process {
    fn default() -> Self {
        Process {
            run_id: "0".repeat(40),
            started_ms: 0,
            executable: String::new(),
            config_file: String::new(),
            resident_bytes: || 0,
            allocator: Allocator::default(),
            log: |_, _| {},
            cpu_us: || (0, 0),
            machine_memory: 0,
            system: String::new(),
            random_bytes: None,
            read_file: |_| Err(std::io::ErrorKind::Unsupported.into()),
            replace_file: |_, _| Err(std::io::ErrorKind::Unsupported.into()),
            enter_directory: |_| Err(std::io::ErrorKind::Unsupported.into()),
            allow_clients: |_| Ok(()),
        }
    }
}

/// What is known of the memory allocator, and what can be asked of it. Of large strings, which lie outside of it, it knows
/// nothing.
#[derive(Clone)]
pub struct Allocator {
    /// Its name and version.
    pub name: &'static str,
    /// Bytes that it has given out. It may take some microseconds.
    pub allocated: fn() -> usize,
    /// Bytes in pages that it uses, and bytes of them that are in RAM.
    pub pages: fn() -> (usize, usize),
    /// Bytes that the calling thread has allocated less those that it has freed. Costs nothing.
    pub thread_bytes: fn() -> i64,
    /// Returns unused pages to the system.
    pub purge: fn(),
    /// A report for people, if it makes any.
    pub report: fn() -> Option<Vec<u8>>,
}

impl Allocator {
    /// Bytes that the process uses. It may take some microseconds.
    pub(crate) fn used_bytes(&self) -> usize {
        (self.allocated)() + mapped::bytes()
    }

    /// Bytes in pages that the process uses, and bytes of them that are in RAM, or may be.
    pub(crate) fn used_pages(&self) -> (usize, usize) {
        let (active, resident) = (self.pages)();
        (active + mapped::bytes(), resident + mapped::bytes())
    }

    /// Bytes that the calling thread has taken less those that it has freed.
    pub(crate) fn thread_used_bytes(&self) -> i64 {
        (self.thread_bytes)() + mapped::thread_bytes()
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Allocator {
            name: "libc",
            allocated: || 0,
            pages: || (0, 0),
            thread_bytes: || 0,
            purge: || {},
            report: || None,
        }
    }
}

/// Totals for INFO.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicU64,
    pub(crate) rejected_connections: AtomicU64,
    pub(crate) expired_keys: AtomicU64,
    pub(crate) expired_fields: AtomicU64,
    /// Rounds of expiry that left keys or fields whose deadline has passed to the next round.
    pub(crate) expiry_cut_short: AtomicU64,
    /// Payloads of RESTORE that were checked.
    pub(crate) checked_payloads: AtomicU64,
    /// Clients that were closed since they sent more than `client-query-buffer-limit` at a time.
    pub(crate) overlong_requests: AtomicU64,
    /// Clients that were closed since they did not read what was theirs.
    pub(crate) slow_readers: AtomicU64,
    pub(crate) last_save_ms: AtomicU64,
}

impl Engine {
    /// An empty server with this configuration. `renamed` gives commands other names; see [`CommandTable::rename`].
    pub fn new(config: Config, process: Process, renamed: &[(Vec<u8>, Vec<u8>)]) -> Arc<Self> {
        let keyspace = Keyspace::new(config.number(Param::Databases) as u16, 1024);
        let mut commands = CommandTable::new();
        for (from, to) in renamed {
            // Of names that are not here yet there is nothing to rename.
            let _absent = commands.rename(from, to);
        }
        let acl = Acl::new(&commands, keyspace.databases());
        acl.require_password(config.text(Param::RequirePass).as_bytes());
        let engine = Engine {
            acl,
            slowlog: Slowlog::default(),
            command_log: CommandLog::default(),
            latency: LatencyMonitor::default(),
            clients: Clients::default(),
            pubsub: Pubsub::default(),
            tracking: Tracking::default(),
            scripts: Scripts::default(),
            functions: Functions::default(),
            monitors: Monitors::default(),
            shutdown: Shutdown::default(),
            pause: Pause::default(),
            samples: Samples::default(),
            memory: Memory::default(),
            waiters: DashMap::new(),
            counters: Counters::default(),
            switches: Switches::default(),
            listening: Listening::default(),
            plain_node_bytes: AtomicUsize::new(NodeLimits::default().plain_from),
            workers: Mutex::default(),
            keyspace,
            config,
            commands,
            process,
        };
        engine.counters.last_save_ms.store(engine.process.started_ms, Ordering::Relaxed);
        engine.config.apply_to(&engine);
        Arc::new(engine)
    }

    /// Whether DEBUG PAUSE-CRON keeps periodic work from being done.
    pub fn is_cron_paused(&self) -> bool {
        self.switches.cron_paused.load(Ordering::Relaxed)
    }

    /// Counts a connection that was accepted or turned away.
    pub fn count_connection(&self, accepted: bool) {
        let counters = &self.counters;
        let counter = if accepted { &counters.connections } else { &counters.rejected_connections };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a client that is closed since it sent too much at a time.
    pub fn count_overlong_request(&self) {
        self.counters.overlong_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a client that is closed since it did not read what was its own.
    pub fn count_slow_reader(&self) {
        self.counters.slow_readers.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts the counters that INFO shows again from zero.
    pub(crate) fn reset_statistics(&self) {
        self.worker_stats().iter().for_each(|stats| stats.reset());
        let counters = &self.counters;
        for counter in [
            &counters.connections,
            &counters.rejected_connections,
            &counters.expired_keys,
            &counters.expired_fields,
            &counters.expiry_cut_short,
            &counters.checked_payloads,
            &counters.overlong_requests,
            &counters.slow_readers,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.samples.reset_peak(self.process.allocator.used_bytes());
        self.memory.reset_statistics();
        self.scripts.reset_statistics();
    }

    /// Takes the samples from which INFO computes rates and peaks. To be called every 100 ms.
    pub fn tick(&self, now_ms: u64) {
        self.samples.take(self, now_ms);
    }

    /// The counters of all workers.
    pub(crate) fn worker_stats(&self) -> Vec<Arc<WorkerStats>> {
        self.workers.lock().clone()
    }
}

/// The request to end the server.
#[derive(Default)]
pub struct Shutdown {
    requested: AtomicBool,
    force: AtomicBool,
    /// Nobody is let in any more.
    shut: AtomicBool,
    event: Event,
}

impl Shutdown {
    /// Asks the server to end. `force`: even where saving fails.
    pub fn request(&self, force: bool) {
        self.force.fetch_or(force, Ordering::Relaxed);
        self.requested.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    /// Whether somebody asked.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Returns once somebody has asked.
    pub async fn wait(&self) {
        self.wait_for(&self.requested).await;
    }

    /// Notes that the server listens no more.
    pub fn note_shut(&self) {
        self.shut.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    /// Returns once the server listens no more: who was served until then can't come back.
    pub async fn wait_until_shut(&self) {
        self.wait_for(&self.shut).await;
    }

    async fn wait_for(&self, flag: &AtomicBool) {
        while !flag.load(Ordering::Acquire) {
            let listener = self.event.listen();
            if !flag.load(Ordering::Acquire) {
                listener.await;
            }
        }
    }
}

/// The time, as a worker sees it.
pub trait Clock {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
    /// Microseconds since the epoch.
    fn now_us(&self) -> u64;
    /// Nanoseconds from some fixed moment, the same for all workers, never going back; cheap.
    fn ticks_ns(&self) -> u64;
    /// What [`now_ms`](Self::now_ms) says when [`ticks_ns`](Self::ticks_ns) says this: just now.
    fn now_ms_at(&self, ticks_ns: u64) -> u64 {
        let _ = ticks_ns;
        self.now_ms()
    }
}

/// A future that waits.
pub type Sleep = Pin<Box<dyn Future<Output = ()>>>;

/// Waiting, as the worker's runtime provides it.
pub trait Timer {
    /// Completes after so many milliseconds.
    fn sleep_ms(&self, ms: u64) -> Sleep;
    /// Lets the worker's other tasks run first.
    fn yield_now(&self) -> Sleep;
}

/// What one thread brings to the sessions that live on it.
pub struct Worker {
    /// Its number, from 0.
    pub id: usize,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) timer: Box<dyn Timer>,
    pub(crate) scripts: Option<Box<dyn ScriptHost>>,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) rng: RefCell<StdRng>,
    /// Keys that may be evicted next.
    pub(crate) evictions: RefCell<Pool>,
    /// What of its thread's memory the others know.
    pub(crate) memory_told: Cell<Told>,
    pub(crate) local_scripts: RefCell<LocalScripts>,
    pub(crate) local_functions: RefCell<LocalFunctions>,
    /// The script that runs, or has just ended, has answered with an error.
    pub(crate) script_failed: Cell<bool>,
    /// The script that the present command has run, for those who count.
    pub(crate) ran: Cell<Option<SharedScript>>,
    /// The end of the last command, where the next one's time begins.
    pub(crate) last_tick_ns: Cell<u64>,
}

impl Worker {
    /// Registers a worker with the engine. `seed` feeds its random choices.
    pub fn new(
        engine: &Engine,
        id: usize,
        seed: u64,
        clock: Box<dyn Clock>,
        timer: Box<dyn Timer>,
        scripts: Option<Box<dyn ScriptHost>>,
    ) -> Self {
        let stats = Arc::new(WorkerStats::new(engine.commands.len()));
        stats.script_vm_bytes.set(scripts.as_ref().map_or(0, |host| host.used_bytes()) as u64);
        engine.workers.lock().push(stats.clone());
        let rng = RefCell::new(StdRng::seed_from_u64(seed));
        Worker {
            id,
            clock,
            timer,
            scripts,
            stats,
            rng,
            evictions: RefCell::default(),
            memory_told: Cell::default(),
            local_scripts: RefCell::default(),
            local_functions: RefCell::default(),
            script_failed: Cell::new(false),
            ran: Cell::new(None),
            last_tick_ns: Cell::new(0),
        }
    }

    /// The environment for a batch of requests: samples the clock.
    #[inline]
    pub fn env<'e>(&'e self, engine: &'e Engine) -> Env<'e> {
        let ticks_ns = self.clock.ticks_ns();
        self.last_tick_ns.set(ticks_ns);
        Env { engine, worker: self, now_ms: self.clock.now_ms_at(ticks_ns) }
    }

    /// Nanoseconds from some fixed moment.
    pub fn ticks_ns(&self) -> u64 {
        self.clock.ticks_ns()
    }

    /// Counts traffic, in bytes.
    pub fn count_traffic(&self, input: usize, output: usize) {
        self.stats.count_traffic(input, output);
    }

    /// Notes how many bytes its Lua VM uses, for INFO.
    #[inline]
    pub fn note_script_memory(&self, bytes: usize) {
        self.stats.script_vm_bytes.set(bytes as u64);
    }

    /// Gives back memory that scripts have left behind: see [`ScriptHost::tidy`].
    pub fn tidy(&self) -> bool {
        let Some(host) = &self.scripts else { return false };
        let more = host.tidy();
        self.note_script_memory(host.used_bytes());
        more
    }

    /// The time elapsed since the last call or [`Worker::env`].
    #[inline]
    pub(crate) fn lap_ns(&self) -> u64 {
        let now = self.clock.ticks_ns();
        now.saturating_sub(self.last_tick_ns.replace(now))
    }
}

/// Where a request runs: the shared half, the worker's half, and the moment.
#[derive(Clone, Copy)]
pub struct Env<'e> {
    /// What all sessions share.
    pub engine: &'e Engine,
    /// The worker that runs the request.
    pub worker: &'e Worker,
    /// The moment of the batch, in milliseconds since the epoch.
    pub now_ms: u64,
}

impl<'e> Env<'e> {
    /// Starts a transaction on the footprint, after those who came before.
    pub(crate) async fn begin(self, footprint: &Footprint) -> Txn<'e> {
        let rest = |txn| async move {
            let mut transaction = Transaction::new(txn);
            commit(self, &mut transaction);
            self.worker.timer.yield_now().await;
            transaction.txn
        };
        self.engine.keyspace.begin(footprint, self.now_ms, rest).await
    }
}

impl Env<'_> {
    /// Counts a lookup of a key by a reading command, for INFO and those who want to hear of misses.
    #[inline]
    pub fn count_lookup(self, txn: &Txn<'_>, db: u16, key: &[u8], hit: bool) {
        let stats = &self.worker.stats;
        if hit {
            stats.keyspace_hits.fetch_add(1);
        } else {
            stats.keyspace_misses.fetch_add(1);
            txn.note_missed(db, key);
        }
    }

    /// Counts fields of hashes that were removed since their deadline had passed, for INFO.
    pub(crate) fn count_expired_fields(self, count: u64) {
        if count > 0 {
            self.engine.counters.expired_fields.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Nanoseconds from some fixed moment, never going back.
    pub fn ticks_ns(self) -> u64 {
        self.worker.clock.ticks_ns()
    }

    /// Counts an error that a script has answered with: by its code, unless the command that failed has done so, and as
    /// a failure of the command that runs the script.
    pub fn count_script_error(self, text: &[u8], counted: bool) {
        if !counted {
            crate::stats::count_error_text(self, text);
        }
        self.worker.script_failed.set(true);
    }

    /// Counts another look at a key that is there.
    pub(crate) fn count_hit(self) {
        self.worker.stats.keyspace_hits.fetch_add(1);
    }

    /// The same at this moment: after a wait, the batch's time is over.
    pub(crate) fn renewed(self) -> Self {
        self.worker.env(self.engine)
    }
}
