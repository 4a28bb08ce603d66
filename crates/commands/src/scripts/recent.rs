//! Which scripts of EVAL were used least recently, and their eviction.
//!
//! Texts that come by EVAL alone are often made anew for every call (values pasted into the script), so they stay only as
//! long as they are among the last [`LIMIT`] that were used, as in Redis 7.4 (redis/redis#13108). What SCRIPT LOAD has
//! promised to keep is not on the list; a text that came by EVAL and is then loaded leaves it (valkey-io/valkey#637).
//!
//! A use has a number. A script takes a new one only if others have come since its last, so that a steady set of scripts
//! writes to nothing that workers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Script;

/// Scripts of EVAL that are kept; as in Redis, not a parameter.
pub(super) const LIMIT: usize = 500;

/// The scripts that may be evicted.
#[derive(Default)]
pub(super) struct Recent {
    /// By the number of a use, which may not be the last one any more.
    by_use: Mutex<BTreeMap<u64, Arc<Script>>>,
    last_use: AtomicU64,
    /// The use by which the latest of them came.
    last_arrival: AtomicU64,
}

impl Recent {
    /// Notes that a script is used.
    #[inline]
    pub(super) fn touch(&self, script: &Script) {
        if script.last_use.load(Ordering::Relaxed) < self.last_arrival.load(Ordering::Relaxed) {
            script.last_use.store(self.next_use(), Ordering::Relaxed);
        }
    }

    /// Puts a script on the list, and hands those to `evict` that must go for it.
    pub(super) fn add(&self, script: &Arc<Script>, mut evict: impl FnMut(&Script)) {
        let mut by_use = self.by_use.lock();
        while by_use.len() >= LIMIT {
            let Some((noted, oldest)) = by_use.pop_first() else { break };
            let last_use = oldest.last_use.load(Ordering::Relaxed);
            if last_use > noted {
                by_use.insert(last_use, oldest);
            } else {
                evict(&oldest);
            }
        }
        let arrival = self.next_use();
        script.last_use.store(arrival, Ordering::Relaxed);
        by_use.insert(arrival, script.clone());
        self.last_arrival.store(arrival, Ordering::Relaxed);
    }

    /// Takes a script off the list: it stays for good.
    pub(super) fn remove(&self, script: &Script) {
        self.by_use.lock().retain(|_, other| other.id != script.id);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.by_use.lock().clear();
    }

    fn next_use(&self) -> u64 {
        self.last_use.fetch_add(1, Ordering::Relaxed) + 1
    }
}
