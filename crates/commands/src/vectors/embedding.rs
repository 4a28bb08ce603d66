//! VEMB.

use perigee_keyspace::{Quantization, VectorSet};
use perigee_resp::Reply;

use super::{FAST_READ, on_vectors};
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Group};

pub(super) const VEMB: Command = on_vectors("vemb", -3, vemb, FAST_READ)
    .docs(Group::VectorSet, "8.0.0", "O(1)", "Return the vector associated with an element.")
    .syntax("key element [RAW]");

fn vemb(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = &call.args[3..];
    if options.iter().any(|option| !Word(option).is("RAW")) {
        return Err(Error::Text("ERR invalid option"));
    }
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    match set.and_then(|set| Some((set, set.find(call.args[2])?))) {
        None => call.reply.null(),
        Some((set, at)) if options.is_empty() => components(call.reply, &set.vector(at)),
        Some((set, at)) => raw(call.reply, set, at),
    }
    Ok(())
}

fn components(reply: &mut dyn Reply, vector: &[f32]) {
    reply.array(vector.len());
    vector.iter().for_each(|component| reply.shortest((*component).into()));
}

/// As it is stored: the form, the bytes, the length before it was normalized, of signed bytes their range.
fn raw(reply: &mut dyn Reply, set: &VectorSet, at: usize) {
    let quantization = set.params().quantization;
    let has_range = quantization == Quantization::Q8;
    reply.array(if has_range { 4 } else { 3 });
    reply.simple(name(quantization));
    reply.bulk(set.codes(at));
    reply.shortest(set.norm(at).into());
    if has_range {
        reply.shortest(set.range(at).into());
    }
}

/// What VEMB and VINFO call it.
pub(super) fn name(quantization: Quantization) -> &'static [u8] {
    match quantization {
        Quantization::None => b"f32",
        Quantization::Q8 => b"int8",
        Quantization::Binary => b"bin",
    }
}
