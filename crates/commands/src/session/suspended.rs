//! Requests that cannot be finished at once: what they wait for, and how they go on.

use perigee_keyspace::Footprint;
use perigee_resp::Encoder;

use super::{OwnedArgs, ReplyMode, Session, Transaction};
use crate::blocking::Blocked;
use crate::call::Suspend;
use crate::clients::Mark;
use crate::engine::Env;
use crate::gate::{self, Passage};
use crate::multi::{self, Exec};
use crate::scripts::{RunTimes, ScriptFlow, ScriptRun, SharedScript};
use crate::table::Entry;
use crate::{command_log, commit, stats};

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

#[allow(clippy::large_enum_variant, reason = "it lives in the box of `Suspended`")]
pub(super) enum State<'e> {
    /// It waits for the end of CLIENT PAUSE.
    Paused(OwnedArgs),
    /// It waits for its locks.
    Locks { entry: Entry, args: OwnedArgs, footprint: Footprint },
    /// It waits for keys to change.
    Blocked(Blocked),
    /// Its script has used up its slice; the transaction stays open. `exec` goes on after it.
    Script(SuspendedScript<'e>),
}

pub(super) struct SuspendedScript<'e> {
    pub(super) transaction: Transaction<'e>,
    pub(super) entry: Entry,
    pub(super) run: Box<dyn ScriptRun>,
    pub(super) exec: Option<Exec>,
    pub(super) args: OwnedArgs,
    /// What is to be counted at its end.
    pub(super) ran: Option<SharedScript>,
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

impl Session {
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
                            multi::refused(self, Some(entry), error).reply_to(out);
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

    /// Leaves a request that can't be finished now in a state from which it goes on.
    #[inline(never)]
    pub(super) fn suspend<'e>(
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

    /// The script that was under way is to begin again.
    #[cold]
    fn restart(&mut self, env: Env<'_>) {
        if let Some(script) = env.worker.ran.take() {
            script.figures.count_restart();
        }
        self.times.restart();
    }
}

#[inline(never)]
pub(super) fn wait_for_locks<'e>(entry: Entry, args: &[&[u8]], footprint: Footprint) -> Flow<'e> {
    wait(State::Locks { entry, args: OwnedArgs::new(args), footprint })
}

pub(super) fn wait<'e>(state: State<'e>) -> Flow<'e> {
    Flow::Wait(Box::new(Suspended(state)))
}
