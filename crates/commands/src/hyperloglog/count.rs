//! PFCOUNT.

use perigee_keyspace::Scratch;

use super::estimate::{Histogram, cardinality};
use super::sketch::{COUNT, REGISTERS, count, counted, encoding, unite};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const PFCOUNT: Command = command("pfcount", -2, pfcount)
    .flags(Flags::READONLY.or(Flags::MAY_REPLICATE))
    .keys(Keys::from(1))
    .acl(Categories::HYPERLOGLOG)
    .docs(
        Group::Hyperloglog,
        "2.8.9",
        "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
        "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
    )
    .syntax("key...");

fn pfcount(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = if call.args.len() == 2 { count_one(call)? } else { count_union(call)? };
    call.reply.int(count as i64);
    Ok(())
}

/// What is counted is noted in the sketch, so that the next one who asks need not count.
fn count_one(call: &mut Call<'_, '_>) -> Result<u64, Error> {
    let key = call.args[1];
    let found = call.txn.string(call.db, key)?;
    call.env.count_lookup(call.txn, call.db, key, found.is_some());
    let Some(value) = found else { return Ok(0) };
    let mut scratch = Scratch::new();
    let bytes = value.as_bytes(&mut scratch);
    let encoding = encoding(bytes)?;
    let noted = counted(bytes);
    let count = noted.map_or_else(|| count(bytes, encoding), Ok)?;
    if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        value.make_raw();
        if noted.is_none() {
            value.set_range(COUNT, &count.to_le_bytes());
        }
    }
    Ok(count)
}

fn count_union(call: &mut Call<'_, '_>) -> Result<u64, Error> {
    let mut union = [0; REGISTERS];
    for key in &call.args[1..] {
        let found = call.txn.string(call.db, key)?;
        call.env.count_lookup(call.txn, call.db, key, found.is_some());
        if let Some(value) = found {
            let mut scratch = Scratch::new();
            let bytes = value.as_bytes(&mut scratch);
            unite(&mut union, bytes, encoding(bytes)?)?;
        }
    }
    let mut histogram: Histogram = [0; 64];
    union.iter().for_each(|value| histogram[usize::from(*value)] += 1);
    Ok(cardinality(&histogram))
}
