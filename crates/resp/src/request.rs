//! Requests as clients send them: a multibulk array of bulk strings, or one inline line.
//!
//! # How it works
//! The caller owns the bytes; the parser remembers where it stopped. [`RequestParser::parse`] gets the buffer from the
//! first byte of the current request on, every time a little longer, and looks at each byte once: `at` is the end of
//! what is understood, `searched` the end of what is known to hold no line terminator. Arguments are kept as spans,
//! offsets into that buffer, so the buffer may move between calls.
//!
//! A well-formed length line is recognised by one nom parser. Whatever that refuses (cut off, oversized, malformed) goes
//! to the slow path, which finds out which of those it is, in the order in which Redis 7.0 finds out.
//!
//! # Guarantees
//! - However the input is split, the same requests and the same error come out.
//! - Memory follows the bytes that arrived, never the numbers they announce.
//! - After an error the stream has no next request; the connection must be closed.
//!
//! # Redis's habits that are kept
//! The two bytes after a bulk and the byte after a line's CR are skipped unread. A NUL byte hides the rest of its line,
//! which therefore never ends until it is too long.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr2;
use nom::Parser;
use nom::bytes::complete::{tag, take_while_m_n};
use nom::combinator::verify;
use nom::sequence::delimited;

use crate::inline::{separate, split_into};
use crate::number::parse_i64;
use crate::reply::Reply;

/// What a connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest bulk string in bytes (`proto-max-bulk-len`).
    pub max_bulk_len: usize,
    /// Whether the client has authenticated, or need not. One that has not may send 10 arguments of 16 KB.
    pub authenticated: bool,
}

impl Default for Limits {
    /// Redis's default configuration: 512 MB, no password.
    fn default() -> Self {
        Self { max_bulk_len: 512 * 1024 * 1024, authenticated: true }
    }
}

/// How far a buffer got us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The request goes on after the buffer's end.
    Incomplete,
    /// A request is complete; [`RequestParser::args`] gives its arguments, of which there may be none.
    Request {
        /// The length of the request in bytes; the next one begins there.
        consumed: usize,
    },
}

/// A frame that no request can begin with. The connection gets this message and is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// More than 64 KB without a line feed.
    TooBigInlineRequest,
    /// An inline quote that is not closed, or closed in the middle of a word.
    UnbalancedQuotes,
    /// More than 64 KB of multibulk header.
    TooBigMultibulkCount,
    /// A multibulk header that is no integer, or exceeds 2^31 - 1.
    InvalidMultibulkLength,
    /// More than 10 arguments before authentication.
    UnauthenticatedMultibulkLength,
    /// More than 64 KB of bulk header.
    TooBigBulkCount,
    /// An argument that begins with this byte instead of `$`.
    ExpectedBulk(u8),
    /// A bulk header that is no integer, is negative, or exceeds [`Limits::max_bulk_len`].
    InvalidBulkLength,
    /// An argument over 16 KB before authentication.
    UnauthenticatedBulkLength,
}

/// Finds requests in a growing buffer.
#[derive(Debug, Default)]
pub struct RequestParser {
    stage: Stage,
    at: usize,
    searched: usize,
    spans: Vec<Span>,
    /// Bytes of the arguments that have come of an incomplete request.
    argument_bytes: usize,
    unquoted: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    /// Before the header of the first of `missing` arguments.
    Header {
        missing: usize,
    },
    /// Behind that header.
    Body {
        missing: usize,
        len: usize,
    },
    Complete {
        unquoted: bool,
    },
}

