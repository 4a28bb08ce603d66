//! The Redis wire protocol: requests, replies, and nothing that does I/O.
#![forbid(unsafe_code)]

mod reply;

pub use reply::{Protocol, Reply};
