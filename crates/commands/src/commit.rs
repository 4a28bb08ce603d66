//! The end of a transaction: waiting clients are served, then everybody is told, then the locks are released.

use std::sync::atomic::Ordering;

use crate::blocking;
use crate::effects::{Effects, Event};
use crate::engine::Env;
use crate::session::Transaction;
use crate::tracking::{self, Invalidations};
use perigee_keyspace::Footprint;

/// Makes the transaction visible, once the caller drops it. Everything before that is done in place: a transaction that is
/// moved is read again as a whole, just after its parts were written, which stops the processor for a cache miss.
#[inline]
pub(crate) fn commit<'e>(env: Env<'e>, transaction: &mut Transaction<'e>) {
    if transaction.effects.is_empty()
        && let Some(changes) = transaction.txn.seal_quietly()
    {
        if changes > 0 {
            env.worker.stats.changes.fetch_add(changes);
        }
        return;
    }
    commit_loudly(env, transaction);
}

/// Serves and tells those concerned.
#[cold]
fn commit_loudly<'e>(env: Env<'e>, transaction: &mut Transaction<'e>) {
    let mut sealed = transaction.txn.seal();
    let mut invalidations = Invalidations::default();
    loop {
        invalidations.collect(&mut sealed);
        env.worker.stats.changes.fetch_add(sealed.changes);
        env.engine.counters.expired_keys.fetch_add(sealed.expired.len() as u64, Ordering::Relaxed);
        // A key expires when it is looked for, before anything is done with it.
        let mut expired = Effects::default();
        for (db, key) in &sealed.expired {
            expired.notify(env.engine, &mut transaction.txn, Event::Expired, "expired", *db, key);
        }
        for fields in &sealed.expired_fields {
            let (db, key) = &fields.at;
            env.count_expired_fields(fields.count as u64);
            expired.notify(env.engine, &mut transaction.txn, Event::Hash, "hexpired", *db, key);
            if fields.emptied {
                expired.notify(env.engine, &mut transaction.txn, Event::Generic, "del", *db, key);
            }
        }
        transaction.effects.precede_with(expired);
        if sealed.ready.is_empty() {
            break;
        }
        // Serving a client may feed another: BLMOVE pushes.
        for (db, key) in sealed.ready {
            blocking::serve(env, transaction, db, &key);
        }
        sealed = transaction.txn.seal();
    }
    let effects = std::mem::take(&mut transaction.effects);
    tracking::tell(env, effects.origin, invalidations);
    effects.deliver(env);
}

/// Expired keys, and expired fields of hashes, removed from one shard before others get their turn.
const EXPIRE_AT_ONCE: usize = 64;

/// Removes keys and fields whose deadline has passed from this worker's share of the shards: every shard whose number is the
/// worker's modulo `workers`. A shard that is taken is left for the next time. Returns whether there is more to do.
pub fn expire_cycle(env: Env<'_>, workers: usize) -> bool {
    if env.engine.switches.expiry_paused.load(Ordering::Relaxed) || env.engine.keyspace.keeps_expired() {
        return false;
    }
    let mut more = false;
    for shard in (env.worker.id..usize::from(env.engine.keyspace.shard_count())).step_by(workers) {
        let footprint = Footprint::One(shard as u16);
        let Some(txn) = env.engine.keyspace.try_begin_unsettled(&footprint, env.now_ms) else {
            continue;
        };
        let mut transaction = Transaction::new(txn);
        more |= transaction.txn.expire_due(shard as u16, EXPIRE_AT_ONCE) == EXPIRE_AT_ONCE;
        more |= transaction.txn.expire_due_fields(shard as u16, EXPIRE_AT_ONCE) >= EXPIRE_AT_ONCE;
        commit(env, &mut transaction);
    }
    if more {
        env.engine.counters.expiry_cut_short.fetch_add(1, Ordering::Relaxed);
    }
    more
}
