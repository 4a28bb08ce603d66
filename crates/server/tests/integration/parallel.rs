//! Parallel and atomic: what scripts on several workers do at once is what some order of them would have done.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use redis::Connection;

use crate::server::{Server, ask, eval, try_ask, wait_until};

const ACCOUNTS: usize = 1000;
const START: i64 = 100;
const CLIENTS: u64 = 32;
const TRANSFERS: usize = 60;
const LOG: &str = "log";

/// Moves an amount if it is there, and says so in the log, which gives the commits their order. Every argument is also
/// looked at in vain for a while, so that kills meet scripts that have already written.
const TRANSFER: &str = "
local from, to, amount, work = KEYS[1] or ARGV[1], KEYS[2] or ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if tonumber(redis.call('get', from)) < amount then return 0 end
redis.call('decrby', from, amount)
local n = 0
for i = 1, work do n = n + i % 7 end
redis.call('incrby', to, amount)
redis.call('rpush', 'log', from .. ' ' .. to .. ' ' .. ARGV[3])
return 1";

const SUM: &str = "
local sum = 0
for i = 0, 999 do sum = sum + redis.call('get', 'account:' .. i) end
return sum";

#[test]
fn transfers_are_atomic_under_kills_and_equal_a_serial_replay() {
    let server = Arc::new(Server::start_with(&["--io-threads", "4"]));
    let mut client = server.client();
    let accounts: Vec<String> = (0..ACCOUNTS).map(|number| format!("account:{number}")).collect();
    let mut open = redis::cmd("MSET");
    for account in &accounts {
        open.arg(account).arg(START);
    }
    open.exec(&mut client).unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let killed = Arc::new(AtomicUsize::new(0));
    let auditors: Vec<_> = (0..2).map(|_| audit(server.client(), over.clone())).collect();
    let killer = kill_at_random(server.client(), over.clone(), killed.clone());
    let mut committed = 0;
    // Kills are left to chance: until one has met a script.
    for round in 0..20 {
        let movers: Vec<_> =
            (0..CLIENTS).map(|seed| transfer(server.client(), round * CLIENTS + seed)).collect();
        committed += movers.into_iter().map(|mover| mover.join().unwrap()).sum::<usize>();
        if killed.load(Ordering::Relaxed) > 0 {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
    killer.join().unwrap();
    let audits: usize = auditors.into_iter().map(|auditor| auditor.join().unwrap()).sum();
    assert!(audits > 0 && committed > 0, "{audits} audits, {committed} commits");
    assert!(killed.load(Ordering::Relaxed) > 0, "no script was killed");

    let log: Vec<String> = ask(&mut client, &format!("LRANGE {LOG} 0 -1"));
    assert_eq!(log.len(), committed, "who heard of a commit is in the log, and nobody else");
    let mut balances: HashMap<&str, i64> = accounts.iter().map(|account| (account.as_str(), START)).collect();
    for entry in &log {
        let [from, to, amount] = entry.split(' ').collect::<Vec<_>>()[..] else { panic!("{entry}") };
        let amount: i64 = amount.parse().unwrap();
        assert!(balances[from] >= amount, "a transfer of what was not there: {entry}");
        *balances.get_mut(from).unwrap() -= amount;
        *balances.get_mut(to).unwrap() += amount;
    }
    let found: Vec<i64> = redis::cmd("MGET").arg(&accounts).query(&mut client).unwrap();
    for (account, balance) in accounts.iter().zip(found) {
        assert_eq!(balance, balances[account.as_str()], "{account}");
    }
}

/// Moves random amounts; gives how many of the transfers were told to have happened.
fn transfer(mut client: Connection, seed: u64) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut random = Random(seed);
        let mut committed = 0;
        for _ in 0..TRANSFERS {
            let from = random.below(ACCOUNTS as u64);
            let to = (from + 1 + random.below(ACCOUNTS as u64 - 1)) % ACCOUNTS as u64;
            let keys = [format!("account:{from}"), format!("account:{to}"), LOG.to_owned()];
            let (amount, work) = ((1 + random.below(40)).to_string(), random.below(400_000).to_string());
            // All keys declared, only the accounts, or none of them.
            let declared = random.below(3) as usize;
            let keys: Vec<&str> = keys[..[3, 2, 0][declared]].iter().map(String::as_str).collect();
            let (first, second) = (format!("account:{from}"), format!("account:{to}"));
            let arguments = [&*first, &*second, &*amount, &*work];
            match eval(TRANSFER, &keys, &arguments).query::<usize>(&mut client) {
                Ok(done) => committed += done,
                Err(error) => assert!(error.to_string().contains("Script killed by user"), "{error}"),
            }
        }
        committed
    })
}

