//! Publish and subscribe: who listens to which channel.

mod commands;
mod names;
mod subscriptions;

pub(crate) use commands::COMMANDS;
pub(crate) use subscriptions::Subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::RwLock;
use perigee_resp::{Encoder, Protocol, Reply};

use self::names::Names;
use crate::clients::Client;
use crate::glob;

/// The registry of channels and patterns.
#[derive(Default)]
pub struct Pubsub {
    channels: DashMap<Box<[u8]>, Vec<Arc<Client>>>,
    shard_channels: DashMap<Box<[u8]>, Vec<Arc<Client>>>,
    /// Each with those who listen to it.
    patterns: RwLock<Names<Vec<Arc<Client>>>>,
}

/// What a subscription names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Pubsub {
    fn map(&self, kind: Kind) -> &DashMap<Box<[u8]>, Vec<Arc<Client>>> {
        if kind == Kind::Shard { &self.shard_channels } else { &self.channels }
    }

    pub(crate) fn subscribe(&self, kind: Kind, name: &[u8], client: &Arc<Client>) {
        if kind == Kind::Pattern {
            let mut patterns = self.patterns.write();
            match patterns.value_mut(name) {
                Some(clients) => clients.push(client.clone()),
                None => {
                    patterns.insert(name, vec![client.clone()]);
                }
            }
        } else {
            self.map(kind).entry(name.into()).or_default().push(client.clone());
        }
    }

    pub(crate) fn unsubscribe(&self, kind: Kind, name: &[u8], client: &Arc<Client>) {
        let leave = |clients: &mut Vec<Arc<Client>>| clients.retain(|other| other.id != client.id);
        if kind == Kind::Pattern {
            let mut patterns = self.patterns.write();
            let Some(clients) = patterns.value_mut(name) else { return };
            leave(clients);
            if clients.is_empty() {
                patterns.remove(name);
            }
        } else {
            self.map(kind).remove_if_mut(name, |_, clients| {
                leave(clients);
                clients.is_empty()
            });
        }
    }

    /// How many would receive a message to this channel now.
    pub(crate) fn receivers(&self, kind: Kind, channel: &[u8]) -> usize {
        let direct = self.map(kind).get(channel).map_or(0, |clients| clients.len());
        if kind == Kind::Shard {
            return direct;
        }
        let patterns = self.patterns.read();
        let matching = patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false));
        direct + matching.map(|(_, clients)| clients.len()).sum::<usize>()
    }

    pub(crate) fn channel_names(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        let mut names: Vec<_> =
            self.map(kind).iter().map(|entry| entry.key().clone()).filter(|name| wanted(name)).collect();
        names.sort();
        names
    }

    pub(crate) fn subscribers(&self, kind: Kind, channel: &[u8]) -> usize {
        self.map(kind).get(channel).map_or(0, |clients| clients.len())
    }

    pub(crate) fn pattern_count(&self) -> usize {
        self.patterns.read().len()
    }

    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Calls `visit` with every channel, pattern and shard channel and those who listen to it.
    pub(crate) fn for_each_subscription(&self, mut visit: impl FnMut(Kind, &[u8], &[Arc<Client>])) {
        for kind in [Kind::Channel, Kind::Shard] {
            self.map(kind).iter().for_each(|entry| visit(kind, entry.key(), entry.value()));
        }
        self.patterns.read().iter().for_each(|(name, clients)| visit(Kind::Pattern, name, clients));
    }

    /// Sends a message to everybody who listens to the channel.
    pub(crate) fn deliver(&self, channel: &[u8], message: &[u8]) {
        if let Some(clients) = self.channels.get(channel) {
            send(&clients, &[b"message", channel, message]);
        }
        let patterns = self.patterns.read();
        for (pattern, clients) in
            patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel, false))
        {
            send(clients, &[b"pmessage", pattern, channel, message]);
        }
    }

    /// Sends a message to everybody who listens to the shard channel.
    pub(crate) fn deliver_to_shard(&self, channel: &[u8], message: &[u8]) {
        if let Some(clients) = self.shard_channels.get(channel) {
            send(&clients, &[b"smessage", channel, message]);
        }
    }
}

/// Encodes once for each protocol, however many listen.
fn send(clients: &[Arc<Client>], parts: &[&[u8]]) {
    let mut encoded: [Option<Bytes>; 2] = [None, None];
    for client in clients {
        let protocol = client.protocol();
        let slot = &mut encoded[usize::from(protocol == Protocol::Resp3)];
        let message = slot.get_or_insert_with(|| {
            let mut encoder = Encoder::new(protocol);
            encoder.push(parts.len());
            parts.iter().for_each(|part| encoder.bulk(part));
            encoder.take().into()
        });
        client.send(message.clone());
    }
}
