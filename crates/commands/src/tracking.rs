//! Client-side caching: who wants to hear that keys have changed.
//!
//! In the default mode the keyspace remembers who has read which key, beside the key and under its lock
//! ([`Txn::track`](perigee_keyspace::Txn::track)): a key is entered by the commit of the transaction that reads it and taken out by the commit
//! of the next that changes it, whatever workers they run on. In broadcasting mode nothing is remembered of keys, but
//! prefixes are, here. What there is to be told leaves with the commit, as everything else does.

mod reads;
mod tell;

pub(crate) use reads::{Declared, script_reads};
pub use tell::limit_tracked;
pub(crate) use tell::{Invalidations, tell};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::clients::{Client, Interest, Mark};
use crate::engine::Engine;

/// What sessions share.
#[derive(Default)]
pub(crate) struct Tracking {
    /// Prefixes, and who wants to hear of every key that begins with them.
    prefixes: RwLock<Prefixes>,
    clients: AtomicUsize,
}

type Prefixes = BTreeMap<Box<[u8]>, Vec<Arc<Client>>>;

/// What a session tracks.
#[derive(Default)]
pub(crate) struct Tracked {
    /// Which of the keys that it reads are remembered.
    pub(crate) choice: Choice,
    /// CLIENT CACHING: the next request, or transaction, is the exception.
    pub(crate) caching: bool,
    /// In broadcasting mode.
    pub(crate) prefixes: BTreeSet<Box<[u8]>>,
}

/// Which of the keys that are read are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All.
    #[default]
    All,
    /// Only those of requests that CLIENT CACHING YES goes before.
    OptIn,
    /// All but those of requests that CLIENT CACHING NO goes before.
    OptOut,
}

impl Tracking {
    /// How many clients track.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// How many prefixes somebody listens to.
    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.read().len()
    }

    /// Counts a client that has begun to track.
    pub(crate) fn begin(&self, client: &Client) {
        client.mark(Mark::Tracking, true);
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the client of every key with the prefix from now on.
    pub(crate) fn listen(&self, engine: &Engine, client: &Arc<Client>, prefix: &[u8]) {
        let mut prefixes = self.prefixes.write();
        prefixes.entry(prefix.into()).or_default().push(client.clone());
        engine.keyspace.tell_all(true);
    }

    /// Forgets the client.
    pub(crate) fn end(&self, engine: &Engine, client: &Client, tracked: &Tracked) {
        for mark in Mark::OF_TRACKING {
            client.mark(mark, false);
        }
        self.clients.fetch_sub(1, Ordering::Relaxed);
        client.forget_names(Interest::Prefixes);
        if tracked.prefixes.is_empty() {
            return;
        }
        let mut prefixes = self.prefixes.write();
        for prefix in &tracked.prefixes {
            if let Some(clients) = prefixes.get_mut(prefix) {
                clients.retain(|other| other.id != client.id);
            }
        }
        prefixes.retain(|_, clients| !clients.is_empty());
        engine.keyspace.tell_all(!prefixes.is_empty());
    }
}

impl Tracked {
    /// Whether what the present request reads is remembered.
    fn remembers(&self) -> bool {
        match self.choice {
            Choice::All => true,
            Choice::OptIn => self.caching,
            Choice::OptOut => !self.caching,
        }
    }
}
