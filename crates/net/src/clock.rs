//! The system's time and tokio's timers, as the engine wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perigee_commands::{Clock, Sleep, Timer};

/// The wall clock, and the processor's counter for durations.
pub struct SystemClock {
    counter: quanta::Clock,
    origin: u64,
}

impl Default for SystemClock {
    fn default() -> Self {
        let counter = quanta::Clock::new();
        let origin = counter.raw();
        SystemClock { counter, origin }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        since_epoch().as_millis() as u64
    }

    fn now_us(&self) -> u64 {
        since_epoch().as_micros() as u64
    }

    fn ticks_ns(&self) -> u64 {
        self.counter.delta_as_nanos(self.origin, self.counter.raw())
    }
}

/// Timers of the worker's runtime.
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep_ms(&self, ms: u64) -> Sleep {
        // Beyond some centuries tokio's arithmetic would overflow.
        Box::pin(tokio::time::sleep(Duration::from_millis(ms.min(1 << 43))))
    }

    fn yield_now(&self) -> Sleep {
        Box::pin(tokio::task::yield_now())
    }
}
