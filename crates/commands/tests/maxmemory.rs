//! Eviction by every policy: the server is filled beyond its limit, and it is seen what has gone. Memory is what the
//! test's own thread has allocated.

use perigee_commands::{Allocator, Process};
use perigee_testkit::{Connection, Node};
use tikv_jemalloc_ctl::thread::{allocatedp, deallocatedp};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn thread_bytes() -> i64 {
    let (allocated, freed) = (allocatedp::read().unwrap().get(), deallocatedp::read().unwrap().get());
    allocated.wrapping_sub(freed) as i64
}

fn allocated() -> usize {
    thread_bytes() as usize
}

const KEYS: usize = 2000;
const VALUE: usize = 500;
/// What may be used on top of the limit: the last value, and what the test itself keeps.
const OVERSHOOT: usize = 16 << 10;

fn node(policy: &str) -> Node {
    let allocator = Allocator { allocated, thread_bytes, ..Allocator::default() };
    let process = Process { allocator, ..Process::default() };
    Node::in_process(&[("maxmemory-policy", policy)], process, |_| None)
}

/// Fills a server with keys `idle:N`, then, two minutes later, `fresh:N`; those with an odd number expire, the lower ones
/// sooner.
fn filled(node: &Node) -> Connection<'_> {
    let client = node.connect();
    let value = "x".repeat(VALUE);
    for kind in ["idle", "fresh"] {
        for number in 0..KEYS / 2 {
            client.call(&["SET", &format!("{kind}:{number}"), &value]);
            if number % 2 == 1 {
                client.ask(&format!("EXPIRE {kind}:{number} {}", 10_000 + number));
            }
        }
        node.clock().advance_ms(120_000);
    }
    client
}

/// Limits memory to what is in use, then stores `count` more keys. Memory must stay under the limit all the time.
fn press(client: &Connection<'_>, count: usize) {
    let limit = allocated();
    client.ask(&format!("CONFIG SET maxmemory {limit}"));
    let value = "y".repeat(VALUE);
    for number in 0..count {
        assert_eq!(client.call(&["SET", &format!("new:{number}"), &value]), "+OK\r\n");
        assert!(allocated() <= limit + OVERSHOOT, "{} above the limit", allocated() - limit);
    }
    client.ask("CONFIG SET maxmemory 0");
}

/// The keys of the kind that are gone.
fn gone(client: &Connection<'_>, kind: &str) -> Vec<usize> {
    (0..KEYS / 2).filter(|number| client.ask(&format!("EXISTS {kind}:{number}")) == ":0\r\n").collect()
}

fn evicted(client: &Connection<'_>) -> usize {
    let info = client.ask("INFO stats");
    let line = info.lines().find_map(|line| line.strip_prefix("evicted_keys:"));
    line.unwrap().parse().unwrap()
}

#[test]
fn allkeys_lru_lets_the_idle_go() {
    let node = node("allkeys-lru");
    let client = filled(&node);
    press(&client, 500);
    let (idle, fresh) = (gone(&client, "idle").len(), gone(&client, "fresh").len());
    assert!(idle > 300, "{idle}");
    assert!(fresh * 10 < idle, "{fresh} fresh ones to {idle} idle ones");
    assert!(evicted(&client) >= idle + fresh);
}

#[test]
fn what_was_read_since_is_not_idle() {
    let node = node("allkeys-lru");
    let client = filled(&node);
    for number in 0..100 {
        client.ask(&format!("GET idle:{number}"));
    }
    press(&client, 500);
    let gone = gone(&client, "idle");
    let read = gone.iter().filter(|&&number| number < 100).count();
    assert!(gone.len() > 300 && read * 20 < gone.len(), "{read} of {}", gone.len());
}

#[test]
fn allkeys_lfu_lets_the_rarely_used_go() {
    let node = node("allkeys-lfu");
    let client = filled(&node);
    for number in (0..KEYS / 2).step_by(10) {
        (0..30).for_each(|_| drop(client.ask(&format!("GET idle:{number}"))));
    }
    press(&client, 500);
    let gone = gone(&client, "idle");
    let used = gone.iter().filter(|&number| number % 10 == 0).count();
    assert!(gone.len() > 100 && used * 20 < gone.len(), "{used} of {}", gone.len());
}

