//! Worker threads: a runtime each, the connections that come to it, and the periodic work.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use perigee_commands::config::Param;
use perigee_commands::{Engine, Worker, evict_clients, evict_cycle, expire_cycle, limit_tracked};
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::clock::{SystemClock, TokioTimer};
use crate::connection::{self, Origin, Shared, Traveller};
use crate::doors::Doors;
use crate::placement::{Berth, Crew, Placement};
use crate::{Listener, MakeHost, Server};

/// A connection on its way to a worker.
pub(crate) enum Arrival {
    Tcp(std::net::TcpStream, SocketAddr),
    Unix(std::os::unix::net::UnixStream, String),
    /// From another worker.
    Moved(Box<Traveller>),
}

pub(crate) fn run(server: Server, ready: impl FnOnce()) -> io::Result<()> {
    let Server { engine, listeners, workers, make_host } = server;
    let (doors, receivers): (Vec<_>, Vec<_>) = (0..workers.max(1)).map(|_| unbounded_channel()).unzip();
    let crew = Crew::new(doors);
    let (doors, opened) = Doors::new(&listeners)?;
    let exchanged = doors.clone();
    engine.listening.exchange_by(move |config| {
        let outcome = exchanged.exchange(config);
        outcome.inspect_err(|error| tracing::warn!("Could not listen on {error}")).is_ok()
    });
    let entrance = Entrance { listeners, opened, doors };
    let mut receivers = receivers.into_iter();
    let first = receivers.next().expect("there is at least one worker");
    let mut threads = Vec::new();
    for (id, receiver) in receivers.enumerate().map(|(at, receiver)| (at + 1, receiver)) {
        let (engine, make_host, berth) = (engine.clone(), make_host.clone(), Berth::new(crew.clone(), id));
        let name = format!("perigee-worker-{id}");
        let body = move || work(&engine, id, workers, &make_host, receiver, berth, None, || {});
        threads.push(std::thread::Builder::new().name(name).spawn(body)?);
    }
    let result = work(&engine, 0, workers, &make_host, first, Berth::new(crew, 0), Some(entrance), ready);
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a worker has panicked"))??;
    }
    result
}

#[allow(clippy::too_many_arguments, reason = "all that a thread begins with")]
fn work(
    engine: &Arc<Engine>,
    id: usize,
    workers: usize,
    make_host: &MakeHost,
    arrivals: UnboundedReceiver<Arrival>,
    berth: Berth,
    entrance: Option<Entrance>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Look at sockets often: a batch is short, and fairness between connections matters more.
        .event_interval(61)
        .build_local(LocalOptions::default())?;
    let host = make_host(engine, id);
    let seed = fresh_seed();
    let worker =
        Worker::new(engine, id, seed, Box::<SystemClock>::default(), Box::<TokioTimer>::default(), host);
    let shared = Rc::new(Shared::new(engine.clone(), worker, berth));
    let tasks = async {
        let (mut paths, mut doors) = (Vec::new(), None);
        if let Some(entrance) = entrance {
            for listener in entrance.listeners {
                match listener {
                    Listener::Tcp(listener) => {
                        let listener = tokio::net::TcpListener::from_std(listener)?;
                        tokio::task::spawn_local(accept_tcp(listener, shared.clone()));
                    }
                    Listener::Unix(listener, path) => {
                        let listener = tokio::net::UnixListener::from_std(listener)?;
                        let name = path.display().to_string();
                        paths.push(path);
                        tokio::task::spawn_local(accept_unix(listener, name, shared.clone()));
                    }
                }
            }
            tokio::task::spawn_local(accept_opened(entrance.opened, shared.clone()));
            doors = Some(entrance.doors);
        }
        let writer = shared.clone();
        tokio::task::spawn_local(async move { writer.outbox.write_all().await });
        tokio::task::spawn_local(admit(arrivals, shared.clone()));
        if workers > 1 {
            let shared = shared.clone();
            tokio::task::spawn_local(async move {
                shared.berth.watch(|| Placement::of(&shared.engine.config)).await
            });
        }
        tokio::task::spawn_local(periodic(shared.clone(), workers.max(1)));
        if id == 0 {
            tokio::task::spawn_local(sample(shared.clone()));
        }
        ready();
        engine.shutdown.wait().await;
        for path in paths {
            // It may have been removed by hand; there is nothing left to do about it.
            drop(std::fs::remove_file(path));
        }
        if let Some(doors) = doors {
            doors.shut();
            engine.shutdown.note_shut();
        }
        engine.shutdown.wait_until_shut().await;
        Ok(())
    };
    runtime.block_on(tasks)
}

