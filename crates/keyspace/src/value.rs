//! A key's value: one of the types.

use crate::types::{Hash, List, Set, Str, Stream, ZSet};

/// A value of any type, in 24 bytes.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Value {
    Str(Str),
    List(Box<List>),
    Hash(Box<Hash>),
    Set(Box<Set>),
    ZSet(Box<ZSet>),
    Stream(Box<Stream>),
}

impl Value {
    /// What TYPE calls it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::ZSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// What OBJECT ENCODING calls it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Str(value) => value.encoding(),
            Value::List(value) => value.encoding(),
            Value::Hash(value) => value.encoding(),
            Value::Set(value) => value.encoding(),
            Value::ZSet(value) => value.encoding(),
            Value::Stream(value) => value.encoding(),
        }
    }

    /// The number of its elements; a string has one.
    pub fn elements(&self) -> usize {
        match self {
            Value::Str(_) => 1,
            Value::List(value) => value.len(),
            Value::Hash(value) => value.len(),
            Value::Set(value) => value.len(),
            Value::ZSet(value) => value.len(),
            Value::Stream(value) => value.len(),
        }
    }

    /// Bytes allocated on the heap, estimated from so many elements of a large collection; from all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match self {
            Value::Str(value) => value.heap_bytes(),
            Value::List(value) => size_of::<List>() + value.heap_bytes(),
            Value::Hash(value) => size_of::<Hash>() + value.heap_bytes(samples),
            Value::Set(value) => size_of::<Set>() + value.heap_bytes(samples),
            Value::ZSet(value) => size_of::<ZSet>() + value.heap_bytes(samples),
            Value::Stream(value) => size_of::<Stream>() + value.heap_bytes(),
        }
    }

    /// How much there is to free, in elements or their like.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Value::Stream(value) => value.weight(),
            _ => self.elements(),
        }
    }
}
