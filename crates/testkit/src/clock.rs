//! Time that passes when the test says so.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use perigee_commands::{Clock, Sleep, Timer};

/// A clock and the timer that belongs to it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now_ms: Rc<Cell<u64>>,
}

impl ManualClock {
    /// A clock that stands at so many milliseconds since the epoch.
    pub fn at_ms(now_ms: u64) -> Self {
        ManualClock { now_ms: Rc::new(Cell::new(now_ms)) }
    }

    /// Moves it on. Whoever sleeps notices when it is polled next.
    pub fn advance_ms(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
    fn now_us(&self) -> u64 {
        self.now_ms.get() * 1000
    }
    fn ticks_ns(&self) -> u64 {
        self.now_ms.get() * 1_000_000
    }
}

impl Timer for ManualClock {
    fn sleep_ms(&self, ms: u64) -> Sleep {
        let (now_ms, until) = (self.now_ms.clone(), self.now_ms.get().saturating_add(ms));
        Box::pin(poll_fn(move |_| if now_ms.get() >= until { Poll::Ready(()) } else { Poll::Pending }))
    }

    fn yield_now(&self) -> Sleep {
        let mut yielded = false;
        Box::pin(poll_fn(move |context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}
