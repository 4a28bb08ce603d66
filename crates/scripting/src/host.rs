//! A worker's script host: runs scripts in slices, inside their transactions.

mod debugging;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use perigee_commands::config::{Config, Param};
use perigee_commands::functions::{LibraryLoad, Source, Sources};
use perigee_commands::scripts::{
    Failure, Invocation, Registration, Script, ScriptContext, ScriptFlow, ScriptHost, ScriptRun,
    SharedScript, Started, end_session,
};
use perigee_commands::{Effects, Engine, Env, OwnedArgs, Session, Txn};
use perigee_resp::Reply;

use self::debugging::{Debugging, end_debugging};
use crate::libraries::{Borrowed, Instances, TextRun};
use crate::library::{Random, RunState};
use crate::lua::{Ended, FunctionCall, Limit, Limits, Loading, Machine, Pending, Stop, Thread};
use crate::sandbox::ArgumentUse;

/// A worker's Lua machine. One VM, in which scripts take turns.
#[derive(Clone)]
pub struct LuaHost(Rc<Host>);

struct Host {
    machine: RefCell<Machine>,
    instances: RefCell<Instances>,
    engine: Arc<Engine>,
    /// The cache's flushes that the compiled copies reflect.
    flushes: Cell<u64>,
    /// The evictions that they reflect.
    evictions: Cell<u64>,
    /// Random state for the seeds of runs.
    seed: Cell<u64>,
    /// A fake client for the next run.
    spare: RefCell<Option<Box<Session>>>,
}

impl LuaHost {
    /// Opens a VM for the calling thread, on which all its scripts run.
    pub fn new(engine: &Arc<Engine>) -> Self {
        LuaHost(Rc::new(Host {
            machine: RefCell::new(Machine::new()),
            instances: RefCell::default(),
            engine: engine.clone(),
            flushes: Cell::new(0),
            evictions: Cell::new(0),
            seed: Cell::new(RandomState::new().hash_one("seed")),
            spare: RefCell::new(None),
        }))
    }

    /// As [`LuaHost::new`], in the form that servers want.
    pub fn boxed(engine: &Arc<Engine>, _worker: usize) -> Option<Box<dyn ScriptHost>> {
        Some(Box::new(LuaHost::new(engine)))
    }

    pub(crate) fn machine(&self) -> &RefCell<Machine> {
        &self.0.machine
    }
}

/// Evictions after which compiled copies are looked through for what can go.
const SWEEP_AFTER: u64 = 64;

impl Host {
    fn fake_client(&self, parent: &Session) -> Box<Session> {
        match self.spare.borrow_mut().take() {
            Some(mut session) => {
                session.become_script(parent);
                session
            }
            None => Box::new(Session::script(parent)),
        }
    }

    /// Drops compiled copies of what is no longer cached.
    fn follow_cache(&self) {
        let scripts = &self.engine.scripts;
        let (flushes, evictions) = (scripts.flushes(), scripts.evictions());
        if self.flushes.replace(flushes) != flushes {
            self.machine.borrow_mut().forget();
        } else if evictions >= self.evictions.get() + SWEEP_AFTER {
            self.evictions.set(evictions);
            self.machine.borrow_mut().sweep();
        }
    }

    /// A coroutine for the invocation, KEYS and ARGV in place, and the instance of the library whose function it calls.
    ///
    /// # Errors
    /// The error to answer.
    fn begin(&self, invocation: &Invocation<'_>) -> Result<(Thread, Option<Borrowed>), Vec<u8>> {
        let Invocation { script, library, keys, args, debug, .. } = invocation;
        let mut machine = self.machine.borrow_mut();
        if let Some(library) = library {
            let mut instances = self.instances.borrow_mut();
            instances.follow(&self.engine.functions, &mut machine);
            let call = FunctionCall { name: script.title(), keys, args };
            let begun = instances.begin(&mut machine, library.clone(), &call);
            let failed = |message: Vec<u8>| [b"ERR Error compiling function: ".as_slice(), &message].concat();
            let (borrowed, thread) = begun.map_err(failed)?;
            machine.clear_arguments();
            return Ok((thread, Some(borrowed)));
        }
        let failed =
            |message: Vec<u8>| [b"ERR Error compiling script (new function): ".as_slice(), &message].concat();
        let (thread, uses) = if debug.is_some() {
            let chunk = machine.compile_for_debugger(script.body()).map_err(failed)?;
            (machine.debugged_thread(chunk), ArgumentUse::Any)
        } else {
            let (function, uses) = machine.compile(script).map_err(failed)?;
            (machine.thread(function), uses)
        };
        machine.set_arguments(keys, args, uses);
        Ok((thread, None))
    }

