//! Scripts as clients meet them, on a server without a socket.

mod arguments;
mod atomicity;
mod compiling;
mod determinism;
mod functions;
mod keeping;
mod keys;
mod killing;
mod leading;
mod limits;
mod observing;
mod preemption;
mod server;
mod signals;
mod statistics;
mod undo;
