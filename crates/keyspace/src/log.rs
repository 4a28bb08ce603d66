//! Where a mutation leaves its inverse.

/// A sink for the inverses of the primitives that were applied, in the order of their application.
///
/// A primitive calls [`record`](Log::record) once for each of its steps. Replaying the inverses backwards restores the
/// state before, including iteration order and encoding. The inverse is only built if the log wants it, and what the
/// mutation displaced is moved into it, never copied.
pub trait Log<U> {
    /// Takes the inverse of a step that is being made.
    fn record(&mut self, inverse: impl FnOnce() -> U);

    /// A view of this log that takes inverses of one part of a larger thing.
    fn map<V, W: Fn(V) -> U>(&mut self, wrap: W) -> Mapped<'_, Self, W>
    where
        Self: Sized,
    {
        Mapped { log: self, wrap }
    }
}

/// The log of those who never roll back.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl<U> Log<U> for NoLog {
    fn record(&mut self, _: impl FnOnce() -> U) {}
}

impl<U> Log<U> for Vec<U> {
    fn record(&mut self, inverse: impl FnOnce() -> U) {
        self.push(inverse());
    }
}

/// See [`Log::map`].
#[derive(Debug)]
pub struct Mapped<'a, L, W> {
    log: &'a mut L,
    wrap: W,
}

impl<U, V, W: Fn(V) -> U, L: Log<U>> Log<V> for Mapped<'_, L, W> {
    #[inline]
    fn record(&mut self, inverse: impl FnOnce() -> V) {
        let wrap = &self.wrap;
        self.log.record(|| wrap(inverse()));
    }
}
