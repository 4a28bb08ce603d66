//! Reading a key, by its name. Where a type is asked for, [`WrongType`] is the answer if the key holds another.

use super::{Txn, WrongType};
use crate::Entry;
use crate::types::{Hash, List, Set, StrRef, Stream, VectorSet, ZSet};
use crate::value::ValueRef;

impl Txn<'_> {
    /// A live key, whose access time is renewed unless [`keep_access_times`](Self::keep_access_times) says otherwise.
    #[inline]
    pub fn entry(&self, db: u16, key: &[u8]) -> Option<&Entry> {
        let entry = self.peek(db, key)?;
        self.touch(entry);
        Some(entry)
    }

    /// A live key, without trace.
    #[inline]
    pub fn peek(&self, db: u16, key: &[u8]) -> Option<&Entry> {
        let entry = self.stored(db, key)?;
        self.is_live(db, entry).then_some(entry)
    }

    /// As [`peek`](Self::peek), of a key too whose deadline has passed.
    #[inline]
    pub fn stored(&self, db: u16, key: &[u8]) -> Option<&Entry> {
        self.held.shard(self.keyspace.shard_of(key)).database(db)?.keys.get(key)
    }

    /// Whether the entry is live; an expired one is removed before the commit.
    #[inline]
    pub(super) fn is_live(&self, db: u16, entry: &Entry) -> bool {
        let live = entry.is_live(self.live_after_ms);
        if !live {
            self.note_stale(db, entry);
        }
        live
    }

    #[cold]
    fn note_stale(&self, db: u16, entry: &Entry) {
        if self.keyspace.keeps_expired() {
            return;
        }
        self.news.borrow_mut().get_or_insert_default().stale.push((db, entry.key().into()));
    }

    /// Whether the key is live.
    pub fn contains(&self, db: u16, key: &[u8]) -> bool {
        self.entry(db, key).is_some()
    }

    /// The key's value.
    #[inline]
    pub fn value(&self, db: u16, key: &[u8]) -> Option<ValueRef<'_>> {
        self.entry(db, key).map(Entry::value)
    }

    /// The key's value as a string.
    #[inline(always)]
    pub fn string(&self, db: u16, key: &[u8]) -> Result<Option<StrRef<'_>>, WrongType> {
        match self.entry(db, key) {
            None => Ok(None),
            Some(entry) => entry.string().map(Some).ok_or(WrongType),
        }
    }

    /// The key's value as a list.
    pub fn list(&self, db: u16, key: &[u8]) -> Result<Option<&List>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::List(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }

    /// The key's value as a hash.
    pub fn hash(&self, db: u16, key: &[u8]) -> Result<Option<&Hash>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::Hash(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }

    /// The key's value as a set.
    pub fn set(&self, db: u16, key: &[u8]) -> Result<Option<&Set>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::Set(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }

    /// The key's value as a sorted set.
    pub fn zset(&self, db: u16, key: &[u8]) -> Result<Option<&ZSet>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::ZSet(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }

    /// The key's value as a stream.
    pub fn stream(&self, db: u16, key: &[u8]) -> Result<Option<&Stream>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::Stream(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }

    /// The key's value as a vector set.
    pub fn vectors(&self, db: u16, key: &[u8]) -> Result<Option<&VectorSet>, WrongType> {
        match self.value(db, key) {
            None => Ok(None),
            Some(ValueRef::VectorSet(value)) => Ok(Some(value)),
            Some(_) => Err(WrongType),
        }
    }
}
