//! The quoting of inline requests, which `redis.conf` and `redis-cli` share.
//!
//! Words are separated by blanks. `"..."` knows `\n \r \t \b \a \xHH` and takes any other escaped byte as itself;
//! `'...'` knows only `\'`. A quote may open in the middle of a word but must close at its end. (Redis 7.0, observed)

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while_m_n};
use nom::combinator::{value, verify};
use nom::multi::fold_many0;
use nom::number::complete::u8 as any_byte;
use nom::sequence::preceded;
use nom::{IResult, Parser};

use crate::request::Span;

/// Splits a line into its words and removes their quotes; `None` if a quote is unbalanced.
pub fn split_arguments(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut unquoted, mut spans) = (Vec::new(), Vec::new());
    split_into(line, &mut unquoted, &mut spans)?;
    Some(spans.iter().map(|span| unquoted[span.start..span.end].to_vec()).collect())
}

/// As [`split_arguments`], with the words written one after the other to `unquoted`.
pub(crate) fn split_into(line: &[u8], unquoted: &mut Vec<u8>, spans: &mut Vec<Span>) -> Option<()> {
    let mut rest = skip_space(line);
    while !rest.is_empty() {
        let start = unquoted.len();
        rest = skip_space(word(rest, unquoted)?);
        spans.push(Span { start, end: unquoted.len() });
    }
    Some(())
}

/// Splits a line without quotes where it lies.
pub(crate) fn separate(line: &[u8], spans: &mut Vec<Span>) {
    let mut rest = skip_space(line);
    while !rest.is_empty() {
        let start = line.len() - rest.len();
        let len = rest.iter().position(|&byte| ends_word(byte)).unwrap_or(rest.len());
        spans.push(Span { start, end: start + len });
        rest = skip_space(&rest[len..]);
    }
}

type Piece = fn(&[u8]) -> IResult<&[u8], u8, ()>;

fn word<'a>(input: &'a [u8], unquoted: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (rest, plain) = plain_run(input).ok()?;
    unquoted.extend_from_slice(plain);
    let (piece, quoted): (Piece, _) = match rest.split_first() {
        Some((b'"', quoted)) => (double_quoted_byte, quoted),
        Some((b'\'', quoted)) => (single_quoted_byte, quoted),
        _ => return Some(rest),
    };
    let (rest, ()) = fold_many0(piece, || (), |(), byte| unquoted.push(byte)).parse(quoted).ok()?;
    let (_closing_quote, rest) = rest.split_first()?;
    rest.first().is_none_or(|&byte| is_space(byte)).then_some(rest)
}

fn plain_run(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    take_till(|byte| ends_word(byte) || byte == b'"' || byte == b'\'')(input)
}

fn double_quoted_byte(input: &[u8]) -> IResult<&[u8], u8, ()> {
    let hex_digits = take_while_m_n(2, 2, |byte: u8| byte.is_ascii_hexdigit());
    let hex = preceded(tag("\\x"), hex_digits)
        .map(|digits: &[u8]| hex_value(digits[0]) << 4 | hex_value(digits[1]));
    let escape = preceded(tag("\\"), any_byte).map(|byte| match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    });
    alt((hex, escape, verify(any_byte, |&byte| byte != b'"'))).parse(input)
}

fn single_quoted_byte(input: &[u8]) -> IResult<&[u8], u8, ()> {
    alt((value(b'\'', tag("\\'")), verify(any_byte, |&byte| byte != b'\''))).parse(input)
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn skip_space(input: &[u8]) -> &[u8] {
    let len = input.iter().position(|&byte| !is_space(byte)).unwrap_or(input.len());
    &input[len..]
}

/// What C's `isspace` takes for a blank.
fn is_space(byte: u8) -> bool {
    ends_word(byte) || byte == 0x0b || byte == 0x0c
}

/// Vertical tabs and form feeds are skipped before a word but belong to it behind its first byte.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let words = split_arguments(line.as_bytes()).expect("balanced quotes");
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(words, expected);
    }

    #[test]
    fn words() {
        check("", &[]);
        check("  \t ", &[]);
        check(" set  key\tvalue\r", &["set", "key", "value"]);
        check("\x0b\x0cping \x0ba", &["ping", "a"]);
        check("ping\x0ba", &["ping\x0ba"]);
        check(r"a\x41", &[r"a\x41"]);
    }

    #[test]
    fn double_quotes() {
        check(r#""a\x41\n\r\t\b\a\q\"""#, &["aA\n\r\t\x08\x07q\""]);
        check(r#""\xg1\x4""#, &["xg1x4"]);
        check("\"\" \"'\"", &["", "'"]);
        check("a\"b c\" d", &["ab c", "d"]);
        check("\"a\"\x0b", &["a"]);
    }

    #[test]
    fn single_quotes() {
        check(r"'a\'b\n' '\x41'", &[r"a'b\n", r"\x41"]);
        check("'' '\"'", &["", "\""]);
    }

    #[test]
    fn unbalanced() {
        for line in ["\"abc", "'abc", "\"a\"b", "'a'b", "\"a\\", "'a\\'", "\"a\"\"b\"", "a\"", "'"] {
            assert_eq!(split_arguments(line.as_bytes()), None, "{line}");
        }
    }
}
