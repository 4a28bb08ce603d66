//! A key's value: one of the types.

use crate::types::{Hash, List, Set, Str, StrRef, Stream, VectorSet, ZSet};

/// A value of any type, by itself.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names of the types")]
pub enum Value {
    Str(Str),
    List(Box<List>),
    Hash(Hash),
    Set(Box<Set>),
    ZSet(Box<ZSet>),
    Stream(Box<Stream>),
    VectorSet(Box<VectorSet>),
}

impl Value {
    /// The same, to be read.
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::Str(value) => ValueRef::Str(value.view()),
            Value::List(value) => ValueRef::List(value),
            Value::Hash(value) => ValueRef::Hash(value),
            Value::Set(value) => ValueRef::Set(value),
            Value::ZSet(value) => ValueRef::ZSet(value),
            Value::Stream(value) => ValueRef::Stream(value),
            Value::VectorSet(value) => ValueRef::VectorSet(value),
        }
    }
}

/// What a key is given.
pub(crate) enum Content<'a> {
    Int(i64),
    /// A string that is stored as bytes.
    Text(&'a [u8]),
    Value(Value),
}

/// A key's value, to be changed in place; a string is changed otherwise.
pub(crate) enum ValueMut<'a> {
    Str,
    List(&'a mut List),
    Hash(&'a mut Hash),
    Set(&'a mut Set),
    ZSet(&'a mut ZSet),
    Stream(&'a mut Stream),
    VectorSet(&'a mut VectorSet),
}

/// A key's value, to be read where it lies.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names of the types")]
pub enum ValueRef<'a> {
    Str(StrRef<'a>),
    List(&'a List),
    Hash(&'a Hash),
    Set(&'a Set),
    ZSet(&'a ZSet),
    Stream(&'a Stream),
    VectorSet(&'a VectorSet),
}

impl ValueRef<'_> {
    /// A copy.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Str(value) => Value::Str(value.to_str()),
            ValueRef::List(value) => Value::List(Box::new(value.clone())),
            ValueRef::Hash(value) => Value::Hash(value.clone()),
            ValueRef::Set(value) => Value::Set(Box::new(value.clone())),
            ValueRef::ZSet(value) => Value::ZSet(Box::new(value.clone())),
            ValueRef::Stream(value) => Value::Stream(Box::new(value.clone())),
            ValueRef::VectorSet(value) => Value::VectorSet(Box::new(value.clone())),
        }
    }

    /// What TYPE calls it.
    pub fn type_name(self) -> &'static str {
        match self {
            ValueRef::Str(_) => "string",
            ValueRef::List(_) => "list",
            ValueRef::Hash(_) => "hash",
            ValueRef::Set(_) => "set",
            ValueRef::ZSet(_) => "zset",
            ValueRef::Stream(_) => "stream",
            ValueRef::VectorSet(_) => "vectorset",
        }
    }

    /// What OBJECT ENCODING calls it.
    pub fn encoding(self) -> &'static str {
        match self {
            ValueRef::Str(value) => value.encoding(),
            ValueRef::List(value) => value.encoding(),
            ValueRef::Hash(value) => value.encoding(),
            ValueRef::Set(value) => value.encoding(),
            ValueRef::ZSet(value) => value.encoding(),
            ValueRef::Stream(value) => value.encoding(),
            ValueRef::VectorSet(value) => value.encoding(),
        }
    }

    /// The number of its elements; a string has one.
    pub fn elements(self) -> usize {
        match self {
            ValueRef::Str(_) => 1,
            ValueRef::List(value) => value.len(),
            ValueRef::Hash(value) => value.len(),
            ValueRef::Set(value) => value.len(),
            ValueRef::ZSet(value) => value.len(),
            ValueRef::Stream(value) => value.len(),
            ValueRef::VectorSet(value) => value.len(),
        }
    }

    /// Bytes allocated on the heap, estimated from so many elements of a large collection; from all if that is 0.
    pub fn heap_bytes(self, samples: usize) -> usize {
        match self {
            ValueRef::Str(value) => value.heap_bytes(),
            ValueRef::List(value) => size_of::<List>() + value.heap_bytes(),
            ValueRef::Hash(value) => value.heap_bytes(samples),
            ValueRef::Set(value) => size_of::<Set>() + value.heap_bytes(samples),
            ValueRef::ZSet(value) => size_of::<ZSet>() + value.heap_bytes(samples),
            ValueRef::Stream(value) => size_of::<Stream>() + value.heap_bytes(),
            ValueRef::VectorSet(value) => size_of::<VectorSet>() + value.heap_bytes(samples),
        }
    }

    /// How much there is to free, in elements or their like.
    pub(crate) fn weight(self) -> usize {
        match self {
            ValueRef::Str(value) => value.heap_bytes() / BYTES_LIKE_AN_ELEMENT,
            ValueRef::Stream(value) => value.weight(),
            _ => self.elements(),
        }
    }
}

/// Of a string: to free a large one takes the system a while.
const BYTES_LIKE_AN_ELEMENT: usize = 16 << 10;
