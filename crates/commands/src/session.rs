//! One client's conversation: what it has selected, queued, watched; and the way of a request through it.
//!
//! [`Session::dispatch`] runs a request at once if it can. Where it can't (a shard is taken, the command waits for
//! data, a script has used up its slice) it returns [`Flow::Wait`], and [`Session::finish`] does the rest.

mod owned_args;
mod suspended;

use std::sync::Arc;

use perigee_keyspace::{DbKey, Footprint, Txn, WatchFlag};
use perigee_resp::{Encoder, Protocol};
use rand::Rng;

pub use self::owned_args::OwnedArgs;
pub use self::suspended::{Flow, Suspended};
use self::suspended::{State, SuspendedScript, wait, wait_for_locks};
use crate::acl::Identity;
use crate::blocking::{self, Waiter};
use crate::call::Suspend;
use crate::clients::{Client, Interest, Mark};
use crate::effects::Effects;
use crate::engine::{Engine, Env};
use crate::execute::execute;
use crate::gate::{self, Passage};
use crate::maxmemory::Policy;
use crate::multi::{Exec, Multi};
use crate::preview::Preview;
use crate::pubsub::Subscriptions;
use crate::scripts::{DebugMode, RunTimes};
use crate::spec::Scope;
use crate::table::Entry;
use crate::tracking::Tracked;
use crate::{command_log, commit, stats};

/// An open transaction and what it will tell.
pub(crate) struct Transaction<'e> {
    /// The data.
    pub(crate) txn: Txn<'e>,
    /// What is to be told at the commit.
    pub(crate) effects: Effects,
}

impl<'e> Transaction<'e> {
    #[inline]
    pub(crate) fn new(txn: Txn<'e>) -> Self {
        Transaction { txn, effects: Effects::default() }
    }

    /// Undoes everything.
    pub(crate) fn rollback(&mut self) {
        self.txn.rollback();
        self.effects.clear();
    }
}

/// On whose behalf a session runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A client.
    Client,
    /// A script's fake client.
    Script,
    /// A blocked client, served by whoever fed its key.
    Served {
        /// The position of that key among the arguments.
        key: usize,
    },
}

/// Which replies the client wants, as CLIENT REPLY has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Not the reply to this request.
    Skip,
    /// Not the reply to the next request.
    SkipNext,
}

/// One client's conversation.
pub struct Session {
    /// The client as others see it.
    pub client: Arc<Client>,
    pub(crate) db: u16,
    pub(crate) protocol: Protocol,
    pub(crate) identity: Identity,
    pub(crate) role: Role,
    pub(crate) multi: Option<Multi>,
    /// A queued command is being executed.
    pub(crate) in_exec: bool,
    pub(crate) watched: Vec<DbKey>,
    pub(crate) watch_flag: Arc<WatchFlag>,
    /// What it no longer watches, but is still registered for: nobody held these keys' locks when it was given up.
    pub(crate) abandoned_watches: Vec<(DbKey, Arc<WatchFlag>)>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) reply_mode: ReplyMode,
    pub(crate) monitoring: bool,
    /// Which changes of keys it wants to hear of.
    pub(crate) tracked: Option<Box<Tracked>>,
    pub(crate) closing: bool,
    pub(crate) times: RunTimes,
    /// There was no memory when its last request came, or, for a script, when it began.
    pub(crate) out_of_memory: bool,
    /// How its scripts are debugged, as SCRIPT DEBUG has set it.
    pub(crate) debugging: Option<DebugMode>,
    /// The keys that the running wait is queued at.
    waiting: Vec<DbKey>,
}

impl Session {
    /// A conversation with a client that has just connected.
    pub fn new(env: Env<'_>, client: Arc<Client>) -> Self {
        let mut session = Session::derived(client, 0, Protocol::Resp2);
        session.act_for(Identity::newcomer(&env.engine.acl));
        session
    }