/// Adds all accounts up, again and again, declared and undeclared.
fn audit(mut client: Connection, over: Arc<AtomicBool>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let accounts: Vec<String> = (0..ACCOUNTS).map(|number| format!("account:{number}")).collect();
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let mut audits = 0;
        while audits == 0 || !over.load(Ordering::Relaxed) {
            let keys = if audits % 2 == 0 { &accounts[..] } else { &[] };
            match eval(SUM, keys, &[]).query::<i64>(&mut client) {
                Ok(sum) => assert_eq!(sum, ACCOUNTS as i64 * START),
                Err(error) => assert!(error.to_string().contains("Script killed by user"), "{error}"),
            }
            let found: Vec<i64> = redis::cmd("MGET").arg(&accounts).query(&mut client).unwrap();
            assert_eq!(found.iter().sum::<i64>(), ACCOUNTS as i64 * START);
            audits += 1;
        }
        audits
    })
}

fn kill_at_random(mut client: Connection, over: Arc<AtomicBool>, killed: Arc<AtomicUsize>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut random = Random(99);
        while !over.load(Ordering::Relaxed) {
            if try_ask::<()>(&mut client, "SCRIPT KILL").is_ok() {
                killed.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::sleep(std::time::Duration::from_micros(random.below(20_000)));
        }
    })
}

#[test]
fn a_lock_as_redisson_takes_it_never_has_two_owners() {
    const LOCKERS: usize = 64;
    const ROUNDS: usize = 10;
    let server = Server::start_with(&["--io-threads", "4"]);
    let inside = Arc::new(AtomicUsize::new(0));
    let lockers: Vec<_> = (0..LOCKERS)
        .map(|number| {
            let (mut client, mut listener) = (server.client(), server.client());
            let inside = inside.clone();
            std::thread::spawn(move || {
                let mut listener = listener.as_pubsub();
                listener.subscribe("channel").unwrap();
                let owner = format!("client:{number}");
                for _ in 0..ROUNDS {
                    while lock(&mut client, &owner).is_some() {
                        listener.get_message().unwrap();
                    }
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                    assert_eq!(lock(&mut client, &owner), None, "it may be taken again by its owner");
                    assert_eq!(unlock(&mut client, &owner), Some(0));
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    assert_eq!(unlock(&mut client, &owner), Some(1));
                }
            })
        })
        .collect();
    lockers.into_iter().for_each(|locker| locker.join().unwrap());
    let mut client = server.client();
    wait_until("the lock is free", || !ask::<bool>(&mut client, "EXISTS lock"));
}

/// `None` if it is taken, otherwise the rest of the other's lease in milliseconds.
fn lock(client: &mut Connection, owner: &str) -> Option<i64> {
    const LOCK: &str = "if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then redis.call('hincrby', KEYS[1], ARGV[2], 1); redis.call('pexpire', KEYS[1], ARGV[1]); return nil; end; return redis.call('pttl', KEYS[1]);";
    eval(LOCK, &["lock"], &["30000", owner]).query(client).unwrap()
}

/// 1 if it is free now, 0 if its owner still holds it, `None` if it is another's.
fn unlock(client: &mut Connection, owner: &str) -> Option<i64> {
    const UNLOCK: &str = "if (redis.call('hexists', KEYS[1], ARGV[3]) == 0) then return nil; end; local counter = redis.call('hincrby', KEYS[1], ARGV[3], -1); if (counter > 0) then redis.call('pexpire', KEYS[1], ARGV[2]); return 0; else redis.call('del', KEYS[1]); redis.call('publish', KEYS[2], ARGV[1]); return 1; end; return nil;";
    eval(UNLOCK, &["lock", "channel"], &["0", "30000", owner]).query(client).unwrap()
}

/// A seeded generator, good enough to choose accounts and keys.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
        self.0 % bound
    }
}
