//! Commands on strings.

mod compare;
mod counters;
mod float;
mod get;
mod lcs;
mod many;
mod range;
mod set;

use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] = &[
    get::GET,
    get::GETSET,
    get::GETDEL,
    get::GETEX,
    set::SET,
    set::SETNX,
    set::SETEX,
    set::PSETEX,
    many::MGET,
    many::MSET,
    many::MSETNX,
    many::MSETEX,
    compare::DIGEST,
    compare::DELEX,
    compare::DELIFEQ,
    range::APPEND,
    range::GETRANGE,
    range::SUBSTR,
    range::SETRANGE,
    range::STRLEN,
    counters::INCR,
    counters::DECR,
    counters::INCRBY,
    counters::DECRBY,
    float::INCRBYFLOAT,
    lcs::LCS,
];
