//! `maxmemory`: how much memory is in use, which keys go to make room, who is refused when there is none.
//!
//! The allocator's total is dear to read, so that it is read every 100 ms; in between, each worker adds what its own
//! thread has allocated and freed, which the allocator counts at no cost ([`used`]). Keys are evicted by the worker that
//! is about to run a command, from shards that are free, one shard at a time ([`pool`]): nobody waits for it, and it
//! waits for nobody. As in Redis the work is bounded: past `maxmemory-eviction-tenacity`'s share of time the command
//! runs, and the rest is evicted before the next ones and in the background.

mod clients;
mod policy;
mod pool;
mod used;

pub(crate) use clients::evict_other_clients;
pub use clients::{evict_clients, limit_client};
pub(crate) use policy::Policy;
pub(crate) use pool::Pool;
pub(crate) use used::{Memory, Told};

use std::sync::atomic::Ordering;

use crate::call::Call;
use crate::config::Param;
use crate::engine::Env;
use crate::error::Error;
use crate::multi;
use crate::scripts::{Header, ScriptContext, ScriptFlags};
use crate::session::Session;
use crate::spec::Flags;
use crate::table::Entry;

/// What came of making room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// There is enough.
    Enough,
    /// Not yet, but more can be evicted.
    Soon,
    /// Not yet, and what may be evicted is in use.
    Busy,
    /// There is none, and nothing that may be evicted.
    None,
}

/// Evicts keys before a client's request runs, and refuses the request if that did not help and it may need memory. To be
/// called where `maxmemory` is set.
///
/// # Errors
/// [`Error::OutOfMemory`].
#[inline(never)]
pub(crate) fn admit(env: Env<'_>, session: &mut Session, entry: Entry, args: &[&[u8]]) -> Result<(), Error> {
    session.out_of_memory = make_room(env) == Room::None;
    if session.out_of_memory && may_need_memory(env, session, entry, args) {
        return Err(Error::OutOfMemory);
    }
    Ok(())
}

/// Goes on evicting where requests have left more to do. Returns whether there still is.
pub fn evict_cycle(env: Env<'_>) -> bool {
    env.engine.config.is_on(Param::MaxMemory) && make_room(env) == Room::Soon
}

fn make_room(env: Env<'_>) -> Room {
    let memory = &env.engine.memory;
    let limit = usize::try_from(env.engine.config.number(Param::MaxMemory)).unwrap_or(0);
    let room = if memory.is_within(env, limit) { Room::Enough } else { evict_down_to(env, limit) };
    memory.note_exceeding(env.now_ms, room != Room::Enough);
    room
}

#[cold]
fn evict_down_to(env: Env<'_>, limit: usize) -> Room {
    // While clients are paused nothing but them changes the data, and what they may do is not refused.
    if env.engine.pause.in_force(env.now_ms).is_some() {
        return Room::Enough;
    }
    let policy = Policy::of(&env.engine.config).filter(|_| !env.engine.config.is_on(Param::ImportMode));
    let Some(policy) = policy else { return Room::None };
    let until_ns =
        env.ticks_ns().saturating_add(time_limit_ns(env.engine.config.number(Param::MaxMemoryTenacity)));
    // Those who are told of evicted keys take memory until they have read it: that is no reason to evict more.
    let mut excess = env.engine.memory.bytes(env).saturating_sub(limit);
    loop {
        match pool::evict_one(env, policy) {
            pool::Found::Evicted { bytes } => excess = excess.saturating_sub(bytes),
            pool::Found::Busy => return Room::Busy,
            pool::Found::Nothing => return Room::None,
        }
        if excess == 0 || env.engine.memory.is_within(env, limit) {
            return Room::Enough;
        }
        if env.ticks_ns() >= until_ns {
            return Room::Soon;
        }
    }
}

/// How long one request may evict for others, as Redis computes it: up to half a millisecond at the default of 10, up to two
/// minutes at 99, without end at 100.
fn time_limit_ns(tenacity: i64) -> u64 {
    match tenacity {
        ..=10 => 50_000 * tenacity.max(0) as u64,
        11..100 => (500_000.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// Whether the request is refused when memory is short: what may grow it, and in MULTI whatever would be queued.
fn may_need_memory(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]]) -> bool {
    if session.multi.is_some() {
        return match entry.command.name {
            "exec" => multi::any_queued(session, |entry, args| may_grow(env, entry, args)),
            "discard" | "quit" | "reset" => false,
            _ => true,
        };
    }
    may_grow(env, entry, args)
}

/// Whether the request may need memory. A script that says what it is must say that it needs none; one that does not say
/// anything is refused at its first write.
fn may_grow(env: Env<'_>, entry: Entry, args: &[&[u8]]) -> bool {
    let declared = script_flags(env, entry, args);
    entry.command.has(Flags::DENYOOM) || declared.is_some_and(needs_memory)
}

/// What the script or function that the request calls declares; `None` if it declares nothing or there is none.
fn script_flags(env: Env<'_>, entry: Entry, args: &[&[u8]]) -> Option<ScriptFlags> {
    let flags = match entry.command.name {
        "eval" | "eval_ro" => Header::parse(args.get(1)?).ok()?.flags,
        "evalsha" | "evalsha_ro" => env.engine.scripts.find(args.get(1)?)?.flags(),
        "fcall" | "fcall_ro" => {
            return Some(env.engine.functions.libraries().function(args.get(1)?)?.script.flags());
        }
        _ => return None,
    };
    flags.declared.then_some(flags)
}

/// Refuses a script inside MULTI that the gate would have refused outside.
///
/// # Errors
/// It would need memory.
pub(crate) fn admit_script(call: &Call<'_, '_>, flags: ScriptFlags) -> Result<(), Error> {
    let refused = call.session.out_of_memory && flags.declared && needs_memory(flags);
    if refused && call.env.engine.config.is_on(Param::MaxMemory) {
        return Err(Error::Text(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        ));
    }
    Ok(())
}

/// What a script that declares its flags declares of memory.
fn needs_memory(flags: ScriptFlags) -> bool {
    !flags.allow_oom && !flags.no_writes
}

/// Whether a command is refused that a script calls: the script began when there was no memory, has not written yet, and
/// has not said that it runs all the same.
#[inline]
pub(crate) fn refuses_in_script(context: &ScriptContext<'_, '_>, entry: Entry) -> bool {
    context.session.out_of_memory
        && !context.wrote
        && !context.script.flags().allow_oom
        && entry.command.has(Flags::DENYOOM)
        && context.env.engine.config.is_on(Param::MaxMemory)
}

impl Memory {
    /// Starts the counters that INFO shows again from zero.
    pub(crate) fn reset_statistics(&self) {
        for counter in [&self.evicted_keys, &self.evicted_clients, &self.exceeded_ms, &self.exceeds_since_ms]
        {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_others_grows_with_tenacity() {
        let limits = [0, 5, 10, 50, 100].map(time_limit_ns);
        assert_eq!(limits[..3], [0, 250_000, 500_000]);
        assert!((100_000_000..200_000_000).contains(&limits[3]));
        assert_eq!(limits[4], u64::MAX);
    }
}
