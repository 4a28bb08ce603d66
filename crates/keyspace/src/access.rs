//! Which keys are used often, for those who evict the others: Redis's logarithmic counter with decay.
//!
//! A byte counts the uses of a key. It grows by chance, the less likely the higher it is, so that 255 stands for a
//! million uses or so, and it sinks with the minutes that pass without one. See "Using Redis as an LRU cache" in Redis's
//! documentation, whose parameters `lfu-log-factor` and `lfu-decay-time` these are.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Entry, Keyspace};

/// How uses are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lfu {
    /// The higher, the more uses make a step: `lfu-log-factor`.
    pub log_factor: u32,
    /// Minutes after which the counter sinks by one, 0 for never: `lfu-decay-time`.
    pub decay_minutes: u32,
}

/// What a new key is given, so that it is not the first to go.
const INITIAL: u8 = 5;

/// The second of a key's last use, and the count of its uses, which was brought up to date then.
pub(crate) type Uses = (u32, u8);

/// What a new key has.
pub(crate) fn first(now_ms: u64) -> Uses {
    (seconds(now_ms), INITIAL)
}

/// The count with what the time since has taken away.
pub(crate) fn decayed((since_s, count): Uses, now_ms: u64, lfu: Lfu) -> u8 {
    let minutes = (seconds(now_ms) / 60).saturating_sub(since_s / 60);
    let steps = minutes.checked_div(lfu.decay_minutes).unwrap_or(0);
    count.saturating_sub(steps.min(255) as u8)
}

/// The count with one use more.
pub(crate) fn counted(uses: Uses, now_ms: u64, lfu: Lfu, chances: &Chances) -> u8 {
    let count = decayed(uses, now_ms, lfu);
    let height = f64::from(count.saturating_sub(INITIAL));
    let grows = count < 255 && chances.next() < 1.0 / (height * f64::from(lfu.log_factor) + 1.0);
    count + u8::from(grows)
}

/// Wraps in the year 2106.
#[inline]
pub(crate) fn seconds(now_ms: u64) -> u32 {
    (now_ms / 1000) as u32
}

/// What using a key leaves on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touches {
    Nothing,
    Time,
    TimeAndCount,
}

impl Touches {
    #[inline]
    pub(crate) fn leave_on(self, entry: &Entry, now_ms: u64, keyspace: &Keyspace, chances: &Chances) {
        match self {
            Touches::Nothing => {}
            Touches::Time => entry.touch(now_ms),
            Touches::TimeAndCount => entry.count_use(now_ms, keyspace.lfu(), chances),
        }
    }
}

/// A sequence of numbers from 0 to 1, from a seed: a Weyl sequence through MurmurHash3's finalizer. Four bytes, which every
/// transaction carries.
pub(crate) struct Chances(Cell<u32>);

impl Chances {
    pub(crate) fn new(seed: u32) -> Self {
        Chances(Cell::new(seed))
    }

    fn next(&self) -> f64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9);
        self.0.set(state);
        let mixed = (state ^ (state >> 16)).wrapping_mul(0x85EB_CA6B);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
        f64::from(mixed ^ (mixed >> 16)) / f64::from(u32::MAX)
    }
}

/// [`Lfu`] that can be read while it is changed.
pub(crate) struct LfuCells([AtomicU32; 2]);

impl Default for LfuCells {
    fn default() -> Self {
        LfuCells([AtomicU32::new(10), AtomicU32::new(1)])
    }
}

impl LfuCells {
    #[inline]
    pub(crate) fn load(&self) -> Lfu {
        let [log_factor, decay_minutes] = self.0.each_ref().map(|cell| cell.load(Ordering::Relaxed));
        Lfu { log_factor, decay_minutes }
    }

    pub(crate) fn store(&self, lfu: Lfu) {
        self.0[0].store(lfu.log_factor, Ordering::Relaxed);
        self.0[1].store(lfu.decay_minutes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const LFU: Lfu = Lfu { log_factor: 10, decay_minutes: 1 };

    fn used(times: u32, lfu: Lfu) -> Uses {
        let chances = Chances::new(7);
        (0..times).fold(first(0), |uses, _| (0, counted(uses, 0, lfu, &chances)))
    }

    /// The table in Redis's documentation of `lfu-log-factor`, within what chance allows.
    #[test]
    #[cfg_attr(miri, ignore = "minutes of safe code")]
    fn the_count_is_logarithmic() {
        for (factor, uses, expected) in [
            (0, 100, 104..=106),
            (0, 1000, 255..=255),
            (1, 1000, 40..=60),
            (10, 100, 6..=14),
            (10, 1000, 14..=24),
            (10, 100_000, 125..=160),
            (100, 100_000, 40..=60),
        ] {
            let count = decayed(used(uses, Lfu { log_factor: factor, ..LFU }), 0, LFU);
            assert!(expected.contains(&count), "factor {factor}, {uses} uses: {count}");
        }
    }

    #[test]
    fn minutes_without_use_take_it_away() {
        let uses = used(1000, LFU);
        let after = |minutes, decay_minutes| decayed(uses, minutes * MINUTE, Lfu { decay_minutes, ..LFU });
        let count = after(0, 1);
        assert_eq!(after(3, 1), count - 3);
        assert_eq!(after(3, 2), count - 1);
        assert_eq!(after(1000, 1), 0);
        assert_eq!(after(1000, 0), count);
    }
}
