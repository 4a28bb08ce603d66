//! Waiting for what the client sends, and for what others have to tell it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use perigee_commands::config::Param;
use perigee_commands::{Received, limit_client};

use super::socket::Socket;
use super::{ARENA, Connection, Talk};
use crate::outbox::KEPT;
use crate::placement::Placement;

/// Why a wait for input ended.
pub(super) enum Input {
    /// So many bytes came into the arena.
    Arena(usize),
    /// More bytes came behind those that are pending.
    Pending,
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
        if have > limit {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                self.talk.client.address
            );
            return Ok(Input::End);
        }
        let enough = if wanted > 0 { wanted } else { KEPT / 4 };
        if have > 0 && self.talk.bulk.is_none() && self.talk.pending.capacity() - have < enough {
            self.talk.pending.reserve(wanted.clamp(KEPT, 1 << 20));
        }
        self.talk.client.note_received(self.talk.received());
        limit_client(&self.shared.engine, &self.talk.client);
        let have = if self.talk.bulk.is_some() { 0 } else { have };
        poll_fn(|context| {
            self.talk.client.mailbox.register(context);
            if !self.talk.client.mailbox.is_empty() || self.talk.client.is_killed() || self.link.is_stalled()
            {
                return Poll::Ready(Ok(Input::Mail));
            }
            if may_move
                && self.talk.spoke != 0
                && self.link.is_at_rest()
                && let Some(worker) = self.shared.berth.destination(Placement::of(&self.shared.engine.config))
            {
                return Poll::Ready(Ok(Input::Move(worker)));
            }
            let stream = &self.link.stream;
            if have > 0 {
                return stream
                    .poll_receive_more(context, &mut self.talk.pending)
                    .map_ok(|count| if count == 0 { Input::End } else { Input::Pending });
            }
            // What comes behind a large argument is not copied again.
            let arena = &mut self.shared.arena.borrow_mut()[..largest];
            stream.poll_receive(context, arena).map_ok(|count| match count {
                0 => Input::End,
                count => Input::Arena(count),
            })
        })
        .await
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
