//! What took longer than `latency-monitor-threshold`: a short history for each kind of event.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// One second's worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Seconds since the epoch.
    pub(crate) at_s: u64,
    /// How long it took, in milliseconds.
    pub(crate) ms: u64,
}

/// What is known of one kind of event.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Oldest first.
    pub(crate) samples: VecDeque<Sample>,
    /// The longest since the history began, in milliseconds.
    pub(crate) longest_ms: u64,
}

/// The histories of all kinds of events.
#[derive(Default)]
pub(crate) struct LatencyMonitor(Mutex<BTreeMap<&'static str, History>>);

/// So many seconds are remembered.
const LENGTH: usize = 160;

impl LatencyMonitor {
    /// Notes that something took so long.
    #[cold]
    pub(crate) fn note(&self, event: &'static str, now_ms: u64, ms: u64) {
        let at_s = now_ms / 1000;
        let mut histories = self.0.lock();
        let history = histories.entry(event).or_default();
        history.longest_ms = history.longest_ms.max(ms);
        match history.samples.back_mut() {
            Some(last) if last.at_s == at_s => last.ms = last.ms.max(ms),
            _ => history.samples.push_back(Sample { at_s, ms }),
        }
        if history.samples.len() > LENGTH {
            history.samples.pop_front();
        }
    }

    /// All kinds of events with their histories.
    pub(crate) fn all(&self) -> BTreeMap<&'static str, History> {
        self.0.lock().clone()
    }

    /// The history of one kind, in either case.
    pub(crate) fn of(&self, event: &[u8]) -> Option<(&'static str, History)> {
        let histories = self.0.lock();
        let found = histories.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(event));
        found.map(|(name, history)| (*name, history.clone()))
    }

    /// Forgets these kinds, or all if none is named. Returns how many there were.
    pub(crate) fn reset(&self, events: &[&[u8]]) -> usize {
        let mut histories = self.0.lock();
        let before = histories.len();
        histories.retain(|name, _| {
            !events.is_empty() && !events.iter().any(|event| event.eq_ignore_ascii_case(name.as_bytes()))
        });
        before - histories.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_a_history_its_length() {
        let monitor = LatencyMonitor::default();
        monitor.note("command", 1_000, 5);
        monitor.note("command", 1_999, 9);
        monitor.note("command", 1_500, 7);
        let (_, history) = monitor.of(b"COMMAND").unwrap();
        assert_eq!(history.samples, [Sample { at_s: 1, ms: 9 }]);
        (2..400).for_each(|second| monitor.note("command", second * 1000, 1));
        let (_, history) = monitor.of(b"command").unwrap();
        assert_eq!((history.samples.len(), history.longest_ms), (LENGTH, 9));
        assert_eq!(history.samples.back(), Some(&Sample { at_s: 399, ms: 1 }));
    }

    #[test]
    fn forgetting_some_or_all() {
        let monitor = LatencyMonitor::default();
        ["command", "expire-cycle", "fast-command"].iter().for_each(|event| monitor.note(event, 0, 1));
        assert_eq!(monitor.reset(&[b"Command", b"unknown"]), 1);
        assert_eq!(monitor.reset(&[]), 2);
        assert!(monitor.all().is_empty());
    }
}
