//! A worker's instances of libraries, and the loading of a library's text.
//!
//! A run of a function has an instance for itself, from its first slice to its last: runs that take turns would otherwise
//! meet each other's half-done work in the variables that a library's functions share. An instance goes back to the pool
//! when its run has come to an end by itself. One that was stopped is given up, since nothing undoes what it did to its
//! variables.
//!
//! What an instance keeps counts as the memory of whoever calls it, and all that wait in a pool keep no more than one script
//! may use. The VM does not say what belongs to whom, so what the runs of an instance have left behind is added up: too
//! much, as long as there is garbage in it, but never more than there is in the VM.

use std::collections::HashMap;
use std::sync::Arc;

use perigee_commands::functions::{Functions, LibraryLoad, LoadResult, SharedLibrary, Source, Sources};
use perigee_commands::scripts::{LocalScript, Script, ScriptContext, ScriptFlags, SharedScript};
use perigee_commands::{Effects, Env, Session, Txn};

use crate::host::{LuaHost, Suspended, limit_text, limits};
use crate::library::RunState;
use crate::lua::{Ended, FunctionCall, Instance, Loading, Machine, Pending, Stop, Thread};

/// Instances that nobody uses.
#[derive(Default)]
pub(crate) struct Instances {
    /// By the library's number, with what each keeps.
    idle: HashMap<u64, Vec<(Instance, usize)>>,
    /// The sum of it.
    kept_bytes: usize,
    /// The state of the registry that they reflect.
    generation: u64,
}

/// The instance that a run of a function has for itself.
pub(crate) struct Borrowed {
    library: SharedLibrary,
    instance: Instance,
    /// The state of the registry in which the library was found.
    generation: u64,
    /// Its text is run before the function.
    pub(crate) loading: Option<Loading>,
    /// What it has kept from earlier runs.
    kept_bytes: usize,
    /// By how much the VM has grown in this one.
    growth_bytes: isize,
}

impl Borrowed {
    /// What earlier runs of the instance have left behind.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// A slice of the run, or what came before the first one, has made the VM grow or shrink.
    pub(crate) fn note_growth(&mut self, before_bytes: usize, after_bytes: usize) {
        self.growth_bytes += after_bytes as isize - before_bytes as isize;
    }

    /// Where the function with this name is defined.
    pub(crate) fn definition(&self, machine: &mut Machine, name: &str) -> Option<String> {
        machine.definition(self.instance, name)
    }
}

impl Instances {
    /// Drops instances of libraries that are no longer in force.
    pub(crate) fn follow(&mut self, functions: &Functions, machine: &mut Machine) {
        let generation = functions.generation();
        if std::mem::replace(&mut self.generation, generation) == generation {
            return;
        }
        let libraries = functions.libraries();
        let current: Vec<u64> = libraries.all().map(|library| library.id).collect();
        let mut gone_bytes = 0;
        self.idle.retain(|id, instances| {
            let stays = current.contains(id);
            if !stays {
                for (instance, kept_bytes) in instances.drain(..) {
                    gone_bytes += kept_bytes;
                    machine.drop_instance(instance);
                }
            }
            stays
        });
        self.kept_bytes -= gone_bytes;
    }

    /// An instance of the library, and a coroutine that is about to call its function. If there is no idle one, the
    /// coroutine runs the library's text first.
    ///
    /// # Errors
    /// The compiler's message.
    pub(crate) fn begin(
        &mut self,
        machine: &mut Machine,
        library: SharedLibrary,
        call: &FunctionCall<'_>,
    ) -> Result<(Borrowed, Thread), Vec<u8>> {
        let (generation, before_bytes) = (self.generation, machine.used_bytes());
        let borrow = |instance, kept_bytes, loading| Borrowed {
            library: library.clone(),
            instance,
            generation,
            loading,
            kept_bytes,
            growth_bytes: 0,
        };
        if let Some((instance, kept_bytes)) = self.idle.get_mut(&library.id).and_then(Vec::pop) {
            self.kept_bytes -= kept_bytes;
            let kept_bytes = kept_bytes.min(machine.made_bytes());
            let thread = machine.call_thread(instance, kept_bytes, call);
            return Ok((borrow(instance, kept_bytes, None), thread));
        }
        let instance = machine.new_instance(library.name());
        match machine.first_thread(instance, &library.source, call) {
            Ok(thread) => {
                let loading = Some(Loading { instance, others: library.requires.clone() });
                let mut borrowed = borrow(instance, 0, loading);
                borrowed.note_growth(before_bytes, machine.used_bytes());
                Ok((borrowed, thread))
            }
            Err(message) => {
                machine.drop_instance(instance);
                Err(message)
            }
        }
    }

