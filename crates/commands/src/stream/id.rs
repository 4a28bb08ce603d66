//! IDs as clients write and read them.

use perigee_keyspace::StreamId;
use perigee_resp::Reply;

use crate::error::Error;

/// What is not an ID.
pub(super) const INVALID: Error = Error::Text("ERR Invalid stream ID specified as stream command argument");

/// How an ID of XADD is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: from the clock.
    Automatic,
    /// `ms-*`: the next one of that millisecond.
    InMillisecond(u64),
    /// As it is.
    Exactly(StreamId),
}

/// An ID; one without its second number has `missing` for it.
///
/// # Errors
/// [`INVALID`].
pub(super) fn parse(word: &[u8], missing: u64) -> Result<StreamId, Error> {
    match parse_new(word, missing)? {
        NewId::Exactly(id) => Ok(id),
        _ => Err(INVALID),
    }
}

/// An ID, or `-` and `+` for the least and the greatest one.
///
/// # Errors
/// [`INVALID`].
pub(super) fn parse_any(word: &[u8], missing: u64) -> Result<StreamId, Error> {
    match until_nul(word) {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse(word, missing),
    }
}

/// An ID as XADD takes it.
///
/// # Errors
/// [`INVALID`].
pub(super) fn parse_new(word: &[u8], missing: u64) -> Result<NewId, Error> {
    const LONGEST: usize = 127;
    if word == b"*" {
        return Ok(NewId::Automatic);
    }
    if word.len() > LONGEST {
        return Err(INVALID);
    }
    let word = until_nul(word);
    let (ms, seq) = match memchr::memchr(b'-', word) {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    };
    let ms = unsigned(ms).ok_or(INVALID)?;
    Ok(match seq {
        Some(b"*") => NewId::InMillisecond(ms),
        Some(seq) => NewId::Exactly(StreamId { ms, seq: unsigned(seq).ok_or(INVALID)? }),
        None => NewId::Exactly(StreamId { ms, seq: missing }),
    })
}

/// The first ID of an interval.
///
/// # Errors
/// [`INVALID`]; that nothing follows the greatest ID.
pub(super) fn parse_start(word: &[u8]) -> Result<StreamId, Error> {
    match exclusive(word) {
        Some(word) => parse(word, 0)?.next().ok_or(Error::Text("ERR invalid start ID for the interval")),
        None => parse_any(word, 0),
    }
}

/// The last ID of an interval.
///
/// # Errors
/// [`INVALID`]; that nothing precedes the least ID.
pub(super) fn parse_end(word: &[u8]) -> Result<StreamId, Error> {
    match exclusive(word) {
        Some(word) => {
            parse(word, u64::MAX)?.previous().ok_or(Error::Text("ERR invalid end ID for the interval"))
        }
        None => parse_any(word, u64::MAX),
    }
}

fn exclusive(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

/// Several IDs.
///
/// # Errors
/// [`INVALID`] if any is.
pub(super) fn parse_all(words: &[&[u8]]) -> Result<Vec<StreamId>, Error> {
    words.iter().map(|word| parse(word, 0)).collect()
}

/// Answers with an ID.
pub(super) fn reply(reply: &mut dyn Reply, id: StreamId) {
    let mut text = [0; 41];
    let mut buffer = itoa::Buffer::new();
    let ms = buffer.format(id.ms).as_bytes();
    let dash = ms.len();
    text[..dash].copy_from_slice(ms);
    text[dash] = b'-';
    let seq = buffer.format(id.seq).as_bytes();
    let end = dash + 1 + seq.len();
    text[dash + 1..end].copy_from_slice(seq);
    reply.bulk(&text[..end]);
}

/// A number as C's `strtoull` takes it: after space, with a sign, which turns it round.
fn unsigned(word: &[u8]) -> Option<u64> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let digits = &word[word.iter().take_while(|byte| space(byte)).count()..];
    let (negative, digits) = match digits {
        [b'-', digits @ ..] if digits.len() + 1 < word.len() => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

fn until_nul(word: &[u8]) -> &[u8] {
    &word[..memchr::memchr(0, word).unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = |ms, seq| StreamId { ms, seq };
        for (text, expected) in [
            ("5", id(5, 9)),
            ("5-7", id(5, 7)),
            ("05-007", id(5, 7)),
            (" 5-+7", id(5, 7)),
            ("5- -1", id(5, u64::MAX)),
            ("5\0-7", id(5, 9)),
            ("18446744073709551615-18446744073709551615", StreamId::MAX),
        ] {
            assert_eq!(parse(text.as_bytes(), 9), Ok(expected), "{text}");
        }
        let long = "0".repeat(128);
        for text in
            ["", "-", "+", "5-", "-5", "5--1", "5-7-8", "x", "5-x", "18446744073709551616", "5-*", "*", &long]
        {
            assert_eq!(parse(text.as_bytes(), 9), Err(INVALID), "{text}");
        }
        assert_eq!(parse_new(b"5-*", 0), Ok(NewId::InMillisecond(5)));
        assert_eq!(parse_start(b"(5"), Ok(id(5, 1)));
        assert_eq!(parse_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!(parse_end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!((parse_start(b"-"), parse_end(b"+")), (Ok(StreamId::MIN), Ok(StreamId::MAX)));
        assert_eq!(parse_start(b"(-"), Err(INVALID));
    }
}
