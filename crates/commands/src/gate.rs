//! The one gate: every request, from a socket, a queue or a script, passes these checks in this order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use perigee_keyspace::{Footprint, Txn};
use perigee_resp::{Protocol, Reply};

use crate::acl::{self, Barred};
use crate::call::Suspend;
use crate::clients::Mark;
use crate::config::Param;
use crate::engine::Env;
use crate::error::Error;
use crate::execute::execute;
use crate::maxmemory;
use crate::multi::{self, Multi};
use crate::scripts::ScriptContext;
use crate::session::{Role, Session};
use crate::spec::{Flags, Scope};
use crate::stats;
use crate::table::Entry;
use crate::tracking::script_reads;

/// What the gate says to a client's request.
pub(crate) enum Passage {
    /// It was refused or queued, and answered.
    Answered,
    /// It is HTTP: somebody has a browser talk to us. No answer, not even to what was sent before.
    Hostile,
    /// It may run.
    Run(Entry),
    /// It has to wait for the end of CLIENT PAUSE.
    Paused,
}

/// Lets a client's request through, or answers it. `named`: the command that its first word names. A refused request
/// spoils the MULTI that it belongs to.
// Inlined, as all that every request goes through: called one by one, its pieces save and restore more registers than
// they use.
#[inline(always)]
pub(crate) fn admit(
    env: Env<'_>,
    session: &mut Session,
    named: Option<Entry>,
    args: &[&[u8]],
    reply: &mut dyn Reply,
) -> Passage {
    match check(env, session, named, args) {
        Ok(entry) if env.engine.pause.holds(env, session, entry, args) => {
            session.client.last_command.store(entry.id, std::sync::atomic::Ordering::Relaxed);
            Passage::Paused
        }
        Ok(entry) if session.multi.is_some() && !multi::runs_at_once(entry) => {
            session.client.last_command.store(entry.id, std::sync::atomic::Ordering::Relaxed);
            multi::queue(env, session, entry, args);
            reply.simple(b"QUEUED");
            Passage::Answered
        }
        Ok(entry) => {
            session.client.last_command.store(entry.id, std::sync::atomic::Ordering::Relaxed);
            if !env.engine.monitors.is_empty() && !multi::is_exec(session, entry) {
                stats::feed_monitors(env, session, entry, args);
            }
            Passage::Run(entry)
        }
        Err(error) => refuse(env, session, args, error, reply),
    }
}

#[cold]
fn refuse(
    env: Env<'_>,
    session: &mut Session,
    args: &[&[u8]],
    error: Error,
    reply: &mut dyn Reply,
) -> Passage {
    if is_http(args[0]) {
        (env.engine.process.log)(3, POSSIBLE_ATTACK);
        session.closing = true;
        return Passage::Hostile;
    }
    if let Some(multi) = &mut session.multi {
        multi.spoiled = true;
    }
    stats::count_rejection(env, args, &error);
    let entry = env.engine.commands.find(args[0]);
    session.forget_caching(find(env, entry, args).ok());
    multi::refused(session, entry, error).reply_to(reply);
    Passage::Answered
}

/// Whether it is a line of an HTTP request: a web page that makes a browser send commands to a server that only the
/// browser can reach. Redis closes the connection at once; commands may follow in the body.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

const POSSIBLE_ATTACK: &str = "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection aborted.";

#[inline(always)]
fn check(env: Env<'_>, session: &mut Session, named: Option<Entry>, args: &[&[u8]]) -> Result<Entry, Error> {
    let entry = find(env, named, args)?;
    if !entry.command.accepts(args.len()) {
        return Err(Error::WrongArity(entry.command.full_name));
    }
    if entry.command.has(Flags::PROTECTED) {
        check_switch(env, session, entry)?;
    }
    if !session.identity.is_free(&env.engine.acl) {
        permit(env, session, entry, args)?;
    }
    if session.multi.is_some() && entry.command.has(Flags::NO_MULTI) {
        return Err(NOT_IN_MULTI);
    }
    if env.engine.config.is_on(Param::MaxMemory) {
        maxmemory::admit(env, session, entry, args)?;
    }
    if session.subscriptions.is_listening() {
        check_listener(session, entry)?;
    }
    if !entry.command.has(Flags::ALLOW_BUSY) {
        env.engine.scripts.server_busy(env).map_or(Ok(()), Err)?;
    }
    if session.monitoring && entry.command.has(Flags::READONLY.or(Flags::WRITE).or(Flags::MAY_REPLICATE)) {
        return Err(ONLY_WATCHES);
    }
    Ok(entry)
}

