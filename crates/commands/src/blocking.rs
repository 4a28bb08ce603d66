//! Commands that wait for data.
//!
//! A blocked client stands in the queue of each of its keys. The transaction that changes a key serves the queue at its
//! commit, with its locks still held, by running the waiting commands again in order: so nobody can slip in between.
//! Where a waiting command needs a shard that cannot be had at once (the destination of BLMOVE), its own worker runs it
//! again with all its locks.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use perigee_keyspace::{DbKey, Footprint, Txn};
use perigee_resp::{Encoder, Protocol, Reply};

use crate::call::Suspend;
use crate::clients::Client;
use crate::engine::Env;
use crate::error::Error;
use crate::session::{OwnedArgs, Session, Transaction, execute};
use crate::table::Entry;

/// A handler's wish to wait.
pub struct Block {
    /// Positions of the keys to wait for.
    pub keys: Vec<usize>,
    /// When to give up, in milliseconds since the epoch.
    pub deadline_ms: Option<u64>,
    /// What to answer then.
    pub on_timeout: OnTimeout,
}

/// The answer of a wait that ended without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// A missing value.
    Null,
    /// A missing array.
    NullArray,
}

impl OnTimeout {
    pub(crate) fn reply_to(self, reply: &mut dyn Reply) {
        match self {
            OnTimeout::Null => reply.null(),
            OnTimeout::NullArray => reply.null_array(),
        }
    }
}

/// A waiting client, as those who may serve it see it.
pub(crate) struct Waiter {
    pub(crate) client: Arc<Client>,
    pub(crate) db: u16,
    pub(crate) protocol: Protocol,
    entry: Entry,
    args: OwnedArgs,
    outcome: Mutex<Outcome>,
    waker: AtomicWaker,
}

enum Outcome {
    Waiting,
    /// Somebody has run the command for it.
    Served(Vec<u8>),
    /// It should run the command itself.
    Retry,
    /// CLIENT UNBLOCK.
    Unblocked {
        with_error: bool,
    },
    /// It has left.
    Gone,
}

impl Waiter {
    fn settle(&self, outcome: Outcome) -> bool {
        let mut current = self.outcome.lock();
        let waiting = matches!(*current, Outcome::Waiting);
        if waiting {
            *current = outcome;
            drop(current);
            self.waker.wake();
        }
        waiting
    }

    /// Ends the wait from outside. Returns whether it was still waiting.
    pub(crate) fn unblock(&self, with_error: bool) -> bool {
        self.settle(Outcome::Unblocked { with_error })
    }
}

/// Serves the clients that wait for a key of the transaction, in order.
pub(crate) fn serve<'e>(env: Env<'e>, transaction: &mut Transaction<'e>, db: u16, key: &[u8]) {
    for id in transaction.txn.waiters(db, key) {
        if !transaction.txn.contains(db, key) {
            return;
        }
        let Some(waiter) = env.engine.waiters.get(&id).map(|waiter| waiter.clone()) else {
            transaction.txn.stop_waiting(db, key, id);
            continue;
        };
        let args = waiter.args.slices();
        let footprint = waiter.entry.command.footprint(&env.engine.keyspace, &args);
        let mut outcome = waiter.outcome.lock();
        if !matches!(*outcome, Outcome::Waiting) {
            continue;
        }
        if !transaction.txn.try_extend(&footprint) {
            *outcome = Outcome::Retry;
            drop(outcome);
            waiter.waker.wake();
            continue;
        }
        let mut session = Session::served(&waiter);
        let mut out = Encoder::new(waiter.protocol);
        let Transaction { txn, effects } = transaction;
        let suspended = execute(env, &mut session, txn, effects, &args, waiter.entry, &mut out);
        // A key of a type that the command does not work on leaves the client waiting.
        let still_waits =
            matches!(suspended, Some(Suspend::Block(_))) || out.out().starts_with(b"-WRONGTYPE");
        if !still_waits {
            *outcome = Outcome::Served(out.take());
            drop(outcome);
            for at in &waited_keys(waiter.entry, &args) {
                if env.engine.keyspace.shard_of(args[*at]) == env.engine.keyspace.shard_of(key) {
                    transaction.txn.stop_waiting(db, args[*at], id);
                }
            }
            waiter.waker.wake();
        }
    }
}

