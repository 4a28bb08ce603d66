//! The engine with its scripts inside a program: no socket, no runtime. `cargo run -p perigee-scripting --example embed`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own, with its own clock"
)]

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use perigee_commands::config::Config;
use perigee_commands::{Clock, Engine, Flow, Process, Session, Sleep, Timer, Worker};
use perigee_resp::{Encoder, Protocol};
use perigee_scripting::LuaHost;

fn main() {
    let engine = Engine::new(Config::default(), Process::default(), &[]);
    let host = LuaHost::boxed(&engine, 0);
    let worker =
        Worker::new(&engine, 0, 1, Box::new(Host(Instant::now())), Box::new(Host(Instant::now())), host);
    let env = worker.env(&engine);
    let client = engine.clients.connect("embedded".into(), String::new(), 0, env.now_ms);
    let mut session = Session::new(env, client);
    for request in [
        &["SET", "balance", "100"][..],
        &["EVAL", "return redis.call('incrby', KEYS[1], ARGV[1])", "1", "balance", "-30"],
        &["GET", "balance"],
    ] {
        let args: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        let (env, mut out) = (worker.env(&engine), Encoder::new(Protocol::Resp2));
        if let Flow::Wait(suspended) = session.dispatch(env, &args, &mut out) {
            let mut rest = pin!(session.finish(env, suspended, &mut out));
            while rest.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        }
        println!("{request:?} -> {}", out.take().escape_ascii());
    }
}

/// What the host provides: the time, and ways to wait.
struct Host(Instant);

impl Clock for Host {
    fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }
    fn now_us(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
    }
    fn ticks_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

impl Timer for Host {
    fn sleep_ms(&self, ms: u64) -> Sleep {
        Box::pin(async move { std::thread::sleep(Duration::from_millis(ms)) })
    }
    fn yield_now(&self) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}