/// Where an argument lies in the buffer, or in `unquoted`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl RequestParser {
    /// A parser before its first request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with the current request, or begins the next one if the last call completed one.
    ///
    /// `buf` begins with the request's first byte: after [`Parsed::Incomplete`] the same bytes again with more behind
    /// them, after [`Parsed::Request`] what follows the consumed bytes.
    ///
    /// # Errors
    /// The bytes are no request, or one beyond the limits; the connection is to be closed.
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        if let Stage::Complete { .. } = self.stage {
            self.reset();
        }
        let (missing, body) = match self.stage {
            Stage::Start => match buf.first() {
                None => return Ok(Parsed::Incomplete),
                Some(b'*') => {
                    let spans = &mut self.spans;
                    if let Some(consumed) = whole(buf, limits, |start, end| spans.push(Span { start, end })) {
                        self.at = consumed;
                        self.stage = Stage::Complete { unquoted: false };
                        return Ok(Parsed::Request { consumed });
                    }
                    self.spans.clear();
                    match self.multibulk_count(buf, limits)? {
                        None => return Ok(Parsed::Incomplete),
                        Some(missing) => (missing, None),
                    }
                }
                Some(_) => return self.inline(buf),
            },
            Stage::Header { missing } => (missing, None),
            Stage::Body { missing, len } => (missing, Some(len)),
            Stage::Complete { .. } => unreachable!("reset above"),
        };
        self.arguments(buf, limits, missing, body)
    }

    /// The shorter way to a request that is there as a whole and is small, each of its lengths written as clients write
    /// them: hands its arguments to `push` and returns its length. `None` for every other, also after some arguments; it
    /// has to go through [`parse`](Self::parse), as has one that began there.
    #[inline]
    pub fn whole<'b>(&self, buf: &'b [u8], limits: &Limits, mut push: impl FnMut(&'b [u8])) -> Option<usize> {
        match self.stage {
            // What is known of the line of a request that has begun would be held of the next one.
            Stage::Start if self.searched > 0 => None,
            Stage::Start | Stage::Complete { .. } => whole(buf, limits, |start, end| push(&buf[start..end])),
            Stage::Header { .. } | Stage::Body { .. } => None,
        }
    }

    /// The arguments of the request that was just completed, in order; none while a request is incomplete.
    ///
    /// `buf` is the buffer given to the [`parse`](Self::parse) that completed it.
    pub fn args<'b>(
        &'b self,
        buf: &'b [u8],
    ) -> impl ExactSizeIterator<Item = &'b [u8]> + DoubleEndedIterator + Clone {
        let (spans, source) = match self.stage {
            Stage::Complete { unquoted: false } => (&self.spans[..], buf),
            Stage::Complete { unquoted: true } => (&self.spans[..], &self.unquoted[..]),
            _ => (&[][..], buf),
        };
        spans.iter().map(move |span| &source[span.start..span.end])
    }

    /// The length in bytes that the buffer needs before the argument being received is complete; 0 if that is not known,
    /// or if the argument is below 32 KB, or if the `have` bytes suffice.
    ///
    /// The number is the client's promise: a caller that trusts it reserves what has not been sent yet.
    pub fn bytes_wanted(&self, have: usize) -> usize {
        match self.stage {
            Stage::Body { len, .. } if len >= BIG_ARGUMENT => {
                let wanted = self.at + len + CRLF.len();
                if wanted > have { wanted } else { 0 }
            }
            _ => 0,
        }
    }

    /// Where in the buffer the argument lies that is being received and whose length is known.
    pub fn receiving(&self) -> Option<Range<usize>> {
        match self.stage {
            Stage::Body { len, .. } => Some(self.at..self.at + len),
            _ => None,
        }
    }

    /// The first argument of the request that is being received, if that has come.
    pub fn first<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        match self.stage {
            Stage::Header { .. } | Stage::Body { .. } => {
                self.spans.first().map(|span| &buf[span.start..span.end])
            }
            _ => None,
        }
    }

    /// Of the request that is being received: the bytes of the arguments that are complete, and where in the buffer that
    /// begins which is not understood yet.
    pub fn progress(&self) -> (usize, usize) {
        match self.stage {
            Stage::Header { .. } | Stage::Body { .. } => (self.argument_bytes, self.at),
            Stage::Start | Stage::Complete { .. } => (0, 0),
        }
    }

    /// Forgets the current request, and returns the memory that an unusually large one took. For a connection that
    /// goes idle; [`parse`](Self::parse) does it by itself before the next request.
    pub fn reset(&mut self) {
        self.stage = Stage::Start;
        self.at = 0;
        self.searched = 0;
        self.spans.clear();
        self.argument_bytes = 0;
        self.unquoted.clear();
        if self.spans.capacity() > KEPT_SPANS {
            self.spans.shrink_to(KEPT_SPANS);
        }
        if self.unquoted.capacity() > KEPT_UNQUOTED {
            self.unquoted.shrink_to(KEPT_UNQUOTED);
        }
    }

    fn arguments(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        mut missing: usize,
        mut body: Option<usize>,
    ) -> Result<Parsed, ProtocolError> {
        while missing > 0 {
            let len = match body.take() {
                Some(len) => len,
                None => match self.bulk_len(buf, limits)? {
                    Some(len) => len,
                    None => {
                        self.stage = Stage::Header { missing };
                        return Ok(Parsed::Incomplete);
                    }
                },
            };
            let end = self.at + len;
            if buf.len() < end + CRLF.len() {
                self.stage = Stage::Body { missing, len };
                return Ok(Parsed::Incomplete);
            }
            self.spans.push(Span { start: self.at, end });
            self.argument_bytes += len;
            self.at = end + CRLF.len();
            missing -= 1;
        }
        self.stage = Stage::Complete { unquoted: false };
        Ok(Parsed::Request { consumed: self.at })
    }

    /// Reads `*3\r\n`. A count of zero or less is an empty request.
    fn multibulk_count(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let count = match length_line(b'*', buf) {
            Some((after, count)) => {
                self.at = buf.len() - after.len();
                count as i64
            }
            None => {
                let Some(line) = self.line(buf, ProtocolError::TooBigMultibulkCount)? else {
                    return Ok(None);
                };
                match parse_i64(&line[1..]) {
                    Some(count) if count <= i64::from(i32::MAX) => count,
                    _ => return Err(ProtocolError::InvalidMultibulkLength),
                }
            }
        };
        if count > UNAUTHENTICATED_COUNT && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(Some(usize::try_from(count).unwrap_or(0)))
    }

    /// Reads `$3\r\n`.
    fn bulk_len(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let rest = &buf[self.at..];
        let len = match length_line(b'$', rest) {
            Some((after, len)) => {
                self.at = buf.len() - after.len();
                len
            }
            None => {
                let Some(line) = self.line(buf, ProtocolError::TooBigBulkCount)? else { return Ok(None) };
                // The line may be empty; then its CR is what stands in the place of the `$`.
                match rest[0] {
                    b'$' => parse_i64(&line[1..])
                        .and_then(|len| usize::try_from(len).ok())
                        .ok_or(ProtocolError::InvalidBulkLength)?,
                    other => return Err(ProtocolError::ExpectedBulk(other)),
                }
            }
        };
        if len > limits.max_bulk_len {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if len > UNAUTHENTICATED_LEN && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(Some(len))
    }

    /// The slow path of both headers: the line at `at` up to its CR, once the byte after the CR is there too.
    #[cold]
    fn line<'b>(&mut self, buf: &'b [u8], too_big: ProtocolError) -> Result<Option<&'b [u8]>, ProtocolError> {
        let Some(end) = self.find(b'\r', buf, too_big)? else { return Ok(None) };
        if end + 1 == buf.len() {
            return Ok(None);
        }
        let line = &buf[self.at..end];
        self.at = end + CRLF.len();
        Ok(Some(line))
    }

    fn inline(&mut self, buf: &[u8]) -> Result<Parsed, ProtocolError> {
        let Some(end) = self.find(b'\n', buf, ProtocolError::TooBigInlineRequest)? else {
            return Ok(Parsed::Incomplete);
        };
        let line = buf[..end].strip_suffix(b"\r").unwrap_or(&buf[..end]);
        let quoted = memchr2(b'"', b'\'', line).is_some();
        if quoted {
            split_into(line, &mut self.unquoted, &mut self.spans).ok_or(ProtocolError::UnbalancedQuotes)?;
        } else {
            separate(line, &mut self.spans);
        }
        self.stage = Stage::Complete { unquoted: quoted };
        Ok(Parsed::Request { consumed: end + 1 })
    }

    /// The offset of the current line's terminator, if it came within 64 KB and before any NUL.
    fn find(
        &mut self,
        terminator: u8,
        buf: &[u8],
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.searched.max(self.at);
        let found = memchr2(terminator, 0, &buf[from..]).map(|offset| from + offset);
        self.searched = found.unwrap_or(buf.len());
        match found {
            Some(end) if buf[end] == terminator && end - self.at <= MAX_LINE => Ok(Some(end)),
            _ if buf.len() - self.at > MAX_LINE => Err(too_big),
            _ => Ok(None),
        }
    }
}

