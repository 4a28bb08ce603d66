//! Waiting for what the client sends, and for what others have to tell it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use perigee_commands::config::Param;
use perigee_commands::{Received, limit_client};

use super::socket::Socket;
use super::{ARENA, Connection, Shared, Talk};
use crate::outbox::KEPT;
use crate::placement::Placement;

/// Why a wait for input ended.
pub(super) enum Input {
    /// So many bytes came into the arena.
    Arena(usize),
    /// So many bytes came behind those that are pending.
    Pending(usize),
    /// A message or a kill.
    Mail,
    /// The connection goes on with another worker.
    Move(usize),
    /// The client has closed.
    End,
}

impl<S: Socket> Connection<'_, S> {
    /// Waits for input. `may_move`: whether the connection may change its worker instead.
    pub(super) async fn input(&mut self, may_move: bool) -> io::Result<Input> {
        let have = self.talk.bulk.as_ref().map_or(self.talk.pending.len(), |bulk| bulk.text().len());
        let wanted = self.talk.parser.bytes_wanted(have).saturating_sub(have);
        let largest = if wanted > 0 && self.talk.bulk.is_some() { wanted.min(ARENA) } else { ARENA };
        let limit = self.shared.engine.config.number(Param::ClientQueryBufferLimit) as usize;
        let enough = if wanted > 0 { wanted } else { KEPT / 4 };
        if have > 0 && self.talk.bulk.is_none() && self.talk.pending.capacity() - have < enough {
            self.talk.pending.reserve(wanted.clamp(KEPT, 1 << 20));
        }
        let received = self.talk.received();
        let unread = received.unread;
        self.talk.client.note_received(received);
        limit_client(&self.shared.engine, &self.talk.client);
        let have = if self.talk.bulk.is_some() { 0 } else { have };
        let input = poll_fn(|context| {
            if self.has_mail() {
                return Poll::Ready(Ok(Input::Mail));
            }
            let Shared { engine, berth, .. } = self.shared;
            if may_move
                && self.talk.standing.has_spoken()
                && self.link.is_at_rest()
                && let Some(worker) =
                    berth.destination(Placement::of(&engine.config), &mut self.talk.standing)
            {
                return Poll::Ready(Ok(Input::Move(worker)));
            }
            let stream = &self.link.stream;
            let received = if have > 0 {
                let received = stream.poll_receive_more(context, &mut self.talk.pending);
                received.map_ok(|count| if count == 0 { Input::End } else { Input::Pending(count) })
            } else {
                // What comes behind a large argument is not copied again.
                let arena = &mut self.shared.arena.borrow_mut()[..largest];
                let received = stream.poll_receive(context, arena);
                received.map_ok(|count| if count == 0 { Input::End } else { Input::Arena(count) })
            };
            if received.is_pending() {
                self.talk.client.mailbox.register(context);
                // What came before that has woken nobody.
                if self.has_mail() {
                    return Poll::Ready(Ok(Input::Mail));
                }
            }
            received
        })
        .await?;
        if let Input::Arena(count) | Input::Pending(count) = input
            && unread + count > limit
        {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                self.talk.client.address
            );
            self.shared.engine.count_overlong_request();
            return Ok(Input::End);
        }
        Ok(input)
    }

    /// Whether others have something to say, or the socket did not take what was posted.
    fn has_mail(&self) -> bool {
        let Talk { client, .. } = &self.talk;
        !client.mailbox.is_empty() || client.is_killed() || self.link.is_stalled()
    }
}

impl Talk {
    /// What it holds of the requests that it receives.
    fn received(&self) -> Received {
        let (text, capacity, held) = match &self.bulk {
            Some(bulk) => (bulk.text().len(), bulk.text().capacity(), bulk.capacity()),
            None => (self.pending.len(), self.pending.capacity(), self.pending.capacity()),
        };
        let (arguments, understood) = if text > 0 { self.parser.progress() } else { (0, 0) };
        Received { unread: text - understood, free: capacity - text, arguments, held }
    }
}
