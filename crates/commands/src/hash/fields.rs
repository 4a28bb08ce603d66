//! What the commands on single fields and their deadlines have in common: `FIELDS n field ...`, and moments.

use perigee_keyspace::{Edit, Hash};

use crate::call::Call;
use crate::error::Error;
use crate::expiry::{Base, Unit, invalid_expire_time, moment};
use crate::parse::{Word, integer};

/// Redis stores deadlines of fields in 46 bits.
const LATEST_MS: i64 = (1 << 46) - 1;

/// The fields after the word FIELDS, which must stand at a position, and their number.
///
/// # Errors
/// Another word, a number that is not one (`not_a_number`), another number than there are.
pub(super) fn fields<'c>(
    call: &Call<'c, '_>,
    at: usize,
    not_a_number: &'static str,
) -> Result<&'c [&'c [u8]], Error> {
    if !call.args.get(at).is_some_and(|word| Word(word).is("FIELDS")) {
        return Err(Error::Text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let number = call.args.get(at + 1).and_then(|number| integer(number)).filter(|&number| number > 0);
    let number = number.ok_or(Error::Text(not_a_number))?;
    let fields = &call.args[at + 2..];
    if number != fields.len() as i64 {
        return Err(Error::Text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// The refusal that most commands have for a number of fields.
pub(super) const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// The moment that an amount of time names, in milliseconds since the epoch. It may have passed.
///
/// # Errors
/// What is no integer, negative or beyond reach.
pub(super) fn deadline(call: &Call<'_, '_>, amount: &[u8], unit: Unit, base: Base) -> Result<u64, Error> {
    let amount = integer(amount).ok_or(Error::NotInteger)?;
    if amount < 0 {
        return Err(Error::Text("ERR invalid expire time, must be >= 0"));
    }
    let moment = moment(call, amount, unit, base).filter(|&moment| moment <= LATEST_MS);
    moment.map(|moment| moment as u64).ok_or_else(|| invalid_expire_time(call))
}

/// Gives a field a deadline, or removes it if that has passed already. Returns whether it was removed.
pub(super) fn set_deadline(hash: &mut Edit<'_, '_, Hash>, field: &[u8], deadline: u64) -> bool {
    let passed = hash.is_over(deadline);
    if passed {
        hash.remove(field);
    } else {
        hash.set_deadline(field, Some(deadline));
    }
    passed
}
