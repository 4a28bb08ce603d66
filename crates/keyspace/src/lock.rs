//! One shard's lock: a compare-and-swap when it is free, a short spin when it is held for a moment, and an
//! asynchronous FIFO queue when it is held for long. A thread is never blocked.
//!
//! Commands hold a shard for a few hundred nanoseconds, scripts for up to seconds. A release frees the lock and wakes the
//! first waiter; whoever passes by may take it before that one is awake, so that short holders do not pay for the sleep
//! of others. A waiter that was woken and could not get it is handed it at the next release, so nobody starves.
//!
//! # Releasing without a locked instruction
//! A locked instruction waits for every load before it, and what comes before a release is the way to the key, one cache
//! miss after the other. So [`ShardLock::unlock`] is two plain instructions: it stores [`FREE`], then looks whether the
//! lock is `wanted`. The processor may do them in the other order, and a waiter that comes in between would be missed. So
//! the first waiter of a queue makes every core pass a barrier after it has said that it wants the lock, and before it
//! looks again whether it is free: a release whose look came too early has then been stored for all to see.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::barrier;

const FREE: u8 = 0;
const LOCKED: u8 = 1;

/// About a microsecond: longer than a plain command holds a shard.
const SPINS: u32 = 40;

/// What a spin takes, and what a way through the queue, in microseconds: roughly, and of the processor alone.
const SPIN_US: u64 = 1;
const QUEUE_US: u64 = 5;

thread_local! {
    static LOST_US: Cell<u64> = const { Cell::new(0) };
}

/// Roughly how many microseconds of processor time this thread has lost so far since another held the shard that it wanted.
/// Who compares two moments learns whether its work is fought over.
pub fn lost_to_contention_us() -> u64 {
    LOST_US.get()
}

#[derive(Default)]
pub(crate) struct ShardLock {
    state: AtomicU8,
    /// Somebody is in the queue. Changes only under the queue's mutex.
    wanted: AtomicBool,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
}

#[derive(Default)]
struct Waiter {
    waker: Mutex<Option<Waker>>,
    granted: AtomicBool,
    /// It was woken, and others were faster.
    passed_over: AtomicBool,
}

impl ShardLock {
    /// Takes the lock if that needs no waiting.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.state.compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// As [`try_lock`](Self::try_lock), giving a short holder the time to leave.
    #[inline]
    pub(crate) fn try_lock_spinning(&self) -> bool {
        self.try_lock() || self.spin()
    }

    #[cold]
    fn spin(&self) -> bool {
        LOST_US.set(LOST_US.get() + SPIN_US);
        for _ in 0..SPINS {
            std::hint::spin_loop();
            if self.state.load(Ordering::Relaxed) == FREE && self.try_lock() {
                return true;
            }
        }
        false
    }

    /// Waits for the lock in order of arrival. Dropping the future gives up the place (or the lock, if it was granted).
    pub(crate) fn lock(&self) -> Lock<'_> {
        Lock { lock: self, waiter: None }
    }

    /// Releases the lock; the caller must hold it.
    #[inline]
    pub(crate) fn unlock(&self) {
        if self.wanted.load(Ordering::Relaxed) {
            return self.release_to_queue();
        }
        self.state.store(FREE, Ordering::Release);
        barrier::light();
        if self.wanted.load(Ordering::Relaxed) {
            self.wake_first();
        }
    }

    /// Hands the lock to the first waiter if it was passed over before.
    #[cold]
    fn release_to_queue(&self) {
        let mut queue = self.queue.lock();
        let Some(front) = queue.front().cloned() else {
            self.wanted.store(false, Ordering::Relaxed);
            self.state.store(FREE, Ordering::Release);
            return;
        };
        if front.passed_over.load(Ordering::Relaxed) {
            self.pop_front(&mut queue);
            front.granted.store(true, Ordering::Release);
        } else {
            self.state.store(FREE, Ordering::Release);
        }
        drop(queue);
        front.wake();
    }

    fn pop_front(&self, queue: &mut VecDeque<Arc<Waiter>>) {
        queue.pop_front();
        self.wanted.store(!queue.is_empty(), Ordering::Relaxed);
    }

    /// The first waiter has the lock.
    fn take_from_queue(&self, first: &Arc<Waiter>) {
        let mut queue = self.queue.lock();
        debug_assert!(
            queue.front().is_some_and(|front| Arc::ptr_eq(front, first)),
            "only the first is woken"
        );
        self.pop_front(&mut queue);
    }

    /// The lock was released, and somebody came meanwhile.
    #[cold]
    fn wake_first(&self) {
        let front = self.queue.lock().front().cloned();
        if let Some(front) = front {
            front.wake();
        }
    }
}

impl Waiter {
    fn was_woken(&self) -> bool {
        self.waker.lock().is_none()
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }
}

