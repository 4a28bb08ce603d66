//! CLIENT PAUSE: for a while, requests wait at the gate.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use event_listener::Event;

use crate::engine::Env;
use crate::multi;
use crate::scripts;
use crate::session::Session;
use crate::spec::Flags;
use crate::table::Entry;

/// The pause in force.
#[derive(Default)]
pub(crate) struct Pause {
    /// Milliseconds since the epoch, 0 without a pause.
    until_ms: AtomicU64,
    /// Only what may change data waits.
    writes_only: AtomicBool,
    over: Event,
}

/// What may change data.
const WRITES: Flags = Flags::WRITE.or(Flags::MAY_REPLICATE);

impl Pause {
    /// Starts a pause. One that is in force is never shortened or weakened.
    pub(crate) fn start(&self, now_ms: u64, until_ms: u64, writes_only: bool) {
        let in_force = self.until_ms.load(Ordering::Relaxed) > now_ms;
        let weaker = in_force && !self.writes_only.load(Ordering::Relaxed);
        self.writes_only.store(writes_only && !weaker, Ordering::Relaxed);
        self.until_ms.fetch_max(until_ms, Ordering::Release);
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
        self.over.notify(usize::MAX);
    }

    /// The pause in force: how many milliseconds are left of it, and whether only what may change data waits.
    pub(crate) fn in_force(&self, now_ms: u64) -> Option<(u64, bool)> {
        let left_ms = self.until_ms.load(Ordering::Acquire).saturating_sub(now_ms);
        (left_ms > 0).then(|| (left_ms, self.writes_only.load(Ordering::Relaxed)))
    }

    /// Whether the request has to wait.
    #[inline]
    pub(crate) fn holds(&self, env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]]) -> bool {
        self.until_ms.load(Ordering::Acquire) > env.now_ms && self.concerns(env, session, entry, args)
    }

    #[cold]
    fn concerns(&self, env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]]) -> bool {
        let writes = |entry: Entry, args: &[&[u8]]| {
            entry.command.has(WRITES) && !scripts::declares_no_writes(env, entry, args)
        };
        !self.writes_only.load(Ordering::Relaxed)
            || writes(entry, args)
            || multi::is_exec(session, entry) && multi::any_queued(session, writes)
    }

    /// Returns when it is over.
    pub(crate) async fn wait(&self, env: Env<'_>) {
        loop {
            let mut ended = pin!(self.over.listen());
            let now_ms = env.worker.clock.now_ms();
            let left = self.until_ms.load(Ordering::Acquire).saturating_sub(now_ms);
            if left == 0 {
                return;
            }
            let mut sleep = env.worker.timer.sleep_ms(left);
            poll_fn(|context| {
                if ended.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                sleep.as_mut().poll(context)
            })
            .await;
        }
    }
}
