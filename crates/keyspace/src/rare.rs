//! What most owners do not have, in a box of its own: to have none costs one comparison when the owner is dropped.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

/// An `Option<Box<T>>` whose drop is one comparison where it is `None`. That of `Option` itself is a function call, since
/// it holds all that dropping a `T` needs.
#[derive(Debug)]
pub struct Rare<T>(ManuallyDrop<Option<Box<T>>>);

impl<T> Rare<T> {
    /// Nothing.
    #[inline]
    pub const fn none() -> Self {
        Rare(ManuallyDrop::new(None))
    }
}

impl<T> Default for Rare<T> {
    #[inline]
    fn default() -> Self {
        Self::none()
    }
}

impl<T: Clone> Clone for Rare<T> {
    fn clone(&self) -> Self {
        Rare(self.0.clone())
    }
}

impl<T> From<Box<T>> for Rare<T> {
    fn from(value: Box<T>) -> Self {
        Rare(ManuallyDrop::new(Some(value)))
    }
}

impl<T> Deref for Rare<T> {
    type Target = Option<Box<T>>;

    #[inline]
    fn deref(&self) -> &Option<Box<T>> {
        &self.0
    }
}

impl<T> DerefMut for Rare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<Box<T>> {
        &mut self.0
    }
}

impl<T> Drop for Rare<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            discard(self.0.take());
        }
    }
}

#[inline(never)]
fn discard<T>(value: Option<Box<T>>) {
    drop(value);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_it_has_is_dropped_once() {
        let shared = Rc::new(());
        let mut rare = Rare::from(Box::new(shared.clone()));
        assert_eq!(Rc::strong_count(&shared), 2);
        *rare = Some(Box::new(shared.clone()));
        assert_eq!(Rc::strong_count(&shared), 2);
        let copy = rare.clone();
        assert_eq!(Rc::strong_count(&shared), 3);
        drop(copy);
        drop(rare);
        assert_eq!(Rc::strong_count(&shared), 1);
        drop(Rare::<Rc<()>>::none());
    }
}
