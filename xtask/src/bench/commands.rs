//! Single commands from 50 connections, one and sixteen at a time, on random keys and on one.

use super::load::{KEYS, Request, Workload};

type Write = fn(key: String, chance: u64) -> Vec<String>;

const COMMANDS: &[(&str, Write)] = &[
    ("GET", |key, _| words(&["GET", &key])),
    ("SET", |key, _| words(&["SET", &key, "xxxxxxxxxxxxxxxx"])),
    ("INCR", |key, _| words(&["INCR", &format!("n:{key}")])),
    ("LPUSH", |key, _| words(&["LPUSH", &format!("l:{key}"), "xxx"])),
    ("HSET", |key, chance| words(&["HSET", &format!("h:{key}"), &format!("f{}", chance % 10), "xxx"])),
    ("ZADD", |key, chance| {
        words(&["ZADD", &format!("z:{key}"), &(chance % 1_000).to_string(), &format!("m{}", chance % 10)])
    }),
    ("XADD", |key, _| words(&["XADD", &stream(&key), "*", "field", "xxxxxxxxxxxxxxxx"])),
    ("XADD or XREADGROUP", |key, chance| match chance % 2 {
        0 => words(&["XADD", &stream(&key), "*", "field", "xxxxxxxxxxxxxxxx"]),
        _ => words(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "10", "STREAMS", &stream(&key), ">"]),
    }),
];

/// What else redis-benchmark does by default, sixteen at a time: name, the script that makes `one`, the request, how many at a
/// time. Mostly all connections want the same key.
const ONE_KEY: &[(&str, &str, Write, u64)] = &[
    ("PING inline", "", |_, _| words(&["PING\r\n"]), 400_000),
    ("PING", "", |_, _| words(&["PING"]), 400_000),
    (
        "MSET of 10",
        "",
        |key, chance| {
            let keys = (0..10).map(|at| format!("{key}:{}", (chance + at) % 10));
            ["MSET".to_owned()].into_iter().chain(keys.flat_map(|key| [key, "xxx".to_owned()])).collect()
        },
        100_000,
    ),
    ("RPUSH one key", "", |_, _| words(&["RPUSH", "one", "xxx"]), 400_000),
    (
        "LPOP one key",
        "for i = 1, 300000 do redis.call('rpush', 'one', 'xxx') end",
        |_, _| words(&["LPOP", "one"]),
        200_000,
    ),
    ("SADD one key", "", |key, _| words(&["SADD", "one", &key]), 1_000_000),
    (
        "SPOP one key",
        "for i = 1, 300000 do redis.call('sadd', 'one', 'm:' .. i) end",
        |_, _| words(&["SPOP", "one"]),
        200_000,
    ),
    (
        "ZADD one key",
        "",
        |key, chance| words(&["ZADD", "one", &(chance % KEYS).to_string(), &key]),
        1_000_000,
    ),
    (
        "ZPOPMIN one key",
        "for i = 1, 300000 do redis.call('zadd', 'one', i, i) end",
        |_, _| words(&["ZPOPMIN", "one"]),
        200_000,
    ),
];

/// Commands on collections of some size, made once: name, the script that makes the key `big`, the request, how many at a time.
const LARGE: &[(&str, &str, &[&str], u64)] = &[
    ("ZRANGE 100", SCORES, &["ZRANGE", "big", "5000", "5099"], 20_000),
    ("ZRANK", SCORES, &["ZRANK", "big", "m5000"], 200_000),
    (
        "HGETALL 50",
        "for i = 1, 50 do redis.call('hset', 'big', 'field:' .. i, 'value:' .. i) end",
        &["HGETALL", "big"],
        20_000,
    ),
    (
        "LRANGE 100",
        "for i = 1, 10000 do redis.call('rpush', 'big', 'element:' .. i) end",
        &["LRANGE", "big", "0", "99"],
        20_000,
    ),
    (
        "SINTER 1,000 x 10,000",
        "for i = 1, 10000 do redis.call('sadd', 'big', 'm' .. i) if i <= 1000 then redis.call('sadd', 'small', 'm' .. 20 * i) end end",
        &["SINTER", "small", "big"],
        1_000,
    ),
    (
        "SORT 1,000",
        "for i = 1, 1000 do redis.call('rpush', 'big', i * 7919 % 10007) end",
        &["SORT", "big", "LIMIT", "0", "10"],
        1_000,
    ),
    (
        "BITCOUNT 1 MB",
        "redis.call('setrange', 'big', 1048575, 'x') for i = 0, 1000 do redis.call('setbit', 'big', i * 7919, 1) end",
        &["BITCOUNT", "big"],
        1_000,
    ),
];

const SCORES: &str = "for i = 1, 10000 do redis.call('zadd', 'big', i, 'm' .. i) end";

/// One of a hundred streams.
fn stream(key: &str) -> String {
    format!("x:{}", &key[key.len() - 2..])
}

pub(super) fn workloads() -> Vec<Workload> {
    let large = LARGE.iter().map(|&(name, script, request, requests)| Workload {
        name: format!("{name} P=16"),
        setup: vec![bytes(words(&["EVAL", script, "0"]))],
        request: Box::new(|_, _, _| bytes(words(request))),
        connections: 50,
        pipeline: 16,
        requests,
        operations: 1,
    });
    let both = COMMANDS.iter().flat_map(|command| [(command, 1), (command, 16)]);
    let one_key = ONE_KEY.iter().map(|&(name, script, write, requests)| Workload {
        name: format!("{name} P=16"),
        setup: vec![bytes(words(&["EVAL", script, "0"]))],
        request: requests_of(write),
        connections: 50,
        pipeline: 16,
        requests,
        operations: 1,
    });
    both.map(|(&(name, write), pipeline)| Workload {
        name: format!("{name} P={pipeline}"),
        setup: vec![fill(), groups()],
        request: requests_of(write),
        connections: 50,
        pipeline,
        requests: if pipeline == 1 { 100_000 } else { 400_000 },
        operations: 1,
    })
    .chain(one_key)
    .chain(large)
    .collect()
}

/// Requests on random keys.
fn requests_of(write: Write) -> Request {
    Box::new(move |_, chance, _| bytes(write(format!("key:{:012}", chance % KEYS), chance >> 32)))
}

/// Gives every key a value, so that reads find one.
fn fill() -> Vec<Vec<u8>> {
    let script = "for i = ARGV[1], ARGV[2] do redis.call('set', string.format('key:%012d', i), 'xxxxxxxxxxxxxxxx') end";
    bytes(words(&["EVAL", script, "0", "0", &(KEYS - 1).to_string()]))
}

/// Gives every stream a consumer group.
fn groups() -> Vec<Vec<u8>> {
    let script = "for i = 0, 99 do redis.call('xgroup', 'create', string.format('x:%02d', i), 'g', '$', 'mkstream') end";
    bytes(words(&["EVAL", script, "0"]))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn bytes(words: Vec<String>) -> Vec<Vec<u8>> {
    words.into_iter().map(String::into_bytes).collect()
}
