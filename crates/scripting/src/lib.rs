//! The Lua host: sandbox, bridge, libraries, preemption.
//!
//! [`LuaHost`] runs scripts for a worker. It knows commands only through the gate, and the wire not at all.
#![deny(unsafe_code)]

mod debugger;
mod host;
mod libraries;
#[allow(unsafe_code, reason = "the Lua stack")]
pub mod library;
#[allow(unsafe_code, reason = "the Lua stack")]
mod lua;
#[allow(unsafe_code, reason = "the Lua stack")]
pub mod sandbox;
#[allow(unsafe_code, reason = "the Lua stack")]
mod stack;
mod watchdog;

pub use host::LuaHost;
