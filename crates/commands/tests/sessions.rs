//! Conversations: what a session keeps, what others see of it, and how one acts on another.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use perigee_commands::config::{Config, PARAMETERS};
use perigee_commands::{Client, Clock, Engine, Flow, Process, Session, Sleep, Timer, Worker};
use perigee_resp::Encoder;

#[test]
fn hello_changes_the_protocol_of_its_own_reply() {
    let server = Server::new();
    let one = server.connect();
    assert!(one.ask("HELLO 3").starts_with("%7\r\n"));
    assert_eq!(one.ask("GET missing"), "_\r\n");
    assert_eq!(one.ask("RESET"), "+RESET\r\n");
    assert_eq!(one.ask("GET missing"), "$-1\r\n");
    assert_eq!(one.ask("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
}

#[test]
fn repeats_that_would_fill_the_memory_are_refused() {
    let server = Server::new();
    let one = server.connect();
    one.ask("SADD set member");
    one.ask("HSET hash field value");
    one.ask("ZADD zset 1 member");
    for request in ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"] {
        let many = one.ask(&format!("{request} -100000"));
        assert!(many.starts_with("*100000\r\n"), "{request}");
        for count in ["-100000000", "-4611686018427387903", "-9223372036854775807"] {
            let refused = one.ask(&format!("{request} {count}"));
            assert_eq!(refused, "-ERR value is out of range\r\n", "{request} {count}");
        }
    }
    let with_values = one.ask("HRANDFIELD hash -40000000 WITHVALUES");
    assert_eq!(with_values, "-ERR value is out of range\r\n");
}

#[test]
fn a_password_is_asked_of_those_who_come_after_it() {
    let server = Server::new();
    let early = server.connect();
    assert_eq!(early.ask("CONFIG SET requirepass secret"), "+OK\r\n");
    assert_eq!(early.ask("PING"), "+PONG\r\n");
    let late = server.connect();
    assert_eq!(late.ask("PING"), "-NOAUTH Authentication required.\r\n");
    assert!(late.ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(late.ask("AUTH wrong").starts_with("-WRONGPASS"));
    assert!(late.ask("HELLO 2 AUTH default secret SETNAME late").starts_with("*14\r\n"));
    assert_eq!(late.ask("CLIENT GETNAME"), "$4\r\nlate\r\n");
    late.ask("RESET");
    assert_eq!(late.ask("PING"), "-NOAUTH Authentication required.\r\n");
    early.ask("CONFIG SET requirepass ");
    assert_eq!(late.ask("PING"), "+PONG\r\n");
}

#[test]
fn unwanted_replies_are_withheld_refusals_too() {
    let server = Server::new();
    let one = server.connect();
    assert_eq!(one.ask("CLIENT REPLY SKIP"), "");
    assert_eq!(one.ask("nosuch"), "");
    assert_eq!(one.ask("PING"), "+PONG\r\n");
    assert_eq!(one.ask("CLIENT REPLY OFF"), "");
    for request in ["GET", "PING", "MULTI", "PING", "EXEC", "CLIENT REPLY SKIP", "PING"] {
        assert_eq!(one.ask(request), "", "{request}");
    }
    assert_eq!(one.ask("CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(one.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_refused_exec_gives_up_its_transaction() {
    let server = Server::new();
    let one = server.connect();
    one.ask("MULTI");
    one.ask("SET key value");
    assert_eq!(
        one.ask("EXEC now"),
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    );
    assert_eq!(one.ask("EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(one.ask("GET key"), "$-1\r\n");
}

#[test]
fn a_pause_holds_writes_until_it_is_over() {
    let server = Server::new();
    let (operator, writer, queuer) = (server.connect(), server.connect(), server.connect());
    queuer.ask("MULTI");
    queuer.ask("INCR counter");
    assert_eq!(operator.ask("CLIENT PAUSE 1000 WRITE"), "+OK\r\n");
    assert_eq!(operator.ask("GET counter"), "$-1\r\n");
    let requests = [writer.start("INCR counter"), queuer.start("EXEC")];
    let mut waiting = requests.map(Box::pin);
    assert!(waiting.iter_mut().all(|request| poll(request.as_mut()).is_pending()));
    assert!(operator.ask("CLIENT LIST").contains("flags=b "));
    server.now_ms.set(server.now_ms.get() + 999);
    assert!(waiting.iter_mut().all(|request| poll(request.as_mut()).is_pending()));
    server.now_ms.set(server.now_ms.get() + 1);
    let answers = waiting.map(|mut request| poll(request.as_mut()));
    assert_eq!(answers, [":1\r\n", "*1\r\n:2\r\n"].map(|answer| Poll::Ready(answer.to_owned())));
}

#[test]
fn a_pause_can_be_ended() {
    let server = Server::new();
    let (operator, writer) = (server.connect(), server.connect());
    operator.ask("CLIENT PAUSE 100000 WRITE");
    let mut waiting = Box::pin(writer.start("INCR counter"));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(operator.ask("CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(poll(waiting.as_mut()), Poll::Ready(":1\r\n".to_owned()));
}

#[test]
fn killing() {
    let server = Server::new();
    let (one, two) = (server.connect(), server.connect());
    two.ask("SUBSCRIBE news");
    assert_eq!(one.ask("CLIENT KILL TYPE pubsub"), ":1\r\n");
    assert!(two.client.is_killed());
    assert_eq!(one.ask("CLIENT KILL ID 1 SKIPME yes"), ":0\r\n");
    assert_eq!(one.ask("CLIENT KILL MAXAGE 5 SKIPME no"), ":0\r\n");
    server.now_ms.set(server.now_ms.get() + 5000);
    assert_eq!(one.ask("CLIENT KILL ID 1 MAXAGE 5 SKIPME no"), ":1\r\n");
    assert!(one.session.borrow().is_closing() && !one.client.is_killed());
}

#[test]
fn monitors_see_transactions_in_order_and_no_passwords() {
    let server = Server::new();
    let (watcher, one) = (server.connect(), server.connect());
    assert_eq!(watcher.ask("MONITOR"), "+OK\r\n");
    assert_eq!(watcher.ask("MONITOR"), "", "a second one is not answered");
    for request in ["MULTI", "SET key value", "EXEC", "AUTH default secret", "CONFIG SET hz 20"] {
        one.ask(request);
    }
    let mut seen = Vec::new();
    watcher.client.mailbox.drain(|line| {
        let line = String::from_utf8(line.to_vec()).unwrap();
        seen.push(line.split_once("] ").unwrap().1.trim_end().to_owned());
    });
    let expected =
        [r#""MULTI""#, r#""SET" "key" "value""#, r#""exec""#, r#""AUTH" "(redacted)" "(redacted)""#];
    assert_eq!(seen, expected);
}

#[test]
fn a_client_that_touches_nothing_leaves_access_times() {
    let server = Server::new();
    let one = server.connect();
    one.ask("SET key value");
    server.now_ms.set(server.now_ms.get() + 60_000);
    one.ask("CLIENT NO-TOUCH ON");
    one.ask("GET key");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":60\r\n");
    one.ask("TOUCH key");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":0\r\n");
}

#[test]
fn configuration_takes_effect_or_stays() {
    let server = Server::new();
    let one = server.connect();
    let heard: Arc<Mutex<Vec<&str>>> = Arc::default();
    let ears = heard.clone();
    server.engine.config.observe(move |_, at| ears.lock().unwrap().push(PARAMETERS[at].name));
    assert_eq!(one.ask("CONFIG SET hash-max-listpack-entries 1 loglevel debug"), "+OK\r\n");
    assert_eq!(*heard.lock().unwrap(), ["hash-max-listpack-entries", "loglevel"]);
    one.ask("HSET hash a 1 b 2");
    assert_eq!(one.ask("OBJECT ENCODING hash"), "$9\r\nhashtable\r\n");
    assert_eq!(
        one.ask("CONFIG SET hz 50 maxclients none"),
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer\r\n"
    );
    assert_eq!(one.ask("CONFIG GET HZ"), "*2\r\n$2\r\nHZ\r\n$2\r\n10\r\n");
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[test]
fn info_counts_keys_and_commands() {
    let server = Server::new();
    let one = server.connect();
    for request in ["SET a 1 PX 500", "SET b 1", "GET a", "GET none", "GET", "SELECT 3", "SET c 1"] {
        one.ask(request);
    }
    let info = one.ask("INFO all");
    for line in [
        "redis_version:7.2.4",
        "connected_clients:1",
        "keyspace_hits:1",
        "keyspace_misses:1",
        "errorstat_ERR:count=1",
        "db0:keys=2,expires=1,avg_ttl=500",
        "db3:keys=1,expires=0,avg_ttl=0",
    ] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "{line}\n{info}");
    }
    assert!(info.contains("cmdstat_get:calls=2,"));
    assert_eq!(one.ask("INFO nosuch"), "$0\r\n\r\n");
}

/// A server on one thread, with a clock that is set by hand.
struct Server {
    engine: Arc<Engine>,
    worker: Worker,
    now_ms: Rc<Cell<u64>>,
}

/// A client that stays.
struct Talk<'s> {
    server: &'s Server,
    client: Arc<Client>,
    session: RefCell<Session>,
}

impl Server {
    fn new() -> Self {
        let engine = Engine::new(Config::default(), Process::default(), &[]);
        let now_ms = Rc::new(Cell::new(1_000_000));
        let (clock, timer) = (Box::new(ByHand(now_ms.clone())), Box::new(ByHand(now_ms.clone())));
        let worker = Worker::new(&engine, 0, 1, clock, timer, None);
        Server { engine, worker, now_ms }
    }

    fn connect(&self) -> Talk<'_> {
        let env = self.worker.env(&self.engine);
        let client = self.engine.clients.connect("127.0.0.1:1".into(), String::new(), 0, env.now_ms);
        let session = RefCell::new(Session::new(env, client.clone()));
        Talk { server: self, client, session }
    }
}

impl Talk<'_> {
    /// The answer to a request that needs no waiting. Words are apart by single spaces; one at the end means an empty word.
    #[track_caller]
    fn ask(&self, request: &str) -> String {
        match poll(pin!(self.start(request))) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("{request} waits"),
        }
    }

    #[allow(clippy::await_holding_refcell_ref)]
    async fn start(&self, request: &str) -> String {
        let mut session = self.session.borrow_mut();
        let env = self.server.worker.env(&self.server.engine);
        let mut out = Encoder::new(session.protocol());
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        if let Flow::Wait(suspended) = session.dispatch(env, &args, &mut out) {
            session.finish(env, suspended, &mut out).await;
        }
        String::from_utf8(out.take()).unwrap()
    }
}

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
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
    fn sleep_ms(&self, ms: u64) -> Sleep {
        let (now_ms, until) = (self.0.clone(), self.0.get() + ms);
        Box::pin(poll_fn(move |_| if now_ms.get() >= until { Poll::Ready(()) } else { Poll::Pending }))
    }
    fn yield_now(&self) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}
