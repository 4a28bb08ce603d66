//! FUNCTION LOAD and FUNCTION RESTORE: texts become libraries.
//!
//! The host runs a library's text in slices, so that one that never ends harms nobody until its time is over. What was
//! loaded is put in force at the end and at once. If others have changed the libraries meanwhile, it is loaded again.

use std::sync::Arc;

use perigee_keyspace::Txn;
use perigee_resp::Reply;

use super::CHANGES;
use super::library::{Library, Registered, Source, Sources};
use super::registry::Libraries;
use crate::call::{Call, Suspend};
use crate::effects::Effects;
use crate::engine::Env;
use crate::error::Error;
use crate::parse::Word;
use crate::payload;
use crate::scripts::{NO_HOST, ScriptFlow, ScriptRun, check_length};
use crate::session::Session;
use crate::spec::{Categories, Command, Flags, Group, command};
use crate::stats;

/// A library's text while it is run to find out what it registers.
pub trait LibraryLoad {
    /// Goes on for a slice; `None`: it needs another.
    fn step<'e>(
        &mut self,
        env: Env<'e>,
        client: &mut Session,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
    ) -> Option<LoadResult>;
}

/// What a text has registered, or the error to answer.
pub type LoadResult = Result<Loaded, Vec<u8>>;

/// What came of running a library's text.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The functions, in the order in which they were registered.
    pub functions: Vec<Registered>,
    /// The libraries that it required, directly or not.
    pub requires: Sources,
    /// Whether it returned a value, which is what others get who require it.
    pub returns_value: bool,
}

pub(super) const LOAD: Command = command("load", -3, load)
    .full("function|load")
    .flags(CHANGES.or(Flags::DENYOOM))
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "7.0.0",
        "O(1) (considering compilation time is redundant)",
        "Create a function with the given arguments (name, code, description)",
    )
    .syntax("[REPLACE] function-code");

fn load(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (code, options) = call.args[2..].split_last().ok_or(Error::Syntax)?;
    if let Some(unknown) = options.iter().find(|word| !Word(word).is("replace")) {
        return Err(Error::quoting("ERR Unknown option given: ", unknown, ""));
    }
    check_length(call.env, code)?;
    let source = Arc::new(Source::parse(code)?);
    begin(call, Request::Load { source, replace: !options.is_empty() })
}

pub(super) const RESTORE: Command = command("restore", -3, restore)
    .full("function|restore")
    .flags(CHANGES.or(Flags::DENYOOM))
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "7.0.0",
        "O(N) where N is the number of functions on the payload",
        "Restore all the functions on the given payload",
    )
    .syntax("serialized-value [policy<FLUSH|APPEND|REPLACE>]");

fn restore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let policy = match call.args[3..] {
        [] => Policy::Append,
        [word] => match Word(word) {
            word if word.is("append") => Policy::Append,
            word if word.is("replace") => Policy::Replace,
            word if word.is("flush") => Policy::Flush,
            _ => {
                return Err(Error::Text(
                    "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
                ));
            }
        },
        _ => return Err(Error::unknown_subcommand_or_arity(call.args)),
    };
    let sources = sources_of(call.env, call.args[2])?;
    begin(call, Request::Restore { sources, policy })
}

/// RDB's mark of a library.
pub(super) const LIBRARY: u8 = 0xf5;
/// The same before 7.0 was final, in another form.
const LIBRARY_BEFORE_7: u8 = 0xf6;

fn sources_of(env: Env<'_>, payload: &[u8]) -> Result<Sources, Error> {
    let mut rest = payload::open(payload)?;
    let mut sources = Sources::new();
    while let Some((&mark, after)) = rest.split_first() {
        rest = after;
        match mark {
            LIBRARY => {}
            LIBRARY_BEFORE_7 => return Err(Error::Text("ERR Pre-GA function format not supported")),
            _ => return Err(Error::Text("ERR given type is not a function")),
        }
        let code =
            payload::read_string(&mut rest).ok_or(Error::Text("ERR Failed loading library payload"))?;
        check_length(env, &code)?;
        let source = Source::parse(&code)?;
        if let Some(twice) = sources.insert(source.name.clone(), Arc::new(source)) {
            return Err(already_exists(&twice.name));
        }
    }
    Ok(sources)
}

fn already_exists(name: &str) -> Error {
    Error::Owned(format!("ERR Library '{name}' already exists"))
}

fn begin(call: &mut Call<'_, '_>, request: Request) -> Result<(), Error> {
    let mut loading = Loading::new(call.env, request, call.session)?;
    if loading.advance(call.env, call.txn, call.effects)? {
        loading.request.answer(call.reply);
    } else {
        call.suspend(Suspend::Script(Box::new(loading)));
    }
    Ok(())
}

enum Request {
    Load { source: Arc<Source>, replace: bool },
    Restore { sources: Sources, policy: Policy },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Libraries that are there already are an error.
    Append,
    /// They are replaced.
    Replace,
    /// All others go.
    Flush,
}

/// FUNCTION LOAD or RESTORE under way.
struct Loading {
    request: Request,
    client: Session,
    plan: Plan,
    loaded: Vec<Library>,
    current: Option<Box<dyn LibraryLoad>>,
}

