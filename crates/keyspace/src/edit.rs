//! A value that is being changed in place, through primitives that leave their inverses in the journal.

use std::marker::PhantomData;
use std::ops::Deref;

use crate::Entry;
use crate::journal::{Cover, TypeLog, Undo};
use crate::txn::{Place, Txn, WrongType};
use crate::types::{
    Hash, HashUndo, Limits, List, ListUndo, Set, SetUndo, Str, StrRef, StrUndo, Stream, StreamUndo,
    VectorSet, VectorSetUndo, ZSet, ZSetUndo,
};
use crate::value::{Content, Value, ValueMut, ValueRef};

/// One of the value types, as the transaction sees it.
pub trait Kind: Sized {
    /// The inverse of its primitives.
    type Undo;
    #[doc(hidden)]
    fn is(entry: &Entry) -> bool;
    /// Whether the key must go, its value being empty.
    #[doc(hidden)]
    fn is_gone(edit: &Edit<'_, '_, Self>) -> bool;
    #[doc(hidden)]
    fn create() -> Value;
    /// Changes the value if it is of this type.
    #[doc(hidden)]
    fn change<R>(entry: &mut Entry, change: impl FnOnce(&mut Self) -> R) -> Option<R>;
}

/// A type whose values are objects of their own.
pub trait Collection: Kind {
    #[doc(hidden)]
    fn of(entry: &Entry) -> Option<&Self>;
}

/// A type whose inverses the journal takes.
trait Undoable: Kind<Undo: Into<Undo>> {}

impl<T: Kind<Undo: Into<Undo>>> Undoable for T {}

impl Kind for Str {
    type Undo = StrUndo;
    #[inline]
    fn is(entry: &Entry) -> bool {
        entry.is_string()
    }
    #[inline]
    fn is_gone(_: &Edit<'_, '_, Self>) -> bool {
        false
    }
    fn create() -> Value {
        Value::Str(Str::from_text(b""))
    }
    #[inline]
    fn change<R>(entry: &mut Entry, change: impl FnOnce(&mut Self) -> R) -> Option<R> {
        entry.change_string(change)
    }
}

impl From<StrUndo> for Undo {
    #[inline]
    fn from(undo: StrUndo) -> Self {
        Undo::Str(undo)
    }
}

macro_rules! collection {
    ($type:ident, $undo:ident, $gone:expr) => {
        impl Kind for $type {
            type Undo = $undo;
            #[inline]
            fn is(entry: &Entry) -> bool {
                matches!(entry.value(), ValueRef::$type(_))
            }
            #[inline]
            fn is_gone(edit: &Edit<'_, '_, Self>) -> bool {
                let gone: fn(&Self) -> bool = $gone;
                gone(edit)
            }
            fn create() -> Value {
                Value::$type(Default::default())
            }
            #[inline]
            fn change<R>(entry: &mut Entry, change: impl FnOnce(&mut Self) -> R) -> Option<R> {
                if let ValueMut::$type(value) = entry.value_mut() { Some(change(value)) } else { None }
            }
        }
        impl Collection for $type {
            #[inline]
            fn of(entry: &Entry) -> Option<&Self> {
                if let ValueRef::$type(value) = entry.value() { Some(value) } else { None }
            }
        }
        impl From<$undo> for Undo {
            #[inline]
            fn from(undo: $undo) -> Self {
                Undo::$type(undo)
            }
        }
    };
}

collection!(List, ListUndo, List::is_empty);
collection!(Hash, HashUndo, Hash::is_empty);
collection!(Set, SetUndo, Set::is_empty);
collection!(ZSet, ZSetUndo, ZSet::is_empty);
collection!(Stream, StreamUndo, |_| false);
collection!(VectorSet, VectorSetUndo, VectorSet::is_empty);

/// Who is told of a change.
// As wide as the register that it is passed in: as one byte it is read together with its neighbours in an `Edit`, just
// after those were written.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Those who watch the key, and those who wait for it.
    #[default]
    Everybody,
    /// Those who watch the key: the change gives those who wait nothing.
    Watchers,
    /// Those who wait for the key.
    Waiters,
    /// Nobody.
    Nobody,
}

impl Audience {
    pub(crate) fn has_watchers(self) -> bool {
        matches!(self, Audience::Everybody | Audience::Watchers)
    }

    pub(crate) fn has_waiters(self) -> bool {
        matches!(self, Audience::Everybody | Audience::Waiters)
    }
}

/// A value to be changed; reads go through `Deref`. When it is dropped the key is marked as changed if it was, and
/// removed if its collection is empty.
// An edit that is given to `drop` is moved there, in pieces of 16 bytes and one of 8. In this order the last piece is the
// word that was written last, and as a whole: docs/decisions/020.
#[repr(C)]
pub struct Edit<'t, 'k, T: Kind> {
    txn: &'t mut Txn<'k>,
    place: Place,
    target: u32,
    audience: Audience,
    /// How many primitives have changed something.
    changes: usize,
    kind: PhantomData<T>,
}

#[allow(private_bounds, reason = "how a change is undone is nobody else's business")]
impl<'t, 'k, T: Undoable> Edit<'t, 'k, T> {
    // Inlined, so that an edit is made where it stays: see `Txn::replace_at`.
    #[inline(always)]
    pub(crate) fn existing(txn: &'t mut Txn<'k>, db: u16, key: &[u8]) -> Result<Option<Self>, WrongType> {
        match txn.find(db, key) {
            None => Ok(None),
            Some(place) => Edit::at(txn, place, key).map(Some),
        }
    }

