//! Frees what is large away from the transaction that let go of it.

use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;

use crate::value::Value;

/// A value with more elements than this is freed by the reaper.
const LARGE: usize = 64;

type Garbage = Box<dyn Send>;

/// A thread that drops what it is sent. It starts with the first garbage and ends with its keyspace.
#[derive(Default)]
pub(crate) struct Reaper {
    thread: Mutex<Option<Sender<Garbage>>>,
}

impl Reaper {
    /// Drops a value, here if it is small.
    #[inline]
    pub(crate) fn drop_value(&self, value: Value) {
        self.drop_weighing(value.weight(), value);
    }

    /// Drops anything that has so many elements or their like, here if that is few.
    #[inline]
    pub(crate) fn drop_weighing(&self, weight: usize, garbage: impl Send + 'static) {
        if weight > LARGE {
            self.drop_later(garbage);
        }
    }

    /// Drops anything, elsewhere.
    #[cold]
    pub(crate) fn drop_later(&self, garbage: impl Send + 'static) {
        let mut thread = self.thread.lock();
        let sender = thread.get_or_insert_with(|| {
            let (sender, receiver) = channel::<Garbage>();
            let spawned = std::thread::Builder::new()
                .name("perigee-reaper".into())
                .spawn(move || receiver.into_iter().for_each(drop));
            drop(spawned);
            sender
        });
        // Without a thread the send fails and the garbage is dropped here.
        drop(sender.send(Box::new(garbage)));
    }
}