    /// Takes an instance back; `intact` if its run has ended by itself. The limit is that of a script's memory, 0 for none.
    pub(crate) fn end(
        &mut self,
        machine: &mut Machine,
        functions: &Functions,
        borrowed: Borrowed,
        intact: bool,
        limit_bytes: usize,
    ) {
        let made_bytes = machine.made_bytes();
        let Borrowed { library, instance, generation, loading: _, kept_bytes, growth_bytes } = borrowed;
        let kept_bytes = kept_bytes.saturating_add_signed(growth_bytes).min(made_bytes);
        let all_bytes = self.kept_bytes.min(made_bytes - kept_bytes) + kept_bytes;
        let has_room = limit_bytes == 0 || all_bytes <= limit_bytes;
        let in_force = || generation == functions.generation() || functions.libraries().contains(&library);
        if intact && has_room && machine.is_ready(instance) && in_force() {
            self.kept_bytes += kept_bytes;
            self.idle.entry(library.id).or_default().push((instance, kept_bytes));
        } else {
            machine.drop_instance(instance);
        }
    }
}

/// How long a library's text may run.
const LOAD_LIMIT_NS: u64 = 500_000_000;

/// A library's text on its way from FUNCTION LOAD.
pub(crate) struct TextRun {
    host: LuaHost,
    source: Arc<Source>,
    others: Arc<Sources>,
    script: SharedScript,
    run: Option<(Instance, Thread)>,
    suspended: Option<Suspended>,
    started_ns: u64,
}

impl TextRun {
    pub(crate) fn new(host: LuaHost, source: &Arc<Source>, others: &Arc<Sources>) -> Self {
        let script = Arc::new(Script::function(0, &source.name, ScriptFlags::default()));
        TextRun {
            host,
            source: source.clone(),
            others: others.clone(),
            script: LocalScript::new(script),
            run: None,
            suspended: None,
            started_ns: 0,
        }
    }

    /// Whether somebody wants it gone. A library function that it is suspended in is not asked.
    fn is_killed(&self) -> bool {
        self.suspended.as_ref().is_some_and(Suspended::is_killed)
    }

    fn prepare(&mut self, env: Env<'_>) -> Result<Option<Pending>, Vec<u8>> {
        let mut machine = self.host.machine().borrow_mut();
        let pending = match self.suspended.take() {
            Some(suspended) => suspended.go_on(&mut machine),
            None => {
                let instance = machine.new_instance(&self.source.name);
                match machine.loading_thread(instance, &self.source) {
                    Ok(thread) => self.run = Some((instance, thread)),
                    Err(message) => {
                        machine.drop_instance(instance);
                        return Err([b"ERR Error compiling function: ".as_slice(), &message].concat());
                    }
                }
                self.started_ns = env.worker.ticks_ns();
                machine.exchange(&mut RunState::new(0));
                let others = self.others.clone();
                *machine.loading() = Some(Loading { instance, others });
                None
            }
        };
        machine.prepare(limits(&env.engine.config), false);
        Ok(pending)
    }

    fn give_up(&mut self) {
        if let Some(suspended) = self.suspended.take() {
            let mut machine = self.host.machine().borrow_mut();
            let pending = suspended.go_on(&mut machine);
            machine.give_up(pending);
        }
        self.end();
    }

    fn end(&mut self) {
        if let Some((instance, thread)) = self.run.take() {
            let mut machine = self.host.machine().borrow_mut();
            *machine.registration() = None;
            *machine.loading() = None;
            machine.release(thread, false);
            machine.drop_instance(instance);
        }
    }
}

impl LibraryLoad for TextRun {
    fn step<'e>(
        &mut self,
        env: Env<'e>,
        client: &mut Session,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
    ) -> Option<LoadResult> {
        if self.is_killed() {
            self.give_up();
            return Some(Err([FAILED, KILLED].concat()));
        }
        let pending = match self.prepare(env) {
            Ok(pending) => pending,
            Err(text) => return Some(Err(text)),
        };
        let (instance, thread) = self.run.as_ref()?;
        let mut machine = self.host.machine().borrow_mut();
        let mut context = ScriptContext {
            env,
            script: &self.script,
            session: client,
            txn,
            effects,
            read_only: true,
            wrote: false,
            writes_left: 0,
        };
        machine.begin_slice();
        let result = match machine.go_on(thread, pending, &mut context) {
            Ended::Returned => Ok(machine.loaded(*instance, &self.others)),
            Ended::Failed { text, .. } => Err([FAILED, &text].concat()),
            Ended::Yielded if env.worker.ticks_ns().saturating_sub(self.started_ns) < LOAD_LIMIT_NS => {
                self.suspended = Some(Suspended::new(&mut machine, false, txn));
                return None;
            }
            Ended::Yielded => Err([FAILED, b"ERR FUNCTION LOAD timeout"].concat()),
            Ended::Stopped(Stop::Killed) => Err([FAILED, KILLED].concat()),
            Ended::Stopped(Stop::Limit(limit)) => Err([FAILED, limit_text(limit)].concat()),
            Ended::Stopped(_) => unreachable!("a text that is loaded runs no commands"),
        };
        drop(machine);
        self.end();
        Some(result)
    }
}

const FAILED: &[u8] = b"ERR Error registering functions: ";
const KILLED: &[u8] = b"ERR Script killed by user with FUNCTION KILL...";

impl Drop for TextRun {
    fn drop(&mut self) {
        self.give_up();
    }
}
