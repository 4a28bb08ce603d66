//! Running a command's handler.

use perigee_keyspace::{Rare, Txn};
#[cfg(debug_assertions)]
use perigee_resp::Checked;
use perigee_resp::Reply;

use crate::call::{Call, Suspend};
use crate::effects::Effects;
use crate::engine::Env;
use crate::session::Session;
use crate::stats;
use crate::table::Entry;

/// Runs a handler and answers with its error, if it returns one.
#[inline(always)]
pub(crate) fn execute<'e>(
    env: Env<'e>,
    session: &mut Session,
    txn: &mut Txn<'e>,
    effects: &mut Effects,
    args: &[&[u8]],
    entry: Entry,
    reply: &mut dyn Reply,
) -> Option<Box<Suspend>> {
    #[cfg(debug_assertions)]
    if answers_once(session, entry) {
        let mut checked = Checked::new(reply);
        let suspended = handle(env, session, txn, effects, args, entry, &mut checked);
        if suspended.is_some() {
            checked.postpone();
        }
        return suspended;
    }
    handle(env, session, txn, effects, args, entry, reply)
}

/// Whether the handler gives exactly one reply. Channels are confirmed one by one, who monitors already hears nothing, some
/// clients want no answer, a debugger's words come before a script's reply, and DEBUG PROTOCOL pushes something before its own.
#[cfg(debug_assertions)]
fn answers_once(session: &Session, entry: Entry) -> bool {
    let name = entry.command.full_name;
    session.debugging.is_none()
        && !name.ends_with("subscribe")
        && !["client|reply", "debug", "monitor", "shutdown"].contains(&name)
}

#[inline(always)]
fn handle<'e>(
    env: Env<'e>,
    session: &mut Session,
    txn: &mut Txn<'e>,
    effects: &mut Effects,
    args: &[&[u8]],
    entry: Entry,
    reply: &mut dyn Reply,
) -> Option<Box<Suspend>> {
    let db = session.db;
    Effects::prepare(env.engine, txn);
    let mut call = Call { env, session, txn, effects, args, reply, db, suspended: Rare::none() };
    let result = (entry.command.handler)(&mut call);
    let suspended = call.suspended.take();
    if txn.keeps_notices() {
        effects.tell_notices(env.engine, txn);
    }
    if let Err(error) = result {
        stats::count_failure(env, entry, &error);
        error.reply_to(reply);
        return None;
    }
    suspended
}
