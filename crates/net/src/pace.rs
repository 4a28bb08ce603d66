//! How often a worker looks at its sockets.
//!
//! With many busy connections, each request that finds its worker asleep costs a wake-up, which is dearer than the
//! request. So when at least [`BUSY`] connections were active within a millisecond, the worker rests for a moment
//! before it looks again, and finds several requests at once. With few connections it never does: nobody's round trip
//! grows while the machine is idle.

use std::cell::Cell;
use std::time::Duration;

/// Connections that must have been active within a millisecond.
const BUSY: u32 = 8;
/// The system rounds this up to some fifty microseconds.
const REST: Duration = Duration::from_nanos(1);

#[derive(Clone, Copy, Default)]
struct Window {
    ms: u64,
    active: u32,
    /// Active connections in the millisecond before.
    before: u32,
}

thread_local! {
    static WINDOW: Cell<Window> = const { Cell::new(Window { ms: 0, active: 0, before: 0 }) };
}

/// Notes that a connection was active; `last_ms` is the connection's own memory of it.
#[inline]
pub(crate) fn note(now_ms: u64, last_ms: &mut u64) {
    let mut window = WINDOW.get();
    if window.ms != now_ms {
        let before = if window.ms + 1 == now_ms { window.active } else { 0 };
        window = Window { ms: now_ms, active: 0, before };
    }
    window.active += u32::from(*last_ms != now_ms);
    *last_ms = now_ms;
    WINDOW.set(window);
}

/// Called when the worker has nothing left to do, before it sleeps until something comes.
pub(crate) fn before_sleep() {
    let window = WINDOW.get();
    if window.before.max(window.active) >= BUSY {
        // If nothing comes meanwhile the next look finds nothing, and the worker sleeps for good.
        WINDOW.set(Window::default());
        std::thread::sleep(REST);
    }
}