    /// Makes the fake client of another script of this one: as [`Session::script`], without allocating.
    pub fn become_script(&mut self, parent: &Session) {
        if self.client.id != parent.client.id {
            self.client = parent.client.clone();
        }
        self.identity.follow(&parent.identity);
        self.db = parent.db;
        self.protocol = Protocol::Resp2;
        self.out_of_memory = parent.out_of_memory;
    }

    /// The fake client of a script that `parent` runs: same database, same rights, RESP2.
    pub fn script(parent: &Session) -> Self {
        let identity = parent.identity.clone();
        let derived = Session::derived(parent.client.clone(), parent.db, Protocol::Resp2);
        Session { role: Role::Script, identity, out_of_memory: parent.out_of_memory, ..derived }
    }

    /// The stand-in for a blocked client.
    pub(crate) fn served(waiter: &Waiter, key: usize) -> Self {
        let stand_in = Session::derived(waiter.client.clone(), waiter.db, waiter.protocol);
        Session { role: Role::Served { key }, ..stand_in }
    }

    fn derived(client: Arc<Client>, db: u16, protocol: Protocol) -> Self {
        Session {
            client,
            db,
            protocol,
            identity: Identity::default(),
            role: Role::Client,
            multi: None,
            in_exec: false,
            watched: Vec::new(),
            watch_flag: Arc::default(),
            abandoned_watches: Vec::new(),
            subscriptions: Subscriptions::default(),
            reply_mode: ReplyMode::On,
            monitoring: false,
            tracked: None,
            closing: false,
            times: RunTimes::default(),
            out_of_memory: false,
            debugging: None,
            waiting: Vec::new(),
        }
    }

    /// Whether the client has authenticated, or needs not.
    #[inline]
    pub fn is_authenticated(&self, engine: &Engine) -> bool {
        self.identity.is_authenticated(&engine.acl)
    }

    /// Acts for somebody from now on.
    pub(crate) fn act_for(&mut self, identity: Identity) {
        self.client.named.lock().user = identity.user().cloned();
        self.identity = identity;
    }

