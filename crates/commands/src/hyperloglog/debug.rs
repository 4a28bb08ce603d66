//! PFDEBUG and PFSELFTEST.

use std::fmt::Write;

use perigee_keyspace::{Audience, Scratch, Str};

use super::CORRUPTED;
use super::hash::place;
use super::sketch::{Encoding, HEADER, REGISTERS, Sketch, count, dense_values, encoding};
use super::sparse::runs;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const PFDEBUG: Command = command("pfdebug", 3, pfdebug)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::ADMIN))
    .keys(Keys::at(2))
    .acl(Categories::HYPERLOGLOG)
    .docs(Group::Hyperloglog, "2.8.9", "N/A", "Internal commands for debugging HyperLogLog values")
    .syntax("subcommand key")
    .internal();

fn pfdebug(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (subcommand, key) = (Word(call.args[1]), call.args[2]);
    let value = call.txn.string(call.db, key)?.ok_or(NO_SUCH_KEY)?;
    let sketch = {
        let mut scratch = Scratch::new();
        let bytes = value.as_bytes(&mut scratch);
        encoding(bytes)?;
        Sketch::of(bytes)
    };
    if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        value.make_raw();
    }
    if subcommand.is("GETREG") {
        let dense = make_dense(call, key, sketch)?;
        call.reply.array(REGISTERS);
        dense_values(dense.bytes()).for_each(|value| call.reply.int(value.into()));
    } else if subcommand.is("DECODE") {
        if sketch.encoding() == Encoding::Dense {
            return Err(NOT_SPARSE);
        }
        call.reply.bulk(decoded(&sketch).trim_end().as_bytes());
    } else if subcommand.is("ENCODING") {
        call.reply.simple(if sketch.encoding() == Encoding::Dense { b"dense" } else { b"sparse" });
    } else if subcommand.is("TODENSE") {
        let sparse = sketch.encoding() == Encoding::Sparse;
        make_dense(call, key, sketch)?;
        call.reply.int(sparse.into());
    } else {
        return Err(Error::quoting("ERR Unknown PFDEBUG subcommand '", call.args[1], "'"));
    }
    Ok(())
}

/// Converts the string at the key; nobody is told, as it stands for the same.
fn make_dense(call: &mut Call<'_, '_>, key: &[u8], mut sketch: Sketch) -> Result<Sketch, Error> {
    if sketch.encoding() == Encoding::Sparse {
        sketch.make_dense()?;
        if let Some(mut value) = call.txn.string_mut(call.db, key)? {
            value.replace(Str::raw(sketch.bytes().to_vec()));
            value.tell(Audience::Nobody);
        }
    }
    Ok(sketch)
}

/// The runs of a sparse sketch: `z` for up to 64 zeros, `Z` for more, `v` for another value.
fn decoded(sketch: &Sketch) -> String {
    runs(&sketch.bytes()[HEADER..]).fold(String::new(), |mut text, run| {
        let length = run.length;
        // Writing to a string does not fail.
        _ = match (run.value, run.wide) {
            (0, false) => write!(text, "z:{length} "),
            (0, true) => write!(text, "Z:{length} "),
            (value, _) => write!(text, "v:{value},{length} "),
        };
        text
    })
}

pub(super) const PFSELFTEST: Command = command("pfselftest", 1, pfselftest)
    .flags(Flags::ADMIN)
    .acl(Categories::HYPERLOGLOG)
    .docs(Group::Hyperloglog, "2.8.9", "N/A", "An internal command for testing HyperLogLog values")
    .internal();

/// Counts a known number of elements in both encodings.
fn pfselftest(call: &mut Call<'_, '_>) -> Result<(), Error> {
    const ELEMENTS: u32 = 100_000;
    let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
    dense.make_dense()?;
    for element in 0..ELEMENTS {
        let (register, value) = place(&element.to_le_bytes());
        let raised = [sparse.raise(register, value, SPARSE_BYTES)?, dense.raise(register, value, 0)?];
        if raised[0] != raised[1] {
            return Err(DIFFERENT);
        }
        if element + 1 == SPARSE_ELEMENTS && near(&sparse, SPARSE_ELEMENTS)? != near(&dense, SPARSE_ELEMENTS)?
        {
            return Err(DIFFERENT);
        }
    }
    near(&dense, ELEMENTS)?;
    call.reply.ok();
    Ok(())
}

/// How long the sparse sketch of the test may get, and how many elements it holds at least.
const SPARSE_BYTES: usize = 3000;
const SPARSE_ELEMENTS: u32 = 500;

/// The number of elements that are counted, which may differ from the right one by six times the standard error.
fn near(sketch: &Sketch, elements: u32) -> Result<u64, Error> {
    let counted = count(sketch.bytes(), sketch.encoding())?;
    let standard_error = 1.04 / (REGISTERS as f64).sqrt();
    let difference = (counted as f64 - f64::from(elements)).abs();
    if difference <= (6.0 * standard_error * f64::from(elements)).ceil() {
        Ok(counted)
    } else {
        Err(CORRUPTED)
    }
}

const NO_SUCH_KEY: Error = Error::Text("ERR The specified key does not exist");
const NOT_SPARSE: Error = Error::Text("ERR HLL encoding is not sparse");
const DIFFERENT: Error = Error::Text("TESTFAILED sparse and dense registers differ");
