//! VINFO.

use super::embedding::name;
use super::{FAST_READ, on_vectors};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Group};

pub(super) const VINFO: Command = on_vectors("vinfo", 2, vinfo, FAST_READ)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Return information about a vector set.")
    .syntax("key");

fn vinfo(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let Some(set) = set else {
        call.reply.null_array();
        return Ok(());
    };
    let params = set.params();
    let numbers = [
        ("hnsw-m", params.max_links as u64),
        ("vector-dim", params.dim as u64),
        (
            "projection-input-dim",
            params.projection.as_ref().map_or(0, |projection| projection.input_dim() as u64),
        ),
        ("size", set.len() as u64),
        ("max-level", set.max_level() as u64),
        ("attributes-count", set.attributes() as u64),
        ("vset-uid", set.uid()),
        ("hnsw-max-node-uid", set.last_id()),
    ];
    call.reply.map(1 + numbers.len());
    call.reply.simple(b"quant-type");
    call.reply.simple(name(params.quantization));
    for (field, number) in numbers {
        call.reply.simple(field.as_bytes());
        call.reply.int(number as i64);
    }
    Ok(())
}
