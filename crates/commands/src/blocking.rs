//! Commands that wait for data.
//!
//! A blocked client stands in the queue of each of its keys. The transaction that changes a key serves the queue at its
//! commit, with its locks still held, by running the waiting commands again in order: so nobody can slip in between.
//! Where a waiting command needs a shard that cannot be had at once (the destination of BLMOVE), its own worker serves
//! the queue with all of the command's locks, and until then nobody behind it is served.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use perigee_keyspace::{DbKey, Footprint, Txn, ValueRef};
use perigee_resp::{Encoder, Protocol, Reply};

use crate::call::{Call, Suspend};
use crate::clients::{BlockedGuard, Client};
use crate::commit;
use crate::engine::{Engine, Env};
use crate::error::Error;
use crate::execute::execute;
use crate::long_double::LongDouble;
use crate::session::{OwnedArgs, Session, Transaction};
use crate::spec::{Flags, Group};
use crate::stats;
use crate::table::Entry;

/// A handler's wish to wait.
#[derive(Default)]
pub struct Block {
    /// Positions of the keys to wait for.
    pub keys: Vec<usize>,
    /// When to give up, in milliseconds since the epoch.
    pub deadline_ms: Option<u64>,
    /// What is answered then; a null array, unless this says otherwise.
    pub on_timeout: Option<fn(&mut dyn Reply)>,
}

impl Block {
    /// Answers as if the time was over.
    pub(crate) fn give_up(on_timeout: Option<fn(&mut dyn Reply)>, reply: &mut dyn Reply) {
        match on_timeout {
            None => reply.null_array(),
            Some(answer) => answer(reply),
        }
    }
}

/// How a waiting command is run again.
#[derive(Default)]
pub(crate) struct Again {
    /// As this request, with its keys at the same positions; as it was written otherwise.
    pub(crate) request: Option<OwnedArgs>,
    /// At this moment too, in milliseconds since the epoch, though none of its keys changes.
    pub(crate) at_ms: Option<u64>,
}

/// The moment at which a blocking command gives up, from its time-out in seconds; `None` for never.
///
/// # Errors
/// `timeout is not a float or out of range`; `timeout is negative`, also where the milliseconds exceed 64 bits.
pub(crate) fn deadline(call: &Call<'_, '_>, at: usize) -> Result<Option<u64>, Error> {
    let seconds =
        LongDouble::parse(call.args[at]).ok_or(Error::Text("ERR timeout is not a float or out of range"))?;
    match seconds.thousandfold() {
        None | Some(..0) => Err(Error::Text("ERR timeout is negative")),
        Some(0) => Ok(None),
        Some(milliseconds) => Ok(Some(call.now_ms().saturating_add(milliseconds as u64))),
    }
}

/// A waiting client, as those who may serve it see it.
pub(crate) struct Waiter {
    pub(crate) client: Arc<Client>,
    pub(crate) db: u16,
    pub(crate) protocol: Protocol,
    entry: Entry,
    args: OwnedArgs,
    /// Positions of the keys in whose queues it stands.
    keys: Vec<usize>,
    on_timeout: Option<fn(&mut dyn Reply)>,
    outcome: Mutex<Outcome>,
    /// When to look again though nothing changes, in milliseconds since the epoch; 0 for never.
    again_ms: AtomicU64,
    waker: AtomicWaker,
}

enum Outcome {
    Waiting,
    /// Somebody has run the command for it.
    Served {
        reply: Vec<u8>,
        /// It stands in other queues still.
        queued: bool,
    },
    /// There is something for it, but whoever fed it could not lock all that the command needs.
    Due,
    /// CLIENT UNBLOCK.
    Unblocked {
        with_error: bool,
    },
    /// It waits no more.
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

    fn look_again_at(&self, at_ms: Option<u64>) {
        if let Some(at_ms) = at_ms {
            self.again_ms.store(at_ms, Ordering::Relaxed);
            self.waker.wake();
        }
    }

    /// Ends the wait from outside. Returns whether it was still waiting.
    pub(crate) fn unblock(&self, with_error: bool) -> bool {
        self.settle(Outcome::Unblocked { with_error })
    }

    /// Whether the command can do anything with a key of this type, or without one. A reader of a consumer group wants to
    /// know when its stream is gone.
    fn works_on(&self, value: Option<ValueRef<'_>>) -> bool {
        match self.entry.command.group {
            Group::List => matches!(value, Some(ValueRef::List(_))),
            Group::SortedSet => matches!(value, Some(ValueRef::ZSet(_))),
            Group::Stream if self.entry.command.has(Flags::READONLY) => {
                matches!(value, Some(ValueRef::Stream(_)))
            }
            Group::Stream => true,
            _ => value.is_some(),
        }
    }
}