impl ProtocolError {
    /// Redis's text, to the byte, without the leading `-ERR `. It holds a byte of the client's, so it need not be UTF-8.
    pub fn message(&self) -> Cow<'static, [u8]> {
        let text: &'static str = match *self {
            Self::TooBigInlineRequest => "Protocol error: too big inline request",
            Self::UnbalancedQuotes => "Protocol error: unbalanced quotes in request",
            Self::TooBigMultibulkCount => "Protocol error: too big mbulk count string",
            Self::InvalidMultibulkLength => "Protocol error: invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => "Protocol error: unauthenticated multibulk length",
            Self::TooBigBulkCount => "Protocol error: too big bulk count string",
            Self::InvalidBulkLength => "Protocol error: invalid bulk length",
            Self::UnauthenticatedBulkLength => "Protocol error: unauthenticated bulk length",
            Self::ExpectedBulk(got) => {
                let got = if matches!(got, b'\r' | b'\n') { b' ' } else { got };
                return Cow::Owned([b"Protocol error: expected '$', got '", &[got][..], b"'"].concat());
            }
        };
        Cow::Borrowed(text.as_bytes())
    }

    /// Answers the client.
    pub fn reply_to(&self, reply: &mut dyn Reply) {
        reply.error(&[b"ERR ", &self.message()[..]].concat());
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.message().escape_ascii())
    }
}

