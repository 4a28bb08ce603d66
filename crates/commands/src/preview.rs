//! A look at a request before its turn comes.

use crate::engine::Env;
use crate::table::Entry;

/// What is known of a request that waits behind others of its batch: its command, and the shard of its only key, on the way
/// into the processor's cache meanwhile. Nothing is checked yet; that is for the gate, when its turn comes.
#[derive(Clone, Copy)]
pub struct Preview {
    /// What its first word names, if that is a command.
    pub(crate) entry: Option<Entry>,
    /// What it has to lock, if that is this one shard.
    pub(crate) shard: Option<u16>,
}

impl Preview {
    /// Looks at a request, which has one word at least.
    #[inline(always)]
    pub fn of(env: Env<'_>, args: &[&[u8]]) -> Self {
        let entry = env.engine.commands.find(args[0]);
        // One with subcommands has no key itself.
        let key = entry.and_then(|entry| entry.command.only_key(args));
        let shard = key.map(|key| env.engine.keyspace.shard_of(key));
        Preview { entry, shard }
    }

    /// Has the processor fetch what the request will lock.
    #[inline(always)]
    pub fn fetch(&self, env: Env<'_>) {
        if let Some(shard) = self.shard {
            env.engine.keyspace.prefetch(shard);
        }
    }
}
