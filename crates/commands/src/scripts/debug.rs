//! SCRIPT DEBUG, and the way of a script that its client debugs: it stops, and goes on when the client says so.
//!
//! What is said while it stands still is between the client and the script host. A conversation ends with the line
//! `<endsession>`, the script's reply, and the end of the connection.

use perigee_resp::Reply;

use super::commands::{check_length, key_count, load, run};
use super::{LocalScript, SharedScript};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, command};

/// What becomes of what a debugged script has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugMode {
    /// It is undone. (Redis runs it in a child process.)
    Undone,
    /// It stays.
    Kept,
}

pub(super) const DEBUG: Command = command("debug", 3, script_debug)
    .full("script|debug")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(Group::Scripting, "3.2.0", "O(1)", "Set the debug mode for executed scripts.")
    .syntax("mode<YES|SYNC|NO>");

fn script_debug(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.session.in_exec {
        return Err(Error::Text("ERR SCRIPT DEBUG must be called outside a pipeline"));
    }
    call.session.debugging = match call.args[2].to_ascii_lowercase().as_slice() {
        b"yes" => Some(DebugMode::Undone),
        b"sync" => Some(DebugMode::Kept),
        b"no" => None,
        _ => return Err(Error::Text("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    };
    call.reply.ok();
    Ok(())
}

/// The mode in which the call's script is to be debugged, if it is. Inside MULTI nobody debugs.
pub(super) fn mode(call: &Call<'_, '_>) -> Option<DebugMode> {
    call.session.debugging.filter(|_| !call.session.in_exec)
}

pub(super) const NOT_BY_SHA1: Error = Error::Text("ERR Please use EVAL instead of EVALSHA for debugging");

/// EVAL of a client that debugs.
pub(super) fn eval(call: &mut Call<'_, '_>, mode: DebugMode, read_only: bool) -> Result<(), Error> {
    call.session.closing = true;
    let started = script(call, mode).and_then(|script| run(call, script, read_only, Some(mode)));
    if started.is_err() {
        end_session(call.reply);
    }
    started
}

/// Tells the client that there is nothing more to debug: its reply follows.
pub fn end_session(reply: &mut dyn Reply) {
    reply.array(1);
    reply.simple(b"<endsession>");
}

/// The script to debug. If nothing is to be left of it, then not in the cache either.
fn script(call: &Call<'_, '_>, mode: DebugMode) -> Result<SharedScript, Error> {
    key_count(call)?;
    check_length(call.env, call.args[1])?;
    let scripts = &call.env.engine.scripts;
    let script = match (mode, scripts.find_source(call.args[1])) {
        (DebugMode::Undone, _) => scripts.create(call.args[1])?,
        (DebugMode::Kept, Some(known)) => known,
        (DebugMode::Kept, None) => load(call, call.args[1])?,
    };
    Ok(LocalScript::new(script))
}
