//! `client-output-buffer-limit`: how much may wait to be written to a client before it is given up.
//!
//! What counts is everything that the client has not taken yet: the messages in its [`Mailbox`](crate::Mailbox) and the
//! replies that its connection could not write. Replicas have a class of their own in the configuration, which nobody
//! belongs to yet.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clients::{Client, Mark};

/// The limits in force, by class.
#[derive(Default)]
pub(crate) struct OutputLimits {
    normal: Limit,
    pubsub: Limit,
}

#[derive(Default)]
struct Limit {
    /// Bytes that are too many at once; 0 for no limit.
    hard_bytes: AtomicU64,
    /// Bytes that are too many for longer than `soft_ms`; 0 for no limit.
    soft_bytes: AtomicU64,
    soft_ms: AtomicU64,
}

/// What a look at a client's output says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// More than the soft limit waits: since when decides.
    Soft {
        for_ms: u64,
    },
    Over,
}

impl OutputLimits {
    /// Takes over the configured text: `class hard soft seconds`, repeated.
    pub(crate) fn set(&self, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        for group in words.chunks_exact(4) {
            let limit = match group[0] {
                "normal" => &self.normal,
                "pubsub" => &self.pubsub,
                _ => continue,
            };
            let [hard, soft, seconds] = [1, 2, 3].map(|at| group[at].parse().unwrap_or(0));
            limit.hard_bytes.store(hard, Ordering::Relaxed);
            limit.soft_bytes.store(soft, Ordering::Relaxed);
            limit.soft_ms.store(u64::saturating_mul(seconds, 1000), Ordering::Relaxed);
        }
    }

    /// What so many waiting bytes mean for this client.
    pub(crate) fn judge(&self, client: &Client, bytes: usize) -> Verdict {
        let limit = if client.has(Mark::Subscribed) { &self.pubsub } else { &self.normal };
        let reached = |limit: &AtomicU64| {
            let limit = limit.load(Ordering::Relaxed);
            limit > 0 && bytes as u64 >= limit
        };
        if reached(&limit.hard_bytes) {
            Verdict::Over
        } else if reached(&limit.soft_bytes) {
            Verdict::Soft { for_ms: limit.soft_ms.load(Ordering::Relaxed) }
        } else {
            Verdict::Fine
        }
    }
}
