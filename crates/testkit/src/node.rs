//! A server on one thread, without a socket, and its clients.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use perigee_commands::config::{self, Config};
use perigee_commands::scripts::ScriptHost;
use perigee_commands::{Client, Engine, Env, Flow, Footprint, Process, Session, Txn, Worker};
use perigee_resp::{Encoder, Limits, Parsed, Protocol, RequestParser, Value, decode, encode_request};

use crate::clock::ManualClock;
use crate::connection::Connection;

/// The way that a request takes to the engine and its reply takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The arguments are handed to a session.
    Direct,
    /// The request is parsed from bytes that come in two parts; the reply's bytes are RESP2.
    Resp2,
    /// The same in RESP3.
    Resp3,
    /// A script calls the command with `redis.pcall` and returns its reply.
    Script,
}

impl Face {
    /// Every face. The first is the one that the others are compared with.
    pub const ALL: [Face; 4] = [Face::Direct, Face::Resp2, Face::Resp3, Face::Script];

    /// As transcripts name it.
    pub fn name(self) -> &'static str {
        match self {
            Face::Direct => "direct",
            Face::Resp2 => "resp2",
            Face::Resp3 => "resp3",
            Face::Script => "script",
        }
    }
}

/// A server with one worker. Its chances are seeded, its time is set by hand.
pub struct Node {
    engine: Arc<Engine>,
    worker: Worker,
    clock: ManualClock,
    woken: Arc<Woken>,
}

impl Node {
    /// An empty server with these parameters, and the script host that is made for it; its clock stands at
    /// 1,000,000,000 s.
    ///
    /// # Panics
    /// If a parameter is unknown or refuses its value.
    pub fn new(
        parameters: &[(&str, &str)],
        make_host: impl FnOnce(&Arc<Engine>) -> Option<Box<dyn ScriptHost>>,
    ) -> Self {
        Node::in_process(parameters, Process::default(), make_host)
    }

    /// The same in a process of which it knows this.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn in_process(
        parameters: &[(&str, &str)],
        process: Process,
        make_host: impl FnOnce(&Arc<Engine>) -> Option<Box<dyn ScriptHost>>,
    ) -> Self {
        let config = Config::default();
        for (name, value) in parameters {
            let at = config::find(name).unwrap_or_else(|| panic!("no parameter is called {name}"));
            assert!(config.set(at, &[value]).is_ok(), "{name} {value}");
        }
        Node::serving(Engine::new(config, process, &[]), make_host)
    }

    /// One that has been made ready, without scripts.
    pub fn with_engine(engine: Arc<Engine>) -> Self {
        Node::serving(engine, |_| None)
    }

    fn serving(
        engine: Arc<Engine>,
        make_host: impl FnOnce(&Arc<Engine>) -> Option<Box<dyn ScriptHost>>,
    ) -> Self {
        let clock = ManualClock::at_ms(1_000_000_000_000);
        let host = make_host(&engine);
        let worker = Worker::new(&engine, 0, 1, Box::new(clock.clone()), Box::new(clock.clone()), host);
        Node { engine, worker, clock, woken: Arc::default() }
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// What all its workers share.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Takes the shard of a key, as another worker's transaction does.
    ///
    /// # Panics
    /// If somebody else holds it.
    pub fn hold(&self, key: &str) -> Txn<'_> {
        let footprint = Footprint::One(self.engine.keyspace.shard_of(key.as_bytes()));
        self.engine.keyspace.try_begin(&footprint, self.env().now_ms).expect("a free shard")
    }

    /// A new client that goes on when it is told.
    pub fn connect(&self) -> Connection<'_> {
        let (client, session) = self.introduce();
        Connection::new(self, client, session)
    }

    /// A request on a connection of its own, to its end: see [`Connection::call`].
    pub fn call(&self, request: &[&str]) -> String {
        self.connect().call(request)
    }

    /// A new client that goes on when all do, with [`Node::settle`].
    pub fn peer(&self, face: Face) -> Peer<'_> {
        let (client, session) = self.introduce();
        let line = Rc::new(Line::default());
        let task = Box::pin(self.converse(session, face, line.clone()));
        let mut peer = Peer { task, client, line, face };
        if face == Face::Resp3 {
            peer.send(vec![b"HELLO".to_vec(), b"3".to_vec()]);
            self.settle([&mut peer]);
            peer.receive();
        }
        peer
    }

    /// Lets all clients go on until each has to wait for something from outside.
    ///
    /// # Panics
    /// If they do not come to rest.
    pub fn settle<'p, 'n: 'p>(&self, peers: impl IntoIterator<Item = &'p mut Peer<'n>>) {
        let mut peers: Vec<_> = peers.into_iter().collect();
        let waker = Waker::from(self.woken.clone());
        for _ in 0..100_000 {
            peers.iter_mut().for_each(|peer| peer.advance(&waker));
            if !self.woken.take() {
                return;
            }
        }
        panic!("the clients keep each other busy for ever");
    }

    pub(crate) fn env(&self) -> Env<'_> {
        self.worker.env(&self.engine)
    }

    fn introduce(&self) -> (Arc<Client>, Session) {
        let address = "127.0.0.1:1".to_owned();
        let client = self.engine.clients.connect(address.clone(), address, -1, self.env().now_ms);
        let session = Session::new(self.env(), client.clone());
        (client, session)
    }

    async fn converse(&self, mut session: Session, face: Face, line: Rc<Line>) {
        let mut out = Encoder::new(Protocol::Resp2);
        while !session.is_closing() {
            let words = line.next().await;
            let words = if face == Face::Script { in_script(words) } else { words };
            let request = match face {
                Face::Direct | Face::Script => words,
                Face::Resp2 | Face::Resp3 => over_the_wire(&words),
            };
            let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            let env = self.env();
            if let Flow::Wait(suspended) = session.dispatch(env, &args, &mut out) {
                let mut suspended = session.finish(env, suspended, &mut out).await;
                // A debugger's conversation: what it has said goes out, what the client says comes in.
                while let Some(asking) = suspended {
                    line.outbox.borrow_mut().append(&mut out.take());
                    let words = line.next().await;
                    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    suspended = match session.tell(self.env(), asking, &words, &mut out) {
                        Flow::Done => None,
                        Flow::Wait(next) => session.finish(self.env(), next, &mut out).await,
                    };
                }
            }
            line.outbox.borrow_mut().append(&mut out.take());
        }
        session.close(self.env()).await;
        line.closed.set(true);
    }
}

