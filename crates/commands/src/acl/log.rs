//! What was refused, newest first: ACL LOG.

use std::collections::VecDeque;

use super::Denied;
use crate::config::Param;
use crate::engine::Env;
use crate::session::{Role, Session};
use crate::table::Entry;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Command,
    Key,
    Channel,
    Auth,
    Database,
}

impl Reason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
            Reason::Database => "database",
        }
    }
}

/// Where something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    TopLevel,
    Multi,
    Lua,
}

impl Context {
    pub(crate) fn of(session: &Session) -> Self {
        if session.role == Role::Script {
            Context::Lua
        } else if session.multi.is_some() || session.in_exec {
            Context::Multi
        } else {
            Context::TopLevel
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// Refusals of the same kind within a minute.
#[derive(Clone)]
pub(super) struct Note {
    pub(super) id: u64,
    pub(super) count: u64,
    pub(super) reason: Reason,
    pub(super) context: Context,
    pub(super) object: Vec<u8>,
    pub(super) username: Vec<u8>,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
    pub(super) client_info: Vec<u8>,
}

/// The latest refusals.
#[derive(Default)]
pub(crate) struct Log {
    notes: VecDeque<Note>,
    next_id: u64,
    /// How often each reason has been met, whatever became of its entries.
    refusals: [u64; 5],
}

/// For so long refusals of one kind are one entry.
const GROUPED_MS: u64 = 60_000;
/// So many entries are looked through for one of the same kind.
const GROUPED_ENTRIES: usize = 10;

impl Log {
    fn push(&mut self, mut note: Note, limit: usize) {
        self.refusals[note.reason as usize] += 1;
        let same = |known: &Note| {
            (known.reason, known.context) == (note.reason, note.context)
                && known.object == note.object
                && known.username == note.username
                && note.updated_ms.saturating_sub(known.updated_ms) <= GROUPED_MS
        };
        if let Some(at) = self.notes.iter().take(GROUPED_ENTRIES).position(same) {
            if let Some(known) = self.notes.remove(at) {
                (note.id, note.count, note.created_ms) = (known.id, known.count + 1, known.created_ms);
            }
            self.notes.push_front(note);
            return;
        }
        note.id = self.next_id;
        self.next_id += 1;
        self.notes.push_front(note);
        self.notes.truncate(limit);
    }

    pub(super) fn latest(&self, count: usize) -> Vec<Note> {
        self.notes.iter().take(count).cloned().collect()
    }

    /// How often something was refused since the start, for this reason.
    pub(crate) fn refusals(&self, reason: Reason) -> u64 {
        self.refusals[reason as usize]
    }

    pub(super) fn clear(&mut self) {
        self.notes.clear();
    }
}

/// Notes that the session's user was denied a request.
pub(crate) fn note(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]], denied: Denied) {
    let (reason, object) = match denied {
        Denied::Database(0) => (Reason::Database, entry.command.full_name.as_bytes()),
        Denied::Database(at) => (Reason::Database, args[at]),
        Denied::Command => (Reason::Command, entry.command.full_name.as_bytes()),
        Denied::Key(at) => (Reason::Key, args[at]),
        Denied::Channel(at) => (Reason::Channel, args[at]),
    };
    let username = session.identity.user().map_or(&b""[..], |user| &user.name);
    push(env, session, reason, object, username);
}

/// Notes that somebody gave a wrong password, by this command.
pub(crate) fn note_wrong_password(env: Env<'_>, session: &Session, command: &[u8], username: &[u8]) {
    push(env, session, Reason::Auth, command, username);
}

fn push(env: Env<'_>, session: &Session, reason: Reason, object: &[u8], username: &[u8]) {
    let note = Note {
        id: 0,
        count: 1,
        reason,
        context: Context::of(session),
        object: object.to_vec(),
        username: username.to_vec(),
        created_ms: env.now_ms,
        updated_ms: env.now_ms,
        client_info: crate::connection::client_info(env, &session.client),
    };
    let limit = env.engine.config.number(Param::AclLogMaxLen);
    env.engine.acl.log.lock().push(note, usize::try_from(limit).unwrap_or(usize::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(object: &str, at_ms: u64) -> Note {
        Note {
            id: 0,
            count: 1,
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            username: b"u".to_vec(),
            created_ms: at_ms,
            updated_ms: at_ms,
            client_info: Vec::new(),
        }
    }

    fn shown(log: &Log) -> Vec<(u64, u64, String, u64, u64)> {
        let shown = |note: &Note| {
            let object = String::from_utf8_lossy(&note.object).into_owned();
            (note.id, note.count, object, note.created_ms, note.updated_ms)
        };
        log.notes.iter().map(shown).collect()
    }

    #[test]
    fn refusals_of_a_kind_within_a_minute_are_one_entry() {
        let mut log = Log::default();
        log.push(note("a", 0), 2);
        log.push(note("b", 10), 2);
        log.push(note("a", 60_000), 2);
        assert_eq!(shown(&log), [(0, 2, "a".into(), 0, 60_000), (1, 1, "b".into(), 10, 10)]);
        log.push(note("a", 120_001), 2);
        assert_eq!(shown(&log), [(2, 1, "a".into(), 120_001, 120_001), (0, 2, "a".into(), 0, 60_000)]);
    }
}