/// What a client in MONITOR mode hears that wants data.
const ONLY_WATCHES: Error = Error::Text("ERR Replica can't interact with the keyspace");

/// Whether a client that listens to channels may run the command.
#[cold]
fn check_listener(session: &Session, entry: Entry) -> Result<(), Error> {
    if session.protocol != Protocol::Resp2 || allowed_while_subscribed(entry) {
        return Ok(());
    }
    Err(Error::Owned(format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        entry.command.full_name
    )))
}

/// Whether the configuration lets this client run DEBUG or MODULE.
#[cold]
fn check_switch(env: Env<'_>, session: &Session, entry: Entry) -> Result<(), Error> {
    let (switch, word, option) = match entry.command.name {
        "debug" => (Param::EnableDebugCommand, "DEBUG", "debug"),
        _ => (Param::EnableModuleCommand, "MODULE", "module"),
    };
    if env.engine.config.allows(switch, session.client.is_local()) {
        return Ok(());
    }
    Err(Error::Owned(format!(
        "ERR {word} command not allowed. If the enable-{option}-command option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}

/// Whether the session's user may run the request: a client's.
#[cold]
fn permit(env: Env<'_>, session: &mut Session, entry: Entry, args: &[&[u8]]) -> Result<(), Error> {
    let db = session.multi.as_ref().map_or(session.db, Multi::database);
    let Err(barred) = session.identity.check(&env.engine.acl, db, entry, args) else { return Ok(()) };
    let Barred::Denied(denied) = barred else { return Err(Error::NoAuth) };
    if session.multi.is_some() && entry.command.has(Flags::NO_MULTI) {
        return Err(NOT_IN_MULTI);
    }
    session.client.last_command.store(entry.id, std::sync::atomic::Ordering::Relaxed);
    acl::note(env, session, entry, args, denied);
    Err(denied.refusal(entry))
}

/// Whether the session's user may still run a queued command.
#[inline]
pub(crate) fn permit_queued(
    env: Env<'_>,
    session: &mut Session,
    entry: Entry,
    args: &[&[u8]],
) -> Result<(), Error> {
    if session.identity.is_free(&env.engine.acl) {
        return Ok(());
    }
    match session.identity.check(&env.engine.acl, session.db, entry, args) {
        Ok(()) => Ok(()),
        Err(Barred::NoAuth) => Err(Error::NoAuth),
        Err(Barred::Denied(denied)) => {
            acl::note(env, session, entry, args, denied);
            let refusal = denied.refusal_in_exec();
            stats::count_error_text(env, &refusal.text());
            Err(refusal)
        }
    }
}

const NOT_IN_MULTI: Error = Error::Text("ERR Command not allowed inside a transaction");

#[inline(always)]
fn find(env: Env<'_>, named: Option<Entry>, args: &[&[u8]]) -> Result<Entry, Error> {
    match named {
        Some(entry) if entry.command.subcommands.is_empty() => Ok(entry),
        Some(entry) => find_subcommand(env, entry, args),
        None => Err(Error::unknown_command(args)),
    }
}

#[inline(never)]
fn find_subcommand(env: Env<'_>, entry: Entry, args: &[&[u8]]) -> Result<Entry, Error> {
    let Some(word) = args.get(1) else {
        // COMMAND alone answers itself.
        return if entry.command.accepts(1) {
            Ok(entry)
        } else {
            Err(Error::WrongArity(entry.command.full_name))
        };
    };
    let found = env.engine.commands.find_subcommand(entry, word);
    found.ok_or_else(|| Error::unknown_subcommand(word, entry.command.name))
}

fn allowed_while_subscribed(entry: Entry) -> bool {
    matches!(
        entry.command.full_name,
        "subscribe"
            | "psubscribe"
            | "ssubscribe"
            | "unsubscribe"
            | "punsubscribe"
            | "sunsubscribe"
            | "ping"
            | "quit"
            | "reset"
    )
}

/// The shards that a request of this session must hold.
#[inline(always)]
pub(crate) fn footprint(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]]) -> Footprint {
    match entry.command.scope {
        Scope::Queued => multi::footprint(env, session, entry),
        _ => entry.command.footprint(&env.engine.keyspace, args),
    }
}

/// Waits for the locks, but not longer than a script that holds them may run undisturbed.
///
/// # Errors
/// [`Error::BusyScript`] or [`Error::BusyFunction`] once a script that holds one of the shards has passed `busy-reply-threshold`.
pub(crate) async fn wait_for_locks<'e>(
    env: Env<'e>,
    session: &Session,
    entry: Entry,
    footprint: &Footprint,
) -> Result<Txn<'e>, Error> {
    let mut begin = pin!(env.begin(footprint));
    let threshold = env.engine.config.number(Param::BusyReplyThreshold) as u64;
    let mut sleep = env.worker.timer.sleep_ms((threshold / 4).clamp(1, 50));
    let patient = entry.command.has(Flags::ALLOW_BUSY) || session.role != Role::Client;
    poll_fn(|context| {
        if let Poll::Ready(txn) = begin.as_mut().poll(context) {
            return Poll::Ready(Ok(txn));
        }
        while !patient && sleep.as_mut().poll(context).is_ready() {
            if let Some(busy) = env.engine.scripts.busy(env, footprint) {
                return Poll::Ready(Err(busy));
            }
            sleep = env.worker.timer.sleep_ms((threshold / 4).clamp(1, 50));
        }
        Poll::Pending
    })
    .await
}

