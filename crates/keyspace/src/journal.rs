//! The undo journal: for every change of a transaction its inverse, replayed backwards by a rollback.

use std::cell::Cell;
use std::cmp::Ordering;
use std::marker::PhantomData;

use hashbrown::HashTable;

use crate::key::Key;
use crate::shard::Database;
use crate::table::hash_of;
use crate::types::{GroupUndo, HashUndo, ListUndo, SetUndo, StrUndo, StreamUndo, VectorSetUndo, ZSetUndo};
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
        entry: Box<Entry>,
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
    Stream(StreamUndo),
    VectorSet(VectorSetUndo),
    /// A shard's part of the database was emptied.
    Flushed {
        shard: u16,
        database: Box<Database>,
    },
    /// The database was swapped with another one, in every shard.
    Swapped {
        with: u16,
    },
}

impl Undo {
    /// Whether it may hold so much that freeing it takes long.
    fn is_weighty(&self) -> bool {
        matches!(
            self,
            Undo::Replaced { .. }
                | Undo::Removed { .. }
                | Undo::Flushed { .. }
                | Undo::Str(StrUndo::Whole(_))
                | Undo::List(ListUndo::Replace { .. })
                | Undo::Stream(
                    StreamUndo::PrependNodes(_)
                        | StreamUndo::InsertGroup(..)
                        | StreamUndo::Group(_, GroupUndo::RestoreConsumer(_))
                )
        )
    }
}

/// The inverses of a transaction's changes so far.
///
/// Of what is replaced as a whole only the first state counts: once the journal can restore a key's value or deadline
/// from before all later changes, those need no inverses. So a counter that a script raises a million times costs one
/// step. Whatever changes which value a name stands for (removal, renaming, flushing) ends that cover.
#[derive(Default)]
pub(crate) struct Journal {
    /// Every key that was changed.
    targets: Vec<Target>,
    by_key: HashTable<u32>,
    steps: Vec<(u32, Undo)>,
}

struct Target {
    db: u16,
    covered: Cover,
    key: Key,
}

/// So many targets are searched one by one.
const FEW: usize = 8;
/// A journal that has had more steps or keys is freed by the reaper; until then that costs less than waking it.
const KEPT: usize = 8192;

thread_local! {
    static SPARE: Cell<Option<Box<Journal>>> = const { Cell::new(None) };
}

/// What of a key the journal restores whatever happens to it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cover {
    pub(crate) value: bool,
    pub(crate) deadline: bool,
}

impl Cover {
    pub(crate) const ALL: Cover = Cover { value: true, deadline: true };
}

impl Journal {
    /// The number for `key` under which steps are recorded.
    #[inline]
    pub(crate) fn target(&mut self, db: u16, key: &[u8]) -> u32 {
        if let Some(last) = self.targets.last()
            && last.db == db
            && *last.key == *key
        {
            return self.targets.len() as u32 - 1;
        }
        let targets = &self.targets;
        let is = |at: usize| targets[at].db == db && *targets[at].key == *key;
        let found = if targets.len() <= FEW {
            (0..targets.len()).find(|&at| is(at)).map(|at| at as u32)
        } else {
            self.by_key.find(hash_of(key), |&at| is(at as usize)).copied()
        };
        found.unwrap_or_else(|| self.add_target(db, key))
    }

    fn add_target(&mut self, db: u16, key: &[u8]) -> u32 {
        let at = self.targets.len();
        self.targets.push(Target { db, covered: Cover::default(), key: key.into() });
        let targets = &self.targets;
        let hash_at = |&at: &u32| hash_of(&targets[at as usize].key);
        let unindexed = match at.cmp(&FEW) {
            Ordering::Less => return at as u32,
            Ordering::Equal => 0..=FEW as u32,
            Ordering::Greater => at as u32..=at as u32,
        };
        for at in unindexed {
            self.by_key.insert_unique(hash_at(&at), at, hash_at);
        }
        at as u32
    }

    /// An empty journal; its memory is that of an earlier one of this thread, if there is one.
    pub(crate) fn open() -> Box<Journal> {
        SPARE.take().unwrap_or_default()
    }

