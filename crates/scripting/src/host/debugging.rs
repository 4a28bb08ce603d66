//! A run whose client debugs it: between two slices it stands still and is talked to.

use perigee_commands::scripts::{DebugMode, Script, ScriptContext, ScriptFlow, ScriptRun, end_session};
use perigee_commands::{CallOutcome, Effects, Env, Txn};
use perigee_resp::{Discard, Protocol, Reply};

use super::{Limit, Run, Suspended, limit_text};
use crate::debugger::{Debugger, Order};
use crate::lua::{Debugged, Ended, Machine, Thread, watched_call};

/// A session of the debugger.
pub(super) struct Debugging {
    mode: DebugMode,
    /// Taken out while a slice runs.
    pub(super) debugged: Option<Debugged>,
    /// Lua that the client has sent, while it runs.
    pub(super) evaluation: Option<Thread>,
}

impl Debugging {
    pub(super) fn new(mode: DebugMode, script: &Script) -> Self {
        let debugged = Some(Debugged::new(Debugger::new(&script.source)));
        Debugging { mode, debugged, evaluation: None }
    }

    /// Whether it is the client's turn.
    pub(super) fn asks(&self) -> bool {
        self.evaluation.is_none() && self.debugged.as_ref().is_some_and(|debugged| debugged.debugger.stands())
    }

    /// Takes the debugger back from the VM. An evaluation that has ended is logged, and the script stands where it stood.
    pub(super) fn after_slice(
        &mut self,
        machine: &mut Machine,
        ended: Ended,
        reply: &mut dyn Reply,
    ) -> Ended {
        self.debugged = machine.debugged().take();
        let Some(debugged) = &mut self.debugged else { return ended };
        let ended = match (ended, self.evaluation.take()) {
            (Ended::Yielded, evaluation) => {
                self.evaluation = evaluation;
                Ended::Yielded
            }
            (ended @ (Ended::Returned | Ended::Failed { .. }), Some(thread)) => {
                debugged.debugger.log_evaluation(machine.evaluated(&thread, &ended));
                machine.release(thread, false);
                Ended::Yielded
            }
            (stopped, Some(thread)) => {
                machine.release(thread, false);
                stopped
            }
            (ended, None) => ended,
        };
        if matches!(ended, Ended::Stopped(super::Stop::Widen)) {
            debugged.debugger.say(AGAIN.into());
            debugged.debugger.send(reply);
        } else if self.asks()
            && let Some(debugged) = &mut self.debugged
        {
            debugged.debugger.send(reply);
        }
        ended
    }

    fn end(&mut self, txn: &mut Txn<'_>, effects: &mut Effects, reply: &mut dyn Reply) {
        match &mut self.debugged {
            Some(debugged) => {
                debugged.debugger.say("<endsession>".into());
                debugged.debugger.send(reply);
            }
            None => end_session(reply),
        }
        if self.mode == DebugMode::Undone {
            txn.rollback();
            effects.clear();
        }
    }
}

const AGAIN: &str = "<hint> The script needs a key that it has not declared and others use. It is undone and begins again, with all keys.";

/// The script has come to its end: the client is told what was logged, and what was done is undone unless it is to stay.
#[inline]
pub(super) fn end_debugging(
    debugging: &mut Option<Box<Debugging>>,
    txn: &mut Txn<'_>,
    effects: &mut Effects,
    reply: &mut dyn Reply,
) {
    if let Some(debugging) = debugging {
        debugging.end(txn, effects, reply);
    }
}

impl Run {
    /// Does what the client says to the debugger.
    pub(super) fn hear<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        words: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        let Some(debugging) = &mut self.debugging else { return self.resume(env, txn, effects, reply) };
        let Some(debugged) = &mut debugging.debugged else { return self.resume(env, txn, effects, reply) };
        let mut machine = self.host.machine.borrow_mut();
        match debugged.debugger.hear(words) {
            Order::Answered => {}
            Order::GoOn => {
                debugged.debugger.release(env.ticks_ns());
                drop(machine);
                return self.resume(env, txn, effects, reply);
            }
            Order::Abort => {
                drop(machine);
                let line = debugged.debugger.line();
                self.forget_suspension();
                self.fail_at(
                    Some(format!("@user_script:{line}")),
                    b"ERR script aborted for user request",
                    false,
                    env,
                    txn,
                    effects,
                    reply,
                );
                return ScriptFlow::Done;
            }
            Order::PrintAll => debugged.debugger.log_locals(machine.locals(debugged)),
            Order::Print(name) => {
                let value = machine.variable(debugged, &name);
                debugged.debugger.log_variable(value);
            }
            Order::Trace => debugged.log_levels(),
            Order::Evaluate(code) => match machine.compile_evaluation(&code) {
                Ok(chunk) => {
                    debugging.evaluation = Some(machine.debugged_thread(chunk));
                    drop(machine);
                    return self.resume(env, txn, effects, reply);
                }
                Err(message) => debugged.debugger.log_evaluation(Err(message)),
            },
            Order::Redis => {
                drop(machine);
                return self.command(env, txn, effects, &words[1..], reply);
            }
        }
        debugged.debugger.send(reply);
        ScriptFlow::Yielded
    }

    /// Runs a command as if the script called it.
    fn command<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        args: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        let (Some(session), Some(debugging)) = (&mut self.session, &mut self.debugging) else {
            return ScriptFlow::Done;
        };
        let Some(debugged) = &mut debugging.debugged else { return ScriptFlow::Done };
        let mut context = ScriptContext {
            env,
            script: &self.script,
            session,
            txn,
            effects,
            read_only: self.read_only,
            wrote: self.wrote,
            writes_left: self.writes_left,
        };
        let mut nobody = Discard::new(Protocol::Resp2);
        let outcome = watched_call(&mut context, args, &mut nobody, &mut debugged.debugger);
        (self.wrote, self.writes_left) = (context.wrote, context.writes_left);
        match outcome {
            CallOutcome::Answered { .. } | CallOutcome::Refused => {
                debugged.debugger.send(reply);
                ScriptFlow::Yielded
            }
            CallOutcome::Widen => {
                debugged.debugger.say(AGAIN.into());
                debugged.debugger.send(reply);
                self.forget_suspension();
                self.end(false);
                ScriptFlow::Widen
            }
            CallOutcome::TooManyWrites => {
                self.forget_suspension();
                self.undo(env, limit_text(Limit::Writes), txn, effects, reply);
                ScriptFlow::Done
            }
        }
    }

    /// Gives back what was kept of a run that does not go on.
    fn forget_suspension(&mut self) {
        if let Some(suspended) = self.suspended.take() {
            let Suspended { arguments, pending, registration, .. } = *suspended;
            let mut machine = self.host.machine.borrow_mut();
            machine.restore_arguments(arguments);
            machine.give_up(pending);
            drop(registration);
        }
    }
}
