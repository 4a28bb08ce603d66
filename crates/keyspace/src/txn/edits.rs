//! Values to be changed in place, by type: [`WrongType`] is the answer where the key holds another.

use super::{Txn, WrongType};
use crate::edit::Edit;
use crate::types::{Hash, List, Set, Str, Stream, VectorSet, ZSet};

// All are inlined, so that an edit is made where it stays: see `docs/decisions/020-what-is-moved-waits.md`.
impl<'k> Txn<'k> {
    /// The string at the key, to be changed in place.
    #[inline(always)]
    pub fn string_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, Str>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The string at the key, to be changed in place; an empty one if there is none.
    #[inline(always)]
    pub fn string_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, Str>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The list at the key, to be changed in place. A list that ends up empty is removed, as with every collection.
    #[inline(always)]
    pub fn list_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, List>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The list at the key; an empty one if there is none.
    #[inline(always)]
    pub fn list_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, List>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The hash at the key, to be changed in place.
    #[inline(always)]
    pub fn hash_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, Hash>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The hash at the key; an empty one if there is none.
    #[inline(always)]
    pub fn hash_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, Hash>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The set at the key, to be changed in place.
    #[inline(always)]
    pub fn set_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, Set>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The set at the key; an empty one if there is none.
    #[inline(always)]
    pub fn set_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, Set>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The sorted set at the key, to be changed in place.
    #[inline(always)]
    pub fn zset_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, ZSet>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The sorted set at the key; an empty one if there is none.
    #[inline(always)]
    pub fn zset_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, ZSet>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The stream at the key, to be changed in place. A stream stays when it ends up empty.
    #[inline(always)]
    pub fn stream_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, Stream>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The stream at the key; an empty one if there is none.
    #[inline(always)]
    pub fn stream_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, Stream>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }

    /// The vector set at the key, to be changed in place.
    #[inline(always)]
    pub fn vectors_mut(&mut self, db: u16, key: &[u8]) -> Result<Option<Edit<'_, 'k, VectorSet>>, WrongType> {
        Edit::existing(self, db, key)
    }

    /// The vector set at the key; an empty one, to be [configured](Edit::configure), if there is none.
    #[inline(always)]
    pub fn vectors_entry(&mut self, db: u16, key: &[u8]) -> Result<Edit<'_, 'k, VectorSet>, WrongType> {
        Edit::existing_or_new(self, db, key)
    }
}