/// A seed that differs for every worker and start.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Where the first worker lets clients in.
struct Entrance {
    listeners: Vec<Listener>,
    /// Sockets that CONFIG SET has opened.
    opened: UnboundedReceiver<std::net::TcpListener>,
    doors: Arc<Doors>,
}

async fn accept_opened(mut opened: UnboundedReceiver<std::net::TcpListener>, shared: Rc<Shared>) {
    while let Some(listener) = opened.recv().await {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::task::spawn_local(accept_tcp(listener, shared.clone()))),
            Err(error) => tracing::warn!("Could not listen: {error}"),
        }
    }
}

/// Lets clients in until the socket is shut.
async fn accept_tcp(listener: tokio::net::TcpListener, shared: Rc<Shared>) {
    loop {
        match listener.accept().await.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
            Ok((stream, peer)) => deal(&shared, Arrival::Tcp(stream, peer)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => rest_after(&error).await,
        }
    }
}

async fn accept_unix(listener: tokio::net::UnixListener, path: String, shared: Rc<Shared>) {
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => deal(&shared, Arrival::Unix(stream, path.clone())),
            Err(error) => rest_after(&error).await,
        }
    }
}

fn deal(shared: &Shared, arrival: Arrival) {
    let crew = &shared.berth.crew;
    crew.send(crew.place(Placement::of(&shared.engine.config)), arrival);
}

/// Out of descriptors: complain and let some be closed.
async fn rest_after(error: &io::Error) {
    tracing::warn!("Accepting client connection: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn admit(mut arrivals: UnboundedReceiver<Arrival>, shared: Rc<Shared>) {
    while let Some(arrival) = arrivals.recv().await {
        match arrival {
            Arrival::Tcp(stream, peer) => {
                let keepalive = shared.engine.config.number(Param::TcpKeepalive);
                if let Err(error) = connection::tune(&stream, keepalive) {
                    tracing::debug!("Setting up a connection from {peer}: {error}");
                }
                let origin = Origin::of_tcp(&stream, peer);
                if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                    tokio::task::spawn_local(connection::serve(stream, origin, shared.clone()));
                }
            }
            Arrival::Unix(stream, path) => {
                let origin = Origin::of_unix(&stream, path);
                if let Ok(stream) = tokio::net::UnixStream::from_std(stream) {
                    tokio::task::spawn_local(connection::serve(stream, origin, shared.clone()));
                }
            }
            Arrival::Moved(traveller) => {
                tokio::task::spawn_local(connection::go_on(traveller, shared.clone()));
            }
        }
    }
}

/// The samples from which INFO computes rates.
async fn sample(shared: Rc<Shared>) {
    loop {
        shared.engine.tick(shared.worker.env(&shared.engine).now_ms);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Expiry of this worker's shards, what its scripts and evictions have left behind; on the first worker also what concerns all
/// clients.
async fn periodic(shared: Rc<Shared>, workers: usize) {
    loop {
        let hz = shared.engine.config.number(Param::Hz).max(1) as u64;
        tokio::time::sleep(Duration::from_millis(1000 / hz)).await;
        if shared.engine.is_cron_paused() {
            continue;
        }
        let env = shared.worker.env(&shared.engine);
        let mut more = true;
        while more {
            more = expire_cycle(shared.worker.env(&shared.engine), workers);
            more |= evict_cycle(shared.worker.env(&shared.engine));
            tokio::task::yield_now().await;
        }
        while shared.worker.tidy() {
            tokio::task::yield_now().await;
        }
        if shared.worker.id == 0 {
            look_after_clients(&shared.engine, env.now_ms);
            evict_clients(&shared.engine);
            limit_tracked(env);
        }
    }
}

/// Ends those that were idle for too long, and those that do not read.
fn look_after_clients(engine: &Engine, now_ms: u64) {
    let timeout_ms = engine.config.number(Param::Timeout) as u64 * 1000;
    for client in engine.clients.all() {
        let idle_ms = now_ms.saturating_sub(client.active_ms());
        if timeout_ms > 0 && idle_ms >= timeout_ms && !client.may_idle() {
            client.kill();
        }
        client.check_soft_limit(now_ms);
    }
}
