//! PFMERGE.

use perigee_keyspace::{Deadline, Scratch, Str, Value};

use super::add::most_bytes;
use super::sketch::{Encoding, REGISTERS, Sketch, encoding, unite};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const PFMERGE: Command = command("pfmerge", -2, pfmerge)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::from(1))
    .acl(Categories::HYPERLOGLOG)
    .docs(
        Group::Hyperloglog,
        "2.8.9",
        "O(N) to merge N HyperLogLogs, but with high constant times.",
        "Merge N different HyperLogLogs into a single one.",
    )
    .syntax("destkey@0 sourcekey@1...");

fn pfmerge(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let mut union = [0; REGISTERS];
    let mut dense = false;
    let mut destination = None;
    for (at, source) in call.args.iter().enumerate().skip(1) {
        let found = call.txn.string(call.db, source)?;
        call.env.count_lookup(call.txn, call.db, source, found.is_some());
        let Some(value) = found else { continue };
        let mut scratch = Scratch::new();
        let bytes = value.as_bytes(&mut scratch);
        let encoding = encoding(bytes)?;
        dense |= encoding == Encoding::Dense;
        unite(&mut union, bytes, encoding)?;
        if at == 1 {
            destination = Some(Sketch::of(bytes));
        }
    }
    let exists = destination.is_some();
    let mut sketch = destination.unwrap_or_default();
    if dense {
        sketch.make_dense()?;
    }
    let most_bytes = most_bytes(call);
    for (register, &value) in union.iter().enumerate().filter(|(_, value)| **value > 0) {
        sketch.raise(register, value, most_bytes)?;
    }
    sketch.outdate();
    let merged = Str::raw(sketch.into_bytes());
    if exists {
        if let Some(mut value) = call.txn.string_mut(call.db, key)? {
            value.replace(merged);
        }
    } else {
        call.txn.insert(call.db, key, Value::Str(merged), Deadline::Never);
    }
    call.notify(Event::String, "pfadd", key);
    call.reply.ok();
    Ok(())
}