#[test]
fn allkeys_random_spares_nobody() {
    let node = node("allkeys-random");
    let client = filled(&node);
    press(&client, 500);
    let (idle, fresh) = (gone(&client, "idle").len(), gone(&client, "fresh").len());
    assert!(idle > 100 && fresh > 100, "{idle} idle, {fresh} fresh ones");
}

#[test]
fn the_volatile_policies_let_only_volatile_keys_go() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let node = node(policy);
        let client = filled(&node);
        press(&client, 300);
        let (idle, fresh) = (gone(&client, "idle"), gone(&client, "fresh"));
        assert!(idle.len() + fresh.len() > 200, "{policy}: {} + {}", idle.len(), fresh.len());
        assert!(idle.iter().chain(&fresh).all(|number| number % 2 == 1), "{policy}");
        match policy {
            "volatile-lru" => assert!(fresh.len() * 10 < idle.len(), "{} {}", fresh.len(), idle.len()),
            "volatile-random" => assert!(fresh.len() > 50 && idle.len() > 50),
            "volatile-ttl" => {
                let low = idle.iter().filter(|&&number| number < KEYS / 4).count();
                assert!(low * 10 > idle.len() * 8, "{low} of {}", idle.len());
            }
            _ => {}
        }
    }
}

#[test]
fn noeviction_refuses_what_may_need_memory() {
    const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let node = node("noeviction");
    let client = filled(&node);
    client.ask(&format!("CONFIG SET maxmemory {}", allocated() - 10_000));
    assert_eq!(client.ask("SET one more"), OOM);
    assert_eq!(client.ask("EXISTS idle:1"), ":1\r\n");
    assert_eq!(client.ask("MULTI"), "+OK\r\n");
    assert_eq!(client.ask("GET idle:1"), OOM);
    assert!(client.ask("EXEC").starts_with("-EXECABORT"));
    for number in 0..100 {
        assert_eq!(client.ask(&format!("DEL idle:{number}")), ":1\r\n");
    }
    assert_eq!(client.ask("SET one more"), "+OK\r\n");
    assert_eq!(evicted(&client), 0);
}

/// Without a key that may go the volatile policies refuse, too.
#[test]
fn nothing_volatile_is_nothing_to_evict() {
    let node = node("volatile-lru");
    let client = node.connect();
    client.ask("SET a 1");
    client.ask("CONFIG SET maxmemory 1");
    assert!(client.ask("SET b 1").starts_with("-OOM"));
    client.ask("EXPIRE a 100");
    assert!(client.ask("SET b 1").starts_with("-OOM"), "its memory alone does not suffice");
    assert_eq!(client.ask("EXISTS a"), ":0\r\n");
}

#[test]
fn eviction_is_told() {
    let node = node("allkeys-random");
    let listener = node.connect();
    let client = node.connect();
    client.ask("CONFIG SET notify-keyspace-events Ee");
    listener.ask("SUBSCRIBE __keyevent@3__:evicted");
    client.ask("SELECT 3");
    client.ask("SET key value");
    let watcher = node.connect();
    watcher.ask("SELECT 3");
    watcher.ask("WATCH key");
    client.ask("CONFIG SET maxmemory 1");
    assert_eq!(client.ask("GET key"), "$-1\r\n");
    client.ask("CONFIG SET maxmemory 0");
    let told = listener.messages();
    assert_eq!(told, ["*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@3__:evicted\r\n$3\r\nkey\r\n"]);
    watcher.ask("MULTI");
    watcher.ask("PING");
    assert_eq!(watcher.ask("EXEC"), "*-1\r\n");
}

#[test]
fn a_shard_in_use_is_left_alone() {
    let node = node("allkeys-random");
    let client = node.connect();
    client.ask("SET held value");
    let held = node.hold("held");
    client.ask("CONFIG SET maxmemory 1");
    // What could go is in use: the request runs.
    assert_eq!(client.ask("SET another value"), "+OK\r\n");
    drop(held);
    assert!(client.ask("SET third value").starts_with("-OOM"));
    assert_eq!(client.ask("DBSIZE"), ":0\r\n");
}

