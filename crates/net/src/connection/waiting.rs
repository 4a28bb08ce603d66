//! Requests that wait: for a lock, for a slice of a script, for a key.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use perigee_commands::{Received, Suspended, limit_client};

use super::Connection;
use super::batch::WRITE_THRESHOLD;
use super::socket::Socket;
use crate::outbox::KEPT;

impl<'s, S: Socket> Connection<'s, S> {
    /// Completes a request that waits. `false` if its client has left meanwhile.
    pub(super) async fn finish(&mut self, suspended: Box<Suspended<'s>>) -> bool {
        let env = self.shared.worker.env(&self.shared.engine);
        if !suspended.is_blocked() {
            let _long = suspended.is_script().then(|| self.shared.berth.long_script());
            // A script goes on to its end even if its client has sent it and gone, unless the client debugs it.
            return match self.talk.session.finish(env, suspended, &mut self.talk.out).await {
                Some(asking) => self.debug(asking).await,
                None => true,
            };
        }
        let mut mail = Outgoing::default();
        let served = {
            let mut finish = pin!(self.talk.session.finish(env, suspended, &mut self.talk.out));
            poll_fn(|context| {
                if finish.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                self.talk.client.mailbox.register(context);
                if self.talk.client.is_killed() {
                    return Poll::Ready(false);
                }
                self.talk.client.mailbox.drain(|message| mail.bytes.extend_from_slice(&message));
                let stream = &self.link.stream;
                if mail.poll_send(stream, context).is_err() {
                    return Poll::Ready(false);
                }
                // Read on, to see the client leave; what it sends meanwhile is run afterwards.
                while self.talk.pending.len() < WRITE_THRESHOLD {
                    self.talk.pending.reserve(KEPT);
                    match stream.poll_receive_more(context, &mut self.talk.pending) {
                        Poll::Ready(Ok(1..)) => self.talk.unrun = true,
                        Poll::Ready(_) => return Poll::Ready(false),
                        Poll::Pending => break,
                    }
                }
                let (unread, held) = (self.talk.pending.len(), self.talk.pending.capacity());
                self.talk.client.note_received(Received { unread, free: held - unread, arguments: 0, held });
                self.talk.client.note_unwritten(mail.waiting().len());
                limit_client(&self.shared.engine, &self.talk.client);
                Poll::Pending
            })
            .await
        };
        if !mail.waiting().is_empty() {
            // What was being written goes first.
            self.talk.out.prepend(mail.waiting().to_vec());
            self.talk.client.note_unwritten(0);
        }
        served
    }
}

/// Messages for a client whose request waits.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Writes as much as the socket takes.
    fn poll_send(&mut self, stream: &impl Socket, context: &mut Context<'_>) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match stream.poll_send(context, &self.bytes[self.written..])? {
                Poll::Ready(count) => self.written += count,
                Poll::Pending => return Ok(()),
            }
        }
        self.bytes.clear();
        self.written = 0;
        Ok(())
    }
}
