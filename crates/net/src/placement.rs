//! Which worker serves which connection.
//!
//! # The problem
//! A worker that sleeps and wakes for every request pays more for that than for the request; one that always finds
//! several connections ready pays next to nothing, and finds the shards in its own cache. So few busy workers are cheaper
//! than many idle ones, until they are too few. See `docs/decisions/007-workers-join-as-load-grows.md` for figures.
//!
//! # How it works
//! Every worker publishes ten times a second which share of a core it has used. New connections go to the first worker
//! that is not busy. A worker that is hot gives connections to the coolest one, if the machine has an idle core to gain.
//! Where two workers have little to do together, the later one gives all its connections to the other. A connection moves
//! between two requests, when it has just spoken: who is silent costs nothing where he is.
//!
//! Where two workers fight over a shard, each of its commands costs several times what it would on one of them, and
//! together they do less. So every worker also publishes which part of its time it has lost that way. Connections whose
//! requests had to wait for others go from a worker that loses much to the first one that does; there they stay for a
//! while, whatever the load.
//!
//! A script that outlives its slice is long, and what comes to the same worker would share its core. So connections leave
//! a worker with a long script for one without, as they speak: two long scripts run on two cores from the start.
//!
//! `io-threads-placement turn` deals connections out in turn and leaves them there; with `roam` every connection changes
//! its worker after each batch, for tests.
//!
//! # Guarantees
//! A connection's requests run in order, by one worker at a time. One that waits, blocks or runs a script does not move.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use perigee_commands::config::{Config, Param};
use perigee_commands::lost_to_contention_us;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::UnboundedSender;

use crate::worker::Arrival;

/// How often workers look at their load.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// A worker that has used more of its core, in thousandths, gives connections away.
const HOT: u32 = 800;
/// One that has used less gets new connections.
const WELCOMING: u32 = 600;
/// Two that use less together become one.
const LITTLE: u32 = 500;
/// How much cooler another worker must be before moving is worth it.
const COOLER: u32 = 300;
/// For so many intervals in a row there must be little to do.
const PATIENCE: u32 = 10;
/// Cores that must be idle, in thousandths, before another worker is woken.
const ROOM: u32 = 400;
/// Where so many thousandths of a worker's time are lost to fights over shards, there is one.
const FIGHT: u32 = 150;
/// Who uses less of its core is left alone.
const SLIGHT: u32 = 50;
/// For so many intervals a connection stays where it was sent so that it fights with nobody.
const SETTLED: u32 = 300;

/// All workers, as each of them sees them.
pub(crate) struct Crew {
    doors: Vec<UnboundedSender<Arrival>>,
    /// Thousandths of a core that each used lately.
    loads: Vec<AtomicU32>,
    /// Thousandths of the time that each used which it lost since others held the shards that it wanted.
    losses: Vec<AtomicU32>,
    /// Long scripts that each runs.
    long_scripts: Vec<AtomicU32>,
    next: AtomicUsize,
    began: Instant,
}

impl Crew {
    pub(crate) fn new(doors: Vec<UnboundedSender<Arrival>>) -> Arc<Self> {
        let zeros = || doors.iter().map(|_| AtomicU32::new(0)).collect();
        let (loads, losses, long_scripts) = (zeros(), zeros(), zeros());
        Arc::new(Crew {
            doors,
            loads,
            losses,
            long_scripts,
            next: AtomicUsize::new(0),
            began: Instant::now(),
        })
    }

    /// The worker for a new connection.
    pub(crate) fn place(&self, placement: Placement) -> usize {
        if placement != Placement::Load {
            return self.next.fetch_add(1, Ordering::Relaxed) % self.doors.len();
        }
        let loads = self.loads();
        let welcoming = (0..loads.len()).find(|&worker| loads[worker] < WELCOMING && self.is_free(worker));
        welcoming.or_else(|| self.refuge()).or_else(|| coolest(&loads, usize::MAX)).unwrap_or(0)
    }

    /// The coolest worker without a long script.
    fn refuge(&self) -> Option<usize> {
        let free = (0..self.loads.len()).filter(|&worker| self.is_free(worker));
        free.min_by_key(|&worker| self.loads[worker].load(Ordering::Relaxed))
    }