/// A client of a [`Node`] that meets it through a [`Face`] and goes on with all others.
pub struct Peer<'n> {
    task: Pin<Box<dyn Future<Output = ()> + 'n>>,
    client: Arc<Client>,
    line: Rc<Line>,
    face: Face,
}

impl Peer<'_> {
    /// Sends a request; [`Node::settle`] has it run.
    pub fn send(&self, request: Vec<Vec<u8>>) {
        self.line.inbox.borrow_mut().push_back(request);
    }

    /// Takes the replies and messages that have come.
    ///
    /// # Panics
    /// If they are not well-formed, or not written as an encoder writes them.
    pub fn receive(&self) -> Vec<Value> {
        let bytes = self.line.outbox.take();
        let protocol = self.client.protocol();
        let (mut values, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let decoded = decode(&bytes[at..])
                .unwrap_or_else(|error| panic!("{:?}: {error} in {}", self.face, bytes[at..].escape_ascii()));
            let (value, len) = decoded.expect("replies are complete");
            let mut again = Encoder::new(protocol);
            value.reply_to(&mut again);
            let [written, again] = [&bytes[at..at + len], again.out()].map(<[u8]>::escape_ascii);
            assert_eq!(written.to_string(), again.to_string(), "a reply is encoded in one way");
            values.push(value);
            at += len;
        }
        values
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.line.closed.get()
    }

    fn advance(&mut self, waker: &Waker) {
        let mut context = Context::from_waker(waker);
        if !self.is_closed() {
            let _ = self.task.as_mut().poll(&mut context);
        }
        self.client.mailbox.register(&context);
        self.client.mailbox.drain(|message| self.line.outbox.borrow_mut().extend_from_slice(&message));
    }
}

/// What lies between a client and its session.
#[derive(Default)]
struct Line {
    inbox: RefCell<VecDeque<Vec<Vec<u8>>>>,
    outbox: RefCell<Vec<u8>>,
    closed: Cell<bool>,
}

impl Line {
    async fn next(&self) -> Vec<Vec<u8>> {
        poll_fn(|_| match self.inbox.borrow_mut().pop_front() {
            Some(request) => Poll::Ready(request),
            None => Poll::Pending,
        })
        .await
    }
}

fn in_script(words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let script: [&[u8]; 3] = [b"EVAL", b"return redis.pcall(unpack(ARGV))", b"0"];
    script.into_iter().map(<[u8]>::to_vec).chain(words).collect()
}

/// The request as a parser finds it, half of it at first.
fn over_the_wire(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    encode_request(&mut bytes, words);
    let (mut parser, limits) = (RequestParser::new(), Limits::default());
    assert_eq!(parser.parse(&bytes[..bytes.len() / 2], &limits), Ok(Parsed::Incomplete));
    assert_eq!(parser.parse(&bytes, &limits), Ok(Parsed::Request { consumed: bytes.len() }));
    parser.args(&bytes).map(<[u8]>::to_vec).collect()
}

/// Whether somebody is to go on.
#[derive(Default)]
pub(crate) struct Woken(AtomicBool);

impl Woken {
    /// Whether it was woken since somebody asked.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
