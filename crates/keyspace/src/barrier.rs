//! A memory barrier whose frequent side costs nothing: the rare side makes every core of the process pass one.
//!
//! A thread that stores `a` and then loads `b` around [`light`], and one that stores `b` and then loads `a` around
//! [`heavy`], cannot both miss the other's store. On Linux `light` is no instruction, and `heavy` is `membarrier(2)`;
//! where the system has no such thing, both are full fences.

use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

/// The system makes all cores pass a barrier on demand. Never false again once it is true.
static ON_DEMAND: AtomicBool = AtomicBool::new(false);

/// Asks the system for its help. To be called before any data that needs barriers is shared between threads.
pub(crate) fn prepare() {
    if system::register() {
        ON_DEMAND.store(true, Ordering::SeqCst);
    }
}

/// Between a store and a load, where it must cost nothing.
#[inline]
pub(crate) fn light() {
    if ON_DEMAND.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Between a store and a load, where it may cost some microseconds.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if ON_DEMAND.load(Ordering::Relaxed) {
        system::pass_everywhere();
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use rustix::thread::{MembarrierCommand, membarrier};

    pub(super) fn register() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    pub(super) fn pass_everywhere() {
        membarrier(MembarrierCommand::PrivateExpedited).expect("the process has registered");
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn pass_everywhere() {}
}