/// How a script's call ended. Either way `reply` has received the reply, an error included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It ran.
    Answered {
        /// Its reply has an arbitrary order, which deterministic scripts see sorted.
        sorts: bool,
    },
    /// It was refused.
    Refused,
    /// It needs shards that others hold: the script must be undone and run again with all of them.
    Widen,
    /// It writes, and the script has written as often as `script-max-writes` allows: the script must be undone.
    TooManyWrites,
}

/// Runs a command for a script, inside its transaction.
#[inline]
pub fn call_from_script(
    context: &mut ScriptContext<'_, '_>,
    args: &[&[u8]],
    reply: &mut dyn Reply,
) -> CallOutcome {
    let env = context.env;
    let entry = match check_script(context, args) {
        Ok(entry) => entry,
        Err(error) => {
            stats::count_rejection(env, args, &error);
            error.reply_to(reply);
            return CallOutcome::Refused;
        }
    };
    if !context.txn.holds_all() {
        let footprint = entry.command.footprint(&env.engine.keyspace, args);
        if !context.txn.covers(&footprint) {
            context.script.figures.count_undeclared();
            if !context.txn.try_extend(&footprint) {
                return CallOutcome::Widen;
            }
        }
    }
    if !env.engine.monitors.is_empty() {
        stats::feed_monitors(env, context.session, entry, args);
    }
    env.worker.stats.count_call(entry);
    context.script.figures.count_redis_call();
    if entry.command.has(Flags::WRITE) {
        let Some(left) = context.writes_left.checked_sub(1) else { return CallOutcome::TooManyWrites };
        context.writes_left = left;
        context.wrote = true;
    }
    let suspend = execute(env, context.session, context.txn, context.effects, args, entry, reply);
    if let Some(declared) = &mut *context.effects.declared
        && entry.command.has(Flags::READONLY)
    {
        script_reads(context.txn, declared);
    }
    match suspend.as_deref() {
        Some(Suspend::Widen) => CallOutcome::Widen,
        _ => CallOutcome::Answered { sorts: entry.command.has(Flags::SORT_FOR_SCRIPT) },
    }
}

