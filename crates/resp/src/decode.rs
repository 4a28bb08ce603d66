//! Replies as clients read them, in either protocol.
//!
//! Each scalar and each announcement is one nom parser; a stack on the heap holds the aggregates that are not complete,
//! so that nesting costs no call stack and a reply that arrives in pieces is not read twice.

use std::fmt;

use nom::bytes::streaming::{tag, take, take_while};
use nom::error::{ErrorKind, ParseError};
use nom::number::streaming::u8 as any_byte;
use nom::sequence::terminated;
use nom::{Err, IResult, Parser};

use crate::number::{parse_f64, parse_i64};
use crate::value::{Aggregate, Builder, Value};

/// Reads the reply at the beginning of `input`: the value and its length in bytes, or `None` if it goes on after the end.
///
/// For a reply that arrives in pieces use a [`Decoder`], which does not start over.
///
/// # Errors
/// The bytes are no reply.
pub fn decode(input: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
    Decoder::new().decode(input)
}

/// Reads replies from a growing buffer.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    builder: Builder,
    at: usize,
}

/// Bytes that no reply can contain. The stream has no next reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A reply that begins with this byte.
    UnknownType(u8),
    /// A line or string that does not end in CRLF.
    Unterminated,
    /// A length that is no integer, is negative or exceeds 2^32 - 1 elements.
    InvalidLength,
    /// An integer, double or big number that is none.
    InvalidNumber,
    /// A boolean that is neither `t` nor `f`.
    InvalidBool,
    /// A RESP3 null with something in its line.
    InvalidNull,
    /// A verbatim string without its format.
    InvalidVerbatim,
    /// More than 512 aggregates within each other.
    TooDeep,
}

impl Decoder {
    /// A decoder before its first reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with the current reply, or begins the next one if the last call completed one.
    ///
    /// `input` begins with the reply's first byte: after `None` the same bytes again with more behind them, after a value
    /// what follows its bytes.
    ///
    /// # Errors
    /// The bytes are no reply; what follows cannot be read either.
    pub fn decode(&mut self, input: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
        loop {
            let (rest, token) = match token(&input[self.at..]) {
                Ok(parsed) => parsed,
                Err(Err::Incomplete(_)) => return Ok(None),
                Err(Err::Error(error) | Err::Failure(error)) => return Err(error),
            };
            self.at = input.len() - rest.len();
            let whole = match token {
                Token::Leaf(value) => self.builder.add(value),
                Token::Open(_, _) if self.builder.depth() == MAX_DEPTH => return Err(DecodeError::TooDeep),
                Token::Open(aggregate, items) => self.builder.open(aggregate, items),
            };
            if let Some(value) = whole {
                return Ok(Some((value, std::mem::take(&mut self.at))));
            }
        }
    }
}

enum Token {
    Leaf(Value),
    Open(Aggregate, usize),
}

type Piece<'a, T> = IResult<&'a [u8], T, DecodeError>;

fn token(input: &[u8]) -> Piece<'_, Token> {
    let (rest, sigil) = any_byte(input)?;
    let leaf: fn(&[u8]) -> Piece<'_, Value> = match sigil {
        b'+' => |input| line.map(|text| Value::Simple(text.to_vec())).parse(input),
        b'-' => |input| line.map(|text| Value::Error(text.to_vec())).parse(input),
        b':' => |input| read_line(input, integer, Value::Int),
        b',' => |input| read_line(input, double, Value::Double),
        b'#' => |input| read_line(input, truth, Value::Bool),
        b'(' => |input| read_line(input, digits, Value::BigNumber),
        b'_' => |input| read_line(input, nothing, |()| Value::Null),
        b'$' => |input| blob(input, |bytes| Ok(Value::Bulk(bytes.to_vec()))),
        b'=' => |input| blob(input, verbatim),
        _ => return aggregate(sigil, rest),
    };
    leaf.map(Token::Leaf).parse(rest)
}

fn aggregate(sigil: u8, input: &[u8]) -> Piece<'_, Token> {
    let (aggregate, scale) = match sigil {
        b'*' => (Aggregate::Array, 1),
        b'%' => (Aggregate::Map, 2),
        b'~' => (Aggregate::Set, 1),
        b'>' => (Aggregate::Push, 1),
        other => return Err(Err::Failure(DecodeError::UnknownType(other))),
    };
    let (rest, len) = length(input)?;
    match len {
        Some(len) => Ok((rest, Token::Open(aggregate, len * scale))),
        None if sigil == b'*' => Ok((rest, Token::Leaf(Value::NullArray))),
        None => Err(Err::Failure(DecodeError::InvalidLength)),
    }
}

fn blob(input: &[u8], read: fn(&[u8]) -> Result<Value, DecodeError>) -> Piece<'_, Value> {
    let (rest, len) = length(input)?;
    let Some(len) = len else { return Ok((rest, Value::Null)) };
    let (rest, bytes) = terminated(take(len), tag(CRLF)).parse(rest)?;
    Ok((rest, read(bytes).map_err(Err::Failure)?))
}

/// A length in its line; `None` for -1.
fn length(input: &[u8]) -> Piece<'_, Option<usize>> {
    read_line(
        input,
        |text| match parse_i64(text) {
            Some(-1) => Ok(None),
            Some(len) => {
                u32::try_from(len).map(|len| Some(len as usize)).map_err(|_| DecodeError::InvalidLength)
            }
            None => Err(DecodeError::InvalidLength),
        },
        |len| len,
    )
}

fn read_line<T, V>(
    input: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    wrap: impl Fn(T) -> V,
) -> Piece<'_, V> {
    let (rest, text) = line(input)?;
    Ok((rest, wrap(read(text).map_err(Err::Failure)?)))
}