    fn is_free(&self, worker: usize) -> bool {
        self.long_scripts[worker].load(Ordering::Relaxed) == 0
    }

    /// Sends a connection to a worker. One that has ended means that the server ends.
    pub(crate) fn send(&self, worker: usize, arrival: Arrival) {
        drop(self.doors[worker].send(arrival));
    }

    fn loads(&self) -> Vec<u32> {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).collect()
    }

    fn losses(&self) -> Vec<u32> {
        self.losses.iter().map(|loss| loss.load(Ordering::Relaxed)).collect()
    }

    /// The interval that has begun, the same for all workers; never 0.
    fn interval(&self) -> u32 {
        1 + (self.began.elapsed().as_nanos() / INTERVAL.as_nanos()) as u32
    }
}

/// `io-threads-placement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    Load,
    Turn,
    Roam,
}

impl Placement {
    #[inline]
    pub(crate) fn of(config: &Config) -> Self {
        match config.number(Param::IoThreadsPlacement) {
            0 => Placement::Load,
            1 => Placement::Turn,
            _ => Placement::Roam,
        }
    }
}

/// One worker's part.
pub(crate) struct Berth {
    pub(crate) crew: Arc<Crew>,
    me: usize,
    interval: Cell<u32>,
    /// Connections that have spoken in this interval.
    active: Cell<usize>,
    /// Where so many connections should go.
    leaving: Cell<Option<Move>>,
    /// Where those go that fight with others, which may be here.
    gathering: Cell<Option<usize>>,
}

/// What placement knows of a connection.
#[derive(Default)]
pub(crate) struct Standing {
    /// The interval in which it last sent a request to this worker, 0 before.
    spoke: u32,
    /// Whether its last requests had to wait for others.
    fought: bool,
    /// Until this interval it stays where it is.
    settled: u32,
}

impl Standing {
    /// Whether it has sent a request to this worker.
    pub(crate) fn has_spoken(&self) -> bool {
        self.spoke != 0
    }

    /// Notes that it comes to another worker.
    pub(crate) fn note_arrival(&mut self) {
        (self.spoke, self.fought) = (0, false);
    }
}

/// A script that outlived its slice.
pub(crate) struct LongScript<'c>(&'c AtomicU32);

impl Drop for LongScript<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// So many connections are to go to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    target: usize,
    count: usize,
}

impl Berth {
    pub(crate) fn new(crew: Arc<Crew>, me: usize) -> Self {
        let interval = Cell::new(crew.interval());
        Berth {
            crew,
            me,
            interval,
            active: Cell::new(0),
            leaving: Cell::new(None),
            gathering: Cell::new(None),
        }
    }

    /// Notes that a connection has spoken, and whether it `fought` with others over a shard.
    #[inline]
    pub(crate) fn note_active(&self, standing: &mut Standing, fought: bool) {
        standing.fought = fought;
        if standing.spoke != self.interval.get() {
            standing.spoke = self.interval.get();
            self.active.set(self.active.get() + 1);
        }
    }

    /// The worker to which the connection that asks should move, if any.
    #[inline]
    pub(crate) fn destination(&self, placement: Placement, standing: &mut Standing) -> Option<usize> {
        if placement == Placement::Roam {
            return Some((self.me + 1) % self.crew.doors.len());
        }
        if placement == Placement::Load && !self.crew.is_free(self.me) {
            return self.crew.refuge();
        }
        if self.leaving.get().is_none() && self.gathering.get().is_none() {
            return None;
        }
        self.leave(standing)
    }

    #[cold]
    fn leave(&self, standing: &mut Standing) -> Option<usize> {
        if let Some(target) = self.gathering.get()
            && standing.fought
            && self.crew.is_free(target)
        {
            standing.settled = self.interval.get().wrapping_add(SETTLED);
            return (target != self.me).then_some(target);
        }
        let Move { target, count } = self.leaving.get()?;
        if target > self.me && standing.settled > self.interval.get() {
            return None;
        }
        self.leaving.set((count > 1).then_some(Move { target, count: count - 1 }));
        Some(target)
    }

