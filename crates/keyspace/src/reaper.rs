//! Frees what is large away from the transaction that let go of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

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
    thread: Mutex<Option<Sender<Garbage>>>,
    let_go_bytes: AtomicU64,
    freed_bytes: Arc<AtomicU64>,
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
        let mut thread = self.thread.lock();
        let sender = thread.get_or_insert_with(|| {
            let (sender, receiver) = channel::<Garbage>();
            let freed_bytes = self.freed_bytes.clone();
            let free = move |(garbage, bytes): Garbage| {
                drop(garbage);
                freed_bytes.fetch_add(bytes, Ordering::Release);
            };
            let spawned = std::thread::Builder::new()
                .name("perigee-reaper".into())
                .spawn(move || receiver.into_iter().for_each(free));
            drop(spawned);
            sender
        });
        if let Err(unsent) = sender.send((Box::new(garbage), bytes)) {
            // There is no thread.
            drop(unsent);
            self.freed_bytes.fetch_add(bytes, Ordering::Release);
        }
    }
}
