//! Values on their way into an entry and out of it.

use std::ptr::NonNull;

use super::{HASH, INT, LIST, SET, SHORT, STR, STREAM, TEXT, VECTORS, ZSET};
use crate::types::{Hash, List, Set, Str, Stream, VectorSet, ZSet};
use crate::value::{Content, Value};

/// What makes a value, as an entry takes it in.
pub(super) enum Part<'a> {
    Int(i64),
    Text(&'a [u8]),
    Str(Str),
    List(Box<List>),
    Hash(Hash),
    Set(Box<Set>),
    ZSet(Box<ZSet>),
    Stream(Box<Stream>),
    VectorSet(Box<VectorSet>),
}

impl Part<'_> {
    /// Hands the content on in the form that an entry takes in.
    #[inline]
    pub(super) fn with<R>(content: Content<'_>, take: impl FnOnce(Part<'_>) -> R) -> R {
        let string;
        let mut scratch = itoa::Buffer::new();
        take(match content {
            Content::Int(int) => Part::Int(int),
            Content::Text(text) if text.len() <= SHORT => Part::Text(text),
            Content::Text(text) => Part::Str(Str::from_text(text)),
            Content::Value(Value::Str(given)) if !given.view().is_short(SHORT) => Part::Str(given),
            Content::Value(Value::Str(given)) => {
                string = given;
                match string.view().stored_int() {
                    Some(int) => Part::Int(int),
                    None => Part::Text(string.view().as_bytes(&mut scratch)),
                }
            }
            Content::Value(Value::List(list)) => Part::List(list),
            Content::Value(Value::Hash(hash)) => Part::Hash(hash),
            Content::Value(Value::Set(set)) => Part::Set(set),
            Content::Value(Value::ZSet(zset)) => Part::ZSet(zset),
            Content::Value(Value::Stream(stream)) => Part::Stream(stream),
            Content::Value(Value::VectorSet(vectors)) => Part::VectorSet(vectors),
        })
    }

    pub(super) fn kind(&self) -> u8 {
        match self {
            Part::Int(_) => INT,
            Part::Text(_) => TEXT,
            Part::Str(_) => STR,
            Part::List(_) => LIST,
            Part::Hash(_) => HASH,
            Part::Set(_) => SET,
            Part::ZSet(_) => ZSET,
            Part::Stream(_) => STREAM,
            Part::VectorSet(_) => VECTORS,
        }
    }

    /// # Safety
    /// There must be room for it before `place`, a multiple of eight.
    pub(super) unsafe fn write_before(self, place: NonNull<u8>) {
        /// # Safety
        /// As above.
        unsafe fn write<T>(part: T, place: NonNull<u8>) {
            // SAFETY: the caller's; all parts have sizes of multiples of eight.
            unsafe { place.cast::<T>().sub(1).write(part) }
        }
        // SAFETY: the caller's.
        unsafe {
            match self {
                Part::Int(int) => write(int, place),
                Part::Text(_) => {}
                Part::Str(string) => write(string, place),
                Part::List(list) => write(list, place),
                Part::Hash(hash) => write(hash, place),
                Part::Set(set) => write(set, place),
                Part::ZSet(zset) => write(zset, place),
                Part::Stream(stream) => write(stream, place),
                Part::VectorSet(vectors) => write(vectors, place),
            }
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Part::Int(int) => Value::Str(Str::from(int)),
            Part::Text(text) => Value::Str(Str::from_text(text)),
            Part::Str(string) => Value::Str(string),
            Part::List(list) => Value::List(list),
            Part::Hash(hash) => Value::Hash(hash),
            Part::Set(set) => Value::Set(set),
            Part::ZSet(zset) => Value::ZSet(zset),
            Part::Stream(stream) => Value::Stream(stream),
            Part::VectorSet(vectors) => Value::VectorSet(vectors),
        }
    }
}
