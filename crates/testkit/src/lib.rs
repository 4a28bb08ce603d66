//! Helpers for tests: a server without sockets, a clock that is set by hand, and transcripts.
//!
//! A [transcript](check) is a text file of requests and the replies to them. It runs through several [`Face`]s of the same
//! engine and rewrites itself with `UPDATE=1`. Nothing here knows a socket or a script language: a test that wants scripts
//! brings the host. What a transcript cannot say, such as who is where when something happens, a test says with
//! [`Connection`]s to a [`Node`], whose requests go on a step at a time.
#![forbid(unsafe_code)]

mod clock;
mod connection;
mod node;
mod show;
mod transcript;

pub use clock::ManualClock;
pub use connection::{Connection, Pending};
pub use node::{Face, Node, Peer};
pub use show::show;
pub use transcript::{MakeHost, check};
