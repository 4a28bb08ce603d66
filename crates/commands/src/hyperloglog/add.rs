//! PFADD.

use perigee_keyspace::{Deadline, Scratch, Str, Value};

use super::hash::place;
use super::sketch::{Encoding, Sketch, encoding, outdated, raised};
use crate::call::Call;
use crate::config::Param;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const PFADD: Command = command("pfadd", -2, pfadd)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::HYPERLOGLOG)
    .docs(
        Group::Hyperloglog,
        "2.8.9",
        "O(1) to add every element.",
        "Adds the specified elements to the specified HyperLogLog.",
    )
    .syntax("key [element...]");

fn pfadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let current = call.txn.string(call.db, key)?;
    let current = current.map(|value| encoding(value.as_bytes(&mut Scratch::new()))).transpose()?;
    let changed = match current {
        None => {
            let mut sketch = Sketch::default();
            add(call, &mut sketch)?;
            sketch.outdate();
            let value = Value::Str(Str::raw(sketch.into_bytes()));
            call.txn.insert(call.db, key, value, Deadline::Never);
            true
        }
        Some(Encoding::Sparse) => add_to_sparse(call, key)?,
        Some(Encoding::Dense) => add_to_dense(call, key)?,
    };
    if changed {
        call.notify(Event::String, "pfadd", key);
    }
    call.reply.int(changed.into());
    Ok(())
}

/// Adds the request's elements and answers whether that changed anything.
fn add(call: &Call<'_, '_>, sketch: &mut Sketch) -> Result<bool, Error> {
    let most_bytes = most_bytes(call);
    let mut changed = false;
    for element in &call.args[2..] {
        let (register, value) = place(element);
        changed |= sketch.raise(register, value, most_bytes)?;
    }
    Ok(changed)
}

/// How long a sparse sketch may get.
pub(super) fn most_bytes(call: &Call<'_, '_>) -> usize {
    call.env.engine.config.number(Param::HllSparseMaxBytes) as usize
}

fn add_to_sparse(call: &mut Call<'_, '_>, key: &[u8]) -> Result<bool, Error> {
    let Some(value) = call.txn.string(call.db, key)? else { return Ok(false) };
    let mut sketch = Sketch::of(value.as_bytes(&mut Scratch::new()));
    let changed = add(call, &mut sketch)?;
    if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        if changed {
            sketch.outdate();
            value.replace(Str::raw(sketch.into_bytes()));
        } else {
            value.make_raw();
        }
    }
    Ok(changed)
}

/// Changes single registers in place: the string is long.
fn add_to_dense(call: &mut Call<'_, '_>, key: &[u8]) -> Result<bool, Error> {
    let elements = &call.args[2..];
    let Some(mut value) = call.txn.string_mut(call.db, key)? else { return Ok(false) };
    let mut changed = false;
    value.make_raw();
    for element in elements {
        let (register, least) = place(element);
        if let Some((at, bytes)) = raised(value.view().as_bytes(&mut Scratch::new()), register, least) {
            value.set_range(at, &bytes);
            changed = true;
        }
    }
    if changed {
        let (at, byte) = outdated(value.view().as_bytes(&mut Scratch::new()));
        value.set_range(at, &[byte]);
    }
    Ok(changed)
}
