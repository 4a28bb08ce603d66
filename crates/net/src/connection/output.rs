//! Writing replies that are large, that a request has to wait for, or that the socket did not take at once.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::Poll;

use arrayvec::ArrayVec;
use perigee_commands::limit_client;
use perigee_resp::Segments;

use super::Connection;
use super::socket::Socket;
use crate::bulk::{LARGE, TURN};
use crate::outbox::KEPT;

impl<S: Socket> Connection<'_, S> {
    /// Writes all replies. What a slow reader leaves is counted against `client-output-buffer-limit`.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let posted = self.link.take_posted();
        if !posted.is_empty() {
            self.talk.out.prepend(posted);
        }
        let mut segments = self.talk.out.take_segments();
        let written = self.write(&mut segments).await;
        if segments.is_sharing() || segments.capacity() >= LARGE {
            // Nobody else may have what it refers to any more.
            self.shared.engine.keyspace.drop_elsewhere(segments);
        } else {
            self.shared.outbox.recycle(segments.into_buffer());
        }
        written
    }

    async fn write(&mut self, segments: &mut Segments) -> io::Result<()> {
        let mut noted = segments.len() > KEPT;
        if noted {
            self.note_unwritten(segments.len());
        }
        while !segments.is_empty() {
            let written = poll_fn(|context| {
                self.talk.client.mailbox.register(context);
                if self.talk.client.is_killed() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                let parts: ArrayVec<IoSlice<'_>, PARTS> =
                    segments.parts(TURN).take(PARTS).map(IoSlice::new).collect();
                let progress = self.link.stream.poll_send_parts(context, &parts);
                if progress.is_pending() {
                    noted = true;
                    self.note_unwritten(segments.len());
                }
                progress
            })
            .await?;
            segments.advance(written);
            if !segments.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        if noted {
            self.note_unwritten(0);
        }
        Ok(())
    }

    /// Notes how much the socket has not taken: perhaps too much for `client-output-buffer-limit` or `maxmemory-clients`.
    fn note_unwritten(&self, bytes: usize) {
        self.talk.client.note_unwritten(bytes);
        limit_client(&self.shared.engine, &self.talk.client);
    }
}

/// So many parts are written by one call to the system.
const PARTS: usize = 8;
