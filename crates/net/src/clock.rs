//! The system's time and tokio's timers, as the engine wants them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perigee_commands::{Clock, Sleep, Timer};

use crate::turns::Turns;

/// The processor's counter, set by the wall clock ten times a second. The ticks of all clocks in the process are the same: a worker
/// tells by them how long a script of another one has run.
pub struct SystemClock {
    counter: quanta::Clock,
    origin: u64,
    /// What the counter and the wall clock showed when they were last compared, in nanoseconds.
    compared: Cell<(u64, u64)>,
}

const COMPARE_EVERY_NS: u64 = 100_000_000;

impl Default for SystemClock {
    fn default() -> Self {
        static ORIGIN: OnceLock<u64> = OnceLock::new();
        let counter = quanta::Clock::new();
        let origin = *ORIGIN.get_or_init(|| counter.raw());
        let ticks_ns = counter.delta_as_nanos(origin, counter.raw());
        SystemClock { counter, origin, compared: Cell::new((ticks_ns, since_epoch_ns())) }
    }
}

fn since_epoch_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

impl Clock for SystemClock {
    #[inline]
    fn now_ms(&self) -> u64 {
        self.now_ms_at(self.ticks_ns())
    }

    fn now_us(&self) -> u64 {
        since_epoch_ns() / 1_000
    }

    #[inline]
    fn ticks_ns(&self) -> u64 {
        self.counter.delta_as_nanos(self.origin, self.counter.raw())
    }

    #[inline]
    fn now_ms_at(&self, ticks_ns: u64) -> u64 {
        let (ticks, epoch) = self.compared.get();
        let since = ticks_ns.saturating_sub(ticks);
        if since < COMPARE_EVERY_NS {
            return (epoch + since) / 1_000_000;
        }
        let epoch = since_epoch_ns();
        self.compared.set((ticks_ns, epoch));
        epoch / 1_000_000
    }
}

/// Timers of the worker's runtime.
#[derive(Default)]
pub struct TokioTimer {
    turns: Rc<Turns>,
}

impl Timer for TokioTimer {
    fn sleep_ms(&self, ms: u64) -> Sleep {
        // Beyond some centuries tokio's arithmetic would overflow.
        Box::pin(tokio::time::sleep(Duration::from_millis(ms.min(1 << 43))))
    }

    fn yield_now(&self) -> Sleep {
        Box::pin(self.turns.clone().wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_clock_does_not_begin_at_nothing() {
        let first = SystemClock::default();
        while first.ticks_ns() < 1_000_000 {}
        let before = (first.ticks_ns(), first.now_ms());
        let second = SystemClock::default();
        let after = (second.ticks_ns(), second.now_ms());
        assert!(after >= before, "{after:?}, before it {before:?}");
    }
}
