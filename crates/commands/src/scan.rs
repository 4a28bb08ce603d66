//! What HSCAN, SSCAN and their like have in common: the cursor, the options, the shape of the reply.

use perigee_resp::Reply;

use crate::call::Call;
use crate::error::Error;
use crate::glob;
use crate::parse::{self, Word};

/// The cursor that a request gives: what C's `strtoul` takes for a number, without space before it, up to a
/// zero byte. An empty one is 0.
///
/// # Errors
/// `invalid cursor`.
pub(crate) fn cursor(text: &[u8]) -> Result<u64, Error> {
    const INVALID: Error = Error::Text("ERR invalid cursor");
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(INVALID);
    }
    let mut cursor: u64 = 0;
    for digit in digits {
        let digit = (*digit as char).to_digit(10).ok_or(INVALID)?;
        cursor = cursor.checked_mul(10).and_then(|tens| tens.checked_add(digit.into())).ok_or(INVALID)?;
    }
    Ok(if negative { cursor.wrapping_neg() } else { cursor })
}

/// `MATCH` and `COUNT`.
pub(crate) struct Options<'a> {
    pattern: Option<&'a [u8]>,
    /// How many elements a step looks at, about.
    pub(crate) count: usize,
}

impl<'a> Options<'a> {
    /// From a position of the request on.
    ///
    /// # Errors
    /// [`Error::Syntax`], also for a count below 1; [`Error::NotInteger`].
    pub(crate) fn parse(call: &Call<'a, '_>, at: usize) -> Result<Self, Error> {
        Self::parse_with(call, at, |_, _| Ok(false))
    }

    /// The same where there are options besides; `other` takes one and its value, or tells that it is none.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse) and of `other`.
    pub(crate) fn parse_with(
        call: &Call<'a, '_>,
        at: usize,
        mut other: impl FnMut(Word<'a>, &mut parse::Options<'a>) -> Result<bool, Error>,
    ) -> Result<Self, Error> {
        let mut options = Options { pattern: None, count: 10 };
        let mut words = call.options(at);
        while let Some(word) = words.next() {
            if word.is("COUNT") {
                let count = words.integer()?;
                options.count =
                    usize::try_from(count).ok().filter(|&count| count > 0).ok_or(Error::Syntax)?;
            } else if word.is("MATCH") {
                let pattern = words.value()?;
                options.pattern = (pattern != b"*").then_some(pattern);
            } else if !other(word, &mut words)? {
                return Err(Self::unknown(word));
            }
        }
        Ok(options)
    }

    /// Newer servers say where the options are known that leave something out.
    fn unknown(word: Word<'_>) -> Error {
        if word.is("NOVALUES") {
            Error::Text("ERR NOVALUES option can only be used in HSCAN")
        } else if word.is("NOSCORES") {
            Error::Text("ERR NOSCORES option can only be used in ZSCAN")
        } else {
            Error::Syntax
        }
    }

    /// Whether an element with this name is wanted.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }

    /// Repeats a step of an iteration, from a cursor to the next one, until enough elements were looked at.
    pub(crate) fn walk(&self, cursor: u64, mut step: impl FnMut(u64) -> u64) -> u64 {
        let mut cursor = step(cursor);
        for _ in 1..self.count {
            if cursor == 0 {
                break;
            }
            cursor = step(cursor);
        }
        cursor
    }
}

/// Announces the reply: the next cursor and `len` elements, which are to follow.
pub(crate) fn reply_header(reply: &mut dyn Reply, cursor: u64, len: usize) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.array(len);
}

#[cfg(test)]
mod tests {
    use super::cursor;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, expected) in [
            ("0", 0),
            ("", 0),
            ("\0x", 0),
            ("7\0", 7),
            ("+7", 7),
            ("007", 7),
            ("-1", u64::MAX),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(cursor(text.as_bytes()), Ok(expected), "{text}");
        }
        for text in ["x", " 1", "1 ", "-", "+", "--1", "18446744073709551616", "1x"] {
            assert!(cursor(text.as_bytes()).is_err(), "{text}");
        }
    }
}
