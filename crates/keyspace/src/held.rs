//! Shards and the right to touch them. Unsafe.
//!
//! A shard's data is reachable only through a [`Held`] that holds the shard's lock: shared through `&Held`, exclusive
//! through `&mut Held`. Locks are waited for in ascending order; out of order they are only tried. So nobody deadlocks.
#![allow(unsafe_code, reason = "shards behind their locks")]

use std::cell::UnsafeCell;

use smallvec::SmallVec;

use crate::lock::ShardLock;
use crate::rare::Rare;
use crate::shard::ShardData;

/// A shard and its lock, on cache lines of its own.
#[repr(align(64))]
#[derive(Default)]
pub(crate) struct Shard {
    lock: ShardLock,
    data: UnsafeCell<ShardData>,
}

// SAFETY: `data` is only reached through a `Held` that holds `lock`, so at most one thread at a time sees it, and
// everything in it may move between threads (`ShardData: Send`, checked below).
unsafe impl Sync for Shard {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<ShardData>();
};

/// The shards that a transaction will touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Footprint {
    /// None: the command looks at no key.
    #[default]
    None,
    /// Exactly one: most commands.
    One(u16),
    /// Several, in ascending order and without repetition.
    Several(SmallVec<[u16; 8]>),
    /// Every shard.
    All,
}

impl Footprint {
    /// Adds a shard.
    pub fn add(&mut self, shard: u16) {
        match self {
            Footprint::None => *self = Footprint::One(shard),
            Footprint::One(only) if *only == shard => {}
            Footprint::One(only) => {
                let only = *only;
                *self = Footprint::Several(SmallVec::from_slice(&[only.min(shard), only.max(shard)]));
            }
            Footprint::Several(shards) => {
                if let Err(at) = shards.binary_search(&shard) {
                    shards.insert(at, shard);
                }
            }
            Footprint::All => {}
        }
    }

    /// Adds all that another footprint has.
    pub fn merge(&mut self, other: &Footprint) {
        match other {
            Footprint::None => {}
            Footprint::One(shard) => self.add(*shard),
            Footprint::Several(shards) => shards.iter().for_each(|&shard| self.add(shard)),
            Footprint::All => *self = Footprint::All,
        }
    }
}

/// Locked shards; dropping it releases them.
///
/// The usual one is all numbers, which stay in registers until they lie where the transaction lies: an enum of these cases
/// would be put together in memory, and moved by reading as a whole what was just written in parts.
pub(crate) struct Held<'k> {
    shards: &'k [Shard],
    /// Just this one.
    only: Option<u16>,
    /// Or these.
    more: Rare<Several>,
}

enum Several {
    /// The first so many: the way to all of them.
    Prefix(usize),
    /// These, in no order.
    Listed(SmallVec<[u16; 8]>),
}

impl<'k> Held<'k> {
    /// Holds nothing yet.
    #[inline(always)]
    pub(crate) fn none(shards: &'k [Shard]) -> Self {
        Held { shards, only: None, more: Rare::none() }
    }

    /// Locks the footprint if that needs no waiting.
    #[inline(always)]
    pub(crate) fn try_acquire(shards: &'k [Shard], footprint: &Footprint) -> Option<Self> {
        if let Footprint::One(shard) = footprint {
            let taken = shards[usize::from(*shard)].lock.try_lock_spinning();
            // Lazily: a Held that is made releases its locks.
            return taken.then(|| Held { shards, only: Some(*shard), more: Rare::none() });
        }
        Held::try_acquire_several(shards, footprint)
    }

    #[inline(never)]
    fn try_acquire_several(shards: &'k [Shard], footprint: &Footprint) -> Option<Self> {
        let mut held = Held::none(shards);
        let all = match footprint {
            Footprint::None => true,
            Footprint::One(shard) => held.try_extend(*shard),
            Footprint::Several(list) => list.iter().all(|&shard| held.try_extend(shard)),
            Footprint::All => {
                let prefix = held.prefix();
                shards.iter().all(|shard| {
                    let taken = shard.lock.try_lock_spinning();
                    *prefix += usize::from(taken);
                    taken
                })
            }
        };
        all.then_some(held)
    }

    /// Locks the footprint, waiting in order of arrival where a shard is taken.
    pub(crate) async fn acquire(shards: &'k [Shard], footprint: &Footprint) -> Self {
        let mut held = Held::none(shards);
        match footprint {
            Footprint::None => {}
            Footprint::One(shard) => held.wait_for(*shard).await,
            Footprint::Several(list) => {
                for &shard in list {
                    held.wait_for(shard).await;
                }
            }
            Footprint::All => {
                let prefix = held.prefix();
                for shard in shards {
                    shard.lock.lock().await;
                    *prefix += 1;
                }
            }
        }
        held
    }

    async fn wait_for(&mut self, shard: u16) {
        self.shards[usize::from(shard)].lock.lock().await;
        self.list(shard);
    }

    /// Locks one more shard if that needs no waiting.
    #[inline]
    pub(crate) fn try_extend(&mut self, shard: u16) -> bool {
        if self.holds(shard) {
            return true;
        }
        let taken = self.shards[usize::from(shard)].lock.try_lock_spinning();
        if taken {
            self.list(shard);
        }
        taken
    }

