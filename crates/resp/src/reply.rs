//! What a command answers, apart from how it travels.
//!
//! A handler describes its answer through [`Reply`]; the sink decides the bytes: RESP2 or RESP3 on a socket, values on
//! a Lua stack, a recorded tree in a test, nothing at all.

use bytes::Bytes;

/// The protocol that the receiver of a reply speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// The protocol of every client that has not said `HELLO 3`.
    #[default]
    Resp2,
    /// The typed protocol: maps, sets, doubles, booleans, pushes.
    Resp3,
}

/// A sink for exactly one reply per request.
///
/// An aggregate is announced with its length and followed by that many replies (twice as many for a map).
pub trait Reply {
    /// The protocol whose shapes the sink expects; a few commands answer differently in each.
    fn protocol(&self) -> Protocol;
    /// Gives the shapes of another protocol from now on, as HELLO asks for. A sink that has but one shape ignores it.
    fn set_protocol(&mut self, _protocol: Protocol) {}
    /// The missing value: `$-1` or `_`.
    fn null(&mut self);
    /// The missing list: `*-1` or `_`.
    fn null_array(&mut self);
    /// A status line such as `OK`. CR and LF are replaced by spaces.
    fn simple(&mut self, text: &[u8]);
    /// An error line: its code, a space, its text, without the leading `-`. CR and LF are replaced by spaces.
    fn error(&mut self, text: &[u8]);
    /// A signed integer.
    fn int(&mut self, value: i64);
    /// A binary-safe string.
    fn bulk(&mut self, bytes: &[u8]);
    /// A floating-point number; a bulk string in RESP2.
    fn double(&mut self, value: f64);
    /// A truth value; `:1` and `:0` in RESP2.
    fn bool(&mut self, value: bool);
    /// An integer too large for 64 bits, in decimal digits; a bulk string in RESP2.
    fn big_number(&mut self, digits: &[u8]);
    /// Text with a three-letter format such as `txt`; a bulk string in RESP2.
    fn verbatim(&mut self, format: &[u8; 3], text: &[u8]);
    /// Announces `len` replies.
    fn array(&mut self, len: usize);
    /// Announces `pairs` keys with their values; a flat array of twice the length in RESP2.
    fn map(&mut self, pairs: usize);
    /// Announces `len` distinct replies; an array in RESP2.
    fn set(&mut self, len: usize);
    /// Announces an out-of-band message of `len` replies; an array in RESP2.
    fn push(&mut self, len: usize);
    /// Announces `pairs` keys with their values that tell something of the reply behind them. Returns whether the sink
    /// takes them: where it has no place for them, as in RESP2, they must be left out.
    fn attribute(&mut self, _pairs: usize) -> bool {
        false
    }

    /// A large binary-safe string that the sink may refer to instead of copying it.
    fn bulk_shared(&mut self, bytes: Bytes) {
        self.bulk(&bytes);
    }
    /// An integer as a bulk string.
    fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }
    /// A floating-point number in decimal notation without an exponent, with all its digits up to the 17th behind the
    /// point; a bulk string in RESP2.
    fn decimal(&mut self, value: f64) {
        match self.protocol() {
            Protocol::Resp2 => self.bulk(crate::format_decimal(value).as_bytes()),
            Protocol::Resp3 => self.double(value),
        }
    }
    /// A floating-point number; in RESP2 a bulk string with no more digits than it takes, as Redis writes them since 7.2.
    fn shortest(&mut self, value: f64) {
        match self.protocol() {
            Protocol::Resp2 => self.bulk(&crate::format_shortest(value)),
            Protocol::Resp3 => self.double(value),
        }
    }
    /// `+OK`.
    fn ok(&mut self) {
        self.simple(b"OK");
    }
}
