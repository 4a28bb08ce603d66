//! Scripts: one call each, calls in a loop, Redisson's lock, pure computation.

use super::load::{KEYS, Workload};

/// Redisson's `tryLockInnerAsync`: KEYS lock; ARGV lease in milliseconds, owner.
const LOCK: &str = "if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then \
    redis.call('hincrby', KEYS[1], ARGV[2], 1); redis.call('pexpire', KEYS[1], ARGV[1]); return nil; end; \
    return redis.call('pttl', KEYS[1]);";

/// Redisson's `unlockInnerAsync`: KEYS lock, channel; ARGV message, lease in milliseconds, owner.
const UNLOCK: &str = "if (redis.call('hexists', KEYS[1], ARGV[3]) == 0) then return nil; end; \
    local counter = redis.call('hincrby', KEYS[1], ARGV[3], -1); \
    if (counter > 0) then redis.call('pexpire', KEYS[1], ARGV[2]); return 0; \
    else redis.call('del', KEYS[1]); redis.call('publish', KEYS[2], ARGV[1]); return 1; end; return nil;";

const ONE_CALL: &str = "return redis.call('get', KEYS[1])";

/// The commands called in a loop: name, what comes before the loop, the call.
const LOOPS: &[(&str, &str, &str)] = &[
    ("incr", "", "redis.call('incr', KEYS[1])"),
    ("get", "redis.call('set', KEYS[1], 'xxxxxxxxxxxxxxxx')", "redis.call('get', KEYS[1])"),
    ("hset", "", "redis.call('hset', KEYS[1], 'field', i)"),
    ("zadd", "", "redis.call('zadd', KEYS[1], i % 1000, 'm' .. i % 1000)"),
    (
        "lrange 100",
        "for i = 1, 100 do redis.call('rpush', KEYS[1], i) end",
        "redis.call('lrange', KEYS[1], 0, 99)",
    ),
];

const COMPUTATIONS: &[(&str, &str)] = &[
    (
        "fib(27)",
        "local function fib(n) if n < 2 then return n end return fib(n-1) + fib(n-2) end return fib(27)",
    ),
    (
        "string building",
        "local t = {} for i = 1, 20000 do t[#t+1] = string.format('%d:%s', i, string.rep('x', i % 10)) end return #table.concat(t, ',')",
    ),
    (
        "table.sort",
        "local t, x = {}, 42 for i = 1, 20000 do x = (x * 1103515245 + 12345) % 2147483648 t[i] = x end table.sort(t) return t[1]",
    ),
];

/// Library calls on values as queues send them, repeated as often as the loop says.
const LIBRARIES: &[(&str, &str)] = &[
    ("cjson", "cjson.decode(cjson.encode(job))"),
    ("cmsgpack", "cmsgpack.unpack(cmsgpack.pack(job))"),
    ("struct", "struct.unpack('>I4I8s', struct.pack('>I4I8s', 7, i, 'a name'))"),
];

const JOB: &str = "local job = {id = 'a1b2c3d4', name = 'resize', data = {width = 640, height = 480.5, tags = {'a', 'b', 'c'}, \
    path = '/images/2024/picture.png', public = true}, opts = {attempts = 3, delay = 0, timestamp = 1700000000123}}";

const LIBRARY_CALLS: u64 = 2_000;

const LOOP_CALLS: u64 = 10_000;

pub(super) fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for pipeline in [1, 16] {
        all.push(one_call("EVAL", ONE_CALL, pipeline));
        all.push(one_call("EVALSHA", "4e6d8fc8bb01276962cce5371fa795a7763657ae", pipeline));
    }
    all.extend(LOOPS.iter().map(|(name, before, call)| {
        let script = format!("{before} for i = 1, {LOOP_CALLS} do {call} end");
        single(&format!("redis.call {name}"), script, 40, LOOP_CALLS)
    }));
    all.extend(LIBRARIES.iter().map(|(name, call)| {
        let script = format!("{JOB} local r for i = 1, {LIBRARY_CALLS} do r = {call} end");
        single(&format!("{name} there and back"), script, 40, LIBRARY_CALLS)
    }));
    all.extend([1, 16].map(lock));
    all.extend(COMPUTATIONS.iter().map(|(name, script)| single(name, (*script).to_owned(), 30, 1)));
    all
}

fn one_call(command: &'static str, script: &'static str, pipeline: u64) -> Workload {
    Workload {
        name: format!("{command} one call P={pipeline}"),
        setup: vec![words(&["SCRIPT", "LOAD", ONE_CALL])],
        request: Box::new(move |_, chance, _| {
            words(&[command, script, "1", &format!("key:{:012}", chance % KEYS)])
        }),
        connections: 50,
        pipeline,
        requests: if pipeline == 1 { 60_000 } else { 160_000 },
        operations: 1,
    }
}

/// A script that runs long on one connection.
fn single(name: &str, script: String, requests: u64, operations: u64) -> Workload {
    Workload {
        name: name.to_owned(),
        setup: vec![words(&["DEL", "loop"])],
        request: Box::new(move |_, _, _| words(&["EVAL", &script, "1", "loop"])),
        connections: 1,
        pipeline: 1,
        requests,
        operations,
    }
}

/// Each connection locks and unlocks a lock of its own, in pairs.
fn lock(pipeline: u64) -> Workload {
    Workload {
        name: format!("Redisson lock, unlock P={pipeline}"),
        setup: vec![words(&["SCRIPT", "LOAD", LOCK]), words(&["SCRIPT", "LOAD", UNLOCK])],
        request: Box::new(|sent, _, connection| {
            let (key, owner) =
                (format!("lock:{connection}"), format!("8743c9c0-0795-4907-87fd-6c719a6b4586:{connection}"));
            if sent % 2 == 0 {
                words(&["EVAL", LOCK, "1", &key, "30000", &owner])
            } else {
                words(&[
                    "EVAL",
                    UNLOCK,
                    "2",
                    &key,
                    &format!("redisson_lock__channel:{{{key}}}"),
                    "0",
                    "30000",
                    &owner,
                ])
            }
        }),
        connections: 50,
        pipeline,
        requests: if pipeline == 1 { 60_000 } else { 200_000 },
        operations: 1,
    }
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
