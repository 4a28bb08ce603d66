//! One client's conversation: what it has selected, queued, watched; and the way of a request through it.
//!
//! [`Session::dispatch`] runs a request at once if it can. Where it can't (a shard is taken, the command waits for
//! data, a script has used up its slice) it returns [`Flow::Wait`], and [`Session::finish`] does the rest.

use std::sync::Arc;

use perigee_keyspace::{DbKey, Footprint, Txn, WatchFlag};
use perigee_resp::{Encoder, Protocol};
use rand::Rng;
use smallvec::SmallVec;

use crate::acl::Identity;
use crate::blocking::{self, Blocked, Waiter};
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
use crate::scripts::{DebugMode, RunTimes, ScriptFlow, ScriptRun, SharedScript};
use crate::spec::Scope;
use crate::table::Entry;
use crate::tracking::Tracked;
use crate::{command_log, commit, stats};

/// A request that outlives the buffer that it came in.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ends: SmallVec<[usize; 8]>,
}

impl OwnedArgs {
    /// Copies a request.
    pub fn new(args: &[&[u8]]) -> Self {
        let mut owned = OwnedArgs {
            bytes: Vec::with_capacity(args.iter().map(|arg| arg.len()).sum()),
            ..Self::default()
        };
        for arg in args {
            owned.bytes.extend_from_slice(arg);
            owned.ends.push(owned.bytes.len());
        }
        owned
    }

    /// Bytes that it occupies.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }

    /// The request.
    pub fn slices(&self) -> SmallVec<[&[u8]; 8]> {
        let mut start = 0;
        self.ends.iter().map(|&end| &self.bytes[std::mem::replace(&mut start, end)..end]).collect()
    }
}

/// What becomes of the connection after a request.
#[must_use]
pub enum Flow<'e> {
    /// The reply is complete.
    Done,
    /// The request needs [`Session::finish`].
    Wait(Box<Suspended<'e>>),
}

/// A request that is under way.
pub struct Suspended<'e>(State<'e>);

// It lives in the box of `Suspended`.
#[allow(clippy::large_enum_variant)]
enum State<'e> {
    /// It waits for the end of CLIENT PAUSE.
    Paused(OwnedArgs),
    /// It waits for its locks.
    Locks { entry: Entry, args: OwnedArgs, footprint: Footprint },
    /// It waits for keys to change.
    Blocked(Blocked),
    /// Its script has used up its slice; the transaction stays open. `exec` goes on after it.
    Script(SuspendedScript<'e>),
}

