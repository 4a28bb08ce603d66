//! Writing replies that are large, that a request has to wait for, or that the socket did not take at once.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::Connection;
use super::socket::Socket;
use crate::bulk::{LARGE, TURN};
use crate::outbox::KEPT;

impl<S: Socket> Connection<'_, S> {
    /// Writes all replies. What a slow reader leaves is counted against `client-output-buffer-limit`.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let mut posted = self.link.take_posted();
        if !posted.is_empty() {
            posted.append(self.talk.out.out_mut());
            *self.talk.out.out_mut() = posted;
        }
        let (mut written, mut noted) = (0, self.talk.out.len() > KEPT);
        if noted {
            self.talk.client.note_unwritten(self.talk.out.len());
        }
        while written < self.talk.out.len() {
            written += poll_fn(|context| {
                self.talk.client.mailbox.register(context);
                if self.talk.client.is_killed() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                let waiting = &self.talk.out.out()[written..];
                let part = &waiting[..waiting.len().min(TURN)];
                let progress = self.link.stream.poll_send(context, part);
                if progress.is_pending() {
                    noted = true;
                    self.talk.client.note_unwritten(waiting.len());
                }
                progress
            })
            .await?;
            if written < self.talk.out.len() {
                tokio::task::yield_now().await;
            }
        }
        if noted {
            self.talk.client.note_unwritten(0);
        }
        let out = self.talk.out.take();
        if out.capacity() >= LARGE {
            self.shared.engine.keyspace.drop_elsewhere(out);
        } else {
            self.shared.outbox.recycle(out);
        }
        Ok(())
    }
}
