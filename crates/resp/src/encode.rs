//! Replies and requests as bytes.

use bytes::Bytes;
use memchr::memchr2;

use crate::number::{SHORT, format_decimal, format_double, short_digits};
use crate::reply::{Protocol, Reply};
use crate::segments::Segments;

/// Writes replies in either protocol to a buffer that it owns.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    protocol: Protocol,
    /// Content that belongs before so many bytes of `out` and is not copied.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
    shares: bool,
}

impl Encoder {
    /// An empty buffer for a client that speaks `protocol`.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// An empty buffer which refers to content of at least [`SHARED`] bytes instead of copying it, if it may. All that is
    /// written can only be had by [`Encoder::take_segments`] then.
    pub fn sharing(protocol: Protocol) -> Self {
        Self { protocol, shares: true, ..Self::default() }
    }

    /// Speaks `protocol` from the next reply on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The bytes written so far, without content that is shared.
    pub fn out(&self) -> &[u8] {
        &self.out
    }

    /// The buffer, for bytes that are encoded already.
    pub fn out_mut(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Takes the buffer away, leaving an empty one without capacity. See [`Encoder::take_segments`] for one that shares.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes all that was written, leaving nothing.
    pub fn take_segments(&mut self) -> Segments {
        self.shared_bytes = 0;
        Segments::new(std::mem::take(&mut self.out), std::mem::take(&mut self.shared))
    }

    /// Puts bytes that are encoded already before all that was written.
    pub fn prepend(&mut self, mut bytes: Vec<u8>) {
        for (at, _) in &mut self.shared {
            *at += bytes.len();
        }
        bytes.append(&mut self.out);
        self.out = bytes;
    }

    /// The number of bytes written, those of content that is shared among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len() + self.shared_bytes
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back what was written after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        while let Some((at, bytes)) = self.shared.last()
            && at + self.shared_bytes - bytes.len() >= len
        {
            self.shared_bytes -= bytes.len();
            self.shared.pop();
        }
        self.out.truncate(len - self.shared_bytes);
    }

    /// Empties the buffer and keeps its capacity.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn typed(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    fn line(&mut self, sigil: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(sigil);
        let start = self.out.len();
        self.raw(text);
        if memchr2(b'\r', b'\n', text).is_some() {
            for byte in &mut self.out[start..] {
                if matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
        }
        self.raw(b"\r\n");
    }
}

impl Reply for Encoder {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    fn null(&mut self) {
        self.raw(if self.typed() { b"_\r\n" } else { b"$-1\r\n" });
    }

    fn null_array(&mut self) {
        self.raw(if self.typed() { b"_\r\n" } else { b"*-1\r\n" });
    }