struct SuspendedScript<'e> {
    transaction: Transaction<'e>,
    entry: Entry,
    run: Box<dyn ScriptRun>,
    exec: Option<Exec>,
    args: OwnedArgs,
    /// What is to be counted at its end.
    ran: Option<SharedScript>,
}

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

    /// Leaves a request that can't be finished now in a state from which it goes on.
    #[inline(never)]
    fn suspend<'e>(
        &mut self,
        env: Env<'e>,
        begun: &mut Option<Transaction<'e>>,
        suspend: Suspend,
        entry: Entry,
        args: &[&[u8]],
    ) -> Flow<'e> {
        let Some(transaction) = begun else { unreachable!("begun by the caller") };
        match suspend {
            Suspend::Block(block, again) => {
                let request = again.request.unwrap_or_else(|| OwnedArgs::new(args));
                let mut blocked = Blocked::start(env, self, &mut transaction.txn, entry, request, block);
                blocked.look_again_at(again.at_ms);
                self.waiting.clone_from(&blocked.keys);
                commit::commit(env, transaction);
                *begun = None;
                blocked.spent_ns = env.worker.lap_ns();
                wait(State::Blocked(blocked))
            }
            Suspend::Script(run) => {
                self.times.end_slice(env);
                let args = OwnedArgs::new(args);
                let Some(transaction) = begun.take() else { unreachable!("begun by the caller") };
                wait(State::Script(SuspendedScript {
                    transaction,
                    entry,
                    run,
                    exec: None,
                    args,
                    ran: env.worker.ran.take(),
                }))
            }
            Suspend::Widen => {
                transaction.rollback();
                commit::commit(env, transaction);
                *begun = None;
                self.restart(env);
                wait_for_locks(entry, args, Footprint::All)
            }
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

    /// Does the rest of a request that had to wait; returns it if it [asks](Suspended::asks) for something. Dropping the
    /// future while the request is [blocked](Suspended::is_blocked) gives it up; [`Session::close`] must follow.
    #[must_use]
    pub async fn finish<'e>(
        &mut self,
        env: Env<'e>,
        suspended: Box<Suspended<'e>>,
        out: &mut Encoder,
    ) -> Option<Box<Suspended<'e>>> {
        let start = out.len();
        let mut state = suspended.0;
        loop {
            let env = env.renewed();
            let flow = match state {
                State::Paused(args) => {
                    let blocked = env.engine.clients.count_blocked();
                    self.client.mark(Mark::Blocked, true);
                    env.engine.pause.wait(env).await;
                    self.client.mark(Mark::Blocked, false);
                    drop(blocked);
                    let (env, slices) = (env.renewed(), args.slices());
                    let named = env.engine.commands.find(slices[0]);
                    match gate::admit(env, self, named, &slices, out) {
                        Passage::Answered | Passage::Hostile => Flow::Done,
                        Passage::Run(entry) => self.start_anywhere(env, entry, &slices, out),
                        Passage::Paused => wait(State::Paused(args.clone())),
                    }
                }
                State::Locks { entry, args, footprint } => {
                    let args_slices = args.slices();
                    let from_ns = env.worker.last_tick_ns.get();
                    let locks = gate::wait_for_locks(env, self, entry, &footprint).await;
                    let env = env.renewed();
                    self.times.waited_ns += env.worker.last_tick_ns.get().saturating_sub(from_ns);
                    match locks {
                        Ok(txn) => self.run_late(env, txn, entry, &args_slices, out),
                        Err(error) => {
                            crate::multi::refused(self, Some(entry), error).reply_to(out);
                            self.forget_caching(Some(entry));
                            Flow::Done
                        }
                    }
                }
                State::Blocked(blocked) => {
                    self.client.mark(Mark::Blocked, true);
                    blocked.wait(env, self, out).await;
                    self.client.mark(Mark::Blocked, false);
                    self.waiting.clear();
                    self.end_tracked(env.renewed(), None, out);
                    Flow::Done
                }
                State::Script(script) if script.run.asks() => {
                    return Some(Box::new(Suspended(State::Script(script))));
                }
                State::Script(script) => {
                    env.worker.timer.yield_now().await;
                    self.resume_script(env.renewed(), script, None, out)
                }
            };
            match flow {
                Flow::Done => break,
                Flow::Wait(next) => state = next.0,
            }
        }
        self.times = RunTimes::default();
        if self.reply_mode != ReplyMode::On {
            self.withhold(start, out);
        }
        None
    }

    /// Hands the client's words to a request that asks for them. No words: it was woken for another reason.
    pub fn tell<'e>(
        &mut self,
        env: Env<'e>,
        suspended: Box<Suspended<'e>>,
        words: &[&[u8]],
        out: &mut Encoder,
    ) -> Flow<'e> {
        match suspended.0 {
            State::Script(script) => self.resume_script(env, script, Some(words), out),
            state => wait(state),
        }
    }

    /// Gives up a request that asks for what its client will never say: what it has done is undone.
    pub fn abandon(&mut self, suspended: Box<Suspended<'_>>) {
        if let State::Script(mut script) = suspended.0 {
            script.transaction.rollback();
        }
    }

    fn resume_script<'e>(
        &mut self,
        env: Env<'e>,
        script: SuspendedScript<'e>,
        words: Option<&[&[u8]]>,
        out: &mut Encoder,
    ) -> Flow<'e> {
        let SuspendedScript { mut transaction, entry, mut run, exec, args, ran } = script;
        env.worker.ran.set(ran);
        let answered = out.len();
        let Transaction { txn, effects } = &mut transaction;
        let flow = match words {
            Some(words) => run.tell(env, txn, effects, words, out),
            None => run.resume(env, txn, effects, out),
        };
        match flow {
            ScriptFlow::Yielded => {
                self.times.end_slice(env);
                let ran = env.worker.ran.take();
                wait(State::Script(SuspendedScript { transaction, entry, run, exec, args, ran }))
            }
            ScriptFlow::Widen => {
                debug_assert!(exec.is_none(), "scripts in MULTI hold every shard");
                transaction.rollback();
                drop(run);
                commit::commit(env, &mut transaction);
                drop(transaction);
                self.restart(env);
                wait(State::Locks { entry, args, footprint: Footprint::All })
            }
            ScriptFlow::Done => {
                drop(run);
                match exec {
                    Some(exec) => self.run_exec(env, transaction, entry, exec, out),
                    None => {
                        commit::commit(env, &mut transaction);
                        drop(transaction);
                        command_log::note(
                            env,
                            self,
                            entry,
                            &args.slices(),
                            out.len().saturating_sub(answered),
                        );
                        stats::record(env, self, entry, &args.slices());
                        self.end_tracked(env, Some(entry), out);
                        Flow::Done
                    }
                }
            }
        }
    }

    /// The script that was under way is to begin again.
    #[cold]
    fn restart(&mut self, env: Env<'_>) {
        if let Some(script) = env.worker.ran.take() {
            script.figures.count_restart();
        }
        self.times.restart();
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
}

impl Suspended<'_> {
    /// Whether the request waits for data or for the end of CLIENT PAUSE, so that it may be given up when its client
    /// leaves. A script or a request that waits for a lock is finished all the same.
    pub fn is_blocked(&self) -> bool {
        matches!(self.0, State::Blocked(_) | State::Paused(_))
    }

    /// Whether the request is a script that has used up its slice.
    pub fn is_script(&self) -> bool {
        matches!(self.0, State::Script { .. })
    }

    /// Whether somebody wants its script stopped.
    pub fn is_killed(&self) -> bool {
        matches!(&self.0, State::Script(script) if script.run.is_killed())
    }

    /// Whether it stands still until the client says something, for which there is [`Session::tell`]: a script that is
    /// being debugged. If the client leaves, [`Session::abandon`] it.
    pub fn asks(&self) -> bool {
        matches!(&self.0, State::Script(script) if script.run.asks())
    }
}

#[inline(never)]
fn wait_for_locks<'e>(entry: Entry, args: &[&[u8]], footprint: Footprint) -> Flow<'e> {
    wait(State::Locks { entry, args: OwnedArgs::new(args), footprint })
}

fn wait<'e>(state: State<'e>) -> Flow<'e> {
    Flow::Wait(Box::new(Suspended(state)))
}

impl Session {
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
