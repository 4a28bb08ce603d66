//! A running command's surroundings.

use perigee_keyspace::{Rare, Txn};
use perigee_resp::{Protocol, Reply};

use crate::blocking::{Again, Block};
use crate::effects::{Effects, Event};
use crate::engine::Env;
use crate::error::Error;
use crate::parse::{Options, integer};
use crate::scripts::ScriptRun;
use crate::session::{Role, Session};

/// Everything that a handler may use. It answers through `reply`, exactly once, or returns an error instead.
pub struct Call<'c, 'e> {
    /// The engine, the worker, the moment.
    pub env: Env<'e>,
    /// Who asks.
    pub session: &'c mut Session,
    /// The data, with the locks of the command's keys.
    pub txn: &'c mut Txn<'e>,
    /// What is to be told at the commit.
    pub effects: &'c mut Effects,
    /// The request; its first element is the command's name.
    pub args: &'c [&'c [u8]],
    /// Where the answer goes.
    pub reply: &'c mut dyn Reply,
    /// The numbered database that the session has selected.
    pub db: u16,
    pub(crate) suspended: Rare<Suspend>,
}

/// Why a command is not finished when its handler returns.
pub(crate) enum Suspend {
    /// It waits for keys to change.
    Block(Block, Again),
    /// Its script has used up its slice.
    Script(Box<dyn ScriptRun>),
    /// It needs every shard: to be undone and run again.
    Widen,
}

impl<'c> Call<'c, '_> {
    /// The moment at which the command takes place, in milliseconds since the epoch.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.txn.now_ms()
    }

    /// Whether what has this deadline, in milliseconds since the epoch, goes at once: it has passed, and what is past its deadline
    /// is not kept.
    pub(crate) fn is_over(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.now_ms() && !self.env.engine.keyspace.keeps_expired()
    }

    /// Has the command not finished when its handler returns.
    #[cold]
    pub(crate) fn suspend(&mut self, reason: Suspend) {
        *self.suspended = Some(Box::new(reason));
    }

    /// The command's name, in lower case.
    pub fn command_name(&self) -> String {
        String::from_utf8_lossy(self.args[0]).to_ascii_lowercase()
    }

    /// The integer at a position.
    ///
    /// # Errors
    /// [`Error::NotInteger`].
    #[inline]
    pub fn integer(&self, at: usize) -> Result<i64, Error> {
        integer(self.args[at]).ok_or(Error::NotInteger)
    }

    /// The optional arguments from a position on.
    pub fn options(&self, at: usize) -> Options<'c> {
        Options::new(self.args, at)
    }

    /// Tells of a change to a key of the selected database.
    #[inline]
    pub fn notify(&mut self, class: Event, event: &str, key: &[u8]) {
        self.effects.notify(self.env.engine, self.txn, class, event, self.db, key);
    }

    /// Whether the receiver knows RESP3's types.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.reply.protocol() == Protocol::Resp3
    }

    /// Whether a blocking command may take what the key at this position holds. One that is served after a wait takes
    /// it from the key that has changed, wherever that stands among its keys.
    pub fn may_use(&self, at: usize) -> bool {
        match self.session.role {
            Role::Served { key } => key == at,
            Role::Client | Role::Script => true,
        }
    }

    /// Whether the command may wait.
    pub fn may_block(&self) -> bool {
        self.session.may_block()
    }

    /// Waits until one of the keys changes, then runs the command again; answers with a null array when the time is over. Inside
    /// MULTI and scripts nobody waits: the answer is that of a time-out. To be called instead of answering, last.
    pub fn block(&mut self, block: Block) {
        if self.may_block() {
            self.suspend(Suspend::Block(block, Again::default()));
        } else {
            Block::give_up(block.on_timeout, self.reply);
        }
    }

    /// The same, but says when it is run again, and as what.
    pub(crate) fn block_as(&mut self, block: Block, again: Again) {
        self.block(block);
        if let Some(Suspend::Block(_, request)) = self.suspended.as_deref_mut() {
            *request = again;
        }
    }
}
