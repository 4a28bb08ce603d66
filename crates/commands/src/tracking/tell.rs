//! Telling clients what they have to forget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use perigee_keyspace::{Footprint, Modified, Readers, Sealed, Untracked};
use perigee_resp::{Encoder, Protocol, Reply};
use rand::Rng;

use crate::clients::{Client, Mark};
use crate::config::Param;
use crate::engine::{Engine, Env};

/// What a transaction has to tell those who track.
#[derive(Default)]
pub(crate) struct Invalidations {
    untracked: Vec<Untracked>,
    modified: Vec<Modified>,
}

impl Invalidations {
    /// Takes them out of what was sealed.
    pub(crate) fn collect(&mut self, sealed: &mut Sealed) {
        self.untracked.append(&mut sealed.untracked);
        self.modified.append(&mut sealed.modified);
    }
}

/// Tells everybody concerned. `origin` is the client whose request it was, 0 for none: it may not want to hear of that.
pub(crate) fn tell(env: Env<'_>, origin: u64, invalidations: Invalidations) {
    for untracked in &invalidations.untracked {
        match untracked {
            Untracked::Key(key, readers) => tell_readers(env.engine, origin, key, readers),
            Untracked::All => tell_all(env.engine),
        }
    }
    if !invalidations.modified.is_empty() {
        broadcast(env.engine, &invalidations.modified);
    }
}

fn tell_readers(engine: &Engine, origin: u64, key: &[u8], readers: &Readers) {
    let mut told = Telling::default();
    for &id in readers {
        let Some(client) = engine.clients.find(id) else { continue };
        let listens = client.has(Mark::Tracking) && !client.has(Mark::Broadcast);
        if listens && !(client.has(Mark::NoLoop) && id == origin) {
            send(engine, &client, Forget::Keys(&[key]), &mut told);
        }
    }
}

fn tell_all(engine: &Engine) {
    for client in engine.clients.all().iter().filter(|client| client.has(Mark::Tracking)) {
        send(engine, client, Forget::All, &mut Telling::default());
    }
}

/// One message for each prefix, with its keys in order.
fn broadcast(engine: &Engine, modified: &[Modified]) {
    let modified: BTreeMap<&[u8], u64> =
        modified.iter().map(|modified| (&*modified.key, modified.author)).collect();
    for (prefix, clients) in &*engine.tracking.prefixes.read() {
        let keys = modified.range(&**prefix..).take_while(|(key, _)| key.starts_with(prefix));
        let keys: Vec<_> = keys.map(|(key, author)| (*key, *author)).collect();
        for client in clients {
            let spared = if client.has(Mark::NoLoop) { client.id } else { 0 };
            let keys = keys.iter().filter(|(_, author)| spared == 0 || *author != spared);
            let keys: Vec<&[u8]> = keys.map(|(key, _)| *key).collect();
            if !keys.is_empty() {
                send(engine, client, Forget::Keys(&keys), &mut Telling::default());
            }
        }
    }
}

/// What a client is told to forget.
#[derive(Clone, Copy)]
enum Forget<'a> {
    Keys(&'a [&'a [u8]]),
    All,
}

/// Tells a client that tracks, or the one that it redirects to. Who knows no pushes is told nothing, unless it listens to channels
/// for somebody else.
fn send(engine: &Engine, client: &Arc<Client>, forget: Forget<'_>, told: &mut Telling) {
    let redirect = client.redirect.load(Ordering::Relaxed);
    if redirect == 0 {
        if client.protocol() == Protocol::Resp3 {
            client.send(told.push(client, forget));
        }
        return;
    }
    match engine.clients.find(redirect).filter(|target| !target.is_killed()) {
        Some(target) if target.protocol() == Protocol::Resp3 => target.send(told.push(client, forget)),
        Some(target) if target.has(Mark::Subscribed) => target.send(told.message(client, forget)),
        Some(_) => {}
        None => {
            client.mark(Mark::BrokenRedirect, true);
            if client.protocol() == Protocol::Resp3 {
                let mut encoder = Encoder::new(Protocol::Resp3);
                encoder.push(2);
                encoder.bulk(b"tracking-redir-broken");
                encoder.int(redirect as i64);
                client.send(encoder.take().into());
            }
        }
    }
}

/// The same words for all who are told the same: however many have read a key, its name is there once.
#[derive(Default)]
struct Telling {
    push: Option<Bytes>,
    message: Option<Bytes>,
}

impl Telling {
    fn push(&mut self, client: &Client, forget: Forget<'_>) -> Bytes {
        let told = self.push.get_or_insert_with(|| {
            let mut encoder = Encoder::new(Protocol::Resp3);
            encoder.push(2);
            encoder.bulk(b"invalidate");
            list(&mut encoder, client, forget)
        });
        told.clone()
    }

    fn message(&mut self, client: &Client, forget: Forget<'_>) -> Bytes {
        let told = self.message.get_or_insert_with(|| {
            let mut encoder = Encoder::new(Protocol::Resp2);
            encoder.push(3);
            encoder.bulk(b"message");
            encoder.bulk(CHANNEL);
            list(&mut encoder, client, forget)
        });
        told.clone()
    }
}

const CHANNEL: &[u8] = b"__redis__:invalidate";

/// As in Redis, the null that stands for everything is that of the client that tracks, whoever receives it.
fn list(encoder: &mut Encoder, client: &Client, forget: Forget<'_>) -> Bytes {
    match forget {
        Forget::Keys(keys) => {
            encoder.array(keys.len());
            keys.iter().for_each(|key| encoder.bulk(key));
        }
        Forget::All => {
            let mut null = Encoder::new(client.protocol());
            null.null();
            encoder.out_mut().extend_from_slice(null.out());
        }
    }
    encoder.take().into()
}

/// Keys that are given up before others get their turn.
const AT_ONCE: usize = 100;

/// Gives up tracked keys, by telling their readers to forget them, while there are more than `tracking-table-max-keys`. To be
/// called several times a second.
pub fn limit_tracked(env: Env<'_>) {
    let max = env.engine.config.number(Param::TrackingTableMaxKeys) as usize;
    let keyspace = &env.engine.keyspace;
    if max == 0 || keyspace.tracked().0 <= max {
        return;
    }
    let mut given_up = 0;
    let first = env.worker.rng.borrow_mut().next_u32() as u16;
    for at in 0..keyspace.shard_count() {
        let shard = first.wrapping_add(at) % keyspace.shard_count();
        if keyspace.tracked().0 <= max || given_up == AT_ONCE {
            return;
        }
        let Some(mut txn) = keyspace.try_begin_unsettled(&Footprint::One(shard), env.now_ms) else {
            continue;
        };
        let taken = txn.untrack_any(shard, &mut *env.worker.rng.borrow_mut());
        if let Some((key, readers)) = taken {
            tell_readers(env.engine, 0, &key, &readers);
            given_up += 1;
        }
        drop(txn);
    }
}