/// How many keys are waited for, and how many of them by clients that want to know when the key is gone.
pub(crate) fn awaited_keys(engine: &Engine) -> (usize, usize) {
    let (mut keys, mut until_gone) = (HashSet::new(), HashSet::new());
    for waiter in &engine.waiters {
        let args = waiter.args.slices();
        for &at in &waiter.keys {
            let key: DbKey = (waiter.db, args[at].into());
            if waiter.works_on(None) {
                until_gone.insert(key.clone());
            }
            keys.insert(key);
        }
    }
    (keys.len(), until_gone.len())
}

/// Serves the clients that wait for a key of the transaction, in order.
pub(crate) fn serve<'e>(env: Env<'e>, transaction: &mut Transaction<'e>, db: u16, key: &[u8]) {
    for id in transaction.txn.waiters(db, key) {
        let found = transaction.txn.peek(db, key).map(|entry| entry.value());
        let Some(waiter) = env.engine.waiters.get(&id).map(|waiter| waiter.clone()) else {
            transaction.txn.stop_waiting(db, key, id);
            continue;
        };
        if waiter.works_on(found) && serve_one(env, transaction, &waiter, key) == Progress::Due {
            return;
        }
    }
}

#[derive(PartialEq, Eq)]
enum Progress {
    /// Those behind may be served.
    Next,
    /// Those behind have to wait for this one.
    Due,
}

fn serve_one<'e>(env: Env<'e>, transaction: &mut Transaction<'e>, waiter: &Waiter, key: &[u8]) -> Progress {
    let mut outcome = waiter.outcome.lock();
    match *outcome {
        Outcome::Waiting => {}
        Outcome::Due => return Progress::Due,
        _ => return Progress::Next,
    }
    let args = waiter.args.slices();
    let Some(&at) = waiter.keys.iter().find(|&&at| args[at] == key) else { return Progress::Next };
    let mut others = Footprint::None;
    waiter.entry.command.for_each_key(&args, |other| {
        if !waiter.keys.contains(&other) {
            others.add(env.engine.keyspace.shard_of(args[other]));
        }
    });
    if !transaction.txn.try_extend(&others) {
        *outcome = Outcome::Due;
        drop(outcome);
        waiter.waker.wake();
        return Progress::Due;
    }
    let mut session = Session::served(waiter, at);
    let mut out = Encoder::new(waiter.protocol);
    let Transaction { txn, effects } = &mut *transaction;
    let suspend = execute(env, &mut session, txn, effects, &args, waiter.entry, &mut out);
    if let Some(Suspend::Block(_, again)) = suspend.as_deref() {
        waiter.look_again_at(again.at_ms);
    }
    if suspend.is_none() {
        let shard = env.engine.keyspace.shard_of(key);
        let (here, elsewhere): (Vec<usize>, Vec<usize>) =
            waiter.keys.iter().partition(|&&at| env.engine.keyspace.shard_of(args[at]) == shard);
        for at in here {
            txn.stop_waiting(waiter.db, args[at], waiter.client.id);
        }
        *outcome = Outcome::Served { reply: out.take(), queued: !elsewhere.is_empty() };
        drop(outcome);
        waiter.waker.wake();
    }
    Progress::Next
}

/// The client's own side of a wait.
pub(crate) struct Blocked {
    waiter: Arc<Waiter>,
    pub(crate) keys: Vec<DbKey>,
    deadline_ms: Option<u64>,
    /// What the command took until it had to wait, in nanoseconds.
    pub(crate) spent_ns: u64,
}

impl Blocked {
    /// Queues the client at its keys, whose locks `txn` holds.
    pub(crate) fn start(
        env: Env<'_>,
        session: &Session,
        txn: &mut Txn<'_>,
        entry: Entry,
        args: OwnedArgs,
        block: Block,
    ) -> Self {
        let id = session.client.id;
        let slices = args.slices();
        let keys: Vec<DbKey> = block.keys.iter().map(|&at| (session.db, slices[at].into())).collect();
        drop(slices);
        let waiter = Arc::new(Waiter {
            client: session.client.clone(),
            db: session.db,
            protocol: session.protocol,
            entry,
            args,
            keys: block.keys,
            on_timeout: block.on_timeout,
            outcome: Mutex::new(Outcome::Waiting),
            again_ms: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        });
        for (db, key) in &keys {
            txn.wait_for(*db, key, id);
        }
        env.engine.waiters.insert(id, waiter.clone());
        Blocked { waiter, keys, deadline_ms: block.deadline_ms, spent_ns: 0 }
    }

