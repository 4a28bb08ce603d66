//! A script that its client debugs: the client's requests are words for the debugger until the script has ended.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use perigee_commands::config::Param;
use perigee_commands::{Flow, OwnedArgs, Suspended};
use perigee_resp::{Limits, Parsed};

use super::Connection;
use super::input::Input;
use super::socket::Socket;

impl<'s, S: Socket> Connection<'s, S> {
    /// Hands what the client sends to a request that asks for it, until that is complete. `false` if the client has left.
    pub(super) async fn debug(&mut self, mut asking: Box<Suspended<'s>>) -> bool {
        loop {
            let words = match self.flush().await {
                Ok(()) => self.words(&asking).await,
                Err(_) => None,
            };
            let Some(words) = words else {
                self.talk.session.abandon(asking);
                return false;
            };
            let env = self.shared.worker.env(&self.shared.engine);
            match self.talk.session.tell(env, asking, &words.slices(), &mut self.talk.out) {
                Flow::Done => return true,
                Flow::Wait(suspended) => {
                    match self.talk.session.finish(env, suspended, &mut self.talk.out).await {
                        Some(again) => asking = again,
                        None => return true,
                    }
                }
            }
        }
    }

    /// The client's next request, or one without words if something else has happened. `None` if it has left.
    async fn words(&mut self, asking: &Suspended<'_>) -> Option<OwnedArgs> {
        let limits = Limits {
            max_bulk_len: self.shared.engine.config.number(Param::ProtoMaxBulkLen) as usize,
            authenticated: self.talk.session.is_authenticated(&self.shared.engine),
        };
        loop {
            if let Parsed::Request { consumed } = self.talk.parser.parse(&self.talk.pending, &limits).ok()? {
                let words = OwnedArgs::new(&self.talk.parser.args(&self.talk.pending).collect::<Vec<_>>());
                self.talk.pending.drain(..consumed);
                self.talk.unrun = !self.talk.pending.is_empty();
                if words.slices().is_empty() {
                    continue;
                }
                return Some(words);
            }
            let input = {
                let mut input = pin!(self.input(false));
                poll_fn(|context| {
                    if asking.is_killed() {
                        Poll::Ready(Ok(Input::Mail))
                    } else {
                        input.as_mut().poll(context)
                    }
                })
                .await
            };
            match input.ok()? {
                Input::Arena(count) => {
                    self.talk.pending.extend_from_slice(&self.shared.arena.borrow()[..count])
                }
                Input::Pending(_) => {}
                Input::Mail if self.talk.client.is_killed() => return None,
                Input::Mail => {
                    let out = self.talk.out.out_mut();
                    self.talk.client.mailbox.drain(|message| out.extend_from_slice(&message));
                    return Some(OwnedArgs::default());
                }
                Input::End | Input::Move(_) => return None,
            }
        }
    }
}