#[inline]
fn check_script(context: &mut ScriptContext<'_, '_>, args: &[&[u8]]) -> Result<Entry, Error> {
    let Some(entry) = context.env.engine.commands.find(args[0]) else {
        return Err(Error::Text("ERR Unknown Redis command called from script"));
    };
    let entry = if entry.command.subcommands.is_empty() {
        entry
    } else {
        match args.get(1) {
            None if entry.command.accepts(1) => entry,
            None => return Err(WRONG_SCRIPT_ARITY),
            Some(word) => {
                let subcommand = context.env.engine.commands.find_subcommand(entry, word);
                subcommand.ok_or(Error::Text("ERR Unknown Redis command called from script"))?
            }
        }
    };
    if !entry.command.accepts(args.len()) {
        return Err(WRONG_SCRIPT_ARITY);
    }
    if entry.command.has(Flags::NOSCRIPT) && !may_administer(context.env, entry) {
        return Err(Error::NotAllowedInScript);
    }
    if !context.session.identity.is_free(&context.env.engine.acl) {
        permit_script(context, entry, args)?;
    }
    if context.read_only && (entry.command.has(Flags::WRITE) || entry.command.has(Flags::MAY_REPLICATE)) {
        return Err(Error::Text("ERR Write commands are not allowed from read-only scripts."));
    }
    if maxmemory::refuses_in_script(context, entry) {
        return Err(Error::OutOfMemory);
    }
    Ok(entry)
}

/// Whether a test wants scripts to run the command.
#[cold]
fn may_administer(env: Env<'_>, entry: Entry) -> bool {
    env.engine.switches.scripts_administer.load(std::sync::atomic::Ordering::Relaxed)
        && (entry.command.name == "debug" || entry.command.full_name.starts_with("client|"))
}

/// Whether the user that runs the script may run the request.
#[cold]
fn permit_script(context: &mut ScriptContext<'_, '_>, entry: Entry, args: &[&[u8]]) -> Result<(), Error> {
    let (env, session) = (context.env, &mut *context.session);
    match session.identity.check(&env.engine.acl, session.db, entry, args) {
        Ok(()) => Ok(()),
        Err(Barred::NoAuth) => Err(Error::NoAuth),
        Err(Barred::Denied(denied)) => {
            acl::note(env, session, entry, args, denied);
            Err(denied.refusal_in_script())
        }
    }
}

/// What a script hears that asks whether its user may run a request: nothing, if there is no such command.
pub fn may_call(context: &mut ScriptContext<'_, '_>, args: &[&[u8]]) -> Option<bool> {
    let table = &context.env.engine.commands;
    let entry = table.find(args[0])?;
    let entry = match args.get(1) {
        Some(word) if !entry.command.subcommands.is_empty() => table.find_subcommand(entry, word)?,
        _ => entry,
    };
    let session = &mut *context.session;
    Some(session.identity.allows(&context.env.engine.acl, session.db, entry, args))
}

const WRONG_SCRIPT_ARITY: Error = Error::Text("ERR Wrong number of args calling Redis command from script");

/// Whether the command looks at the whole keyspace.
pub(crate) fn is_wide(entry: Entry) -> bool {
    matches!(entry.command.scope, Scope::All)
}

/// Notes that the client is here, once for each batch.
pub fn note_activity(env: Env<'_>, session: &Session, requests: u64) {
    let client = &session.client;
    client.active_ms.store(env.now_ms, std::sync::atomic::Ordering::Relaxed);
    // Only its own worker counts.
    let before = client.requests.load(std::sync::atomic::Ordering::Relaxed);
    client.requests.store(before + requests, std::sync::atomic::Ordering::Relaxed);
    client.mark(Mark::DirtyExec, session.watch_flag.is_raised());
}
