//! The Redis wire protocol: requests, replies, and nothing that does I/O.
//!
//! A server parses with [`RequestParser`] and answers through [`Reply`] into an [`Encoder`]; a client writes with
//! [`encode_request`] and reads with [`Decoder`]. Nothing here knows a socket, a clock or a command: what a request
//! means, and who may send it, is decided elsewhere.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod inline;
mod number;
mod record;
mod reply;
mod request;
mod value;

pub use decode::{DecodeError, Decoder, decode};
pub use encode::{Encoder, encode_request};
pub use inline::split_arguments;
pub use number::{DoubleText, format_double, parse_f64, parse_i64};
pub use record::{Checked, Discard, Recorder};
pub use reply::{Protocol, Reply};
pub use request::{Limits, Parsed, ProtocolError, RequestParser};
pub use value::Value;
