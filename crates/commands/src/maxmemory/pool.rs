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
    /// A key is gone.
    Evicted,
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
        let found = fill(env, policy);
        while let Some(candidate) = env.worker.evictions.borrow_mut().candidates.pop() {
            if evict(env, policy, &candidate) {
                return Found::Evicted;
            }
        }
        if found != Found::Evicted {
            return found;
        }
    }
    Found::Busy
}

/// Looks at `maxmemory-samples` keys (of each database), in as many shards as it takes.
fn fill(env: Env<'_>, policy: Policy) -> Found {
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
    if seen > 0 { Found::Evicted } else { nothing }
}

/// Evicts the candidate, unless it is gone, in use, or was used since.
fn evict(env: Env<'_>, policy: Policy, candidate: &Candidate) -> bool {
    let Candidate { score, shard, db, key } = candidate;
    let Some(txn) = env.engine.keyspace.try_begin(&Footprint::One(*shard), env.now_ms) else { return false };
    let mut transaction = Transaction::new(txn);
    if !is_due(env, policy, &transaction.txn, *score, *db, key) {
        commit::commit(env, &mut transaction);
        return false;
    }
    let Transaction { txn, effects } = &mut transaction;
    txn.remove(*db, key);
    effects.notify(env.engine, txn, Event::Evicted, "evicted", *db, key);
    commit::commit(env, &mut transaction);
    env.engine.memory.count_evicted_key();
    true
}

fn is_due(env: Env<'_>, policy: Policy, txn: &Txn<'_>, score: u64, db: u16, key: &[u8]) -> bool {
    let lfu = env.engine.keyspace.lfu();
    txn.peek(db, key).is_some_and(|entry| {
        (!policy.volatile || entry.deadline().is_some()) && policy.score(entry, env.now_ms, lfu) >= score
    })
}

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
