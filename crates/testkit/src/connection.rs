//! A client whose requests go on when they are told, a step at a time.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use perigee_commands::{Client, Flow, Session};
use perigee_resp::Encoder;

use crate::node::{Node, Woken};

/// A client of a [`Node`] that has one request under way at a time.
pub struct Connection<'n> {
    node: &'n Node,
    client: Arc<Client>,
    session: Rc<RefCell<Session>>,
}

impl<'n> Connection<'n> {
    pub(crate) fn new(node: &'n Node, client: Arc<Client>, session: Session) -> Self {
        Connection { node, client, session: Rc::new(RefCell::new(session)) }
    }

    /// The reply to a request that does not wait, as bytes on the wire. Words are apart by single spaces; one at the end
    /// means an empty word.
    ///
    /// # Panics
    /// If the request waits.
    #[track_caller]
    pub fn ask(&self, request: &str) -> String {
        let words: Vec<&str> = request.split(' ').collect();
        self.send(&words).settle().unwrap_or_else(|| panic!("{request} waits"))
    }

    /// Sends a request and lets it go on to its end; its reply as bytes on the wire.
    ///
    /// # Panics
    /// If it does not end.
    #[track_caller]
    pub fn call(&self, request: &[&str]) -> String {
        let mut pending = self.send(request);
        let answer = (0..100_000).find_map(|_| pending.go_on());
        answer.unwrap_or_else(|| panic!("no end of {request:?}"))
    }

    /// Sends a request, which begins when it is told to go on.
    pub fn send(&self, request: &[&str]) -> Pending<'n> {
        let words = request.iter().map(|word| (*word).to_owned()).collect();
        let task = Box::pin(run(self.node, self.session.clone(), words));
        Pending { task, node: self.node, session: self.session.clone() }
    }

    /// Takes the messages that have come without a request.
    pub fn messages(&self) -> Vec<String> {
        let mut messages = Vec::new();
        self.client.mailbox.drain(|message| messages.push(String::from_utf8_lossy(&message).into_owned()));
        messages
    }

    /// Whether another client has killed this one.
    pub fn is_killed(&self) -> bool {
        self.client.is_killed()
    }

    /// Whether the connection is closed after what it has been answered. Not to be called while a request is under way.
    pub fn is_closing(&self) -> bool {
        self.session.borrow().is_closing()
    }
}

/// A request of a [`Connection`] that is under way.
pub struct Pending<'n> {
    task: Pin<Box<dyn Future<Output = String> + 'n>>,
    node: &'n Node,
    session: Rc<RefCell<Session>>,
}

impl Pending<'_> {
    /// Goes on for a slice, or as far as it can without waiting; the reply, if that was the end. Not to be called after it.
    pub fn go_on(&mut self) -> Option<String> {
        step(self.task.as_mut())
    }

    /// Goes on until it waits for something, however many slices that takes; the reply, if that was the end.
    pub fn settle(&mut self) -> Option<String> {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        loop {
            if let Poll::Ready(answer) = self.task.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(answer);
            }
            if !woken.take() {
                return None;
            }
        }
    }

    /// Goes on so many slices.
    ///
    /// # Panics
    /// If one of them is the last.
    #[track_caller]
    pub fn slices(&mut self, count: usize) {
        assert!(self.try_slices(count).is_some(), "it has ended");
    }

    /// Goes on so many slices; `None` if one of them was the last. What ends a slice is a thread, and where that gets no processor
    /// a script runs on.
    pub fn try_slices(&mut self, count: usize) -> Option<()> {
        (0..count).all(|_| self.go_on().is_none()).then_some(())
    }

    /// Goes on to the end, however far that is.
    pub fn finish(mut self) -> String {
        loop {
            if let Some(answer) = self.go_on() {
                return answer;
            }
        }
    }

    /// The client goes away while it waits.
    ///
    /// # Panics
    /// If its session cannot close at once.
    #[track_caller]
    pub fn leave(self) {
        drop(self.task);
        let closed = step(pin!(self.session.borrow_mut().close(self.node.env())));
        closed.expect("nobody is in the way");
    }
}

#[expect(
    clippy::await_holding_refcell_ref,
    reason = "a second request at the same time is the test's mistake"
)]
async fn run(node: &Node, session: Rc<RefCell<Session>>, words: Vec<String>) -> String {
    let mut session = session.try_borrow_mut().expect("one request at a time");
    let mut out = Encoder::new(session.protocol());
    let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    if let Flow::Wait(suspended) = session.dispatch(node.env(), &words, &mut out)
        && let Some(asking) = session.finish(node.env(), suspended, &mut out).await
    {
        session.abandon(asking);
        return "it asks".to_owned();
    }
    String::from_utf8_lossy(&out.take()).into_owned()
}

fn step<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
