//! The process around the server: who it is, its memory, its signals, its pid file.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use perigee_commands::config::{Config, Param};
use perigee_commands::{Engine, Process};

/// What INFO tells of the process.
pub(crate) fn describe(config_path: Option<&Path>) -> Process {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let executable = std::env::current_exe().unwrap_or_default();
    Process {
        run_id: run_id(),
        started_ms: started.as_millis() as u64,
        executable: executable.display().to_string(),
        config_file: config_path.map(|path| path.display().to_string()).unwrap_or_default(),
        resident_bytes,
        allocator: crate::allocator::describe(),
        log: |level, text| match level {
            0 => tracing::trace!("{text}"),
            1 => tracing::debug!("{text}"),
            2 => tracing::info!("{text}"),
            _ => tracing::warn!("{text}"),
        },
        cpu_us,
        machine_memory: machine_memory(),
        system: system(),
        random_bytes: Some(random_bytes),
        read_file: |path| std::fs::read(path),
        replace_file,
        enter_directory,
        allow_clients,
    }
}

/// From the system's generator.
fn random_bytes(bytes: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(())
}

/// Writes a file beside the old one, then puts it in its place.
fn replace_file(path: &str, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let beside = format!("{path}.tmp-{}", std::process::id());
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&beside, path));
    if replaced.is_err() {
        // What failed may have left no file to remove.
        let _ = std::fs::remove_file(&beside);
    }
    replaced
}

/// Makes a directory the one that relative paths begin at, and returns its own path.
pub(crate) fn enter_directory(path: &str) -> std::io::Result<String> {
    std::env::set_current_dir(path)?;
    Ok(std::env::current_dir()?.display().to_string())
}

/// The operating system and its release, as `uname` names them, and the architecture.
fn system() -> String {
    let read =
        |name: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).unwrap_or_default();
    format!("{} {} {}", read("ostype").trim(), read("osrelease").trim(), std::env::consts::ARCH)
}

/// Bytes of memory that the machine has.
fn machine_memory() -> usize {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes: Option<usize> = total.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Microseconds of processor time spent in the kernel, and in the process itself, to a hundredth of a second.
fn cpu_us() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program comes before, in parentheses, and may contain anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let microseconds =
        |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0) * 10_000;
    (microseconds(12), microseconds(11))
}

fn run_id() -> String {
    let mut digits = String::new();
    while digits.len() < 40 {
        // Infallible: the target is a String.
        let _ = write!(digits, "{:016x}", RandomState::new().hash_one(std::process::id()));
    }
    digits.truncate(40);
    digits
}

/// Bytes of the process that are in RAM.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// How many threads run commands: `io-threads`, or as many as there are cores.
pub(crate) fn workers(config: &Config) -> usize {
    match config.number(Param::IoThreads) {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        threads => threads as usize,
    }
}

/// Allows the process as many open files as `maxclients` needs, or lowers `maxclients` to what the system allows.
///
/// # Errors
/// If not even one client could connect.
pub(crate) fn raise_file_limit(config: &Config) -> anyhow::Result<()> {
    let Err(clients) = allow_clients(config) else { return Ok(()) };
    let allowed = clients + own_files(config);
    anyhow::ensure!(clients > 0, "The limit of {allowed} open files is too low: increase 'ulimit -n'.");
    let lowered = config.set(Param::MaxClients as usize, &[&clients.to_string()]);
    lowered.map_err(|why| anyhow::anyhow!("maxclients: {}", why.0))?;
    tracing::warn!(
        "Only {allowed} files may be open: maxclients has been reduced to {clients}. If you need more, increase 'ulimit -n'."
    );
    Ok(())
}

/// Allows the process as many open files as `maxclients` needs.
///
/// # Errors
/// If the system allows fewer: for how many clients they suffice.
fn allow_clients(config: &Config) -> Result<(), u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let own = own_files(config);
    let wanted = config.number(Param::MaxClients) as u64 + own;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(soft) = current.filter(|soft| *soft < wanted) else { return Ok(()) };
    let hard = maximum.unwrap_or(u64::MAX);
    // Only a privileged process may raise the hard limit.
    let attempts = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)];
    let raised = attempts.into_iter().find(|&(current, hard)| {
        let maximum = maximum.map(|_| hard);
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).is_ok()
    });
    let allowed = raised.map_or(soft, |(current, _)| current);
    if allowed < wanted {
        return Err(allowed.saturating_sub(own));
    }
    tracing::info!("Increased maximum number of open files to {allowed} (it was originally set to {soft}).");
    Ok(())
}

/// Files that are not clients'.
fn own_files(config: &Config) -> u64 {
    OWN_FILES + workers(config) as u64 * FILES_A_WORKER
}

/// Files that are not clients: logs, listeners, a few to spare.
const OWN_FILES: u64 = 32;
/// A runtime's.
const FILES_A_WORKER: u64 = 4;

/// Asks the engine to shut down on SIGTERM and SIGINT.
pub(crate) fn stop_on_signals(engine: &Arc<Engine>) -> anyhow::Result<()> {
    let engine = engine.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("perigee-signals".into()).spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let handlers = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
            let (Ok(mut terminate), Ok(mut interrupt)) = handlers else { return };
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                () = engine.shutdown.wait() => return,
            };
            tracing::warn!("Received {name} scheduling shutdown...");
            engine.shutdown.request(false);
        });
    })?;
    Ok(())
}

/// The file with the server's pid; removed at the end.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file that `pidfile` names, if it names one.
    pub(crate) fn create(config: &Config) -> Option<Self> {
        let path = PathBuf::from(config.text(Param::PidFile));
        if path.as_os_str().is_empty() {
            return None;
        }
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                tracing::warn!("Can't write the pid file {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        drop(std::fs::remove_file(&self.0));
    }
}
