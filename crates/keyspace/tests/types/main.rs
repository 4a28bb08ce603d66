//! Every type against a stupid model, under random operations that cross the thresholds of the encodings, with
//! everything undone in the end.

mod hash;
mod list;
mod set;
mod stream;
mod string;
mod vectors;
mod zset;

use perigee_keyspace::types::Limits;
use proptest::prelude::*;

/// Thresholds that a few operations reach.
const LIMITS: Limits = Limits {
    hash_max_listpack_entries: 6,
    hash_max_listpack_value: 40,
    set_max_intset_entries: 6,
    zset_max_listpack_entries: 6,
    zset_max_listpack_value: 40,
    stream_node_max_bytes: 120,
    stream_node_max_entries: 4,
};

type Bytes = Vec<u8>;

/// One of a few names, so that operations meet.
fn name() -> impl Strategy<Value = Bytes> {
    (0..24_u32).prop_map(|number| format!("n{number}").into_bytes())
}

/// Content of all lengths at which representations change, seldom over a hash's or sorted set's limit.
fn content() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 20..130),
    ]
}
