//! Commands on the server: what it is and does, its configuration, its end.

mod command;
mod commandlog;
mod config;
mod info;
mod latency;
mod memory;
mod module;
mod monitor;
mod shutdown;
mod slowlog;
mod state;
mod wait;

pub(crate) use command::{
    access as key_access, fixed_access as fixed_key_access, for_each_position as for_each_key_position,
    is_miscounted,
};

pub(crate) use config::rewrite_all;

use crate::spec::Command;

/// The version of Redis that clients are to take this server for.
pub(crate) const REDIS_VERSION: &str = "7.2.4";

pub(crate) static COMMANDS: &[Command] = &[
    info::INFO,
    config::CONFIG,
    command::COMMAND,
    slowlog::SLOWLOG,
    commandlog::COMMANDLOG,
    latency::LATENCY,
    monitor::MONITOR,
    memory::MEMORY,
    module::MODULE,
    shutdown::SHUTDOWN,
    state::TIME,
    state::ROLE,
    wait::WAIT,
    wait::WAITAOF,
    state::LASTSAVE,
    state::LOLWUT,
];