fn waited_keys(entry: Entry, args: &[&[u8]]) -> Vec<usize> {
    let mut keys = Vec::new();
    entry.command.for_each_key(args, |at| keys.push(at));
    keys
}

/// The client's own side of a wait.
pub(crate) struct Blocked {
    waiter: Arc<Waiter>,
    pub(crate) keys: Vec<DbKey>,
    deadline_ms: Option<u64>,
    on_timeout: OnTimeout,
}

impl Blocked {
    /// Queues the client at its keys, whose locks `txn` holds.
    pub(crate) fn start(
        env: Env<'_>,
        session: &Session,
        txn: &mut Txn<'_>,
        entry: Entry,
        args: &[&[u8]],
        block: Block,
    ) -> Self {
        let id = session.client.id;
        let waiter = Arc::new(Waiter {
            client: session.client.clone(),
            db: session.db,
            protocol: session.protocol,
            entry,
            args: OwnedArgs::new(args),
            outcome: Mutex::new(Outcome::Waiting),
            waker: AtomicWaker::new(),
        });
        let keys: Vec<DbKey> = block.keys.iter().map(|&at| (session.db, args[at].into())).collect();
        for (db, key) in &keys {
            txn.wait_for(*db, key, id);
        }
        env.engine.waiters.insert(id, waiter.clone());
        Blocked { waiter, keys, deadline_ms: block.deadline_ms, on_timeout: block.on_timeout }
    }

    /// Waits for an outcome and answers with it; `Some` if the command is to be run again.
    pub(crate) async fn wait(
        self,
        env: Env<'_>,
        session: &mut Session,
        out: &mut Encoder,
    ) -> Option<(Entry, OwnedArgs)> {
        let guard = Leaving { env, waiter: &self.waiter };
        env.engine.clients.blocked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut sleep = self
            .deadline_ms
            .map(|deadline| env.worker.timer.sleep_ms(deadline.saturating_sub(env.worker.clock.now_ms())));
        poll_fn(|context| {
            self.waiter.waker.register(context.waker());
            if !matches!(*self.waiter.outcome.lock(), Outcome::Waiting) {
                return Poll::Ready(());
            }
            match &mut sleep {
                Some(sleep) => sleep.as_mut().poll(context),
                None => Poll::Pending,
            }
        })
        .await;
        let outcome = std::mem::replace(&mut *self.waiter.outcome.lock(), Outcome::Gone);
        drop(guard);
        let mut footprint = Footprint::None;
        for (_, key) in &self.keys {
            footprint.add(env.engine.keyspace.shard_of(key));
        }
        {
            let mut txn = env.engine.keyspace.begin(&footprint, env.now_ms).await;
            for (db, key) in &self.keys {
                txn.stop_waiting(*db, key, session.client.id);
            }
        }
        match outcome {
            Outcome::Served(reply) => out.out_mut().extend_from_slice(&reply),
            Outcome::Unblocked { with_error: true } => {
                Error::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK").reply_to(out);
            }
            Outcome::Waiting | Outcome::Unblocked { with_error: false } | Outcome::Gone => {
                self.on_timeout.reply_to(out);
            }
            Outcome::Retry => return Some((self.waiter.entry, self.waiter.args.clone())),
        }
        None
    }
}

/// Takes the waiter out of the registry, also when the wait is given up.
struct Leaving<'w, 'e> {
    env: Env<'e>,
    waiter: &'w Arc<Waiter>,
}

impl Drop for Leaving<'_, '_> {
    fn drop(&mut self) {
        self.env.engine.clients.blocked.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        self.env.engine.waiters.remove_if(&self.waiter.client.id, |_, other| Arc::ptr_eq(other, self.waiter));
        self.waiter.settle(Outcome::Gone);
    }
}
