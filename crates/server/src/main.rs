//! The perigee binary: read the configuration, listen, serve until told to stop.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the process owns the clock and its standard output"
)]

mod allocator;
mod arguments;
mod config_file;
mod daemon;
mod logging;
mod process;
mod settings;

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arguments::{Invocation, USAGE};
use config_file::Directive;
use perigee_commands::config::Param;
use perigee_commands::{Engine, system_reason};
use perigee_net::{BindError, Listener, Server};
use perigee_scripting::LuaHost;
use settings::Settings;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match arguments::parse(&arguments, &mut std::io::stdin()) {
        Ok(Invocation::Version) => {
            println!("{}", version());
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Help) => eprintln!("{USAGE}"),
        Ok(Invocation::Refuse(why)) => eprintln!("{why}"),
        Ok(Invocation::Serve { config_path, directives }) => match configure(&directives) {
            Ok(None) => return ExitCode::SUCCESS,
            Ok(Some(settings)) => match serve(config_path, settings) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => tracing::warn!("{error}"),
            },
            Err(error) => eprintln!("{error}"),
        },
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

/// The line of `redis-server --version`, whose first `v=` tools read, with Perigee's own version at its end.
fn version() -> String {
    format!(
        "Redis server v={} sha=00000000:0 malloc={} bits={} build=0 perigee={}",
        perigee_commands::REDIS_VERSION,
        allocator::describe().name,
        usize::BITS,
        env!("CARGO_PKG_VERSION"),
    )
}

/// Reads the settings and starts the log; nothing if a child process goes on as a daemon.
fn configure(directives: &[Directive]) -> anyhow::Result<Option<Settings>> {
    let settings = settings::read(directives)?;
    if settings.config.is_on(Param::Daemonize) && !daemon::is_child() {
        daemon::start_child()?;
        return Ok(None);
    }
    logging::start(&settings.config)?;
    Ok(Some(settings))
}

fn serve(config_path: Option<PathBuf>, settings: Settings) -> anyhow::Result<()> {
    let directory = settings.config.text(Param::Dir);
    let entered = process::enter_directory(&directory)
        .map_err(|error| anyhow::anyhow!("Can't chdir to '{directory}': {}", system_reason(&error)))?;
    settings.config.set(Param::Dir as usize, &[&entered]).map_err(|why| anyhow::anyhow!(why.0))?;
    process::raise_file_limit(&settings.config)?;
    let engine = Engine::new(settings.config, process::describe(config_path.as_deref()), &settings.renamed);
    tracing::warn!("Perigee is starting: version={}, pid={}", env!("CARGO_PKG_VERSION"), std::process::id());
    if config_path.is_none() {
        tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use perigee /path/to/redis.conf"
        );
    }
    for name in engine.config.inert_in_use() {
        tracing::warn!("Warning: '{name}' is set but has no effect in this version (see COMPAT.md)");
    }
    engine.load_users(&settings.users).map_err(|why| anyhow::anyhow!(why))?;
    let listeners = listen(&engine)?;
    let workers = process::workers(&engine.config);
    let port = engine.config.number(Param::Port);
    tracing::info!("Running mode=standalone, port={port}, workers={workers}. PID: {}", std::process::id());
    tracing::warn!("Server initialized");
    let _pid_file = process::PidFile::create(&engine.config);
    process::stop_on_signals(&engine)?;
    Server { engine, listeners, workers, make_host: Arc::new(LuaHost::boxed) }.run(|| welcome(port))?;
    tracing::warn!("Perigee is now ready to exit, bye bye...");
    Ok(())
}

fn welcome(port: i64) {
    tracing::info!("Ready to accept connections");
    if port > 0 {
        tracing::info!("Try: redis-cli -p {port} eval \"return redis.call('incr', KEYS[1])\" 1 counter");
    }
}

/// Opens every configured socket.
fn listen(engine: &Engine) -> anyhow::Result<Vec<Listener>> {
    let config = &engine.config;
    let (port, backlog) = (config.number(Param::Port) as u16, config.number(Param::TcpBacklog) as i32);
    let mut listeners = Vec::new();
    if port > 0 {
        for word in config.text(Param::Bind).split_ascii_whitespace() {
            match perigee_net::bind(word, port, backlog) {
                Ok(listener) => listeners.push(listener),
                Err(BindError { optional: true, address, error }) => {
                    tracing::debug!("Could not listen on {address}: {error}");
                }
                Err(error) => {
                    tracing::warn!("Could not create server TCP listening socket {error}");
                    anyhow::bail!("Failed listening on port {port} (tcp), aborting.");
                }
            }
        }
    }
    let path = config.text(Param::UnixSocket);
    if !path.is_empty() {
        let mode = config.number(Param::UnixSocketPerm) as u32;
        listeners.push(perigee_net::bind_unix(Path::new(&path), mode)?);
    }
    anyhow::ensure!(!listeners.is_empty(), "Configured to not listen anywhere, exiting.");
    Ok(listeners)
}