fn line(input: &[u8]) -> Piece<'_, &[u8]> {
    terminated(take_while(|byte| byte != b'\r' && byte != b'\n'), tag(CRLF)).parse(input)
}

fn integer(text: &[u8]) -> Result<i64, DecodeError> {
    parse_i64(text.strip_prefix(b"+").unwrap_or(text)).ok_or(DecodeError::InvalidNumber)
}

fn double(text: &[u8]) -> Result<f64, DecodeError> {
    if matches!(text, b"nan" | b"-nan") {
        return Ok(f64::NAN);
    }
    parse_f64(text).ok_or(DecodeError::InvalidNumber)
}

fn truth(text: &[u8]) -> Result<bool, DecodeError> {
    match text {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(DecodeError::InvalidBool),
    }
}

fn digits(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| text.to_vec()).ok_or(DecodeError::InvalidNumber)
}

fn nothing(text: &[u8]) -> Result<(), DecodeError> {
    if text.is_empty() { Ok(()) } else { Err(DecodeError::InvalidNull) }
}

fn verbatim(bytes: &[u8]) -> Result<Value, DecodeError> {
    match bytes {
        [a, b, c, b':', text @ ..] => Ok(Value::Verbatim([*a, *b, *c], text.to_vec())),
        _ => Err(DecodeError::InvalidVerbatim),
    }
}

impl ParseError<&[u8]> for DecodeError {
    /// The terminator is all that nom can miss here.
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        Self::Unterminated
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => write!(formatter, "no reply begins with '{}'", byte.escape_ascii()),
            Self::Unterminated => formatter.write_str("a line or string does not end in CRLF"),
            Self::InvalidLength => formatter.write_str("invalid length"),
            Self::InvalidNumber => formatter.write_str("invalid number"),
            Self::InvalidBool => formatter.write_str("invalid boolean"),
            Self::InvalidNull => formatter.write_str("invalid null"),
            Self::InvalidVerbatim => formatter.write_str("a verbatim string without its format"),
            Self::TooDeep => write!(formatter, "more than {MAX_DEPTH} nested aggregates"),
        }
    }
}

impl std::error::Error for DecodeError {}

const CRLF: &[u8] = b"\r\n";
const MAX_DEPTH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: Result<Value, DecodeError>) {
        match expected {
            Ok(value) => assert_eq!(decode(input), Ok(Some((value, input.len())))),
            Err(error) => assert_eq!(decode(input), Err(error)),
        }
    }

    #[test]
    fn values() {
        check(b"$-1\r\n", Ok(Value::Null));
        check(b"_\r\n", Ok(Value::Null));
        check(b"*-1\r\n", Ok(Value::NullArray));
        check(b"-ERR no\r\n", Ok(Value::Error(b"ERR no".to_vec())));
        check(b":+5\r\n", Ok(Value::Int(5)));
        check(b",1e3\r\n", Ok(Value::Double(1000.0)));
        check(b"#f\r\n", Ok(Value::Bool(false)));
        check(b"(-123\r\n", Ok(Value::BigNumber(b"-123".to_vec())));
        check(b"=6\r\ntxt:\r\n\r\n", Ok(Value::Verbatim(*b"txt", b"\r\n".to_vec())));
        let pairs =
            vec![(Value::Int(1), Value::Array(vec![])), (Value::Int(2), Value::Set(vec![Value::Bool(true)]))];
        check(b"%2\r\n:1\r\n*0\r\n:2\r\n~1\r\n#t\r\n", Ok(Value::Map(pairs)));
        check(b">1\r\n$2\r\n\r\n\r\n", Ok(Value::Push(vec![Value::Bulk(b"\r\n".to_vec())])));
    }

    #[test]
    fn errors() {
        check(b"x", Err(DecodeError::UnknownType(b'x')));
        check(b"+a\nb\r\n", Err(DecodeError::Unterminated));
        check(b"$1\r\nabc", Err(DecodeError::Unterminated));
        check(b"$-2\r\n", Err(DecodeError::InvalidLength));
        check(b"%-1\r\n", Err(DecodeError::InvalidLength));
        check(b"*4294967296\r\n", Err(DecodeError::InvalidLength));
        check(b":01\r\n", Err(DecodeError::InvalidNumber));
        check(b",x\r\n", Err(DecodeError::InvalidNumber));
        check(b"(1-\r\n", Err(DecodeError::InvalidNumber));
        check(b"#true\r\n", Err(DecodeError::InvalidBool));
        check(b"_x\r\n", Err(DecodeError::InvalidNull));
        check(b"=3\r\ntxt\r\n", Err(DecodeError::InvalidVerbatim));
    }

    #[test]
    fn nesting_is_limited() {
        let mut input = b"*1\r\n".repeat(MAX_DEPTH);
        input.extend(b":1\r\n");
        assert!(matches!(decode(&input), Ok(Some(_))));
        check(&b"*1\r\n".repeat(MAX_DEPTH + 1), Err(DecodeError::TooDeep));
    }

    #[test]
    fn a_reply_in_pieces_is_read_once() {
        let input = b"*2\r\n$3\r\nabc\r\n:7\r\n";
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&input[..14]), Ok(None));
        assert_eq!(decoder.at, 13);
        let whole = Value::Array(vec![Value::Bulk(b"abc".to_vec()), Value::Int(7)]);
        assert_eq!(decoder.decode(input), Ok(Some((whole, input.len()))));
        assert_eq!(decoder.decode(b"#t\r\n"), Ok(Some((Value::Bool(true), 4))));
    }
}
