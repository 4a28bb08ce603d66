//! The turns of a worker's scripts: between two slices, whoever they belong to, everybody else is served.
//!
//! A task that yields stands behind the connections that the next look at the sockets makes ready, but before the one that
//! writes their replies, which the first of them wakes; and several that yield run one after the other, with one look at the
//! sockets for all of them. A reply would then wait for every slice. So a script whose turn has come goes to the end of
//! the queue once more, and of all that wait one goes on after each look.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// Who waits for a turn, in order.
#[derive(Default)]
pub(crate) struct Turns {
    waiting: RefCell<VecDeque<u64>>,
    tickets: Cell<u64>,
    /// Somebody has gone on since the last look at the sockets.
    taken: Cell<bool>,
}

impl Turns {
    /// Completes when all that is ready has been served, and it is the caller's turn.
    pub(crate) async fn wait(self: Rc<Self>) {
        let place = Place::behind(&self);
        loop {
            // The runtime wakes it after a look at the sockets.
            tokio::task::yield_now().await;
            self.taken.set(false);
            go_behind().await;
            if !self.taken.get() && place.is_first() {
                self.taken.set(true);
                return;
            }
        }
    }
}

/// A place in the queue, until it is dropped.
struct Place<'t> {
    turns: &'t Turns,
    ticket: u64,
}

impl<'t> Place<'t> {
    fn behind(turns: &'t Turns) -> Self {
        let ticket = turns.tickets.replace(turns.tickets.get() + 1);
        turns.waiting.borrow_mut().push_back(ticket);
        Place { turns, ticket }
    }

    fn is_first(&self) -> bool {
        self.turns.waiting.borrow().front() == Some(&self.ticket)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.waiting.borrow_mut().retain(|ticket| *ticket != self.ticket);
    }
}

/// Lets the tasks that are ready now go first, without a look at the sockets.
async fn go_behind() {
    let mut gone = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::spawn_local;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().build_local(LocalOptions::default());
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn those_that_wait_take_turns_and_others_run_in_between() {
        run(async {
            let (turns, log) = (Rc::new(Turns::default()), Rc::new(RefCell::new(String::new())));
            let other = Rc::new(Cell::new(false));
            let seen = other.clone();
            spawn_local(async move {
                loop {
                    seen.set(true);
                    tokio::task::yield_now().await;
                }
            });
            let tasks = ["a", "b", "c"].map(|name| {
                let (turns, log, other) = (turns.clone(), log.clone(), other.clone());
                spawn_local(async move {
                    for _ in 0..3 {
                        turns.clone().wait().await;
                        assert!(other.replace(false), "somebody else has run");
                        log.borrow_mut().push_str(name);
                    }
                })
            });
            for task in tasks {
                task.await.expect("it does not panic");
            }
            assert_eq!(*log.borrow(), "abcabcabc");
        });
    }

    #[test]
    fn who_is_woken_by_others_that_are_ready_goes_before() {
        run(async {
            let (turns, woken) = (Rc::new(Turns::default()), Rc::new(tokio::sync::Notify::new()));
            let (written, writer) = (Rc::new(Cell::new(false)), woken.clone());
            let seen = written.clone();
            spawn_local(async move {
                writer.notified().await;
                seen.set(true);
            });
            let script = spawn_local(async move {
                turns.wait().await;
                assert!(written.get());
            });
            // Woken by the runtime together with the script.
            tokio::task::yield_now().await;
            woken.notify_one();
            script.await.expect("it does not panic");
        });
    }

    #[test]
    fn who_is_given_up_leaves_the_queue() {
        run(async {
            let turns = Rc::new(Turns::default());
            let given_up = spawn_local(turns.clone().wait());
            tokio::task::yield_now().await;
            let next = spawn_local(turns.clone().wait());
            given_up.abort();
            next.await.expect("its turn comes");
            assert!(turns.waiting.borrow().is_empty());
        });
    }
}
