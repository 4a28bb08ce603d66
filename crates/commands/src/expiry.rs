//! Deadlines as clients give them, and the conditions on the old ones.

use crate::call::Call;
use crate::error::Error;
use crate::parse::{Options, Word, integer};

/// The unit of an amount of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// What an amount of time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The moment of the command.
    Now,
    /// The epoch.
    Epoch,
}

/// The moment that an amount of time names, in milliseconds since the epoch.
///
/// # Errors
/// [`Error::NotInteger`]; `invalid expire time` for what is not positive or beyond reach.
pub(crate) fn deadline(call: &Call<'_, '_>, amount: &[u8], unit: Unit, base: Base) -> Result<u64, Error> {
    let amount = integer(amount).ok_or(Error::NotInteger)?;
    let moment = if amount > 0 { moment(call, amount, unit, base) } else { None };
    moment.map(|moment| moment as u64).ok_or_else(|| invalid_expire_time(call))
}

/// The moment that an amount of time names, in milliseconds since the epoch; negative amounts name earlier ones.
pub(crate) fn moment(call: &Call<'_, '_>, amount: i64, unit: Unit, base: Base) -> Option<i64> {
    let milliseconds = match unit {
        Unit::Seconds => amount.checked_mul(1000)?,
        Unit::Milliseconds => amount,
    };
    match base {
        Base::Now => milliseconds.checked_add(call.now_ms() as i64),
        Base::Epoch => Some(milliseconds),
    }
}

/// The refusal of an amount of time.
pub(crate) fn invalid_expire_time(call: &Call<'_, '_>) -> Error {
    Error::Owned(format!("ERR invalid expire time in '{}' command", call.command_name()))
}

/// What EX, PX, EXAT and PXAT mean.
pub(crate) fn unit_of(word: Word<'_>) -> Option<(Unit, Base)> {
    let known = [
        ("EX", Unit::Seconds, Base::Now),
        ("PX", Unit::Milliseconds, Base::Now),
        ("EXAT", Unit::Seconds, Base::Epoch),
        ("PXAT", Unit::Milliseconds, Base::Epoch),
    ];
    known.into_iter().find(|(name, ..)| word.is(name)).map(|(_, unit, base)| (unit, base))
}

/// The option EX, PX, EXAT or PXAT: one of them, which may be repeated.
#[derive(Clone, Copy, Default)]
pub(crate) struct ExpiryOption<'a>(Option<(&'a [u8], Unit, Base)>);

impl<'a> ExpiryOption<'a> {
    /// Takes the word and its amount if it is such an option; `false` if it is another one.
    ///
    /// # Errors
    /// [`Error::Syntax`] if the amount is missing or a different one of the four has been given.
    pub(crate) fn take(&mut self, word: Word<'a>, words: &mut Options<'a>) -> Result<bool, Error> {
        let Some((unit, base)) = unit_of(word) else { return Ok(false) };
        if self.0.is_some_and(|(_, other_unit, other_base)| (other_unit, other_base) != (unit, base)) {
            return Err(Error::Syntax);
        }
        self.0 = Some((words.value()?, unit, base));
        Ok(true)
    }

    /// Whether it was given.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// The moment that it names, in milliseconds since the epoch.
    ///
    /// # Errors
    /// Those of [`deadline`].
    pub(crate) fn deadline(&self, call: &Call<'_, '_>) -> Result<Option<u64>, Error> {
        self.0.map(|(amount, unit, base)| deadline(call, amount, unit, base)).transpose()
    }
}

/// NX, XX, GT, LT: what must hold of a deadline that is there, or not there, for a new one to be set.
#[derive(Clone, Copy, Default)]
pub(crate) struct Condition {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_sooner: bool,
}

impl Condition {
    /// Adds what the word asks for; `false` if it is none of the four.
    pub(crate) fn take(&mut self, word: Word<'_>) -> bool {
        let option = if word.is("NX") {
            &mut self.if_none
        } else if word.is("XX") {
            &mut self.if_some
        } else if word.is("GT") {
            &mut self.if_later
        } else if word.is("LT") {
            &mut self.if_sooner
        } else {
            return false;
        };
        *option = true;
        true
    }

    /// Refuses what can never hold.
    ///
    /// # Errors
    /// NX with any other, GT with LT.
    pub(crate) fn check(self) -> Result<(), Error> {
        let Condition { if_none, if_some, if_later, if_sooner } = self;
        if if_none && (if_some || if_later || if_sooner) {
            return Err(Error::Text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if if_later && if_sooner {
            return Err(Error::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(())
    }

    /// Whether what has this deadline may have the new one; what has none lives for ever.
    pub(crate) fn allows(self, current: Option<u64>, new: i64) -> bool {
        let current = current.map(|current| current as i64);
        !(self.if_none && current.is_some()
            || self.if_some && current.is_none()
            || self.if_later && current.is_none_or(|current| new <= current)
            || self.if_sooner && current.is_some_and(|current| new >= current))
    }
}
