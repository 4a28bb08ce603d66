//! The end of a transaction: waiting clients are served, then everybody is told, then the locks are released.

use std::sync::atomic::Ordering;

use crate::blocking;
use crate::effects::Event;
use crate::engine::Env;
use crate::session::Transaction;

/// Makes the transaction visible.
#[inline]
pub(crate) fn commit<'e>(env: Env<'e>, mut transaction: Transaction<'e>) {
    let sealed = transaction.txn.seal();
    if sealed.ready.is_empty() && sealed.expired.is_empty() && transaction.effects.is_empty() {
        if sealed.changes > 0 {
            env.worker.stats.changes.fetch_add(sealed.changes);
        }
        return;
    }
    commit_with_consequences(env, transaction, sealed);
}

#[cold]
fn commit_with_consequences<'e>(
    env: Env<'e>,
    mut transaction: Transaction<'e>,
    mut sealed: perigee_keyspace::Sealed,
) {
    loop {
        env.worker.stats.changes.fetch_add(sealed.changes);
        env.engine.counters.expired_keys.fetch_add(sealed.expired.len() as u64, Ordering::Relaxed);
        for (db, key) in &sealed.expired {
            transaction.effects.notify(env.engine, Event::Expired, "expired", *db, key);
        }
        if sealed.ready.is_empty() {
            break;
        }
        // Serving a client may feed another: BLMOVE pushes.
        for (db, key) in sealed.ready {
            blocking::serve(env, &mut transaction, db, &key);
        }
        sealed = transaction.txn.seal();
    }
    transaction.effects.deliver(env);
}
