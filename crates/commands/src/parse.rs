//! Arguments: numbers, and a cursor over options. Parse everything, then act.

use crate::error::Error;

/// An integer as Redis reads it: decimal, no spaces, no leading zeros or plus.
#[inline]
pub fn integer(bytes: &[u8]) -> Option<i64> {
    perigee_resp::parse_i64(bytes)
}

/// A number of things, which is not negative.
///
/// # Errors
/// `value is out of range, must be positive` for anything else.
pub fn not_negative(bytes: &[u8]) -> Result<usize, Error> {
    let number = integer(bytes).and_then(|number| usize::try_from(number).ok());
    number.ok_or(Error::Text("ERR value is out of range, must be positive"))
}

/// A number of random picks: different ones if it is positive, its absolute value of independent ones if it is negative.
///
/// # Errors
/// [`Error::NotInteger`]; the least integer, which has no absolute value, is out of range.
pub fn signed_count(bytes: &[u8]) -> Result<i64, Error> {
    const OUT_OF_RANGE: Error = Error::Text(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
    let count = integer(bytes).ok_or(Error::NotInteger)?;
    if count == i64::MIN { Err(OUT_OF_RANGE) } else { Ok(count) }
}

/// Walks the optional arguments of a request.
pub struct Options<'a> {
    args: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Options<'a> {
    /// Starts at a position of the request.
    pub fn new(args: &'a [&'a [u8]], at: usize) -> Self {
        Options { args, at }
    }

    /// The next option's word.
    #[allow(clippy::should_implement_trait, reason = "a cursor: values are taken from it between two words")]
    pub fn next(&mut self) -> Option<Word<'a>> {
        let word = *self.args.get(self.at)?;
        self.at += 1;
        Some(Word(word))
    }

    /// The next argument, which stays.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.args.get(self.at).copied()
    }

    /// How many arguments are left.
    pub fn left(&self) -> usize {
        self.args.len() - self.at.min(self.args.len())
    }

    /// The position of the next argument.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The value that belongs to the option just read.
    ///
    /// # Errors
    /// [`Error::Syntax`] if the request ends here.
    pub fn value(&mut self) -> Result<&'a [u8], Error> {
        self.next().map(|word| word.0).ok_or(Error::Syntax)
    }

    /// The integer that belongs to the option just read.
    ///
    /// # Errors
    /// [`Error::Syntax`] if the request ends here, [`Error::NotInteger`].
    pub fn integer(&mut self) -> Result<i64, Error> {
        integer(self.value()?).ok_or(Error::NotInteger)
    }
}

/// An argument that is a keyword in any case.
#[derive(Clone, Copy)]
pub struct Word<'a>(pub &'a [u8]);

impl Word<'_> {
    /// Whether it is the keyword.
    #[inline]
    pub fn is(self, keyword: &str) -> bool {
        self.0.eq_ignore_ascii_case(keyword.as_bytes())
    }
}