#[test]
fn frequencies_are_counted_where_the_policy_needs_them() {
    let node = node("allkeys-lru");
    let client = node.connect();
    client.ask("SET key value");
    assert!(client.ask("OBJECT FREQ key").starts_with("-ERR An LFU maxmemory policy is not selected"));
    client.ask("CONFIG SET maxmemory-policy volatile-lfu");
    client.ask("CONFIG SET lfu-log-factor 0");
    assert!(client.ask("OBJECT IDLETIME key").starts_with("-ERR An LFU maxmemory policy is selected"));
    assert_eq!(client.ask("OBJECT FREQ key"), ":5\r\n");
    client.ask("GET key");
    client.ask("APPEND key more");
    client.ask("SET key text");
    assert_eq!(client.ask("OBJECT FREQ key"), ":8\r\n");
    node.clock().advance_ms(180_000);
    assert_eq!(client.ask("OBJECT FREQ key"), ":5\r\n");
    client.ask("CLIENT NO-TOUCH on");
    client.ask("GET key");
    assert_eq!(client.ask("OBJECT FREQ key"), ":5\r\n");
}

#[test]
fn names_that_are_kept_for_a_client_count_as_its_memory() {
    let node = Node::new(&[], |_| None);
    let (one, other) = (node.connect(), node.connect());
    let held = || {
        let list = other.ask("CLIENT LIST ID 1");
        let (_, rest) = list.split_once("tot-mem=").unwrap();
        rest.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let name = "n".repeat(1000);
    let before = held();
    for (begin, end) in [
        (&["WATCH", &name][..], &["UNWATCH"][..]),
        (&["SUBSCRIBE", &name], &["UNSUBSCRIBE"]),
        (&["PSUBSCRIBE", &name], &["RESET"]),
        (&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", &name], &["CLIENT", "TRACKING", "OFF"]),
    ] {
        one.call(begin);
        assert!(held() > before + 1000, "{}", begin[0]);
        one.call(end);
        assert_eq!(held(), before, "{}", end[0]);
    }
    for (join, leave) in
        [("SUBSCRIBE", "UNSUBSCRIBE"), ("PSUBSCRIBE", "PUNSUBSCRIBE"), ("SSUBSCRIBE", "SUNSUBSCRIBE")]
    {
        one.call(&[join, "short", "short"]);
        let with_one = held();
        one.call(&[join, &name, "short"]);
        assert!(held() >= with_one + 2 * name.len(), "{join}");
        one.call(&[leave, &name, "unknown"]);
        assert_eq!(held(), with_one, "{leave}");
        one.call(&[leave]);
        assert_eq!(held(), before, "{leave}");
    }
}

#[test]
fn messages_about_evicted_keys_are_no_reason_to_evict_more() {
    let node = node("allkeys-random");
    let client = node.connect();
    let readers: Vec<_> = (0..100).map(|_| node.connect()).collect();
    let names: Vec<String> = (0..500).map(|number| format!("{number}:{}", "k".repeat(1000))).collect();
    for name in &names {
        client.call(&["SET", name, "x"]);
    }
    for reader in &readers {
        reader.ask("HELLO 3");
        reader.ask("CLIENT TRACKING ON");
        for name in &names {
            reader.call(&["GET", name]);
        }
    }
    client.ask(&format!("CONFIG SET maxmemory-eviction-tenacity 100 maxmemory {}", allocated() - 50_000));
    client.ask("PING");
    let left: usize = client.ask("DBSIZE").trim_matches([':', '\r', '\n']).parse().unwrap();
    assert!((100..500).contains(&left), "{left}");
}

#[test]
fn nothing_is_evicted_while_clients_are_paused() {
    let node = node("allkeys-random");
    let client = node.connect();
    for request in ["SET a 1", "MULTI", "CONFIG SET maxmemory 1", "CLIENT PAUSE 50000 WRITE", "EXEC"] {
        client.ask(request);
    }
    assert_eq!(client.ask("GET a"), "$1\r\n1\r\n");
    client.ask("CLIENT UNPAUSE");
    assert_eq!(client.ask("GET a"), "$-1\r\n");
}