    /// Locks every shard if that needs no waiting.
    pub(crate) fn try_extend_all(&mut self) -> bool {
        if self.holds_all() {
            return true;
        }
        let all = (0..self.shards.len()).all(|shard| self.try_extend(shard as u16));
        if all {
            self.only = None;
            *self.prefix() = self.shards.len();
        }
        all
    }

    #[inline(always)]
    pub(crate) fn holds(&self, shard: u16) -> bool {
        self.only == Some(shard) || self.more.is_some() && self.holds_among(shard)
    }

    #[inline(never)]
    fn holds_among(&self, shard: u16) -> bool {
        match self.more.as_deref() {
            None => false,
            Some(Several::Prefix(count)) => usize::from(shard) < *count,
            Some(Several::Listed(list)) => list.contains(&shard),
        }
    }

    pub(crate) fn footprint(&self) -> Footprint {
        let mut footprint = self.only.map_or(Footprint::None, Footprint::One);
        match self.more.as_deref() {
            None => {}
            Some(Several::Prefix(count)) if *count == self.shards.len() => footprint = Footprint::All,
            Some(Several::Prefix(count)) => (0..*count as u16).for_each(|shard| footprint.add(shard)),
            Some(Several::Listed(list)) => list.iter().for_each(|&shard| footprint.add(shard)),
        }
        footprint
    }

    #[inline]
    pub(crate) fn holds_all(&self) -> bool {
        matches!(self.more.as_deref(), Some(Several::Prefix(count)) if *count == self.shards.len())
    }

    /// A held shard.
    ///
    /// # Panics
    /// If it is not held: the caller's footprint was wrong, and reading on would be a race.
    #[inline]
    pub(crate) fn shard(&self, shard: u16) -> &ShardData {
        assert!(self.holds(shard), "shard {shard} is not part of the transaction");
        // SAFETY: this Held holds the shard's lock, and only a Held reaches the data; `&self` keeps `shard_mut` of
        // this same Held away.
        unsafe { &*self.shards[usize::from(shard)].data.get() }
    }

    /// A held shard, to be changed. Panics as [`shard`](Self::shard) does.
    #[inline]
    pub(crate) fn shard_mut(&mut self, shard: u16) -> &mut ShardData {
        assert!(self.holds(shard), "shard {shard} is not part of the transaction");
        // SAFETY: as in `shard`; `&mut self` makes this the only reference.
        unsafe { &mut *self.shards[usize::from(shard)].data.get() }
    }

    fn list(&mut self, shard: u16) {
        match (self.only.take(), self.more.as_deref_mut()) {
            (None, None) => self.only = Some(shard),
            (Some(only), _) => {
                *self.more = Some(Box::new(Several::Listed(SmallVec::from_slice(&[only, shard]))));
            }
            (None, Some(Several::Listed(list))) => list.push(shard),
            (None, Some(Several::Prefix(_))) => unreachable!("all shards are taken in order"),
        }
    }

    /// From now on so many shards are held, from the first one on.
    fn prefix(&mut self) -> &mut usize {
        match &mut **self.more.insert(Box::new(Several::Prefix(0))) {
            Several::Prefix(count) => count,
            Several::Listed(_) => unreachable!("just made"),
        }
    }

    #[inline(never)]
    fn release_several(&mut self) {
        match self.more.as_deref() {
            None => {}
            Some(Several::Prefix(count)) => {
                self.shards[..*count].iter().for_each(|shard| shard.lock.unlock());
            }
            Some(Several::Listed(list)) => {
                list.iter().for_each(|&shard| self.shards[usize::from(shard)].lock.unlock());
            }
        }
    }
}

impl Drop for Held<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(only) = self.only {
            self.shards[usize::from(only)].lock.unlock();
        } else if self.more.is_some() {
            self.release_several();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards() -> Vec<Shard> {
        (0..8).map(|_| Shard::default()).collect()
    }

    #[test]
    fn a_refused_footprint_releases_only_what_it_took() {
        let shards = shards();
        let holder = Held::try_acquire(&shards, &Footprint::One(3)).unwrap();
        let mut several = Footprint::One(2);
        several.add(3);
        for footprint in [Footprint::One(3), several, Footprint::All] {
            assert!(Held::try_acquire(&shards, &footprint).is_none());
            assert!(Held::try_acquire(&shards, &Footprint::One(3)).is_none(), "{footprint:?} let go of it");
            assert!(Held::try_acquire(&shards, &Footprint::One(2)).is_some());
        }
        drop(holder);
        assert!(Held::try_acquire(&shards, &Footprint::All).is_some());
    }

    #[test]
    fn extending_holds_more_and_releases_all() {
        let shards = shards();
        let mut held = Held::try_acquire(&shards, &Footprint::One(5)).unwrap();
        assert!(held.try_extend(1) && held.holds(1) && held.holds(5) && !held.holds(2));
        assert!(held.try_extend_all() && held.holds_all());
        drop(held);
        assert!(Held::try_acquire(&shards, &Footprint::All).is_some());
    }
}
