//! What one session listens to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Kind, Pubsub};
use crate::clients::{Client, Interest, Mark};

/// A session's channels, patterns and shard channels, in the order of subscription.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: [Vec<Box<[u8]>>; 3],
}

impl Subscriptions {
    /// Whether there is any.
    #[inline]
    pub(crate) fn is_listening(&self) -> bool {
        self.names.iter().any(|names| !names.is_empty())
    }

    pub(crate) fn names(&self, kind: Kind) -> &[Box<[u8]>] {
        &self.names[kind as usize]
    }

    /// The number that a confirmation shows: channels and patterns together, shard channels apart.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.names[Kind::Shard as usize].len(),
            _ => self.names[Kind::Channel as usize].len() + self.names[Kind::Pattern as usize].len(),
        }
    }

    pub(crate) fn join(&mut self, pubsub: &Pubsub, client: &Arc<Client>, kind: Kind, name: &[u8]) {
        let names = &mut self.names[kind as usize];
        if !names.iter().any(|other| **other == *name) {
            names.push(name.into());
            pubsub.subscribe(kind, name, client);
            self.tell(client);
        }
    }

    pub(crate) fn leave(&mut self, pubsub: &Pubsub, client: &Arc<Client>, kind: Kind, name: &[u8]) {
        let names = &mut self.names[kind as usize];
        if let Some(at) = names.iter().position(|other| **other == *name) {
            names.remove(at);
            pubsub.unsubscribe(kind, name, client);
            self.tell(client);
        }
    }

    pub(crate) fn leave_all(&mut self, pubsub: &Pubsub, client: &Arc<Client>) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in std::mem::take(&mut self.names[kind as usize]) {
                pubsub.unsubscribe(kind, &name, client);
            }
        }
        self.tell(client);
    }

    fn tell(&self, client: &Client) {
        client.mark(Mark::Subscribed, self.is_listening());
        client.note_interest(Interest::Channels, self.names.iter().flatten().map(|name| &**name));
        for (shown, names) in client.subscriptions.iter().zip(&self.names) {
            shown.store(names.len() as u32, Ordering::Relaxed);
        }
    }
}
