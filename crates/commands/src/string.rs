//! Commands on strings.

mod counters;
mod get;
mod set;

use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] = &[
    get::GET,
    set::SET,
    set::SETNX,
    set::SETEX,
    set::PSETEX,
    counters::INCR,
    counters::DECR,
    counters::INCRBY,
    counters::DECRBY,
];