/// What is to be done, seen from one state of the registry.
struct Plan {
    base: Arc<Libraries>,
    /// The libraries that stay as they are.
    kept: Libraries,
    /// Every text that will be in force.
    sources: Arc<Sources>,
    /// The texts to load: the new ones, and those of libraries that require one that is replaced.
    pending: Vec<Arc<Source>>,
}

impl Loading {
    fn new(env: Env<'_>, request: Request, parent: &Session) -> Result<Self, Error> {
        let plan = Plan::new(&request, env.engine.functions.libraries())?;
        let client = Session::script(parent);
        Ok(Loading { request, client, plan, loaded: Vec::new(), current: None })
    }

    /// Loads what is to be loaded and puts it in force. Returns false when the slice is over.
    fn advance<'e>(&mut self, env: Env<'e>, txn: &mut Txn<'e>, effects: &mut Effects) -> Result<bool, Error> {
        loop {
            while let Some(source) = self.plan.pending.last() {
                let load = match &mut self.current {
                    Some(load) => load,
                    None => {
                        let host = env.worker.scripts.as_ref().ok_or(NO_HOST)?;
                        self.current.insert(host.load(source, &self.plan.sources))
                    }
                };
                let Some(result) = load.step(env, &mut self.client, txn, effects) else { return Ok(false) };
                self.current = None;
                let loaded = result.map_err(|text| self.request.refuse(source, text))?;
                if loaded.functions.is_empty() && !loaded.returns_value {
                    return Err(Error::Text("ERR No functions registered"));
                }
                let library =
                    Library::new(&env.engine.scripts, source.clone(), loaded.functions, loaded.requires)?;
                self.loaded.push(library);
                self.plan.pending.pop();
            }
            self.request.check_at_end(&self.plan.base)?;
            let mut next = std::mem::take(&mut self.plan.kept);
            for library in self.loaded.drain(..) {
                next.insert(Arc::new(library))?;
            }
            if env.engine.functions.replace(&self.plan.base, next) {
                return Ok(true);
            }
            self.plan = Plan::new(&self.request, env.engine.functions.libraries())?;
        }
    }
}

impl ScriptRun for Loading {
    fn resume<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        effects: &mut Effects,
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        match self.advance(env, txn, effects) {
            Ok(false) => return ScriptFlow::Yielded,
            Ok(true) => self.request.answer(reply),
            Err(error) => {
                stats::count_error_text(env, &error.text());
                error.reply_to(reply);
            }
        }
        ScriptFlow::Done
    }
}

impl Plan {
    fn new(request: &Request, base: Arc<Libraries>) -> Result<Self, Error> {
        let mut kept = Libraries::clone(&base);
        let mut pending: Sources = match request {
            Request::Load { source, replace } => {
                if !replace && base.find(source.name.as_bytes()).is_some() {
                    return Err(already_exists(&source.name));
                }
                Sources::from([(source.name.clone(), source.clone())])
            }
            Request::Restore { sources, policy } => {
                if *policy == Policy::Flush {
                    kept = Libraries::default();
                }
                sources.clone()
            }
        };
        for name in pending.keys().cloned().collect::<Vec<_>>() {
            for dependent in kept.dependents(&name) {
                pending.entry(dependent.name().into()).or_insert_with(|| dependent.source.clone());
            }
        }
        pending.keys().for_each(|name| kept.remove(name));
        let staying = kept.all().map(|library| &library.source).chain(pending.values());
        let sources = staying.map(|source| (source.name.clone(), source.clone())).collect();
        // The last is loaded first: what was asked for.
        let mut pending: Vec<_> = pending.into_values().rev().collect();
        pending.sort_by_key(|source| request.brings(source));
        Ok(Plan { base, kept, sources: Arc::new(sources), pending })
    }
}

impl Request {
    fn answer(&self, reply: &mut dyn Reply) {
        match self {
            Request::Load { source, .. } => reply.bulk(source.name.as_bytes()),
            Request::Restore { .. } => reply.ok(),
        }
    }

    /// Whether the text came with the request, and not only requires one that did.
    fn brings(&self, text: &Arc<Source>) -> bool {
        match self {
            Request::Load { source, .. } => Arc::ptr_eq(source, text),
            Request::Restore { sources, .. } => sources.contains_key(&text.name),
        }
    }

    /// The refusal for what came of loading a text.
    fn refuse(&self, source: &Arc<Source>, text: Vec<u8>) -> Error {
        if self.brings(source) {
            return Error::Quoting(text);
        }
        let before = format!("ERR Library '{}', which requires it, fails: ", source.name);
        let text = text.strip_prefix(b"ERR ").unwrap_or(&text);
        Error::Quoting([before.as_bytes(), text].concat())
    }

    /// What Redis finds only when it puts together what it has loaded.
    fn check_at_end(&self, base: &Libraries) -> Result<(), Error> {
        let Request::Restore { sources, policy: Policy::Append } = self else { return Ok(()) };
        match sources.keys().find(|name| base.find(name.as_bytes()).is_some()) {
            Some(name) => Err(Error::Owned(format!("ERR Library {name} already exists"))),
            None => Ok(()),
        }
    }
}
