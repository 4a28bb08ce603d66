//! MULTI, EXEC, DISCARD, WATCH: several commands as one transaction, with the locks of all their keys.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use perigee_keyspace::Footprint;
use perigee_resp::{Encoder, Reply};

use crate::acl;
use crate::call::Call;
use crate::clients::{Interest, Mark};
use crate::engine::Env;
use crate::error::Error;
use crate::session::{OwnedArgs, Session, Transaction};
use crate::spec::{Categories, Command, Flags, Group, Keys, Scope, command};
use crate::stats;
use crate::table::Entry;

pub(crate) static COMMANDS: &[Command] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

const MULTI: Command = command("multi", 1, multi)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY))
    .acl(Categories::TRANSACTION)
    .docs(Group::Transactions, "1.2.0", "O(1)", "Mark the start of a transaction block");

fn multi(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.session.multi.is_some() {
        return Err(Error::Text("ERR MULTI calls can not be nested"));
    }
    call.session.multi = Some(Multi::begin(call.db));
    call.session.client.mark(Mark::Multi, true);
    call.session.client.queued.store(0, Ordering::Relaxed);
    call.reply.ok();
    Ok(())
}

const EXEC: Command = command("exec", 1, exec_without_multi)
    .scope(Scope::Queued)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::SKIP_SLOWLOG))
    .acl(Categories::TRANSACTION)
    .docs(
        Group::Transactions,
        "1.2.0",
        "Depends on commands in the transaction",
        "Execute all commands issued after MULTI",
    );

/// EXEC runs through [`Exec::take`]; only one without MULTI comes here.
fn exec_without_multi(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(Error::Text("ERR EXEC without MULTI"))
}

const DISCARD: Command = command("discard", 1, discard)
    .scope(Scope::Queued)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY))
    .acl(Categories::TRANSACTION)
    .docs(
        Group::Transactions,
        "2.0.0",
        "O(N), when N is the number of queued commands",
        "Discard all commands issued after MULTI",
    );

fn discard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.session.multi.is_none() {
        return Err(Error::Text("ERR DISCARD without MULTI"));
    }
    call.session.leave_multi();
    call.session.unwatch_all(call.txn);
    call.reply.ok();
    Ok(())
}

const WATCH: Command = command("watch", -2, watch)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY))
    .keys(Keys::from(1))
    .acl(Categories::TRANSACTION)
    .docs(
        Group::Transactions,
        "2.2.0",
        "O(1) for every key.",
        "Watch the given keys to determine execution of the MULTI/EXEC block",
    )
    .syntax("key...");

fn watch(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.session.multi.is_some() {
        return Err(Error::Text("ERR WATCH inside MULTI is not allowed"));
    }
    for &key in &call.args[1..] {
        let watched = (call.db, Box::from(key));
        if !call.session.watched.contains(&watched) {
            call.txn.expire_if_due(call.db, key);
            call.txn.watch(call.db, key, &call.session.watch_flag);
            call.session.client.note_name(Interest::Watched, key);
            call.session.watched.push(watched);
        }
    }
    call.session.show_watched();
    call.reply.ok();
    Ok(())
}

const UNWATCH: Command = command("unwatch", 1, unwatch)
    .scope(Scope::Queued)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY))
    .acl(Categories::TRANSACTION)
    .docs(Group::Transactions, "2.2.0", "O(1)", "Forget about all watched keys");

fn unwatch(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.session.unwatch_all(call.txn);
    call.reply.ok();
    Ok(())
}

/// What a client has queued since MULTI.
pub(crate) struct Multi {
    queue: VecDeque<(Entry, OwnedArgs)>,
    /// Where the next command would run, by the SELECTs that are queued.
    db: u16,
    /// A request was refused: EXEC will be, too.
    pub(crate) spoiled: bool,
}

impl Multi {
    fn begin(db: u16) -> Self {
        Multi { queue: VecDeque::new(), db, spoiled: false }
    }

    /// The database in which the next command would run.
    pub(crate) fn database(&self) -> u16 {
        self.db
    }
}

