//! The Redis wire protocol: requests, replies, and nothing that does I/O.
//!
//! A server parses with [`RequestParser`] and answers through [`Reply`] into an [`Encoder`]; a client writes with
//! [`encode_request`] and reads with [`Decoder`]. Nothing here knows a socket, a clock or a command: what a request
//! means, and who may send it, is decided elsewhere.
//!
//! ```
//! use perigee_resp::{Encoder, Limits, Parsed, Protocol, Reply, RequestParser, Value, decode, encode_request};
//!
//! let mut wire = Vec::new();
//! encode_request(&mut wire, &["HGETALL", "user:1"]);
//!
//! let mut parser = RequestParser::new();
//! let Ok(Parsed::Request { consumed }) = parser.parse(&wire, &Limits::default()) else { panic!("not complete") };
//! assert_eq!(consumed, wire.len());
//!
//! let mut encoder = Encoder::new(Protocol::Resp3);
//! encoder.map(1);
//! encoder.bulk(b"name");
//! encoder.int(7);
//! assert_eq!(encoder.out(), b"%1\r\n$4\r\nname\r\n:7\r\n");
//!
//! let (value, _) = decode(encoder.out()).expect("well formed").expect("complete");
//! assert_eq!(value, Value::Map(vec![(Value::Bulk(b"name".to_vec()), Value::Int(7))]));
//! ```
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod inline;
mod number;
mod record;
mod reply;
mod request;
mod segments;
mod value;

pub use decode::{DecodeError, Decoder, decode};
pub use encode::{Encoder, SHARED, encode_request};
pub use inline::split_arguments;
pub use number::{DoubleText, format_decimal, format_double, format_shortest, parse_f64, parse_i64};
pub use record::{Checked, Discard, Recorder};
pub use reply::{Protocol, Reply};
pub use request::{Limits, Parsed, ProtocolError, RequestParser};
pub use segments::Segments;
pub use value::Value;