    /// Whether the connection is to be closed once its replies are written.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// The protocol of its replies; also that which a script has set for its calls.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Has replies come in this protocol from now on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        if self.role == Role::Client {
            self.client.set_protocol(protocol);
        }
    }

    pub(crate) fn select(&mut self, db: u16) {
        self.db = db;
        if self.role == Role::Client {
            self.client.db.store(db, std::sync::atomic::Ordering::Relaxed);
        }
    }

    pub(crate) fn may_block(&self) -> bool {
        self.role != Role::Script && !self.in_exec
    }

    /// Runs a request, or as much of it as needs no waiting. The reply goes to `out`.
    pub fn dispatch<'e>(&mut self, env: Env<'e>, args: &[&[u8]], out: &mut Encoder) -> Flow<'e> {
        self.dispatch_previewed(env, Preview::of(env, args), args, out)
    }

    /// As [`dispatch`](Self::dispatch), for a request that was looked at before.
    #[inline(always)]
    pub fn dispatch_previewed<'e>(
        &mut self,
        env: Env<'e>,
        preview: Preview,
        args: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        let start = out.len();
        let flow = match gate::admit(env, self, preview.entry, args, out) {
            Passage::Answered => Flow::Done,
            Passage::Hostile => {
                out.clear();
                return Flow::Done;
            }
            Passage::Run(entry) => match preview.shard {
                Some(shard) => self.start(env, entry, Footprint::One(shard), args, out),
                None => self.start_anywhere(env, entry, args, out),
            },
            Passage::Paused => wait(State::Paused(OwnedArgs::new(args))),
        };
        if self.reply_mode != ReplyMode::On {
            match flow {
                Flow::Done => self.withhold(start, out),
                // What EXEC has answered so far; `finish` withholds the rest.
                Flow::Wait(_) => out.truncate(start),
            }
        }
        flow
    }

    #[inline(never)]
    fn start_anywhere<'e>(
        &mut self,
        env: Env<'e>,
        entry: Entry,
        args: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        let footprint = gate::footprint(env, self, entry, args);
        self.start(env, entry, footprint, args, out)
    }

    #[inline(always)]
    fn start<'e>(
        &mut self,
        env: Env<'e>,
        entry: Entry,
        footprint: Footprint,
        args: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        match env.engine.keyspace.try_begin(&footprint, env.now_ms) {
            Some(txn) => self.run(env, &mut Some(Transaction::new(txn)), entry, args, out),
            None => wait_for_locks(entry, args, footprint),
        }
    }

    /// Runs a request in the transaction, which is taken away.
    #[inline(always)]
    fn run<'e>(
        &mut self,
        env: Env<'e>,
        begun: &mut Option<Transaction<'e>>,
        entry: Entry,
        args: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        let Some(transaction) = begun else { unreachable!("begun by the caller") };
        if self.client.is_special() {
            self.begin_special(env, transaction, entry, args);
        } else if Policy::counts_accesses(&env.engine.config) {
            transaction.txn.count_accesses(env.worker.rng.borrow_mut().next_u32());
        }
        if matches!(entry.command.scope, Scope::Queued)
            && let Some(exec) = Exec::take(env, self, entry, transaction, out)
        {
            return match begun.take() {
                Some(transaction) => self.run_exec(env, transaction, entry, exec, out),
                None => Flow::Done,
            };
        }
        let answered = out.len();
        let Transaction { txn, effects } = transaction;
        let suspend = execute(env, self, txn, effects, args, entry, out);
        let tracks = self.tracked.is_some();
        if tracks {
            self.note_reads(txn, entry, args);
        }
        match suspend {
            None => {
                commit::commit(env, transaction);
                *begun = None;
                command_log::note(env, self, entry, args, out.len().saturating_sub(answered));
                stats::record(env, self, entry, args);
                if tracks {
                    self.end_tracked(env, Some(entry), out);
                }
                Flow::Done
            }
            Some(suspend) => self.suspend(env, begun, *suspend, entry, args),
        }
    }

    /// Runs a request whose locks others held when it came.
    #[inline(never)]
    fn run_late<'e>(
        &mut self,
        env: Env<'e>,
        txn: Txn<'e>,
        entry: Entry,
        args: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        self.run(env, &mut Some(Transaction::new(txn)), entry, args, out)
    }

    #[cold]
    fn begin_special(&self, env: Env<'_>, transaction: &mut Transaction<'_>, entry: Entry, args: &[&[u8]]) {
        let Transaction { txn, effects } = transaction;
        if self.client.has(Mark::ImportSource) && env.engine.keyspace.keeps_expired() {
            txn.see_expired();
        }
        if Policy::counts_accesses(&env.engine.config) {
            txn.count_accesses(env.worker.rng.borrow_mut().next_u32());
        }
        if self.client.has(Mark::NoTouch) {
            txn.keep_access_times();
        }
        self.begin_tracked(txn, effects, entry, args);
    }

    /// Runs queued commands from where `exec` stands.
    fn run_exec<'e>(
        &mut self,
        env: Env<'e>,
        mut transaction: Transaction<'e>,
        exec_entry: Entry,
        mut exec: Exec,
        out: &mut Encoder,
    ) -> Flow<'e> {
        self.in_exec = true;
        while let Some((entry, args)) = exec.next() {
            if let Err(refusal) = gate::permit_queued(env, self, entry, &args.slices()) {
                refusal.reply_to(out);
                continue;
            }
            if !env.engine.monitors.is_empty() {
                stats::feed_monitors(env, self, entry, &args.slices());
            }
            let answered = out.len();
            let Transaction { txn, effects } = &mut transaction;
            if self.tracked.is_some() {
                self.begin_tracked(txn, effects, entry, &args.slices());
            }
            let suspend = execute(env, self, txn, effects, &args.slices(), entry, out);
            if self.tracked.is_some() {
                self.note_reads(txn, entry, &args.slices());
            }
            if let Some(suspend) = suspend {
                let Suspend::Script(run) = *suspend else {
                    unreachable!("nobody waits inside MULTI, and scripts there hold every shard")
                };
                self.times.end_slice(env);
                let (entry, exec) = (exec_entry, Some(exec));
                let ran = env.worker.ran.take();
                return wait(State::Script(SuspendedScript { transaction, entry, run, exec, args, ran }));
            }
            command_log::note(env, self, entry, &args.slices(), out.len().saturating_sub(answered));
            stats::record(env, self, entry, &args.slices());
        }
        self.in_exec = false;
        if !env.engine.monitors.is_empty() {
            stats::feed_monitors(env, self, exec_entry, &[b"exec"]);
        }
        commit::commit(env, &mut transaction);
        drop(transaction);
        stats::record(env, self, exec_entry, &[b"exec"]);
        self.end_tracked(env, Some(exec_entry), out);
        Flow::Done
    }

    #[cold]
    fn withhold(&mut self, start: usize, out: &mut Encoder) {
        match self.reply_mode {
            ReplyMode::On => return,
            ReplyMode::Off => {}
            ReplyMode::SkipNext => self.reply_mode = ReplyMode::Skip,
            ReplyMode::Skip => self.reply_mode = ReplyMode::On,
        }
        out.truncate(start);
    }

    /// Ends the conversation: takes the client out of every list that it stands in.
    pub async fn close(&mut self, env: Env<'_>) {
        self.unsubscribe_all(env);
        self.stop_tracking(env);
        if self.monitoring {
            env.engine.monitors.leave(self.client.id);
        }
        env.engine.waiters.remove(&self.client.id);
        let mut footprint = Footprint::None;
        let abandoned = self.abandoned_watches.iter().map(|(key, _)| key);
        for (_, key) in self.watched.iter().chain(abandoned).chain(&self.waiting) {
            footprint.add(env.engine.keyspace.shard_of(key));
        }
        if footprint != Footprint::None {
            let mut txn = env.begin(&footprint).await;
            self.unwatch_all(&mut txn);
            for (db, key) in &self.waiting {
                txn.stop_waiting(*db, key, self.client.id);
            }
            blocking::serve_all(env, Transaction::new(txn), &self.waiting);
            self.waiting.clear();
        }
        env.engine.clients.disconnect(self.client.id);
    }

    /// Tells others how many keys it watches.
    pub(crate) fn show_watched(&self) {
        self.client.watches.store(self.watched.len() as u32, std::sync::atomic::Ordering::Relaxed);
        if self.watched.is_empty() {
            self.client.forget_names(Interest::Watched);
        }
    }

    /// Watches nothing from now on. Whoever next has the locks takes the session out of the keys' lists.
    pub(crate) fn abandon_watches(&mut self) {
        let flag = std::mem::take(&mut self.watch_flag);
        self.abandoned_watches.extend(self.watched.drain(..).map(|key| (key, flag.clone())));
        self.show_watched();
    }

    pub(crate) fn unwatch_all(&mut self, txn: &mut Txn<'_>) {
        for (db, key) in self.watched.drain(..) {
            txn.unwatch(db, &key, &self.watch_flag);
        }
        for ((db, key), flag) in self.abandoned_watches.drain(..) {
            txn.unwatch(db, &key, &flag);
        }
        self.watch_flag = Arc::default();
        self.show_watched();
    }
    /// Leaves every channel and pattern, without a word.
    pub(crate) fn unsubscribe_all(&mut self, env: Env<'_>) {
        let Session { subscriptions, client, .. } = self;
        subscriptions.leave_all(&env.engine.pubsub, client);
    }

    /// Gives up MULTI and forgets what was queued.
    pub(crate) fn leave_multi(&mut self) {
        self.multi = None;
        self.client.mark(Mark::Multi, false);
        self.client.queued.store(-1, std::sync::atomic::Ordering::Relaxed);
        self.client.held_bytes.store(0, std::sync::atomic::Ordering::Relaxed);
    }
}
