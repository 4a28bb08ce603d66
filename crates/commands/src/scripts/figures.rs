//! What is counted of a script: by each worker for itself, added up when somebody asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::SlowestLine;
use crate::histogram::{Distribution, Histogram};
use crate::stats::Counter;

/// A script's figures on one worker, which alone writes them.
#[derive(Default)]
pub struct Figures {
    calls: Counter,
    redis_calls: Counter,
    cpu_ns: Counter,
    run_ns: Histogram,
    wait_ns: Histogram,
    kills: Counter,
    rollbacks: Counter,
    restarts: Counter,
    wide_runs: Counter,
    undeclared_keys: Counter,
    peak_bytes: Counter,
    failures: Mutex<Failures>,
    /// Of the run that has just ended.
    slowest_line: Mutex<Option<SlowestLine>>,
}

#[derive(Default)]
struct Failures {
    by_code: BTreeMap<String, u64>,
    last: Option<Failure>,
}

/// An error that has ended a run.
#[derive(Clone)]
pub struct Failure {
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
    /// As the client got it.
    pub text: Vec<u8>,
    /// Where: the innermost level first, a line each.
    pub traceback: Vec<String>,
}

/// Kinds of errors that are told apart; scripts can make up their own.
const KINDS: usize = 32;

impl Figures {
    /// Counts a run: its time from its first to its last slice, what of it the processor was busy with it, and how long
    /// it had waited for its locks. All in nanoseconds.
    #[inline]
    pub(crate) fn count_run(&self, run_ns: u64, cpu_ns: u64, wait_ns: u64) {
        self.calls.fetch_add(1);
        self.cpu_ns.fetch_add(cpu_ns);
        self.run_ns.record(run_ns);
        if wait_ns > 0 {
            self.wait_ns.record(wait_ns);
        }
    }

    /// Counts a command that the script runs.
    #[inline]
    pub(crate) fn count_redis_call(&self) {
        self.redis_calls.fetch_add(1);
    }

    /// Counts a command that touches keys that KEYS has not named.
    pub(crate) fn count_undeclared(&self) {
        self.undeclared_keys.fetch_add(1);
    }

    /// Counts a run that is undone to be run again with every shard.
    pub fn count_restart(&self) {
        self.restarts.fetch_add(1);
    }

    /// Counts a run that starts with every shard.
    pub(crate) fn count_wide_run(&self) {
        self.wide_runs.fetch_add(1);
    }

    /// Counts a run that somebody has stopped.
    pub fn count_kill(&self) {
        self.kills.fetch_add(1);
    }

    /// Counts a run whose changes are undone, for whatever reason but a restart.
    pub fn count_rollback(&self) {
        self.rollbacks.fetch_add(1);
    }

    /// Notes where the run that ends was at most.
    pub fn note_slowest_line(&self, slowest: Option<SlowestLine>) {
        *self.slowest_line.lock() = slowest;
    }

    /// Where the run that has just ended was at most, if it took several slices.
    pub(crate) fn take_slowest_line(&self) -> Option<SlowestLine> {
        self.slowest_line.lock().take()
    }

    /// Notes how much memory a run needed.
    #[inline]
    pub fn note_memory(&self, bytes: usize) {
        if bytes as u64 > self.peak_bytes.value() {
            self.peak_bytes.set(bytes as u64);
        }
    }

    /// Counts an error that has ended a run.
    pub fn count_failure(&self, failure: Failure) {
        let code = failure.text.split(|&byte| byte == b' ').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code).into_owned();
        let mut failures = self.failures.lock();
        let known = failures.by_code.len() < KINDS || failures.by_code.contains_key(&code);
        *failures.by_code.entry(if known { code } else { "others".into() }).or_default() += 1;
        failures.last = Some(failure);
    }

    fn reset(&self) {
        for counter in [
            &self.calls,
            &self.redis_calls,
            &self.cpu_ns,
            &self.kills,
            &self.rollbacks,
            &self.restarts,
            &self.wide_runs,
            &self.undeclared_keys,
            &self.peak_bytes,
        ] {
            counter.reset();
        }
        self.run_ns.reset();
        self.wait_ns.reset();
        *self.failures.lock() = Failures::default();
    }
}

/// A script's figures on every worker.
#[derive(Default)]
pub(crate) struct AllFigures(Mutex<Vec<Arc<Figures>>>);

impl AllFigures {
    /// Figures for the calling worker to write: those that another has left, or new ones.
    pub(super) fn join(&self) -> Arc<Figures> {
        let mut all = self.0.lock();
        if let Some(left) = all.iter().find(|figures| Arc::strong_count(figures) == 1) {
            return left.clone();
        }
        let figures = Arc::<Figures>::default();
        all.push(figures.clone());
        figures
    }

    pub(super) fn reset(&self) {
        self.0.lock().iter().for_each(|figures| figures.reset());
    }

    /// How often the script was run to its end.
    pub(super) fn calls(&self) -> u64 {
        self.0.lock().iter().map(|figures| figures.calls.value()).sum()
    }

    /// All of them together.
    pub(super) fn total(&self) -> Total {
        let all = self.0.lock();
        let sum = |counter: fn(&Figures) -> &Counter| all.iter().map(|one| counter(one).value()).sum();
        let calls = sum(|one| &one.calls);
        let mut errors = BTreeMap::new();
        let mut last_error: Option<Failure> = None;
        for one in all.iter() {
            let failures = one.failures.lock();
            for (code, count) in &failures.by_code {
                *errors.entry(code.clone()).or_default() += count;
            }
            let newer = |last: &&Failure| last_error.as_ref().is_none_or(|known| known.at_ms <= last.at_ms);
            if let Some(last) = failures.last.as_ref().filter(newer) {
                last_error = Some(last.clone());
            }
        }
        Total {
            calls,
            errors,
            kills: sum(|one| &one.kills),
            rollbacks: sum(|one| &one.rollbacks),
            restarts: sum(|one| &one.restarts),
            wide_runs: sum(|one| &one.wide_runs),
            undeclared_keys: sum(|one| &one.undeclared_keys),
            redis_calls: sum(|one| &one.redis_calls),
            cpu_ns: sum(|one| &one.cpu_ns),
            peak_bytes: all.iter().map(|one| one.peak_bytes.value()).max().unwrap_or(0),
            run_ns: Distribution::of(all.iter().map(|one| &one.run_ns), calls),
            wait_ns: Distribution::of(all.iter().map(|one| &one.wait_ns), calls),
            last_error,
        }
    }
}

/// The figures of all workers together.
pub(super) struct Total {
    pub(super) calls: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) kills: u64,
    pub(super) rollbacks: u64,
    pub(super) restarts: u64,
    pub(super) wide_runs: u64,
    pub(super) undeclared_keys: u64,
    pub(super) redis_calls: u64,
    pub(super) cpu_ns: u64,
    pub(super) peak_bytes: u64,
    pub(super) run_ns: Distribution,
    pub(super) wait_ns: Distribution,
    pub(super) last_error: Option<Failure>,
}