    /// Notes that a script is long, until what is returned is dropped.
    pub(crate) fn long_script(&self) -> LongScript<'_> {
        let count = &self.crew.long_scripts[self.me];
        count.fetch_add(1, Ordering::Relaxed);
        LongScript(count)
    }

    /// Looks after the load, for ever.
    pub(crate) async fn watch(&self, placement: impl Fn() -> Placement) {
        let (mut used, mut lost, mut looked) = (cpu_time(), lost_to_contention_us(), Instant::now());
        let (mut idle, mut calm) = (None, 0);
        loop {
            tokio::time::sleep(INTERVAL).await;
            let elapsed = looked.elapsed();
            let load = thousandths(cpu_time() - used, elapsed);
            let busy = (cpu_time() - used).max(elapsed * SLIGHT / 1000);
            let loss = thousandths(Duration::from_micros(lost_to_contention_us() - lost), busy);
            (used, lost, looked) = (cpu_time(), lost_to_contention_us(), Instant::now());
            self.crew.loads[self.me].store(load, Ordering::Relaxed);
            self.crew.losses[self.me].store(loss, Ordering::Relaxed);
            self.interval.set(self.crew.interval());
            let active = self.active.replace(0);
            self.leaving.set(None);
            self.gathering.set(None);
            if placement() != Placement::Load {
                continue;
            }
            self.gathering.set(peace(self.me, &self.crew.losses()));
            let loads = self.crew.loads();
            let before = std::mem::replace(&mut idle, (load > HOT).then(idle_time).flatten());
            let room = match (load > HOT, before, idle) {
                (false, ..) => 0,
                (true, Some(before), Some(now)) => thousandths(now.saturating_sub(before), elapsed),
                // The first look, or a system that does not tell.
                (true, ..) => {
                    if idle.is_some() {
                        0
                    } else {
                        u32::MAX
                    }
                }
            };
            calm = if joins(self.me, &loads).is_some() { calm + 1 } else { 0 };
            let decision = if calm > PATIENCE {
                joins(self.me, &loads).map(|target| Move { target, count: usize::MAX })
            } else {
                relief(self.me, &loads, active, room).filter(|_| self.gathering.get().is_none())
            };
            if let Some(Move { target, count }) = decision {
                // So that nobody else chooses the same before its load shows.
                let expected = load / active.max(1) as u32 * count.min(active) as u32;
                self.crew.loads[target].fetch_add(expected, Ordering::Relaxed);
                self.leaving.set(decision);
            }
        }
    }
}

/// What a hot worker should give away, and to whom.
fn relief(me: usize, loads: &[u32], active: usize, room: u32) -> Option<Move> {
    let load = loads[me];
    let target = coolest(loads, me)?;
    if load <= HOT || loads[target] + COOLER > load || active < 2 || room < ROOM {
        return None;
    }
    let share = active as u64 * u64::from(load - loads[target]) / (2 * u64::from(load));
    Some(Move { target, count: (share as usize).clamp(1, active - 1) })
}

/// Where those of this worker should go that fight with others: the first worker that loses much, too.
fn peace(me: usize, losses: &[u32]) -> Option<usize> {
    let fights = |worker: &usize| losses[*worker] > FIGHT;
    let other = (0..losses.len()).filter(|worker| *worker != me).find(fights)?;
    fights(&me).then_some(other.min(me))
}

/// The earlier worker which can do the work of this one too.
fn joins(me: usize, loads: &[u32]) -> Option<usize> {
    (0..me).find(|&earlier| loads[earlier] + loads[me] < LITTLE)
}

fn coolest(loads: &[u32], but: usize) -> Option<usize> {
    (0..loads.len()).filter(|&worker| worker != but).min_by_key(|&worker| loads[worker])
}

