//! The choice of the next key to go.
//!
//! As in Redis it is an approximation: a few keys are looked at, and the best candidates of these and of earlier looks are
//! kept, so that the choice is nearly that among all keys. Each worker keeps its own. What was used since it was looked
//! at is passed over.

use perigee_keyspace::{Footprint, Txn};
use rand::Rng;

use super::policy::{Order, Policy};
use crate::commit;
use crate::config::Param;
use crate::effects::Event;
use crate::engine::Env;
use crate::session::Transaction;

/// Candidates of one worker, those that go first at the end.
#[derive(Default)]
pub(crate) struct Pool {
    policy: Option<Policy>,
    candidates: Vec<Candidate>,
}

struct Candidate {
    score: u64,
    shard: u16,
    db: u16,
    key: Box<[u8]>,
}

/// As many as Redis keeps.
const CANDIDATES: usize = 16;

/// What became of an attempt to evict a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A key is gone, and with it so many bytes.
    Evicted { bytes: usize },
    /// There is none in the shards that are free.
    Busy,
    /// There is none.
    Nothing,
}

/// Looks at keys before all candidates are taken to be in use.
const ROUNDS: usize = 16;

/// Evicts a key.
pub(super) fn evict_one(env: Env<'_>, policy: Policy) -> Found {
    for _ in 0..ROUNDS {
        let none = fill(env, policy);
        while let Some(candidate) = env.worker.evictions.borrow_mut().candidates.pop() {
            if let Some(bytes) = evict(env, policy, &candidate) {
                return Found::Evicted { bytes };
            }
        }
        if let Some(none) = none {
            return none;
        }
    }
    Found::Busy
}

/// Looks at `maxmemory-samples` keys (of each database), in as many shards as it takes. Returns why there is none.
fn fill(env: Env<'_>, policy: Policy) -> Option<Found> {
    let keyspace = &env.engine.keyspace;
    let mut pool = env.worker.evictions.borrow_mut();
    if pool.policy != Some(policy) {
        *pool = Pool { policy: Some(policy), ..Pool::default() };
    }
    let samples = match policy.order {
        Order::Random => 1,
        _ => env.engine.config.number(Param::MaxMemorySamples) as usize,
    };
    let mut rng = env.worker.rng.borrow_mut();
    let (shards, lfu) = (keyspace.shard_count(), keyspace.lfu());
    let first = rng.next_u32() as u16;
    let (mut seen, mut nothing) = (0, Found::Nothing);
    for at in 0..shards {
        let shard = first.wrapping_add(at) % shards;
        let Some(txn) = keyspace.try_begin(&Footprint::One(shard), env.now_ms) else {
            nothing = Found::Busy;
            continue;
        };
        txn.sample(shard, policy.volatile, samples, &mut *rng, |db, entry| {
            seen += 1;
            pool.offer(policy.score(entry, env.now_ms, lfu), shard, db, entry.key());
        });
        if seen >= samples {
            break;
        }
    }
    (seen == 0).then_some(nothing)
}

/// Evicts the candidate, unless it is gone, in use, or was used since. Returns the bytes of the key, without what those take
/// who are told that it is gone.
fn evict(env: Env<'_>, policy: Policy, candidate: &Candidate) -> Option<usize> {
    let Candidate { score, shard, db, key } = candidate;
    let txn = env.engine.keyspace.try_begin(&Footprint::One(*shard), env.now_ms)?;
    let mut transaction = Transaction::new(txn);
    let Some(bytes) = due_bytes(env, policy, &transaction.txn, *score, *db, key) else {
        commit::commit(env, &mut transaction);
        return None;
    };
    let Transaction { txn, effects } = &mut transaction;
    txn.remove(*db, key);
    effects.notify(env.engine, txn, Event::Evicted, "evicted", *db, key);
    commit::commit(env, &mut transaction);
    env.engine.memory.count_evicted_key();
    Some(bytes)
}

/// What the key takes, if it may go.
fn due_bytes(env: Env<'_>, policy: Policy, txn: &Txn<'_>, score: u64, db: u16, key: &[u8]) -> Option<usize> {
    let entry = txn.peek(db, key)?;
    let may_go = !policy.volatile || entry.deadline().is_some();
    let is_due = may_go && policy.score(entry, env.now_ms, env.engine.keyspace.lfu()) >= score;
    is_due.then(|| entry.allocated_bytes() + entry.value().heap_bytes(SAMPLES))
}

/// Elements by which the size of a value is estimated.
const SAMPLES: usize = 4;

impl Pool {
    /// Keeps the key if it is among the best.
    fn offer(&mut self, score: u64, shard: u16, db: u16, key: &[u8]) {
        let candidates = &mut self.candidates;
        if candidates.len() == CANDIDATES && candidates[0].score >= score
            || candidates.iter().any(|known| known.db == db && *known.key == *key)
        {
            return;
        }
        if candidates.len() == CANDIDATES {
            candidates.remove(0);
        }
        let at = candidates.partition_point(|known| known.score < score);
        candidates.insert(at, Candidate { score, shard, db, key: key.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_in_order_and_once() {
        let mut pool = Pool::default();
        for score in (0..100).chain(50..60) {
            pool.offer(score * 7 % 100, 0, 0, score.to_string().as_bytes());
        }
        let scores: Vec<_> = pool.candidates.iter().map(|candidate| candidate.score).collect();
        assert_eq!(scores, (84..100).collect::<Vec<_>>());
    }
}
