//! Deadlines as clients give them.

use crate::call::Call;
use crate::error::Error;
use crate::parse::{Word, integer};

/// The unit of an amount of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// `EX`, `PX`, `EXAT`, `PXAT`: the unit, and whether the amount counts from now.
    pub(crate) fn of_option(word: Word<'_>) -> Option<(Unit, bool)> {
        let known = [
            ("EX", Unit::Seconds, true),
            ("PX", Unit::Milliseconds, true),
            ("EXAT", Unit::Seconds, false),
            ("PXAT", Unit::Milliseconds, false),
        ];
        known.into_iter().find(|(name, ..)| word.is(name)).map(|(_, unit, relative)| (unit, relative))
    }
}

/// The moment that an amount of time names, in milliseconds since the epoch.
///
/// # Errors
/// [`Error::NotInteger`]; `invalid expire time` for what is not positive or beyond reach.
pub(crate) fn deadline(call: &Call<'_, '_>, amount: &[u8], unit: Unit, relative: bool) -> Result<u64, Error> {
    let amount = integer(amount).ok_or(Error::NotInteger)?;
    let invalid = || Error::Owned(format!("ERR invalid expire time in '{}' command", call.command_name()));
    if amount <= 0 {
        return Err(invalid());
    }
    let milliseconds = match unit {
        Unit::Seconds => amount.checked_mul(1000).ok_or_else(invalid)?,
        Unit::Milliseconds => amount,
    };
    let base = if relative { call.now_ms() as i64 } else { 0 };
    base.checked_add(milliseconds).map(|moment| moment as u64).ok_or_else(invalid)
}
