//! What subscribers hear of keys, and in which order.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use perigee_commands::config::{Config, find};
use perigee_commands::{Client, Clock, Engine, Flow, Process, Session, Sleep, Timer, Worker};
use perigee_resp::Encoder;

#[test]
fn a_key_expires_before_it_is_given_a_new_value() {
    for (request, events) in [
        ("SET key new", &["expired key", "set key"][..]),
        ("APPEND key new", &["expired key", "append key"]),
        ("RENAME other key", &["expired key", "rename_from other", "rename_to key"]),
        ("DEL key", &["expired key"]),
        ("GET key", &["expired key"]),
        ("SCAN 0 COUNT 100", &["expired key"]),
        ("DBSIZE", &[]),
    ] {
        let server = Server::new();
        server.events("SET other value");
        assert_eq!(server.events("PSETEX key 10 old"), ["set key", "expire key"]);
        server.now_ms.set(server.now_ms.get() + 10);
        assert_eq!(server.events(request), events, "{request}");
    }
}

#[test]
fn what_changes_nothing_is_not_told() {
    let server = Server::new();
    server.events("SET key value");
    for request in
        ["SETNX key other", "PERSIST key", "SETBIT key 0 0", "EXPIRE key 10 XX", "COPY key key DB 0"]
    {
        assert!(server.events(request).is_empty(), "{request}");
    }
    assert_eq!(server.events("SETBIT key 0 1"), ["setbit key"]);
    assert_eq!(server.events("EXPIREAT key 1"), ["del key"]);
}

/// A server on one thread, with a clock that is set by hand and a listener to all events.
struct Server {
    engine: Arc<Engine>,
    worker: Worker,
    now_ms: Rc<Cell<u64>>,
    listener: Arc<Client>,
}

impl Server {
    fn new() -> Self {
        let config = Config::default();
        config.set(find("notify-keyspace-events").unwrap(), &["EA"]).unwrap();
        let engine = Engine::new(config, Process::default(), &[]);
        let now_ms = Rc::new(Cell::new(1_000_000));
        let (clock, timer) = (Box::new(ByHand(now_ms.clone())), Box::new(ByHand(now_ms.clone())));
        let worker = Worker::new(&engine, 0, 1, clock, timer, None);
        let listener = engine.clients.connect(String::new(), String::new(), 0, 0);
        let server = Server { engine, worker, now_ms, listener };
        server.run(server.listener.clone(), "PSUBSCRIBE __keyevent@0__:*");
        server
    }

    /// Runs a request and answers what was told meanwhile: event and key.
    fn events(&self, request: &str) -> Vec<String> {
        self.run(self.engine.clients.connect(String::new(), String::new(), 0, 0), request);
        let mut events = Vec::new();
        self.listener.mailbox.drain(|message| {
            let message = String::from_utf8(message.to_vec()).unwrap();
            let mut lines = message.split("\r\n").filter_map(|line| line.strip_prefix("__keyevent@0__:"));
            let (_, key) = message.trim_end().rsplit_once("\r\n").unwrap();
            events.extend(lines.find(|event| *event != "*").map(|event| format!("{event} {key}")));
        });
        events
    }

    fn run(&self, client: Arc<Client>, request: &str) {
        let env = self.worker.env(&self.engine);
        let mut session = Session::new(env, client);
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let flow = session.dispatch(env, &args, &mut Encoder::default());
        assert!(matches!(flow, Flow::Done), "nobody is in the way");
    }
}

struct ByHand(Rc<Cell<u64>>);

impl Clock for ByHand {
    fn now_ms(&self) -> u64 {
        self.0.get()
    }
    fn now_us(&self) -> u64 {
        self.0.get() * 1000
    }
    fn ticks_ns(&self) -> u64 {
        self.0.get() * 1_000_000
    }
}

impl Timer for ByHand {
    fn sleep_ms(&self, _: u64) -> Sleep {
        Box::pin(std::future::pending())
    }
    fn yield_now(&self) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}
