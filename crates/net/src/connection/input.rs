//! Waiting for what the client sends, and for what others have to tell it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use perigee_commands::config::Param;

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
        let (have, capacity, largest) = match &self.talk.bulk {
            Some(bulk) => {
                let have = bulk.text().len();
                let wanted = self.talk.parser.bytes_wanted(have);
                (have, bulk.capacity(), if wanted > have { (wanted - have).min(ARENA) } else { ARENA })
            }
            None => (self.talk.pending.len(), self.talk.pending.capacity(), ARENA),
        };
        let limit = self.shared.engine.config.number(Param::ClientQueryBufferLimit) as usize;
        if have > limit {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                self.talk.client.address
            );
            self.shared.engine.count_overlong_request();
            return Ok(Input::End);
        }
        self.talk.client.note_unread(capacity);
        let have = if self.talk.bulk.is_some() { 0 } else { have };
        if have > 0 {
            let wanted = self.talk.parser.bytes_wanted(have).saturating_sub(have);
            self.talk.pending.reserve(wanted.clamp(KEPT, 1 << 20));
        }
        poll_fn(|context| {
            if self.has_mail() {
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
            let received = if have > 0 {
                let received = stream.poll_receive_more(context, &mut self.talk.pending);
                received.map_ok(|count| if count == 0 { Input::End } else { Input::Pending })
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
        .await
    }

    /// Whether others have something to say, or the socket did not take what was posted.
    fn has_mail(&self) -> bool {
        let Talk { client, .. } = &self.talk;
        !client.mailbox.is_empty() || client.is_killed() || self.link.is_stalled()
    }
}
