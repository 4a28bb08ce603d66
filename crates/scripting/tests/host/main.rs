//! Scripts as clients meet them, on a server without a socket.

mod atomicity;
mod determinism;
mod functions;
mod keys;
mod killing;
mod observing;
mod preemption;
mod server;
mod statistics;
