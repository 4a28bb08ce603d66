//! Rates and peaks: what INFO knows of the last second and a half, and of the highest memory use.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::engine::Engine;

/// So many samples make a rate.
const KEPT: usize = 16;

/// Totals at a moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
}

impl Totals {
    /// The sums over all workers.
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut totals = Totals::default();
        for worker in engine.worker_stats() {
            totals.commands += worker.commands.iter().map(|command| command.calls.value()).sum::<u64>();
            totals.input_bytes += worker.input_bytes.value();
            totals.output_bytes += worker.output_bytes.value();
        }
        totals
    }

    fn per_second(self, earlier: Totals, ms: u64) -> Totals {
        // After CONFIG RESETSTAT the earlier total may be the greater one.
        let rate = |now: u64, before: u64| now.saturating_sub(before) * 1000 / ms.max(1);
        Totals {
            commands: rate(self.commands, earlier.commands),
            input_bytes: rate(self.input_bytes, earlier.input_bytes),
            output_bytes: rate(self.output_bytes, earlier.output_bytes),
        }
    }
}

/// The samples taken so far.
#[derive(Default)]
pub(crate) struct Samples {
    /// Oldest first.
    taken: Mutex<VecDeque<(u64, Totals)>>,
    peak_bytes: AtomicUsize,
    /// Memory in use at the first sample.
    startup_bytes: AtomicUsize,
}

impl Samples {
    pub(crate) fn take(&self, engine: &Engine, now_ms: u64) {
        let allocated = engine.process.allocator.used_bytes();
        self.note_memory(allocated);
        engine.memory.set_allocated(engine, allocated);
        // Only the first sample finds the 0.
        let _ = self.startup_bytes.compare_exchange(0, allocated, Ordering::Relaxed, Ordering::Relaxed);
        self.push(now_ms, Totals::of(engine));
    }

    fn push(&self, now_ms: u64, totals: Totals) {
        let mut taken = self.taken.lock();
        taken.push_back((now_ms, totals));
        if taken.len() > KEPT + 1 {
            taken.pop_front();
        }
    }

    /// Notes how much memory is in use. Returns the peak.
    pub(crate) fn note_memory(&self, allocated: usize) -> usize {
        self.peak_bytes.fetch_max(allocated, Ordering::Relaxed).max(allocated)
    }

    /// Has the peak start again from what is in use.
    pub(crate) fn reset_peak(&self, allocated: usize) {
        self.peak_bytes.store(allocated, Ordering::Relaxed);
    }

    pub(crate) fn startup_bytes(&self) -> usize {
        self.startup_bytes.load(Ordering::Relaxed)
    }

    /// What happened each second, lately.
    pub(crate) fn rates(&self) -> Totals {
        let taken = self.taken.lock();
        match (taken.front(), taken.back()) {
            (Some((from_ms, from)), Some((to_ms, to))) if to_ms > from_ms => {
                to.per_second(*from, to_ms - from_ms)
            }
            _ => Totals::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(commands: u64) -> Totals {
        Totals { commands, ..Totals::default() }
    }

    #[test]
    fn a_rate_is_that_of_the_last_samples() {
        let samples = Samples::default();
        assert_eq!(samples.rates().commands, 0);
        samples.push(1000, totals(0));
        for at in 1..=100 {
            samples.push(1000 + at * 100, totals(at * 50));
        }
        assert_eq!(samples.rates().commands, 500);
        for at in 101..=120 {
            samples.push(1000 + at * 100, totals(5000));
        }
        assert_eq!(samples.rates().commands, 0);
    }

    #[test]
    fn a_reset_is_no_negative_rate() {
        let samples = Samples::default();
        samples.push(0, totals(500));
        samples.push(100, totals(3));
        assert_eq!(samples.rates().commands, 0);
    }
}
