//! How long a run takes that is not over in one slice.

use super::LocalScript;
use crate::engine::Env;

/// The time that the request under way has spent in earlier slices, and waiting. All in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunTimes {
    /// When its first slice began, in the worker's ticks; set with the end of that slice.
    began_ns: Option<u64>,
    /// What its slices took.
    spent_ns: u64,
    /// How long it has waited for its locks.
    pub(crate) waited_ns: u64,
}

impl RunTimes {
    /// A slice has ended, and another will follow.
    pub(crate) fn end_slice(&mut self, env: Env<'_>) {
        let lap_ns = env.worker.lap_ns();
        let began_ns = env.worker.last_tick_ns.get().saturating_sub(lap_ns);
        self.began_ns.get_or_insert(began_ns);
        self.spent_ns += lap_ns;
    }

    /// Whether the run has taken more than one slice.
    #[inline]
    pub(crate) fn is_sliced(&self) -> bool {
        self.began_ns.is_some()
    }

    /// The run is undone and begins again.
    pub(crate) fn restart(&mut self) {
        *self = RunTimes { waited_ns: self.waited_ns, ..RunTimes::default() };
    }

    /// Counts a run whose last slice took `lap_ns` and has just ended. Returns how long the processor was busy with it.
    #[inline]
    pub(crate) fn count(&mut self, script: &LocalScript, lap_ns: u64, now_ns: u64) -> u64 {
        let cpu_ns = self.spent_ns + lap_ns;
        let run_ns = self.began_ns.map_or(lap_ns, |began_ns| now_ns.saturating_sub(began_ns));
        script.figures.count_run(run_ns, cpu_ns, self.waited_ns);
        *self = RunTimes::default();
        cpu_ns
    }
}
