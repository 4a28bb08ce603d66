//! HRANDFIELD.

use perigee_keyspace::Hash;

use super::{READ, on_hash};
use crate::call::Call;
use crate::error::Error;
use crate::parse::signed_count;
use crate::sample::{self, OUT_OF_RANGE, check_repeats};
use crate::spec::{Command, Group};

pub(super) const HRANDFIELD: Command = on_hash("hrandfield", -2, hrandfield, READ)
    .docs(
        Group::Hash,
        "6.2.0",
        "O(N) where N is the number of fields returned",
        "Get one or multiple random fields from a hash",
    )
    .syntax("key [options(count:int [WITHVALUES])]");

fn hrandfield(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = call.args.get(2).map(|count| signed_count(count)).transpose()?;
    let with_values = match call.options(3).next() {
        None => false,
        Some(word) if word.is("WITHVALUES") && call.args.len() == 4 => true,
        Some(_) => return Err(Error::Syntax),
    };
    if with_values && count.is_some_and(|count| count.unsigned_abs() > i64::MAX as u64 / 2) {
        return Err(OUT_OF_RANGE);
    }
    let hash = call.txn.hash(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], hash.is_some());
    if let (Some(hash), Some(count)) = (hash, count) {
        let value_len = |value: &[u8]| if with_values { value.len() } else { 0 };
        check_repeats(call.env, count, hash.iter().map(|(field, value)| field.len() + value_len(value)))?;
    }
    let mut rng = call.env.worker.rng.borrow_mut();
    match (hash, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.array(0),
        (Some(hash), None) => {
            let at = sample::position(&mut rng, hash.len());
            call.reply.bulk(hash.get_at(at).map_or(&[], |(field, _)| field));
        }
        (Some(hash), Some(count)) => {
            let positions = sample::positions(&mut rng, hash.len(), count);
            let pairs = Pairs::of(hash, positions.len());
            let nested = call.is_resp3();
            call.reply.array(positions.len() * if with_values && !nested { 2 } else { 1 });
            for (field, value) in positions.filter_map(|at| pairs.get_at(at)) {
                if with_values && nested {
                    call.reply.array(2);
                }
                call.reply.bulk(field);
                if with_values {
                    call.reply.bulk(value);
                }
            }
        }
    }
    Ok(())
}

/// A hash whose positions will be asked for many times.
enum Pairs<'a> {
    Listed(Vec<(&'a [u8], &'a [u8])>),
    InPlace(&'a Hash),
}

impl<'a> Pairs<'a> {
    /// In a small hash a position is found by walking: better once than for each of several.
    fn of(hash: &'a Hash, times: usize) -> Self {
        if hash.is_packed() && times > 1 {
            Pairs::Listed(hash.iter().collect())
        } else {
            Pairs::InPlace(hash)
        }
    }

    fn get_at(&self, at: usize) -> Option<(&'a [u8], &'a [u8])> {
        match self {
            Pairs::Listed(pairs) => pairs.get(at).copied(),
            Pairs::InPlace(hash) => hash.get_at(at),
        }
    }
}
