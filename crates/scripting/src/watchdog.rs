//! The watchdog: notices that a script's slice is over, and interrupts the worker.
//!
//! A run announces itself by making a counter odd, and its end by making it even again; a run that the watchdog finds
//! twice at the same count has had its slice. So a short script costs two stores and never meets the hook. The
//! interruption is a signal to the worker's thread (SIGURG, which nobody else uses and which is ignored by default), so
//! that the hook is set on the thread that the VM runs on.
#![allow(unsafe_code, reason = "signals to a thread, and their handler")]
#![allow(clippy::disallowed_methods, reason = "a thread of its own, which may sleep")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::lua::on_signal;

/// How often the watchdog looks. A slice ends at the second look that finds it: a slice follows the end of another at once, hence a
/// look, so that most last for two of these.
const LOOK: Duration = Duration::from_micros(500);
/// Idle looks before the watchdog sleeps until it is called.
const PATIENCE: u32 = 128;

/// What worker and watchdog share.
#[derive(Default)]
pub(crate) struct Pulse {
    /// Odd while a slice runs.
    count: AtomicU64,
    /// The count of the slice that is over.
    over: AtomicU64,
    asleep: AtomicBool,
    ended: AtomicBool,
    /// The running script is profiled: it is interrupted at every look.
    sampling: AtomicBool,
    /// A sample is due.
    tick: AtomicBool,
}

impl Pulse {
    /// Whether the running script is to be interrupted at every look, for a sample.
    pub(crate) fn sample(&self, wanted: bool) {
        self.sampling.store(wanted, Ordering::Relaxed);
    }

    /// Whether a sample is due; once for each look.
    pub(crate) fn take_tick(&self) -> bool {
        self.tick.swap(false, Ordering::Relaxed)
    }

    /// Whether the running slice is the one that the watchdog has found over. A hook that comes late finds another.
    pub(crate) fn is_slice_over(&self) -> bool {
        self.over.load(Ordering::Acquire) == self.count.load(Ordering::Relaxed)
    }
}

/// A worker's watchdog; it ends when this is dropped.
pub(crate) struct Watchdog {
    pub(crate) pulse: Arc<Pulse>,
    thread: Thread,
    join: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches the calling thread.
    pub(crate) fn start() -> Self {
        install_handler();
        let pulse = Arc::new(Pulse::default());
        // SAFETY: always valid.
        let worker = unsafe { libc::pthread_self() };
        let watched = pulse.clone();
        let join = std::thread::Builder::new()
            .name("perigee-watchdog".into())
            .spawn(move || watch(&watched, worker))
            .expect("a server without a watchdog must not run scripts");
        Watchdog { pulse, thread: join.thread().clone(), join: Some(join) }
    }

    /// A slice begins.
    #[inline]
    pub(crate) fn begin(&self) {
        let count = self.pulse.count.load(Ordering::Relaxed);
        self.pulse.count.store(count + 1, Ordering::SeqCst);
        if self.pulse.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// The slice has ended.
    #[inline]
    pub(crate) fn end(&self) {
        let count = self.pulse.count.load(Ordering::Relaxed);
        self.pulse.count.store(count + 1, Ordering::Release);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pulse.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(join) = self.join.take() {
            // It never panics; and if it did, there is nothing to mend here.
            drop(join.join());
        }
    }
}

fn watch(pulse: &Pulse, worker: libc::pthread_t) {
    let (mut last, mut idle) = (0, 0);
    while !pulse.ended.load(Ordering::SeqCst) {
        let count = pulse.count.load(Ordering::SeqCst);
        idle = if count == last && count.is_multiple_of(2) { idle + 1 } else { 0 };
        let sampling = pulse.sampling.load(Ordering::Relaxed);
        if count % 2 == 1 && (count == last || sampling) {
            if count == last {
                pulse.over.store(count, Ordering::Release);
            }
            pulse.tick.store(sampling, Ordering::Relaxed);
            // SAFETY: the worker owns the watchdog and joins it before its thread ends.
            unsafe { libc::pthread_kill(worker, libc::SIGURG) };
        }
        last = count;
        if idle > PATIENCE {
            pulse.asleep.store(true, Ordering::SeqCst);
            if pulse.count.load(Ordering::SeqCst) == last && !pulse.ended.load(Ordering::SeqCst) {
                std::thread::park();
            }
            pulse.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        } else {
            std::thread::sleep(LOOK);
        }
    }
}

fn install_handler() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: a plain handler that reads a thread-local without a destructor and sets a hook.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
        }
    });
}
