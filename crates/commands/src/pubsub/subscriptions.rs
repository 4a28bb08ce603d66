//! What one session listens to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::names::Names;
use super::{Kind, Pubsub};
use crate::clients::{Client, Interest, Mark};

/// A session's channels, patterns and shard channels, in the order of subscription. Nothing for a session that does not
/// listen.
#[derive(Default)]
pub(crate) struct Subscriptions {
    names: Option<Box<[Names<()>; 3]>>,
}

impl Subscriptions {
    /// Whether there is any.
    #[inline]
    pub(crate) fn is_listening(&self) -> bool {
        self.names.is_some()
    }

    pub(crate) fn names(&self, kind: Kind) -> Vec<Arc<[u8]>> {
        let names = self.names.as_ref().map(|names| &names[kind as usize]);
        names.into_iter().flat_map(Names::iter).map(|(name, ())| name.clone()).collect()
    }

    /// The number that a confirmation shows: channels and patterns together, shard channels apart.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        let [channels, patterns, shard_channels] = self.counts();
        if kind == Kind::Shard { shard_channels } else { channels + patterns }
    }

    fn counts(&self) -> [usize; 3] {
        self.names.as_ref().map_or([0; 3], |names| names.each_ref().map(Names::len))
    }

    pub(crate) fn join(&mut self, pubsub: &Pubsub, client: &Arc<Client>, kind: Kind, name: &[u8]) {
        if self.names.get_or_insert_default()[kind as usize].insert(name, ()) {
            pubsub.subscribe(kind, name, client);
            client.note_name(Interest::Channels, name);
            self.tell(client);
        }
    }

    pub(crate) fn leave(&mut self, pubsub: &Pubsub, client: &Arc<Client>, kind: Kind, name: &[u8]) {
        let Some(names) = &mut self.names else { return };
        if names[kind as usize].remove(name).is_some() {
            if names.iter().all(Names::is_empty) {
                self.names = None;
            }
            pubsub.unsubscribe(kind, name, client);
            client.forget_name(Interest::Channels, name);
            self.tell(client);
        }
    }

    pub(crate) fn leave_all(&mut self, pubsub: &Pubsub, client: &Arc<Client>) {
        let Some(names) = self.names.take() else { return };
        for (kind, names) in [Kind::Channel, Kind::Pattern, Kind::Shard].into_iter().zip(&*names) {
            names.iter().for_each(|(name, ())| pubsub.unsubscribe(kind, name, client));
        }
        client.forget_names(Interest::Channels);
        self.tell(client);
    }

    fn tell(&self, client: &Client) {
        client.mark(Mark::Subscribed, self.is_listening());
        for (shown, count) in client.subscriptions.iter().zip(self.counts()) {
            shown.store(count as u32, Ordering::Relaxed);
        }
    }
}
