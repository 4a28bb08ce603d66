//! How much memory is in use, known at any moment without asking the allocator for it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::engine::{Engine, Env};

/// Bytes that a worker may have allocated or freed before it tells the others.
const GRAIN: i64 = 4096;
/// The allocator is asked no more often, where the figure decides.
const ASK_AFTER_NS: u64 = 1_000_000;

/// What the server knows of its memory, and what came of its limits.
#[derive(Default)]
pub(crate) struct Memory {
    /// What the allocator said when it was last asked, and what workers have allocated and freed since.
    bytes: AtomicI64,
    /// Bytes that the keyspace had let go of then.
    let_go: AtomicU64,
    /// How often it was asked.
    asked: AtomicU64,
    asked_ns: AtomicU64,
    pub(crate) evicted_keys: AtomicU64,
    pub(crate) evicted_clients: AtomicU64,
    /// How long more than the limit was in use, before now and since when, in milliseconds.
    pub(crate) exceeded_ms: AtomicU64,
    pub(super) exceeds_since_ms: AtomicU64,
}

/// What a worker has told the others of its thread's memory.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    /// What the thread had allocated and not freed.
    bytes: i64,
    /// What [`Memory::asked`] was: a newer answer of the allocator includes what was not told.
    asked: u64,
}

impl Memory {
    /// Takes over what the allocator says.
    pub(crate) fn set_allocated(&self, engine: &Engine, allocated: usize) {
        let (let_go, pending) = engine.keyspace.let_go_bytes();
        self.let_go.store(let_go, Ordering::Relaxed);
        self.bytes.store(allocated as i64 - pending as i64, Ordering::Relaxed);
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no more than `limit` bytes are in use.
    pub(super) fn is_within(&self, env: Env<'_>, limit: usize) -> bool {
        self.bytes(env) <= limit || self.ask(env) <= limit
    }

    /// Bytes in use, without what is being freed.
    pub(super) fn bytes(&self, env: Env<'_>) -> usize {
        let now = env.engine.process.allocator.thread_used_bytes();
        let asked = self.asked.load(Ordering::Relaxed);
        let mut told = env.worker.memory_told.get();
        if told.asked != asked {
            told = Told { bytes: now, asked };
            env.worker.memory_told.set(told);
        }
        let mut untold = now - told.bytes;
        if untold.abs() >= GRAIN {
            self.bytes.fetch_add(untold, Ordering::Relaxed);
            env.worker.memory_told.set(Told { bytes: now, asked });
            untold = 0;
        }
        let let_go = env.engine.keyspace.let_go_bytes().0.saturating_sub(self.let_go.load(Ordering::Relaxed));
        usize::try_from(self.bytes.load(Ordering::Relaxed) + untold - let_go as i64).unwrap_or(0)
    }

    /// Bytes in use by what the allocator says, unless somebody has just asked it.
    #[cold]
    fn ask(&self, env: Env<'_>) -> usize {
        let now_ns = env.ticks_ns();
        let asked_ns = self.asked_ns.load(Ordering::Relaxed);
        if now_ns.saturating_sub(asked_ns) >= ASK_AFTER_NS || asked_ns == 0 {
            self.asked_ns.store(now_ns, Ordering::Relaxed);
            self.set_allocated(env.engine, env.engine.process.allocator.used_bytes());
        }
        self.bytes(env)
    }

    pub(super) fn count_evicted_key(&self) {
        self.evicted_keys.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether more than the limit is in use.
    pub(super) fn note_exceeding(&self, now_ms: u64, exceeds: bool) {
        let since_ms = self.exceeds_since_ms.load(Ordering::Relaxed);
        if exceeds == (since_ms != 0) {
            return;
        }
        let before = self.exceeds_since_ms.swap(if exceeds { now_ms } else { 0 }, Ordering::Relaxed);
        if !exceeds && before != 0 {
            self.exceeded_ms.fetch_add(now_ms.saturating_sub(before), Ordering::Relaxed);
        }
    }

    /// For how many milliseconds the present excess has lasted.
    pub(crate) fn exceeding_ms(&self, now_ms: u64) -> u64 {
        match self.exceeds_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since_ms => now_ms.saturating_sub(since_ms),
        }
    }
}
