//! The undo journal: for every change of a transaction its inverse, replayed backwards by a rollback.

use crate::shard::Database;
use crate::types::{HashUndo, ListUndo, SetUndo, StrUndo, ZSetUndo};
use crate::value::Value;
use crate::{Entry, log::Log};

/// The inverse of one change. Positions are those that the change left, so that a rollback restores iteration order.
pub(crate) enum Undo {
    /// The key was created (at the end of its table).
    Created,
    /// The key's value and deadline were replaced.
    Replaced {
        value: Value,
        deadline: Option<u64>,
    },
    /// The key was removed from a position.
    Removed {
        index: usize,
        entry: Entry,
    },
    /// The key's deadline was changed.
    Deadline(Option<u64>),
    /// The key moved, from a position, to another name or database.
    Moved {
        index: usize,
        to: (u16, Box<[u8]>),
    },
    /// Part of the value was changed.
    Str(StrUndo),
    List(ListUndo),
    Hash(HashUndo),
    Set(SetUndo),
    ZSet(ZSetUndo),
    /// A shard's part of the database was emptied.
    Flushed {
        shard: u16,
        database: Database,
    },
    /// The database was swapped with another one, in every shard.
    Swapped {
        with: u16,
    },
}

/// The inverses of a transaction's changes so far.
#[derive(Default)]
pub(crate) struct Journal {
    /// Every key that was changed, in order; consecutive changes of one key share an element.
    targets: Vec<(u16, Box<[u8]>)>,
    steps: Vec<(u32, Undo)>,
}

impl Journal {
    /// The number for `key` under which steps are recorded.
    pub(crate) fn target(&mut self, db: u16, key: &[u8]) -> u32 {
        if !self.targets.last().is_some_and(|(last_db, last)| *last_db == db && **last == *key) {
            self.targets.push((db, key.into()));
        }
        self.targets.len() as u32 - 1
    }

    pub(crate) fn push(&mut self, target: u32, undo: Undo) {
        self.steps.push((target, undo));
    }

    /// How many changes it can undo.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The last step that has not been taken back, with its database and key.
    pub(crate) fn pop(&mut self) -> Option<(u16, &[u8], Undo)> {
        let (target, undo) = self.steps.pop()?;
        let (db, key) = &self.targets[target as usize];
        Some((*db, key, undo))
    }
}

/// Where a type's primitives leave their inverses: in the journal, if there is one.
pub(crate) struct TypeLog<'j, U> {
    pub(crate) journal: Option<(&'j mut Journal, u32)>,
    pub(crate) wrap: fn(U) -> Undo,
}

impl<U> Log<U> for TypeLog<'_, U> {
    #[inline]
    fn record(&mut self, inverse: impl FnOnce() -> U) {
        if let Some((journal, target)) = &mut self.journal {
            let undo = (self.wrap)(inverse());
            journal.push(*target, undo);
        }
    }
}