impl std::error::Error for ProtocolError {}

/// A small request that begins with `buf`: tells where each argument begins and ends, and returns the request's end.
/// `None` if it is not one, or not there as a whole.
#[inline(always)]
fn whole(buf: &[u8], limits: &Limits, mut tell: impl FnMut(usize, usize)) -> Option<usize> {
    let (count, mut at) = short_length(b'*', buf, 0)?;
    if count == 0 || !limits.authenticated {
        return None;
    }
    for _ in 0..count {
        let (len, start) = short_length(b'$', buf, at)?;
        let end = start + len;
        if end + CRLF.len() > buf.len() || len > limits.max_bulk_len {
            return None;
        }
        tell(start, end);
        at = end + CRLF.len();
    }
    Some(at)
}

/// A sigil, one to three digits without a leading zero, and CRLF, from `at` on: their value, and where they end. Something
/// has to follow.
#[inline(always)]
fn short_length(sigil: u8, buf: &[u8], at: usize) -> Option<(usize, usize)> {
    // The shortest argument takes as many bytes.
    let head: &[u8; 6] = buf.get(at..)?.first_chunk()?;
    let digit = |at: usize| usize::from(head[at].wrapping_sub(b'0'));
    let ends = |at: usize| head[at..at + CRLF.len()] == *CRLF;
    if head[0] != sigil {
        return None;
    }
    let (first, second, third) = (digit(1), digit(2), digit(3));
    if ends(2) && first <= 9 {
        Some((first, at + 4))
    } else if ends(3) && (1..=9).contains(&first) && second <= 9 {
        Some((first * 10 + second, at + 5))
    } else if ends(4) && (1..=9).contains(&first) && second <= 9 && third <= 9 {
        Some((first * 100 + second * 10 + third, at + 6))
    } else {
        None
    }
}