    #[inline(always)]
    pub(crate) fn existing_or_new(txn: &'t mut Txn<'k>, db: u16, key: &[u8]) -> Result<Self, WrongType> {
        let spot = txn.spot(key);
        let place = match txn.find_in(spot, db, key) {
            None => txn.create(spot, db, key, Content::Value(T::create()), None),
            Some(place) => place,
        };
        Edit::at(txn, place, key)
    }

    #[inline(always)]
    pub(crate) fn at(txn: &'t mut Txn<'k>, place: Place, key: &[u8]) -> Result<Self, WrongType> {
        let database = txn.held.shard(place.shard()).database(place.db());
        let entry = database.and_then(|database| database.keys.get_at(place.index));
        let entry = entry.expect("a place that was just found");
        txn.touch(entry);
        if !T::is(entry) {
            return Err(WrongType);
        }
        let target = txn.journal.as_mut().map_or(0, |journal| journal.target(place.db(), key));
        Ok(Edit { txn, place, target, audience: Audience::default(), changes: 0, kind: PhantomData })
    }

    /// Drops what the value has let go of, elsewhere if it has many elements.
    pub(crate) fn drop_weighing(&self, weight: usize, garbage: impl Send + 'static) {
        self.txn.drop_weighing(weight, garbage);
    }

    /// The journal can restore the whole value from before; nothing later needs an inverse.
    pub(crate) fn cover_value(&mut self) {
        let target = self.target;
        if let Some(journal) = &mut *self.txn.journal {
            let cover = journal.cover(target);
            journal.set_cover(target, Cover { value: true, ..cover });
        }
    }

    /// Those who watch the key see a change even if there is none, where a command says so.
    pub fn mark_changed(&mut self) {
        self.changes += 1;
    }

    /// Has only these told of the change.
    pub fn tell(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// The moment of the transaction.
    pub fn now_ms(&self) -> u64 {
        self.txn.now_ms()
    }

    /// Whether what has this deadline, in milliseconds since the epoch, goes at once; see
    /// [`keep_expired`](crate::Keyspace::keep_expired).
    pub fn is_over(&self, deadline_ms: u64) -> bool {
        deadline_ms <= self.txn.now_ms() && !self.txn.keeps_expired()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.txn.limits()
    }

    /// See [`Keyspace::new_vector_set_uid`](crate::Keyspace::new_vector_set_uid).
    pub(crate) fn new_vector_set_uid(&self) -> u64 {
        self.txn.new_vector_set_uid()
    }

    /// Notes that deadlines of the hash's fields have changed.
    pub(crate) fn queue_fields(&mut self) {
        self.txn.queue_fields(self.place);
    }

    /// Runs one primitive of the type. `change` returns its result and whether anything changed.
    #[inline]
    pub(crate) fn apply<R>(
        &mut self,
        change: impl FnOnce(&mut T, &mut TypeLog<'_, T::Undo>) -> (R, bool),
    ) -> R {
        let Txn { held, journal, .. } = &mut *self.txn;
        let database = held.shard_mut(self.place.shard()).database_mut(self.place.db());
        let entry = database.keys.get_at_mut(self.place.index).expect("the place of a live edit");
        let target = self.target;
        let journal = journal.as_mut().filter(|journal| !journal.cover(target).value);
        let mut log = TypeLog::new(journal.map(|journal| (&mut **journal, target)));
        let (result, changed) =
            T::change(entry, |value| change(value, &mut log)).expect("the type of a live edit");
        self.changes += usize::from(changed);
        result
    }
}

impl Edit<'_, '_, Str> {
    /// Writes the content over the one that is there, if it fits and the one before needs neither be kept nor freed.
    #[inline]
    pub(crate) fn overwrite(&mut self, content: &Content<'_>) -> bool {
        let Txn { held, journal, .. } = &mut *self.txn;
        if journal.as_ref().is_some_and(|journal| !journal.cover(self.target).value) {
            return false;
        }
        let database = held.shard_mut(self.place.shard()).database_mut(self.place.db());
        let overwritten = database.overwrite(self.place.index, content);
        self.changes += usize::from(overwritten);
        overwritten
    }

    /// The string, to be read.
    #[inline]
    pub fn view(&self) -> StrRef<'_> {
        self.entry().string().expect("the type of a live edit")
    }
}

impl<T: Kind> Edit<'_, '_, T> {
    #[inline]
    fn entry(&self) -> &Entry {
        let database = self.txn.held.shard(self.place.shard()).database(self.place.db());
        let entry = database.and_then(|database| database.keys.get_at(self.place.index));
        entry.expect("the place of a live edit")
    }
}

impl<T: Collection> Deref for Edit<'_, '_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::of(self.entry()).expect("the type of a live edit")
    }
}

impl<T: Kind> Drop for Edit<'_, '_, T> {
    #[inline]
    fn drop(&mut self) {
        let gone = T::is_gone(self);
        if self.changes > 0 {
            self.txn.touched_at(self.place, self.audience);
        }
        if gone {
            self.txn.remove_at(self.place);
        }
    }
}