    /// Gives away what it could undo, and keeps the memory for the thread's next one. Answers itself if it is too large for
    /// that, though a rollback may have left nothing in it.
    pub(crate) fn recycle(mut self: Box<Self>, discard: impl Fn(Undo)) -> Option<Box<Self>> {
        if self.steps.capacity() > KEPT || self.targets.capacity() > KEPT {
            return Some(self);
        }
        let weighty = self.steps.iter_mut().filter(|(_, undo)| undo.is_weighty());
        weighty.for_each(|(_, undo)| discard(std::mem::replace(undo, Undo::Created)));
        self.steps.clear();
        self.targets.clear();
        self.by_key.clear();
        SPARE.set(Some(self));
        None
    }

    #[inline]
    pub(crate) fn cover(&self, target: u32) -> Cover {
        self.targets[target as usize].covered
    }

    pub(crate) fn set_cover(&mut self, target: u32, cover: Cover) {
        self.targets[target as usize].covered = cover;
    }

    /// Names stand for other values now.
    pub(crate) fn clear_covers(&mut self) {
        self.targets.iter_mut().for_each(|target| target.covered = Cover::default());
    }

    pub(crate) fn push(&mut self, target: u32, undo: Undo) {
        self.steps.push((target, undo));
    }

    /// As [`push`](Self::push), of what is put together where it stays.
    #[inline]
    fn push_with<U: Into<Undo>>(&mut self, target: u32, inverse: impl FnOnce() -> U) {
        if self.steps.len() == self.steps.capacity() {
            self.steps.reserve(1);
        }
        self.steps.extend(std::iter::once_with(|| (target, inverse().into())));
    }

    /// How many changes it can undo.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The last step that has not been taken back, with its database and key.
    pub(crate) fn pop(&mut self) -> Option<(u16, &[u8], Undo)> {
        let (target, undo) = self.steps.pop()?;
        let Target { db, key, .. } = &self.targets[target as usize];
        Some((*db, key, undo))
    }
}

/// Where a type's primitives leave their inverses: in the journal, if there is one.
pub(crate) struct TypeLog<'j, U> {
    journal: Option<(&'j mut Journal, u32)>,
    inverses: PhantomData<fn(U)>,
}

impl<'j, U> TypeLog<'j, U> {
    #[inline]
    pub(crate) fn new(journal: Option<(&'j mut Journal, u32)>) -> Self {
        TypeLog { journal, inverses: PhantomData }
    }
}

impl<U: Into<Undo>> Log<U> for TypeLog<'_, U> {
    #[inline]
    fn record(&mut self, inverse: impl FnOnce() -> U) {
        if let Some((journal, target)) = &mut self.journal {
            journal.push_with(*target, inverse);
        }
    }
}

const _: () = assert!(size_of::<(u32, Undo)>() <= 64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Stream, StreamId};

    #[test]
    fn memory_is_kept_up_to_a_limit_whatever_has_become_of_the_steps() {
        for (steps, rolled_back, kept) in
            [(KEPT, false, true), (KEPT + 1, false, false), (KEPT, true, true), (KEPT + 1, true, false)]
        {
            SPARE.take();
            let mut journal = Journal::open();
            (0..steps).for_each(|_| journal.push_with(0, || Undo::Created));
            if rolled_back {
                journal.steps.clear();
            }
            assert_eq!(journal.recycle(|_| unreachable!("nothing is weighty")).is_none(), kept, "{steps}");
            let next = Journal::open();
            assert_eq!((next.len(), next.steps.capacity()), (0, if kept { KEPT } else { 0 }));
        }
    }

    #[test]
    fn what_may_be_large_is_given_away() {
        let (mut stream, mut log) = (Stream::default(), Vec::new());
        stream.create_group(b"group", StreamId::default(), None, &mut log);
        let number = stream.add_consumer(0, b"name", 1, &mut log);
        stream.remove_consumer(0, number, &mut log);
        stream.remove_group(0, &mut log);
        let mut journal = Journal::open();
        let inverses = log.into_iter().map(Undo::Stream);
        let whole = Undo::Str(StrUndo::Whole(1.into()));
        inverses.chain([whole, Undo::Created]).for_each(|undo| journal.push(0, undo));
        let given = Cell::new(0);
        assert!(journal.recycle(|_| given.set(given.get() + 1)).is_none());
        assert_eq!(given.get(), 3, "a group, a consumer, a string");
    }
}