/// A sigil, up to nine digits without a leading zero, CRLF: how every client writes a length.
#[inline]
fn length_line(sigil: u8, input: &[u8]) -> Option<(&[u8], usize)> {
    delimited(tag::<_, _, ()>(&[sigil][..]), length, tag(CRLF)).parse(input).ok()
}

#[inline]
fn length(input: &[u8]) -> nom::IResult<&[u8], usize, ()> {
    let digits = take_while_m_n(1, 9, |byte: u8| byte.is_ascii_digit());
    verify(digits, |digits: &[u8]| digits.len() == 1 || digits[0] != b'0')
        .map(|digits: &[u8]| digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
        .parse(input)
}

const CRLF: &[u8] = b"\r\n";
/// Redis's PROTO_INLINE_MAX_SIZE.
const MAX_LINE: usize = 64 * 1024;
/// Redis's PROTO_MBULK_BIG_ARG.
const BIG_ARGUMENT: usize = 32 * 1024;
const UNAUTHENTICATED_COUNT: i64 = 10;
const UNAUTHENTICATED_LEN: usize = 16384;
const KEPT_SPANS: usize = 1024;
const KEPT_UNQUOTED: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_bulk_says_how_much_room_it_needs() {
        let mut parser = RequestParser::new();
        let head = b"*2\r\n$3\r\nSET\r\n$40000\r\n";
        assert_eq!(parser.parse(head, &Limits::default()), Ok(Parsed::Incomplete));
        assert_eq!(parser.bytes_wanted(head.len()), head.len() + 40002);
        assert_eq!(parser.bytes_wanted(head.len() + 40002), 0);
    }

    #[test]
    fn an_announced_count_reserves_nothing() {
        let mut parser = RequestParser::new();
        assert_eq!(parser.parse(b"*1000000\r\n$1\r\n", &Limits::default()), Ok(Parsed::Incomplete));
        assert_eq!(parser.spans.capacity(), 0);
    }

    #[test]
    fn a_large_request_returns_its_memory() {
        let mut parser = RequestParser::new();
        let mut request = b"*100000\r\n".to_vec();
        request.extend(b"$1\r\nx\r\n".repeat(100_000));
        let parsed = parser.parse(&request, &Limits::default());
        assert_eq!(parsed, Ok(Parsed::Request { consumed: request.len() }));
        assert_eq!(parser.args(&request).len(), 100_000);
        parser.reset();
        assert!(parser.spans.capacity() <= KEPT_SPANS);
    }

    #[test]
    fn an_argument_is_read_once() {
        let mut parser = RequestParser::new();
        let request = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
        assert_eq!(parser.parse(&request[..30], &Limits::default()), Ok(Parsed::Incomplete));
        assert_eq!((parser.at, parser.spans.len()), (26, 2));
        assert_eq!(parser.stage, Stage::Body { missing: 1, len: 5 });
    }

    #[test]
    fn a_line_is_searched_once() {
        let mut parser = RequestParser::new();
        let line = vec![b'a'; 1000];
        assert_eq!(parser.parse(&line[..999], &Limits::default()), Ok(Parsed::Incomplete));
        assert_eq!(parser.searched, 999);
    }

    #[test]
    fn the_progress_of_an_incomplete_request_is_known() {
        let mut parser = RequestParser::new();
        let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab";
        for (come, progress) in [(2, (0, 0)), (7, (0, 4)), (15, (3, 13)), (27, (4, 24)), (28, (4, 24))] {
            assert_eq!(
                parser.parse(&request[..come.min(request.len())], &Limits::default()),
                Ok(Parsed::Incomplete)
            );
            assert_eq!(parser.progress(), progress, "{come}");
        }
    }
}
