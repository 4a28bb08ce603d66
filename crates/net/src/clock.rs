//! The system's time and tokio's timers, as the engine wants them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perigee_commands::{Clock, Sleep, Timer};

use crate::turns::Turns;

/// The processor's counter, set by the wall clock ten times a second.
pub struct SystemClock {
    counter: quanta::Clock,
    origin: u64,
    /// What the counter and the wall clock showed when they were last compared, in nanoseconds.
    compared: Cell<(u64, u64)>,
}

const COMPARE_EVERY_NS: u64 = 100_000_000;

impl Default for SystemClock {
    fn default() -> Self {
        let counter = quanta::Clock::new();
        let origin = counter.raw();
        SystemClock { counter, origin, compared: Cell::new((0, since_epoch_ns())) }
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
