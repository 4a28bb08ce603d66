//! Frees what is large away from the transaction that let go of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SendError, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::Entry;
use crate::value::Value;

/// A value with more elements than this is freed by the reaper.
const LARGE: usize = 64;
/// Elements from which the bytes of a value are estimated.
const SAMPLES: usize = 8;

/// What is to be dropped, and how many bytes that frees, about.
type Garbage = (Box<dyn Send>, u64);

/// A thread that drops what it is sent. It starts with the first garbage and ends with its keyspace.
#[derive(Default)]
pub(crate) struct Reaper {
    thread: Mutex<Option<Reaping>>,
    let_go_bytes: AtomicU64,
    freed_bytes: Arc<AtomicU64>,
}

/// The thread, if it could be started, and the way to it.
struct Reaping {
    sender: Sender<Garbage>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Reaper {
    /// Waits until everything is freed.
    fn drop(&mut self) {
        if let Some(Reaping { sender, thread }) = self.thread.get_mut().take() {
            drop(sender);
            let _only_fails_if_it_panicked = thread.map(JoinHandle::join);
        }
    }
}

impl Reaper {
    /// Drops a value, here if it is small.
    #[inline]
    pub(crate) fn drop_value(&self, value: Value) {
        if value.view().weight() > LARGE {
            self.drop_later(value.view().heap_bytes(SAMPLES), value);
        }
    }

    /// Drops a key with its value, here if that is small.
    #[inline]
    pub(crate) fn drop_entry(&self, entry: Entry) {
        if !entry.is_short() && entry.value().weight() > LARGE {
            self.drop_later(entry.value().heap_bytes(SAMPLES), entry);
        }
    }

    /// Drops anything that has so many elements or their like, here if that is few.
    #[inline]
    pub(crate) fn drop_weighing(&self, weight: usize, garbage: impl Send + 'static) {
        if weight > LARGE {
            self.drop_later(0, garbage);
        }
    }

    /// Drops all of these, each of about so many bytes, elsewhere.
    pub(crate) fn drop_all_later<T: Send + 'static>(&self, garbage: Vec<(T, usize)>) {
        let bytes = garbage.iter().map(|(_, bytes)| *bytes as u64).sum();
        self.let_go_bytes.fetch_add(bytes, Ordering::Release);
        self.send((Box::new(Batch { garbage, freed_bytes: self.freed_bytes.clone() }), 0));
    }

    /// Bytes that were let go of since the start, and those of them that are not freed yet.
    pub(crate) fn let_go_bytes(&self) -> (u64, u64) {
        // In this order: what is freed was let go of before.
        let freed = self.freed_bytes.load(Ordering::Acquire);
        let let_go = self.let_go_bytes.load(Ordering::Acquire);
        (let_go, let_go - freed)
    }

    /// Drops anything, of about so many bytes, elsewhere.
    #[cold]
    pub(crate) fn drop_later(&self, bytes: usize, garbage: impl Send + 'static) {
        let bytes = bytes as u64;
        self.let_go_bytes.fetch_add(bytes, Ordering::Release);
        self.send((Box::new(garbage), bytes));
    }

    fn send(&self, garbage: Garbage) {
        let mut thread = self.thread.lock();
        let reaping = thread.get_or_insert_with(|| {
            let (sender, receiver) = channel::<Garbage>();
            let freed_bytes = self.freed_bytes.clone();
            let free = move |(garbage, bytes): Garbage| {
                drop(garbage);
                freed_bytes.fetch_add(bytes, Ordering::Release);
            };
            let spawned = std::thread::Builder::new()
                .name("perigee-reaper".into())
                .spawn(move || receiver.into_iter().for_each(free));
            Reaping { sender, thread: spawned.ok() }
        });
        if let Err(SendError((garbage, bytes))) = reaping.sender.send(garbage) {
            // There is no thread.
            drop(garbage);
            self.freed_bytes.fetch_add(bytes, Ordering::Release);
        }
    }
}

/// Many things that are dropped one after the other, each with its bytes.
struct Batch<T> {
    garbage: Vec<(T, usize)>,
    freed_bytes: Arc<AtomicU64>,
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        for (garbage, bytes) in self.garbage.drain(..) {
            drop(garbage);
            self.freed_bytes.fetch_add(bytes as u64, Ordering::Release);
        }
    }
}