/// The future that [`ShardLock::lock`] returns.
pub(crate) struct Lock<'l> {
    lock: &'l ShardLock,
    waiter: Option<Arc<Waiter>>,
}

impl Future for Lock<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let lock = self.lock;
        match &self.waiter {
            None if lock.try_lock() => return Poll::Ready(()),
            Some(waiter) if waiter.was_woken() && !waiter.granted.load(Ordering::Acquire) => {
                if lock.try_lock_spinning() {
                    lock.take_from_queue(waiter);
                    self.waiter = None;
                    return Poll::Ready(());
                }
                waiter.passed_over.store(true, Ordering::Relaxed);
            }
            None | Some(_) => {}
        }
        let mut queue = lock.queue.lock();
        let waiter = self.waiter.get_or_insert_with(|| {
            LOST_US.set(LOST_US.get() + QUEUE_US);
            let waiter = Arc::new(Waiter::default());
            queue.push_back(waiter.clone());
            waiter
        });
        *waiter.waker.lock() = Some(context.waker().clone());
        let granted = waiter.granted.load(Ordering::Acquire);
        let is_front = queue.front().is_some_and(|front| Arc::ptr_eq(front, waiter));
        if !granted {
            if !lock.wanted.swap(true, Ordering::Relaxed) {
                barrier::heavy();
            }
            if !is_front || !lock.try_lock() {
                return Poll::Pending;
            }
            lock.pop_front(&mut queue);
        }
        drop(queue);
        self.waiter = None;
        Poll::Ready(())
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut queue = self.lock.queue.lock();
        if waiter.granted.load(Ordering::Acquire) {
            drop(queue);
            self.lock.unlock();
            return;
        }
        queue.retain(|other| !Arc::ptr_eq(other, &waiter));
        // The wake-up that this waiter may have swallowed belongs to the next one.
        let next = queue.front().cloned();
        drop(queue);
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicU64;

    /// Drives a future on this thread, parking it between wake-ups.
    fn block_on<F: Future>(future: F) -> F::Output {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut future = std::pin::pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            std::thread::park();
        }
    }

    #[test]
    fn excludes_and_loses_no_wake_up() {
        const ROUNDS: u64 = if cfg!(miri) { 100 } else { 5_000 };
        barrier::prepare();
        let lock = ShardLock::default();
        let (inside, total) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (lock, inside, total) = (&lock, &inside, &total);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        if (worker + round) % 3 == 0 && lock.try_lock_spinning() {
                        } else {
                            block_on(lock.lock());
                        }
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        total.fetch_add(1, Ordering::Relaxed);
                        if round % 64 == 0 {
                            std::thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        lock.unlock();
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * ROUNDS);
        assert!(lock.try_lock());
    }

    #[test]
    fn grants_in_order_of_arrival_and_passes_on_a_dropped_place() {
        let lock = ShardLock::default();
        assert!(lock.try_lock());
        let (mut first, mut second, mut third) = (lock.lock(), lock.lock(), lock.lock());
        block_on(poll_fn(|context| {
            for waiting in [&mut first, &mut second, &mut third] {
                assert!(Pin::new(waiting).poll(context).is_pending());
            }
            Poll::Ready(())
        }));
        drop(first);
        lock.unlock();
        block_on(poll_fn(|context| {
            assert!(Pin::new(&mut third).poll(context).is_pending());
            assert!(Pin::new(&mut second).poll(context).is_ready());
            Poll::Ready(())
        }));
        assert!(!lock.try_lock());
        lock.unlock();
        block_on(third);
        lock.unlock();
        assert!(lock.try_lock());
    }

    #[test]
    fn hands_over_to_a_waiter_that_was_awake_and_lost() {
        let lock = ShardLock::default();
        assert!(lock.try_lock());
        let mut waiting = lock.lock();
        let poll = |waiting: &mut Lock<'_>| {
            Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        assert!(!poll(&mut waiting));
        for _ in 0..3 {
            lock.unlock();
            assert!(lock.try_lock(), "while it sleeps, passers-by may take it");
        }
        assert!(!poll(&mut waiting));
        lock.unlock();
        assert!(!lock.try_lock(), "now it is handed over");
        assert!(poll(&mut waiting));
    }

    #[test]
    fn tells_what_was_lost_by_waiting() {
        let lock = ShardLock::default();
        let before = lost_to_contention_us();
        assert!(lock.try_lock_spinning());
        assert_eq!(lost_to_contention_us(), before);
        assert!(!lock.try_lock_spinning());
        assert_eq!(lost_to_contention_us(), before + SPIN_US);
        let mut waiting = lock.lock();
        for _ in 0..2 {
            assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(lost_to_contention_us(), before + SPIN_US + QUEUE_US);
        }
    }
}
