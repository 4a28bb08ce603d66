//! How long things took, by size: a few hundred counters that one thread writes and others read.
//!
//! Each power of two is cut into eight, so that a quantile is at most an eighth too large. Most commands are never called, most
//! scripts never wait and many run once, so the counters are made with the first value.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Durations in nanoseconds, each counted in one of [`BUCKETS`] ranges.
#[derive(Default)]
pub(crate) struct Histogram(OnceLock<Box<[AtomicU32; BUCKETS]>>);

/// Shorter durations count as this: 64 ns.
const SMALLEST_BITS: u32 = 6;
/// Longer durations count as this: some 73 minutes.
const LARGEST_BITS: u32 = 42;
/// Ranges of each power of two, as a power of two.
const PARTS_BITS: u32 = 3;
const BUCKETS: usize = ((LARGEST_BITS - SMALLEST_BITS) << PARTS_BITS) as usize;

impl Histogram {
    /// Counts a duration.
    #[inline]
    pub(crate) fn record(&self, ns: u64) {
        let counters = self.0.get_or_init(|| Box::new([const { AtomicU32::new(0) }; BUCKETS]));
        let counter = &counters[bucket(ns)];
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Forgets all.
    pub(crate) fn reset(&self) {
        self.0.get().into_iter().flat_map(|counters| counters.iter()).for_each(|counter| {
            counter.store(0, Ordering::Relaxed);
        });
    }
}

#[inline]
fn bucket(ns: u64) -> usize {
    let ns = ns.clamp(1 << SMALLEST_BITS, (1 << LARGEST_BITS) - 1);
    let bits = ns.ilog2();
    let part = (ns >> (bits - PARTS_BITS)) as usize & ((1 << PARTS_BITS) - 1);
    (((bits - SMALLEST_BITS) << PARTS_BITS) as usize) + part
}

/// The largest duration of a bucket.
fn largest(bucket: usize) -> u64 {
    let bits = SMALLEST_BITS + (bucket >> PARTS_BITS) as u32;
    let part = (bucket & ((1 << PARTS_BITS) - 1)) as u64;
    (1 << bits) + ((part + 1) << (bits - PARTS_BITS)) - 1
}

/// Several histograms together.
pub(crate) struct Distribution {
    counts: Box<[u64; BUCKETS]>,
    zeros: u64,
}

impl Distribution {
    /// Adds histograms up. `total` durations were measured; those that no histogram has counted were nothing.
    pub(crate) fn of<'h>(histograms: impl Iterator<Item = &'h Histogram>, total: u64) -> Self {
        let mut counts = Box::new([0; BUCKETS]);
        for counters in histograms.filter_map(|histogram| histogram.0.get()) {
            for (sum, counter) in counts.iter_mut().zip(counters.iter()) {
                *sum += u64::from(counter.load(Ordering::Relaxed));
            }
        }
        let zeros = total.saturating_sub(counts.iter().sum());
        Distribution { counts, zeros }
    }

    /// How many durations there are.
    pub(crate) fn count(&self) -> u64 {
        self.zeros + self.counts.iter().sum::<u64>()
    }

    /// How many are below so many bits' worth of nanoseconds.
    pub(crate) fn below(&self, bits: u32) -> u64 {
        let buckets = (bits.clamp(SMALLEST_BITS, LARGEST_BITS) - SMALLEST_BITS) << PARTS_BITS;
        self.zeros + self.counts[..buckets as usize].iter().sum::<u64>()
    }

    /// What so many of a hundred durations do not exceed, in nanoseconds.
    pub(crate) fn quantile(&self, percent: f64) -> u64 {
        let rank = ((self.count() as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = self.zeros;
        if seen >= rank {
            return 0;
        }
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return largest(at);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_a_bucket_that_is_little_wider() {
        for bits in SMALLEST_BITS..LARGEST_BITS {
            for ns in [1 << bits, (1 << bits) + 1, (3 << bits) / 2, (2 << bits) - 1] {
                let top = largest(bucket(ns));
                assert!(ns <= top && top - ns <= ns / 8, "{ns} {top}");
            }
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn quantiles_of_several_histograms() {
        let (a, b) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|us| a.record(us * 1000));
        (501..=1000).for_each(|us| b.record(us * 1000));
        let all = Distribution::of([&a, &b].into_iter(), 1000);
        for (percent, us) in [(50.0, 500), (99.0, 990), (99.9, 999)] {
            let found = all.quantile(percent) / 1000;
            assert!((us..=us * 9 / 8).contains(&found), "{percent}: {found}");
        }
        // Nine times as many that took no time.
        let diluted = Distribution::of([&a, &b].into_iter(), 10_000);
        assert_eq!(diluted.quantile(90.0), 0);
        assert_eq!((all.below(10), all.below(19), all.count()), (1, 524, 1000));
        assert!(diluted.quantile(99.0) / 1000 >= 900);
        a.reset();
        assert_eq!(Distribution::of([&a].into_iter(), 0).quantile(99.0), 0);
    }
}
