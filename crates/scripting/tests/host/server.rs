//! A server on one thread without a socket, with a clock that is set by hand, on which clients go on when they are told.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use perigee_commands::config::{self, Config};
use perigee_commands::{
    Client, Clock, Engine, Env, Flow, Footprint, Process, Session, Sleep, Timer, Txn, Worker,
};
use perigee_resp::{Encoder, Protocol};
use perigee_scripting::LuaHost;

pub(crate) struct Server {
    pub(crate) engine: Arc<Engine>,
    worker: Worker,
    host: LuaHost,
    now_ms: Rc<Cell<u64>>,
}

impl Server {
    /// A server with these settings.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let config = Config::default();
        for (name, value) in settings {
            let at = config::find(name).expect("a known setting");
            assert!(config.set(at, &[value]).is_ok(), "{name} {value}");
        }
        let engine = Engine::new(config, Process::default(), &[]);
        let now_ms = Rc::new(Cell::new(1_700_000_000_000));
        let host = LuaHost::new(&engine);
        let clock = Box::new(ByHand(now_ms.clone()));
        let timer = Box::new(ByHand(now_ms.clone()));
        let worker = Worker::new(&engine, 0, 1, clock, timer, Some(Box::new(host.clone())));
        Server { engine, worker, host, now_ms }
    }

    /// Moves the clock.
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// Bytes that the worker's VM uses.
    pub(crate) fn used_bytes(&self) -> usize {
        self.host.used_bytes()
    }

    /// Takes the shard of a key, as another worker's transaction does.
    pub(crate) fn hold(&self, key: &str) -> Txn<'_> {
        let shard = self.engine.keyspace.shard_of(key.as_bytes());
        self.engine.keyspace.try_begin(&Footprint::One(shard), self.now_ms.get()).expect("a free shard")
    }

    pub(crate) fn connect(&self) -> Connection<'_> {
        let env = self.env();
        let client = self.engine.clients.connect(String::new(), String::new(), 0, env.now_ms);
        let session = Rc::new(RefCell::new(Some(Session::new(env, client.clone()))));
        Connection { server: self, client, session }
    }

    /// A request on a connection of its own, to its end.
    pub(crate) fn call(&self, request: &[&str]) -> String {
        self.connect().call(request)
    }

    pub(crate) fn eval(&self, script: &str) -> String {
        self.call(&["EVAL", script, "0"])
    }

    fn env(&self) -> Env<'_> {
        self.worker.env(&self.engine)
    }
}

pub(crate) struct Connection<'s> {
    server: &'s Server,
    client: Arc<Client>,
    /// Taken while a request is under way.
    session: Rc<RefCell<Option<Session>>>,
}

impl<'s> Connection<'s> {
    /// Sends a request and lets it go on to its end.
    pub(crate) fn call(&self, request: &[&str]) -> String {
        let mut pending = self.send(request);
        for _ in 0..100_000 {
            if let Some(answer) = pending.go_on() {
                return answer;
            }
        }
        panic!("no end of {request:?}");
    }

    /// Sends a request, which begins when it is told to go on.
    pub(crate) fn send(&self, request: &[&str]) -> Pending<'s> {
        let args: Vec<String> = request.iter().map(|word| (*word).to_owned()).collect();
        let (server, session) = (self.server, self.session.clone());
        Pending(Box::pin(async move {
            let mut own = session.take().expect("one request at a time");
            let mut out = Encoder::new(Protocol::Resp2);
            let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
            if let Flow::Wait(suspended) = own.dispatch(server.env(), &args, &mut out) {
                own.finish(server.env(), suspended, &mut out).await;
            }
            session.replace(Some(own));
            String::from_utf8_lossy(&out.take()).into_owned()
        }))
    }

    /// Messages that have come without a request.
    pub(crate) fn messages(&self) -> String {
        let mut text = String::new();
        self.client.mailbox.drain(|message| text.push_str(&String::from_utf8_lossy(&message)));
        text
    }
}

pub(crate) struct Pending<'s>(Pin<Box<dyn Future<Output = String> + 's>>);

impl Pending<'_> {
    /// Goes on for a slice, or as far as it can without waiting; the answer, if that was the end. Not to be called after it.
    pub(crate) fn go_on(&mut self) -> Option<String> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// Goes on so many slices, none of which may be the last.
    pub(crate) fn slices(&mut self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.go_on(), None, "it has ended");
        }
    }

    pub(crate) fn finish(mut self) -> String {
        loop {
            if let Some(answer) = self.go_on() {
                return answer;
            }
        }
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
    fn sleep_ms(&self, ms: u64) -> Sleep {
        let (now_ms, until) = (self.0.clone(), self.0.get() + ms);
        Box::pin(poll_fn(move |_| if now_ms.get() >= until { Poll::Ready(()) } else { Poll::Pending }))
    }

    /// One turn of the others.
    fn yield_now(&self) -> Sleep {
        let mut asked = false;
        Box::pin(poll_fn(
            move |_| {
                if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }
            },
        ))
    }
}
