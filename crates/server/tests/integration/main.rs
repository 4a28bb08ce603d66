//! The binary from outside: a real process, real sockets, the `redis` crate as client.
//!
//! Also here, so that it is linked once: the transcripts, which need no socket, and the edges between the crates.
#![allow(clippy::disallowed_methods, reason = "tests of a real process wait in real time")]

mod access;
mod blocking;
mod bodies;
mod connection;
mod debugger;
mod edges;
mod examples;
mod limits;
mod memory;
mod parallel;
mod periodic;
mod protocol;
mod pubsub;
mod scripts;
mod server;
mod startup;
mod tracking;
mod transactions;
mod transcripts;
mod vectors;
