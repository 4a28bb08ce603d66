//! Blocked clients that cannot be served at once, since the command needs a shard that somebody else holds.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use perigee_commands::config::Config;
use perigee_commands::{Clock, Engine, Flow, Footprint, Process, Session, Sleep, Timer, Txn, Worker};
use perigee_resp::{Encoder, Protocol};

#[test]
fn nobody_overtakes_a_waiter_that_could_not_be_served_at_once() {
    let server = Server::new();
    let mut mover = server.client("BLMOVE source destination LEFT RIGHT 0");
    let mut popper = server.client("BLPOP source 0");
    assert_eq!((mover.answer(), popper.answer()), (None, None));
    let taken = server.hold("destination");
    assert_eq!(server.client("RPUSH source a b").answer(), Some(":2\r\n".into()));
    assert_eq!((mover.answer(), popper.answer()), (None, None));
    drop(taken);
    assert_eq!(mover.answer(), Some("$1\r\na\r\n".into()));
    assert_eq!(popper.answer(), Some("*2\r\n$6\r\nsource\r\n$1\r\nb\r\n".into()));
}

#[test]
fn a_waiter_that_came_too_late_waits_on_until_its_first_deadline() {
    let server = Server::new();
    let mut mover = server.client("BLMOVE source destination LEFT RIGHT 1");
    assert_eq!(mover.answer(), None);
    let taken = server.hold("destination");
    server.client("RPUSH source a").answer();
    server.client("LPOP source").answer();
    server.now_ms.set(server.now_ms.get() + 600);
    drop(taken);
    assert_eq!(mover.answer(), None);
    server.now_ms.set(server.now_ms.get() + 399);
    assert_eq!(mover.answer(), None);
    server.now_ms.set(server.now_ms.get() + 1);
    assert_eq!(mover.answer(), Some("*-1\r\n".into()));
}

#[test]
fn a_waiter_whose_turn_it_is_may_leave() {
    let server = Server::new();
    let mut mover = server.client("BLMOVE source destination LEFT RIGHT 0");
    let mut popper = server.client("BLPOP source 0");
    assert_eq!((mover.answer(), popper.answer()), (None, None));
    let taken = server.hold("destination");
    server.client("RPUSH source a").answer();
    assert_eq!(popper.answer(), None);
    mover.leave();
    assert_eq!(popper.answer(), Some("*2\r\n$6\r\nsource\r\n$1\r\na\r\n".into()));
    drop(taken);
    assert_eq!(server.client("RPUSH source b").answer(), Some(":1\r\n".into()));
    assert_eq!(server.client("LLEN source").answer(), Some(":1\r\n".into()));
}

#[test]
fn a_waiter_on_several_keys_leaves_all_their_queues() {
    let server = Server::new();
    let mut both = server.client("BLPOP source destination 0");
    assert_eq!(both.answer(), None);
    let taken = server.hold("source");
    server.client("RPUSH destination a").answer();
    assert_eq!(both.answer(), None, "it is served, and waits to leave the other queue");
    drop(taken);
    assert_eq!(both.answer(), Some("*2\r\n$11\r\ndestination\r\n$1\r\na\r\n".into()));
    server.client("RPUSH source b").answer();
    assert_eq!(server.client("LLEN source").answer(), Some(":1\r\n".into()));
}

/// A server on one thread, with a clock that is set by hand.
struct Server {
    engine: Arc<Engine>,
    worker: Worker,
    now_ms: Rc<Cell<u64>>,
}

impl Server {
    fn new() -> Self {
        let engine = Engine::new(Config::default(), Process::default(), &[]);
        let now_ms = Rc::new(Cell::new(1_000_000));
        let clock = Box::new(ByHand(now_ms.clone()));
        let timer = Box::new(ByHand(now_ms.clone()));
        let worker = Worker::new(&engine, 0, 1, clock, timer, None);
        assert_ne!(engine.keyspace.shard_of(b"source"), engine.keyspace.shard_of(b"destination"));
        Server { engine, worker, now_ms }
    }

    fn hold(&self, key: &str) -> Txn<'_> {
        let shard = self.engine.keyspace.shard_of(key.as_bytes());
        self.engine.keyspace.try_begin(&Footprint::One(shard), self.now_ms.get()).unwrap()
    }

    fn client(&self, request: &'static str) -> Client<'_> {
        let answer = Rc::new(RefCell::new(None));
        let leaving = Rc::new(Cell::new(false));
        let run = Box::pin(self.run(request, answer.clone(), leaving.clone()));
        Client { run, answer, leaving }
    }

    async fn run(&self, request: &str, answer: Rc<RefCell<Option<String>>>, leaving: Rc<Cell<bool>>) {
        let env = self.worker.env(&self.engine);
        let client = self.engine.clients.connect(String::new(), String::new(), 0, env.now_ms);
        let mut session = Session::new(env, client);
        let mut out = Encoder::new(Protocol::Resp2);
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        if let Flow::Wait(suspended) = session.dispatch(env, &args, &mut out) {
            {
                let mut finish = pin!(session.finish(env, suspended, &mut out));
                poll_fn(
                    |context| {
                        if leaving.get() { Poll::Ready(()) } else { finish.as_mut().poll(context) }
                    },
                )
                .await;
            }
            if leaving.get() {
                session.close(env).await;
            }
        }
        *answer.borrow_mut() = Some(String::from_utf8(out.take()).unwrap());
    }
}

struct Client<'s> {
    run: Pin<Box<dyn Future<Output = ()> + 's>>,
    answer: Rc<RefCell<Option<String>>>,
    leaving: Rc<Cell<bool>>,
}

impl Client<'_> {
    /// Lets the client go on as far as it can, and takes its answer if it has one.
    fn answer(&mut self) -> Option<String> {
        if self.answer.borrow().is_none() {
            let _ = self.run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        self.answer.borrow().clone()
    }

    fn leave(&mut self) {
        self.leaving.set(true);
        self.answer();
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
    fn yield_now(&self) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}
