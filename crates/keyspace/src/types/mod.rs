//! The types of values: each knows its encodings, its reads, its mutations and their inverses.
//!
//! A mutating primitive takes a [`Log`](crate::log::Log) and leaves in it what undoes the step; a type's `undo` applies
//! one such inverse, and inverses must be applied backwards. None of the types knows keys, clocks, deadlines or locks.

mod blob;
mod buffer;
mod hash;
mod list;
pub mod listpack;
mod packed;
mod set;
mod stream;
mod string;
pub mod vectors;
mod zset;

pub(crate) use buffer::{Buffer, LARGE as LARGE_BUFFER};
/// Where [`Str::as_bytes`] writes an integer.
pub use itoa::Buffer as Scratch;

pub use self::{
    blob::Blob,
    hash::{Hash, HashUndo},
    list::{List, ListUndo},
    listpack::StreamItem,
    set::{Member, Set, SetUndo},
    stream::{
        GroupUndo, History, LARGEST_NODE, PendingEntry, References, Stream, StreamConsumer, StreamEntry,
        StreamGroup, StreamId, StreamNode, StreamRange, StreamRangeRev, StreamTrim, StreamUndo, TrimTo,
    },
    string::{Str, StrRef, StrUndo, canonical_int},
    vectors::{
        DamagedVectors, Filter, Found, PreparedVector, Projection, Quantization, SearchPlan, VectorParams,
        VectorSearch, VectorSet, VectorSetLoader, VectorSetUndo,
    },
    zset::{Outcome, ZSet, ZSetUndo},
};

/// Up to where values keep their compact encodings: Redis's configuration options of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most fields of a hash in the compact form.
    pub hash_max_listpack_entries: usize,
    /// Most bytes of a field or a value in the compact form.
    pub hash_max_listpack_value: usize,
    /// Most members of a set of integers in the compact form.
    pub set_max_intset_entries: usize,
    /// Most members of a sorted set in the compact form.
    pub zset_max_listpack_entries: usize,
    /// Most bytes of a member in the compact form.
    pub zset_max_listpack_value: usize,
    /// Most bytes of a stream's node of several entries, 0 for any number.
    pub stream_node_max_bytes: usize,
    /// Most entries of a stream's node, 0 for any number.
    pub stream_node_max_entries: usize,
}

/// The defaults of redis-server 7.0.15.
impl Default for Limits {
    fn default() -> Self {
        Self {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}
