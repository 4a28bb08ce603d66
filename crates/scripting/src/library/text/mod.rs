//! Functions of `string` and `table` that can work for long, in a form that can be left at the end of a slice.
//!
//! Lua's own search, build and move in one go; what a pattern that backtracks or a string of a hundred megabytes takes is
//! taken from everybody else on the worker. These give the same results and messages (the reference is Lua 5.1.5, as in
//! redis-server 7.0.15), do short work at once, and leave long work as an [`Operation`](crate::lua::Operation).

mod build;
mod class;
mod collect;
mod gsub;
mod pattern;
mod search;
mod shift;

pub(crate) use build::{Chunks, Finish};
pub(crate) use collect::Cycles;
pub(crate) use pattern::{Matcher, Pace};

use super::Shared;
use crate::stack::{Stack, register};

/// Pushes the table of these functions.
///
/// # Safety
/// As [`push_all`](super::push_all).
pub(super) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 16);
    // SAFETY: the caller's.
    unsafe {
        register(stack, shared, "reach", search::reach);
        register(stack, shared, "find", search::find);
        register(stack, shared, "match", search::match_);
        search::push_gmatch(stack, shared);
        register(stack, shared, "gsub", gsub::gsub);
        gsub::push_steps(stack, shared);
        register(stack, shared, "rep", build::rep);
        register(stack, shared, "concat", build::concat);
        register(stack, shared, "upper", build::upper);
        register(stack, shared, "lower", build::lower);
        register(stack, shared, "reverse", build::reverse);
        register(stack, shared, "insert", shift::insert);
        register(stack, shared, "remove", shift::remove);
        register(stack, shared, "collect", collect::collect);
    }
}
