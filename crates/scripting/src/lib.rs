//! The Lua host: sandbox, bridge, libraries, preemption.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub mod library;
#[allow(unsafe_code)]
pub mod sandbox;
#[allow(unsafe_code)]
mod stack;