/// Whether the command runs although the session is inside MULTI.
#[inline]
pub(crate) fn runs_at_once(entry: Entry) -> bool {
    matches!(entry.command.full_name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// What to answer to a refused request: an EXEC that may not run gives up its transaction and what is watched, even where there is no
/// transaction.
pub(crate) fn refused(session: &mut Session, entry: Option<Entry>, error: Error) -> Error {
    if entry.is_none_or(|entry| entry.command.full_name != "exec") {
        return error;
    }
    session.leave_multi();
    session.abandon_watches();
    let why = error.text();
    let why = why.strip_prefix(b"ERR ").unwrap_or(&why);
    Error::Quoting([b"EXECABORT Transaction discarded because of: ", why].concat())
}

/// Whether the command is an EXEC with something to execute.
pub(crate) fn is_exec(session: &Session, entry: Entry) -> bool {
    session.multi.is_some() && entry.command.full_name == "exec"
}

/// Whether this holds for one of the queued commands.
pub(crate) fn any_queued(session: &Session, is: impl Fn(Entry, &[&[u8]]) -> bool) -> bool {
    let queue = session.multi.iter().flat_map(|multi| &multi.queue);
    queue.into_iter().any(|(entry, args)| is(*entry, &args.slices()))
}

pub(crate) fn queue(env: Env<'_>, session: &mut Session, entry: Entry, args: &[&[u8]]) {
    let Some(multi) = &mut session.multi else { return };
    if entry.command.full_name == "select" {
        multi.db = acl::known_database(args[1], env.engine.keyspace.databases()).unwrap_or(multi.db);
    }
    if !multi.spoiled {
        let args = OwnedArgs::new(args);
        session.client.held_bytes.fetch_add(args.memory_bytes(), Ordering::Relaxed);
        multi.queue.push_back((entry, args));
    }
    session.client.queued.fetch_add(1, Ordering::Relaxed);
}

/// The watched keys, and for EXEC those of all queued commands. A queued script may touch keys that it does not declare
/// and cannot be undone apart from the rest, so it has every shard.
pub(crate) fn footprint(env: Env<'_>, session: &Session, entry: Entry) -> Footprint {
    let keyspace = &env.engine.keyspace;
    let mut footprint = Footprint::None;
    let abandoned = session.abandoned_watches.iter().map(|(key, _)| key);
    for (_, key) in session.watched.iter().chain(abandoned) {
        footprint.add(keyspace.shard_of(key));
    }
    let Some(multi) = session.multi.as_ref().filter(|_| entry.command.full_name == "exec") else {
        return footprint;
    };
    for (queued, args) in &multi.queue {
        if queued.command.has(Flags::NO_MANDATORY_KEYS)
            || crate::gate::is_wide(*queued)
            || queued.command.full_name == "scan"
        {
            return Footprint::All;
        }
        footprint.merge(&queued.command.footprint(keyspace, &args.slices()));
    }
    footprint
}

/// The queued commands of an EXEC that is under way.
pub(crate) struct Exec {
    queue: VecDeque<(Entry, OwnedArgs)>,
}

impl Exec {
    /// Starts an EXEC: `None` if the command is another one, or if there is nothing to run, which `out` has then been
    /// told through the ordinary way of [`exec_without_multi`].
    pub(crate) fn take(
        env: Env<'_>,
        session: &mut Session,
        entry: Entry,
        transaction: &mut Transaction<'_>,
        out: &mut Encoder,
    ) -> Option<Exec> {
        if entry.command.full_name != "exec" {
            return None;
        }
        let multi = session.multi.take()?;
        session.leave_multi();
        let dirty = session.watch_flag.is_raised() || session.has_expired_watch(transaction);
        session.unwatch_all(&mut transaction.txn);
        if multi.spoiled {
            let error = Error::Text("EXECABORT Transaction discarded because of previous errors.");
            stats::count_failure(env, entry, &error);
            error.reply_to(out);
            return Some(Exec { queue: VecDeque::new() });
        }
        if dirty {
            out.null_array();
            return Some(Exec { queue: VecDeque::new() });
        }
        out.array(multi.queue.len());
        Some(Exec { queue: multi.queue })
    }

    pub(crate) fn next(&mut self) -> Option<(Entry, OwnedArgs)> {
        self.queue.pop_front()
    }
}

impl Session {
    /// Whether a watched key is past its deadline though nobody has removed it yet.
    fn has_expired_watch(&self, transaction: &mut Transaction<'_>) -> bool {
        self.watched.iter().any(|(db, key)| transaction.txn.expire_if_due(*db, key))
    }
}