    fn run_state(&self, deterministic: bool) -> RunState {
        if deterministic {
            return RunState { random: Random::from_script_seed(0), ..RunState::new(0) };
        }
        // Weyl's sequence, mixed: cheap, and different for every run.
        let seed = self.seed.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.seed.set(seed);
        RunState::new((seed ^ (seed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 8)
    }
}

impl ScriptHost for LuaHost {
    fn tidy(&self) -> bool {
        self.0.follow_cache();
        let mut machine = self.0.machine.borrow_mut();
        self.0.instances.borrow_mut().follow(&self.0.engine.functions, &mut machine);
        machine.tidy()
    }

    fn compile(&self, script: &Arc<Script>) -> Result<(), Vec<u8>> {
        self.0.follow_cache();
        self.0.machine.borrow_mut().compile(script).map(drop)
    }

    fn used_bytes(&self) -> usize {
        self.0.machine.borrow_mut().used_bytes()
    }

    fn load(&self, source: &Arc<Source>, others: &Arc<Sources>) -> Box<dyn LibraryLoad> {
        Box::new(TextRun::new(self.clone(), source, others))
    }

    fn run<'e>(
        &self,
        env: Env<'e>,
        invocation: Invocation<'_>,
        parent: &Session,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> Started {
        self.0.follow_cache();
        let config = &env.engine.config;
        let deterministic =
            config.is_on(Param::ScriptDeterministic) || invocation.script.flags().deterministic;
        let (thread, mut borrowed) = match self.0.begin(&invocation) {
            Ok(begun) => begun,
            Err(text) => {
                if invocation.debug.is_some() {
                    end_session(reply);
                }
                reply.error(&text);
                env.count_script_error(&text, false);
                return Started::Done;
            }
        };
        let mut machine = self.0.machine.borrow_mut();
        let base_bytes = machine.used_bytes();
        let debugging = invocation.debug.map(|mode| Box::new(Debugging::new(mode, &invocation.script)));
        *machine.loading() = borrowed.as_mut().and_then(|borrowed| borrowed.loading.take());
        machine.exchange(&mut self.0.run_state(deterministic));
        machine.prepare(limits(config), deterministic);
        drop(machine);
        txn.open_journal();
        let run = Run {
            host: self.0.clone(),
            session: Some(self.0.fake_client(parent)),
            thread: Some(thread),
            borrowed,
            script: invocation.script,
            suspended: None,
            deterministic,
            read_only: invocation.read_only,
            wrote: false,
            failed: false,
            base_bytes,
            debugging,
            writes_left: match config.number(Param::ScriptMaxWrites) {
                0 => u64::MAX,
                limit => limit as u64,
            },
        };
        run.start(env, txn, effects, reply)
    }
}

/// A run of a script.
struct Run {
    host: Rc<Host>,
    /// The fake client; taken back at the end.
    session: Option<Box<Session>>,
    thread: Option<Thread>,
    /// The instance of the library whose function it is.
    borrowed: Option<Borrowed>,
    script: SharedScript,
    /// What belongs to the run and not to the VM, while others use the VM.
    suspended: Option<Box<Suspended>>,
    deterministic: bool,
    read_only: bool,
    wrote: bool,
    /// It has ended by an error of its own.
    failed: bool,
    /// What the VM used before the run.
    base_bytes: usize,
    /// Commands that write and may still be called.
    writes_left: u64,
    /// Its client debugs it.
    debugging: Option<Box<Debugging>>,
}

/// What a suspended run takes out of the VM.
pub(crate) struct Suspended {
    arguments: [i32; 2],
    state: RunState,
    registration: Option<Registration>,
    loading: Option<Loading>,
    pending: Option<Pending>,
}

impl Suspended {
    /// Takes it out at the end of a slice, and notes what the run has done and holds.
    pub(crate) fn new(machine: &mut Machine, wrote: bool, txn: &Txn<'_>) -> Self {
        let registration = machine.registration().take();
        if let Some(registration) = &registration {
            registration.update(wrote, txn.footprint());
        }
        let mut state = RunState::new(0);
        machine.exchange(&mut state);
        let (arguments, loading, pending) =
            (machine.save_arguments(), machine.loading().take(), machine.pending());
        Suspended { arguments, state, registration, loading, pending }
    }

    /// Whether somebody wants the run gone.
    pub(crate) fn is_killed(&self) -> bool {
        self.registration.as_ref().is_some_and(|entry| entry.running.is_killed())
    }

    /// Puts it back before the next slice. Returns what the library function that it is in has still to do.
    pub(crate) fn go_on(mut self, machine: &mut Machine) -> Option<Pending> {
        machine.restore_arguments(self.arguments);
        machine.exchange(&mut self.state);
        *machine.loading() = self.loading;
        *machine.registration() = self.registration;
        self.pending
    }
}

impl Run {
    fn start<'e>(
        mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> Started {
        match self.slice(env, None, txn, effects, reply) {
            ScriptFlow::Done => Started::Done,
            ScriptFlow::Yielded => Started::Yielded(Box::new(self)),
            ScriptFlow::Widen => Started::Widen,
        }
    }

    fn slice<'e>(
        &mut self,
        env: Env<'e>,
        pending: Option<Pending>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        let mut machine = self.host.machine.borrow_mut();
        let mut thread = self.thread.as_ref();
        if let Some(debugging) = &mut self.debugging {
            *machine.debugged() = debugging.debugged.take();
            thread = debugging.evaluation.as_ref().or(thread);
        }
        let (Some(thread), Some(session)) = (thread, &mut self.session) else {
            return ScriptFlow::Done;
        };
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
        machine.begin_slice();
        let before_bytes = machine.used_bytes();
        let ended = machine.go_on(thread, pending, &mut context);
        if let Some(borrowed) = &mut self.borrowed {
            borrowed.note_growth(before_bytes, machine.used_bytes());
        }
        (self.wrote, self.writes_left) = (context.wrote, context.writes_left);
        self.script.figures.note_memory(machine.peak_bytes().saturating_sub(self.base_bytes));
        env.worker.note_script_memory(machine.used_bytes());
        let ended = match &mut self.debugging {
            Some(debugging) => debugging.after_slice(&mut machine, ended, reply),
            None => ended,
        };
        let (Some(thread), Some(session)) = (&self.thread, &mut self.session) else {
            return ScriptFlow::Done;
        };
        match ended {
            Ended::Yielded => {
                let line = machine.line(thread);
                let suspended = Suspended::new(&mut machine, self.wrote, txn);
                if let (Some(registration), Some(line)) = (&suspended.registration, line) {
                    registration.note_line(line);
                }
                self.suspended = Some(Box::new(suspended));
                return ScriptFlow::Yielded;
            }
            Ended::Stopped(Stop::Widen) => {
                drop(machine);
                self.script.set_wide();
                self.end(false);
                return ScriptFlow::Widen;
            }
            Ended::Stopped(Stop::Aborted) => {
                end_debugging(&mut self.debugging, txn, effects, reply);
                let protocol = session.protocol();
                txn.rollback();
                effects.clear();
                self.script.figures.count_rollback();
                machine
                    .reply_to_abort(protocol, reply, &|text, counted| env.count_script_error(text, counted));
                drop(machine);
                self.end(false);
            }
            Ended::Stopped(Stop::Killed) => {
                drop(machine);
                self.undo(env, KILLED, txn, effects, reply);
            }
            Ended::Stopped(Stop::Limit(limit)) => {
                drop(machine);
                let kept_bytes = self.borrowed.as_ref().map_or(0, Borrowed::kept_bytes);
                let keeps_most = kept_bytes > memory_limit_bytes(&env.engine.config) / 2;
                let text = match limit {
                    Limit::Memory if keeps_most => KEEPS_TOO_MUCH,
                    _ => limit_text(limit),
                };
                self.undo(env, text, txn, effects, reply);
            }
            Ended::Stopped(Stop::Panicked) => unreachable!("the panic was resumed"),
            Ended::Returned => {
                end_debugging(&mut self.debugging, txn, effects, reply);
                let protocol = session.protocol();
                machine
                    .reply(thread, protocol, reply, &|text, counted| env.count_script_error(text, counted));
                drop(machine);
                self.end(true);
            }
            Ended::Failed { text, counted } => {
                drop(machine);
                let (position, _) = self.place(&text);
                self.fail_at(position, &text, counted, env, txn, effects, reply);
            }
        }
        ScriptFlow::Done
    }

    /// Ends the run with an error of the script's.
    #[allow(clippy::too_many_arguments, reason = "the error, and what every end of a run needs")]
    fn fail_at(
        &mut self,
        position: Option<String>,
        text: &[u8],
        counted: bool,
        env: Env<'_>,
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) {
        self.failed = true;
        end_debugging(&mut self.debugging, txn, effects, reply);
        let (_, traceback) = self.place(text);
        if env.engine.config.is_on(Param::ScriptAtomicity) || self.script.flags().atomic {
            txn.rollback();
            effects.clear();
            self.script.figures.count_rollback();
        }
        let text = self.located(text, position);
        reply.error(&text);
        env.count_script_error(&text, counted);
        self.script.figures.count_failure(Failure { at_ms: txn.now_ms(), text, traceback });
        self.end(false);
    }

    /// Where the script stands, for an error with this text.
    fn place(&self, text: &[u8]) -> (Option<String>, Vec<String>) {
        let machine = self.host.machine.borrow();
        match &self.thread {
            Some(thread) => (machine.position(thread, text), machine.traceback(thread)),
            None => (None, Vec::new()),
        }
    }

    /// Ends the run as if it had never been, with this error.
    fn undo(
        &mut self,
        env: Env<'_>,
        text: &[u8],
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) {
        end_debugging(&mut self.debugging, txn, effects, reply);
        txn.rollback();
        effects.clear();
        let (position, traceback) = self.place(b"");
        let figures = &self.script.figures;
        figures.count_rollback();
        if text == KILLED {
            figures.count_kill();
        }
        let text = self.located(text, position);
        reply.error(&text);
        env.count_script_error(&text, false);
        figures.count_failure(Failure { at_ms: txn.now_ms(), text, traceback });
        self.end(false);
    }

    /// An error's text, which ends for Redis at its first NUL, with the script and the place where it happened: of a function without
    /// one, where it is defined.
    fn located(&self, text: &[u8], position: Option<String>) -> Vec<u8> {
        let position = position.or_else(|| {
            let borrowed = self.borrowed.as_ref()?;
            borrowed.definition(&mut self.host.machine.borrow_mut(), self.script.title())
        });
        let mut located = text.to_vec();
        if let Some(position) = position {
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
            located.truncate(end);
            let title =
                if self.script.is_function() { self.script.title().as_bytes() } else { &self.script.sha1 };
            let title = String::from_utf8_lossy(title);
            located.extend_from_slice(format!(" script: {title}, on {position}.").as_bytes());
        }
        located
    }

    /// Gives the coroutine back.
    fn end(&mut self, reusable: bool) {
        *self.host.spare.borrow_mut() = self.session.take();
        let mut machine = self.host.machine.borrow_mut();
        if let Some(registration) = machine.registration().take() {
            self.script.figures.note_slowest_line(registration.slowest_line());
        }
        if let Some(thread) = self.debugging.take().and_then(|debugging| debugging.evaluation) {
            machine.release(thread, false);
        }
        *machine.loading() = None;
        if let Some(thread) = self.thread.take() {
            machine.release(thread, reusable);
        }
        if let Some(borrowed) = self.borrowed.take() {
            let intact = reusable || self.failed;
            let Engine { functions, config, .. } = &*self.host.engine;
            let limit_bytes = memory_limit_bytes(config);
            self.host.instances.borrow_mut().end(&mut machine, functions, borrowed, intact, limit_bytes);
        }
    }
}

impl ScriptRun for Run {
    fn serves(&self, request: &[&[u8]]) {
        let registration = self.suspended.as_ref().and_then(|suspended| suspended.registration.as_ref());
        if let Some(registration) = registration {
            // Only the first slice's end says it.
            let _ = registration.running.request.set(OwnedArgs::new(request));
        }
    }

