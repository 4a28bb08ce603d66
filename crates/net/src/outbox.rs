//! Replies on their way out: written when everybody who had something to say in this turn has been served.
//!
//! # Why
//! A client that gets its reply at once wakes at once, while the worker has others to serve; and it sends its next request
//! at once, which the worker, back at its sockets, finds alone. Held back until all connections that were ready have been
//! read and run, the replies leave together, and the next requests arrive together. It is what Redis does before it sleeps.
//!
//! # How it works
//! A connection [posts](Outbox::post) what it has to say. The first post of a turn wakes the worker's one task that
//! [writes](Outbox::write_all), which thereby stands behind every connection that the same look at the sockets has made
//! ready. It writes once to each. What a socket does not take is left to its connection's own task.
//!
//! Buffers wander between connections and outbox, so that an idle connection owns none.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use perigee_commands::Client;

use crate::connection::Socket;

/// What one worker's connections have to say and have not yet written.
#[derive(Default)]
pub(crate) struct Outbox {
    posted: RefCell<Vec<Rc<dyn Outlet>>>,
    writer: RefCell<Option<Waker>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

/// Buffers above this size are given back to the allocator.
pub(crate) const KEPT: usize = 16 << 10;
/// So many empty buffers are kept.
const SPARE: usize = 256;

impl Outbox {
    /// Has the replies in `bytes` written at the end of the turn, and leaves an empty buffer.
    pub(crate) fn post<S: Socket>(&self, link: &Rc<Link<S>>, bytes: &mut Vec<u8>) {
        let mut posted = link.posted.borrow_mut();
        if !posted.is_empty() {
            posted.append(bytes);
            return;
        }
        std::mem::swap(&mut *posted, bytes);
        let mut links = self.posted.borrow_mut();
        if links.is_empty()
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
        links.push(link.clone());
    }

    /// Writes whatever is posted, for ever.
    pub(crate) async fn write_all(&self) {
        let mut links = Vec::new();
        let write = poll_fn(|context| {
            std::mem::swap(&mut links, &mut *self.posted.borrow_mut());
            for link in links.drain(..) {
                self.recycle(link.write_posted(context));
            }
            *self.writer.borrow_mut() = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        // It yields by itself, at the end of its list.
        tokio::task::unconstrained(write).await;
    }

    /// An empty buffer.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if (1..=KEPT).contains(&buffer.capacity()) && spare.len() < SPARE {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// A socket, shared between its connection and the outbox.
pub(crate) struct Link<S> {
    pub(crate) stream: S,
    client: Arc<Client>,
    posted: RefCell<Vec<u8>>,
    /// The socket did not take all that was posted: the connection must see to it.
    stalled: Cell<bool>,
}

impl<S> Link<S> {
    pub(crate) fn new(stream: S, client: Arc<Client>) -> Rc<Self> {
        Rc::new(Link { stream, client, posted: RefCell::default(), stalled: Cell::new(false) })
    }

    /// Whether the socket did not take what was posted.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Whether the outbox has nothing to do with it.
    pub(crate) fn is_at_rest(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.posted.borrow().is_empty()
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Takes back what is posted and not written.
    pub(crate) fn take_posted(&self) -> Vec<u8> {
        self.stalled.set(false);
        self.posted.take()
    }
}

/// Somewhere to write to.
trait Outlet {
    /// Writes what is posted, and returns the buffer once it is done with.
    fn write_posted(&self, context: &mut Context<'_>) -> Vec<u8>;
}

impl<S: Socket> Outlet for Link<S> {
    fn write_posted(&self, context: &mut Context<'_>) -> Vec<u8> {
        let mut posted = self.posted.borrow_mut();
        if posted.is_empty() {
            return Vec::new();
        }
        let written = match self.stream.poll_send(context, &posted) {
            Poll::Ready(Ok(count)) => count,
            // The connection will meet the same error, and end by it.
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        if written == posted.len() {
            return std::mem::take(&mut *posted);
        }
        posted.drain(..written);
        self.stalled.set(true);
        self.client.mailbox.wake();
        Vec::new()
    }
}