    fn simple(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    fn int(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => header(&mut self.out, b':', value),
            Err(_) => self.line(b':', itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    fn bulk(&mut self, bytes: &[u8]) {
        bulk(&mut self.out, bytes);
    }

    fn bulk_shared(&mut self, bytes: Bytes) {
        if !self.shares || bytes.len() < SHARED {
            return self.bulk(&bytes);
        }
        header(&mut self.out, b'$', bytes.len() as u64);
        self.shared_bytes += bytes.len();
        self.shared.push((self.out.len(), bytes));
        self.raw(b"\r\n");
    }

    fn double(&mut self, value: f64) {
        let text = format_double(value);
        if self.typed() {
            self.line(b',', &text);
        } else {
            self.bulk(&text);
        }
    }

    fn decimal(&mut self, value: f64) {
        let text = format_decimal(value);
        if self.typed() {
            self.line(b',', text.as_bytes());
        } else {
            self.bulk(text.as_bytes());
        }
    }

    fn bool(&mut self, value: bool) {
        self.raw(match (self.typed(), value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    fn big_number(&mut self, digits: &[u8]) {
        if self.typed() {
            self.line(b'(', digits);
        } else {
            self.bulk(digits);
        }
    }

    fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if self.typed() {
            header(&mut self.out, b'=', text.len() as u64 + 4);
            self.raw(format);
            self.raw(b":");
            self.raw(text);
            self.raw(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    fn array(&mut self, len: usize) {
        header(&mut self.out, b'*', len as u64);
    }

    fn map(&mut self, pairs: usize) {
        if self.typed() {
            header(&mut self.out, b'%', pairs as u64);
        } else {
            self.array(pairs * 2);
        }
    }

    fn set(&mut self, len: usize) {
        let sigil = if self.typed() { b'~' } else { b'*' };
        header(&mut self.out, sigil, len as u64);
    }

    fn attribute(&mut self, pairs: usize) -> bool {
        if self.typed() {
            header(&mut self.out, b'|', pairs as u64);
        }
        self.typed()
    }

    fn push(&mut self, len: usize) {
        let sigil = if self.typed() { b'>' } else { b'*' };
        header(&mut self.out, sigil, len as u64);
    }
}

/// Content of so many bytes is worth a segment of its own: its copy takes some fifty microseconds.
pub const SHARED: usize = 256 << 10;

/// Appends a request as clients send it: a multibulk array of bulk strings.
pub fn encode_request(out: &mut Vec<u8>, args: &[impl AsRef<[u8]>]) {
    header(out, b'*', args.len() as u64);
    for arg in args {
        bulk(out, arg.as_ref());
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 32);
    header(out, b'$', bytes.len() as u64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn header(out: &mut Vec<u8>, sigil: u8, number: u64) {
    match number {
        0..=9 => out.extend_from_slice(&[sigil, b'0' + number as u8, b'\r', b'\n']),
        10..=99 => {
            let (tens, ones) = (number as u8 / 10, number as u8 % 10);
            out.extend_from_slice(&[sigil, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        }
        _ if number <= SHORT as u64 => {
            let (digits, len) = short_digits(number as u32);
            out.reserve(1 + digits.len());
            out.push(sigil);
            let start = out.len();
            // Eight bytes whatever their number: one store.
            out.extend_from_slice(&digits);
            out.truncate(start + len);
            out.extend_from_slice(b"\r\n");
        }
        _ => {
            out.push(sigil);
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: impl Fn(&mut dyn Reply), resp2: &str, resp3: &str) {
        for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let mut encoder = Encoder::new(protocol);
            reply(&mut encoder);
            assert_eq!(
                encoder.out().escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn every_reply_in_both_protocols() {
        check(|reply| reply.null(), "$-1\r\n", "_\r\n");
        check(|reply| reply.null_array(), "*-1\r\n", "_\r\n");
        check(|reply| reply.ok(), "+OK\r\n", "+OK\r\n");
        check(|reply| reply.simple(b"a\r\nb"), "+a  b\r\n", "+a  b\r\n");
        check(|reply| reply.error(b"ERR no\n"), "-ERR no \r\n", "-ERR no \r\n");
        check(|reply| reply.int(-7), ":-7\r\n", ":-7\r\n");
        check(|reply| reply.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
        check(|reply| reply.bulk(b"a\r\n"), "$3\r\na\r\n\r\n", "$3\r\na\r\n\r\n");
        check(|reply| reply.bulk_int(-10), "$3\r\n-10\r\n", "$3\r\n-10\r\n");
        check(|reply| reply.double(0.5), "$3\r\n0.5\r\n", ",0.5\r\n");
        check(|reply| reply.shortest(0.1), "$3\r\n0.1\r\n", ",0.10000000000000001\r\n");
        check(|reply| reply.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
        check(|reply| reply.bool(true), ":1\r\n", "#t\r\n");
        check(|reply| reply.bool(false), ":0\r\n", "#f\r\n");
        check(|reply| reply.big_number(b"123"), "$3\r\n123\r\n", "(123\r\n");
        check(|reply| reply.verbatim(b"txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
        check(|reply| reply.array(2), "*2\r\n", "*2\r\n");
        check(|reply| reply.map(6), "*12\r\n", "%6\r\n");
        check(|reply| reply.set(100), "*100\r\n", "~100\r\n");
        check(|reply| reply.push(3), "*3\r\n", ">3\r\n");
    }

    #[test]
    fn headers_of_every_width() {
        for len in [0, 9, 10, 99, 100, 12345] {
            let mut out = Vec::new();
            bulk(&mut out, &vec![b'x'; len]);
            assert!(out.starts_with(format!("${len}\r\n").as_bytes()));
            assert_eq!(out.len(), len + format!("${len}\r\n\r\n").len());
        }
    }

    #[test]
    fn integers_of_every_width() {
        for value in (0..19).flat_map(|width| [10_i64.pow(width) - 1, 10_i64.pow(width)]) {
            let mut encoder = Encoder::new(Protocol::Resp2);
            encoder.int(value);
            encoder.int(-value);
            assert_eq!(encoder.take(), format!(":{value}\r\n:{}\r\n", -value).as_bytes());
        }
    }

    #[test]
    fn a_reply_can_be_taken_back() {
        let mut encoder = Encoder::new(Protocol::Resp2);
        encoder.ok();
        let kept = encoder.len();
        encoder.array(3);
        encoder.truncate(kept);
        assert_eq!(encoder.take(), b"+OK\r\n");
        assert!(encoder.is_empty());
    }

    /// The same calls with and without sharing, taken back at every boundary.
    #[test]
    fn shared_content_stands_where_a_copy_would() {
        let large = Bytes::from(vec![b'x'; SHARED]);
        let steps: [&dyn Fn(&mut Encoder); 6] = [
            &|out| out.bulk_shared(large.clone()),
            &|out| out.int(1),
            &|out| out.bulk_shared(large.clone()),
            &|out| out.bulk_shared(large.slice(1..)),
            &|out| out.ok(),
            &|out| out.prepend(b"before".to_vec()),
        ];
        for kept in 0..=steps.len() {
            let (mut copied, mut sharing) =
                (Encoder::new(Protocol::Resp2), Encoder::sharing(Protocol::Resp2));
            let mut length = 0;
            for (step, write) in steps.iter().enumerate() {
                if step == kept {
                    length = copied.len();
                }
                write(&mut copied);
                write(&mut sharing);
                assert_eq!(sharing.len(), copied.len());
            }
            assert!(sharing.out().len() < 2 * SHARED && copied.out().len() == copied.len());
            if kept < steps.len() - 1 {
                copied.truncate(length + 6);
                sharing.truncate(length + 6);
            }
            assert_eq!(sharing.len(), copied.len());
            let segments = sharing.take_segments();
            assert!(segments.parts(usize::MAX).collect::<Vec<_>>().concat() == copied.take(), "{kept}");
            assert!(sharing.is_empty());
        }
    }

    #[test]
    fn a_request() {
        let mut out = Vec::new();
        encode_request(&mut out, &["GET", "key"]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
}