    fn resume<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        let Some(suspended) = self.suspended.take() else { return ScriptFlow::Done };
        let running = suspended.registration.as_ref().map(|entry| entry.running.clone());
        let pending = {
            let mut machine = self.host.machine.borrow_mut();
            let pending = suspended.go_on(&mut machine);
            machine.prepare(limits(&env.engine.config), self.deterministic);
            pending
        };
        let text = match running {
            Some(running) if running.is_killed() => KILLED,
            Some(running) if running.is_out_of_time(env) => limit_text(Limit::Time),
            _ => return self.slice(env, pending, txn, effects, reply),
        };
        self.host.machine.borrow_mut().give_up(pending);
        self.undo(env, text, txn, effects, reply);
        ScriptFlow::Done
    }

    fn asks(&self) -> bool {
        self.debugging.as_ref().is_some_and(|debugging| debugging.asks())
    }

    fn is_killed(&self) -> bool {
        self.suspended.as_ref().is_some_and(|suspended| suspended.is_killed())
    }

    fn tell<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        words: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        if self.is_killed() {
            return self.resume(env, txn, effects, reply);
        }
        if words.is_empty() {
            return ScriptFlow::Yielded;
        }
        self.hear(env, txn, effects, words, reply)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Only a run that is given up has its coroutine still.
        if self.thread.is_some() {
            if let Some(suspended) = self.suspended.take() {
                let mut machine = self.host.machine.borrow_mut();
                let pending = suspended.go_on(&mut machine);
                machine.give_up(pending);
            }
            self.end(false);
        }
    }
}

/// What scripts may use.
pub(crate) fn limits(config: &Config) -> Limits {
    let chunk_bytes = match config.number(Param::ScriptMaxLength) {
        0 => usize::MAX,
        limit => limit as usize,
    };
    Limits { memory_bytes: memory_limit_bytes(config), chunk_bytes }
}

/// How much memory a script may use; 0 for any.
fn memory_limit_bytes(config: &Config) -> usize {
    if config.is_on(Param::RedisStrict) { 0 } else { config.number(Param::ScriptMemoryLimit) as usize }
}

const KILLED: &[u8] = b"ERR Script killed by user with SCRIPT KILL...";

const KEEPS_TOO_MUCH: &[u8] = b"ERR Script ended: not enough memory besides what the variables of its library keep (see script-memory-limit); \
everything it did is undone, and these variables begin anew.";

pub(crate) fn limit_text(limit: Limit) -> &'static [u8] {
    match limit {
        Limit::Memory => b"ERR Script ended: not enough memory (see script-memory-limit); everything it did is undone.",
        Limit::Time => b"ERR Script ended: it ran for too long (see script-hard-time-limit); everything it did is undone.",
        Limit::Writes => b"ERR Script ended: too many writes (see script-max-writes); everything it did is undone.",
    }
}