    /// Runs the command again at a moment, though nothing changes.
    pub(crate) fn look_again_at(&self, at_ms: Option<u64>) {
        self.waiter.look_again_at(at_ms);
    }

    /// Waits for an outcome and answers with it.
    pub(crate) async fn wait(self, env: Env<'_>, session: &Session, out: &mut Encoder) {
        let guard = Leaving::new(env, &self.waiter);
        let outcome = self.outcome(env).await;
        drop(guard);
        if !matches!(outcome, Outcome::Served { queued: false, .. }) {
            self.leave_queues(env.renewed()).await;
        }
        let Waiter { entry, args, on_timeout, .. } = &*self.waiter;
        match outcome {
            Outcome::Served { reply, .. } => out.out_mut().extend_from_slice(&reply),
            Outcome::Unblocked { with_error: true } => {
                let error = Error::Text("UNBLOCKED client unblocked via CLIENT UNBLOCK");
                stats::count_failure(env, *entry, &error);
                error.reply_to(out);
            }
            _ => Block::give_up(*on_timeout, out),
        }
        stats::record_waited(env.renewed(), session, *entry, &args.slices(), self.spent_ns);
    }

    async fn outcome(&self, env: Env<'_>) -> Outcome {
        let until = |at_ms: u64| env.worker.timer.sleep_ms(at_ms.saturating_sub(env.worker.clock.now_ms()));
        let mut sleep = self.deadline_ms.map(until);
        let mut is_over = false;
        loop {
            let again_ms = self.waiter.again_ms.load(Ordering::Relaxed);
            let mut again = (again_ms > 0).then(|| until(again_ms));
            poll_fn(|context| {
                self.waiter.waker.register(context.waker());
                let moved = self.waiter.again_ms.load(Ordering::Relaxed) != again_ms;
                if is_over || moved || !matches!(*self.waiter.outcome.lock(), Outcome::Waiting) {
                    return Poll::Ready(());
                }
                is_over = sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready());
                if is_over {
                    return Poll::Ready(());
                }
                let due = again.as_mut().is_some_and(|again| again.as_mut().poll(context).is_ready());
                if due { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            let now_ms = env.worker.clock.now_ms();
            if !is_over && again_ms > 0 && again_ms <= now_ms {
                self.waiter.again_ms.store(0, Ordering::Relaxed);
                self.waiter.settle(Outcome::Due);
            }
            if matches!(*self.waiter.outcome.lock(), Outcome::Due) {
                self.serve_queues(env.renewed()).await;
                continue;
            }
            if !is_over && matches!(*self.waiter.outcome.lock(), Outcome::Waiting) {
                continue;
            }
            return std::mem::replace(&mut *self.waiter.outcome.lock(), Outcome::Gone);
        }
    }

    /// Does what the feeder could not do, with every lock that the command needs.
    async fn serve_queues(&self, env: Env<'_>) {
        let args = self.waiter.args.slices();
        let footprint = self.waiter.entry.command.footprint(&env.engine.keyspace, &args);
        let txn = env.begin(&footprint).await;
        *self.waiter.outcome.lock() = Outcome::Waiting;
        serve_all(env, Transaction::new(txn), &self.keys);
    }

    async fn leave_queues(&self, env: Env<'_>) {
        let mut footprint = Footprint::None;
        for (_, key) in &self.keys {
            footprint.add(env.engine.keyspace.shard_of(key));
        }
        let mut txn = env.begin(&footprint).await;
        for (db, key) in &self.keys {
            txn.stop_waiting(*db, key, self.waiter.client.id);
        }
    }
}

/// Serves the queues of these keys and commits. Whoever leaves a queue when it is [due](Outcome::Due) owes this to those
/// behind.
pub(crate) fn serve_all<'e>(env: Env<'e>, mut transaction: Transaction<'e>, keys: &[DbKey]) {
    for (db, key) in keys {
        serve(env, &mut transaction, *db, key);
    }
    commit::commit(env, &mut transaction);
}

/// Takes the waiter out of the registry, also when the wait is given up.
struct Leaving<'w, 'e> {
    env: Env<'e>,
    waiter: &'w Arc<Waiter>,
    _blocked: BlockedGuard<'e>,
}

impl<'w, 'e> Leaving<'w, 'e> {
    fn new(env: Env<'e>, waiter: &'w Arc<Waiter>) -> Self {
        Leaving { env, waiter, _blocked: env.engine.clients.count_blocked() }
    }
}

impl Drop for Leaving<'_, '_> {
    fn drop(&mut self) {
        self.env.engine.waiters.remove_if(&self.waiter.client.id, |_, other| Arc::ptr_eq(other, self.waiter));
        *self.waiter.outcome.lock() = Outcome::Gone;
    }
}
