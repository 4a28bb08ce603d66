//! Which keys a client has read, as far as it wants to hear of changes.

use perigee_keyspace::Txn;
use perigee_resp::Encoder;

use super::limit_tracked;
use crate::clients::Mark;
use crate::effects::Effects;
use crate::engine::Env;
use crate::session::{ReplyMode, Session};
use crate::spec::{Flags, Group};
use crate::table::Entry;

/// The keys that a script has declared, for the client that has sent it: they count as read as soon as the script reads
/// anything, as in Redis 7.0.
pub(crate) struct Declared {
    reader: u64,
    keys: Vec<Box<[u8]>>,
    /// The number of changes when they were last read.
    read_at: Option<u64>,
}

impl Session {
    /// Before a command of a client that tracks: says whose changes these will be.
    #[cold]
    pub(crate) fn begin_tracked(
        &self,
        txn: &mut Txn<'_>,
        effects: &mut Effects,
        entry: Entry,
        args: &[&[u8]],
    ) {
        let Some(tracked) = &self.tracked else { return };
        effects.origin = self.client.id;
        // A script's changes are its own.
        let is_script = runs_script(entry);
        txn.act_for(if is_script { 0 } else { self.client.id });
        *effects.declared = None;
        if is_script && tracked.remembers() && !self.client.has(Mark::Broadcast) {
            let mut keys = Vec::new();
            entry.command.for_each_key(args, |at| keys.push(args[at].into()));
            *effects.declared = Some(Box::new(Declared { reader: self.client.id, keys, read_at: None }));
        }
    }

    /// After a command, before its commit: what it has read is remembered.
    #[cold]
    pub(crate) fn note_reads(&self, txn: &mut Txn<'_>, entry: Entry, args: &[&[u8]]) {
        let Some(tracked) = &self.tracked else { return };
        let reads = entry.command.has(Flags::READONLY) && !runs_script(entry);
        if reads && tracked.remembers() && !self.client.has(Mark::Broadcast) {
            entry.command.for_each_key(args, |at| txn.track(args[at], self.client.id));
        }
    }

    /// After a request's reply: the client hears of its own changes now, and CLIENT CACHING has had its effect.
    #[cold]
    pub(crate) fn end_tracked(&mut self, env: Env<'_>, entry: Option<Entry>, out: &mut Encoder) {
        if self.tracked.is_none() {
            return;
        }
        self.forget_caching(entry);
        limit_tracked(env);
        if self.reply_mode == ReplyMode::On {
            self.client.mailbox.drain(|message| out.out_mut().extend_from_slice(&message));
        }
    }

    /// CLIENT CACHING concerns one request or transaction, other CLIENT commands apart.
    pub(crate) fn forget_caching(&mut self, entry: Option<Entry>) {
        let is_client = entry.is_some_and(|entry| entry.command.full_name.starts_with("client|"));
        if let Some(tracked) = &mut self.tracked
            && self.multi.is_none()
            && !is_client
        {
            tracked.caching = false;
        }
    }

    /// Ends tracking.
    pub(crate) fn stop_tracking(&mut self, env: Env<'_>) {
        if let Some(tracked) = self.tracked.take() {
            env.engine.tracking.end(env.engine, &self.client, &tracked);
        }
    }
}

/// Has what the running script has declared count as read: it has read something.
#[cold]
pub(crate) fn script_reads(txn: &mut Txn<'_>, declared: &mut Declared) {
    let changes = txn.changes();
    if declared.read_at.replace(changes) != Some(changes) {
        declared.keys.iter().for_each(|key| txn.track(key, declared.reader));
    }
}

fn runs_script(entry: Entry) -> bool {
    entry.command.group == Group::Scripting && entry.command.has(Flags::NO_MANDATORY_KEYS)
}