fn thousandths(part: Duration, whole: Duration) -> u32 {
    (part.as_nanos() * 1000 / whole.as_nanos().max(1)).try_into().unwrap_or(u32::MAX)
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Idle time of all cores since the machine started, where the system tells.
fn idle_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    // user, nice, system, idle, iowait: in hundredths of a second.
    let mut fields = stat.lines().next()?.split_ascii_whitespace().skip(4);
    let (idle, waiting): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis(10 * (idle + waiting)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_worker_gives_half_to_one_that_has_nothing_to_do() {
        assert_eq!(relief(0, &[1000, 200, 0], 50, 1000), Some(Move { target: 2, count: 25 }));
        assert_eq!(relief(2, &[0, 700, 1000], 3, 1000), Some(Move { target: 0, count: 1 }));
    }

    #[test]
    fn nobody_moves_without_need_or_room() {
        assert_eq!(relief(0, &[700, 0], 50, 1000), None, "it is not hot");
        assert_eq!(relief(0, &[1000, 0], 50, 100), None, "the machine is full");
        assert_eq!(relief(0, &[1000, 800], 50, 1000), None, "there is nobody to help");
        assert_eq!(relief(0, &[1000, 0], 1, 1000), None, "one connection is no better off elsewhere");
        assert_eq!(relief(0, &[1000], 50, 1000), None, "it is alone");
    }

    #[test]
    fn who_fights_goes_to_the_first_that_does() {
        assert_eq!(peace(1, &[300, 400]), Some(0));
        assert_eq!(peace(0, &[300, 400]), Some(0), "where it stays");
        assert_eq!(peace(3, &[0, 200, 300, 300]), Some(1));
        assert_eq!(peace(1, &[80, 80]), None, "it is little");
        assert_eq!(peace(1, &[0, 400]), None, "there is nobody else");
    }

    #[test]
    fn who_was_sent_so_that_it_fights_with_nobody_stays_for_a_while() {
        let doors = (0..2).map(|_| tokio::sync::mpsc::unbounded_channel().0).collect();
        let crew = Crew::new(doors);
        let (first, second) = (Berth::new(crew.clone(), 0), Berth::new(crew, 1));
        let (mut peaceful, mut fighting) = (Standing::default(), Standing::default());
        for (standing, fought) in [(&mut peaceful, false), (&mut fighting, true)] {
            second.note_active(standing, fought);
        }
        second.gathering.set(Some(0));
        assert_eq!(second.destination(Placement::Load, &mut peaceful), None);
        assert_eq!(second.destination(Placement::Load, &mut fighting), Some(0));
        fighting.note_arrival();
        first.note_active(&mut fighting, false);
        let relief = Some(Move { target: 1, count: 2 });
        first.leaving.set(relief);
        assert_eq!(first.destination(Placement::Load, &mut fighting), None);
        assert_eq!(first.destination(Placement::Load, &mut peaceful), Some(1));
        first.interval.set(first.interval.get() + SETTLED);
        assert_eq!(first.destination(Placement::Load, &mut fighting), Some(1));
    }

    #[test]
    fn who_has_little_to_do_joins_an_earlier_worker() {
        assert_eq!(joins(2, &[600, 300, 100]), Some(1));
        assert_eq!(joins(1, &[300, 300]), None);
        assert_eq!(joins(0, &[0, 0]), None);
    }

    #[test]
    fn new_connections_go_to_the_first_that_is_not_busy() {
        let doors = (0..3).map(|_| tokio::sync::mpsc::unbounded_channel().0).collect();
        let crew = Crew::new(doors);
        let set = |loads: [u32; 3]| {
            crew.loads.iter().zip(loads).for_each(|(slot, load)| slot.store(load, Ordering::Relaxed))
        };
        assert_eq!([crew.place(Placement::Load), crew.place(Placement::Load)], [0, 0]);
        let berth = Berth::new(crew.clone(), 0);
        let mut standing = Standing::default();
        assert_eq!(berth.destination(Placement::Load, &mut standing), None);
        let long = berth.long_script();
        let destination = berth.destination(Placement::Load, &mut standing);
        assert_eq!((crew.place(Placement::Load), destination), (1, Some(1)));
        drop(long);
        assert_eq!(crew.place(Placement::Load), 0);
        set([900, 100, 0]);
        assert_eq!(crew.place(Placement::Load), 1);
        set([900, 950, 700]);
        assert_eq!(crew.place(Placement::Load), 2);
        assert_eq!(
            [
                crew.place(Placement::Turn),
                crew.place(Placement::Turn),
                crew.place(Placement::Turn),
                crew.place(Placement::Turn)
            ],
            [0, 1, 2, 0]
        );
    }
}
