//! Single commands from 50 connections, one and sixteen at a time, on random keys.

use super::load::{KEYS, Workload};

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

/// One of a hundred streams.
fn stream(key: &str) -> String {
    format!("x:{}", &key[key.len() - 2..])
}

pub(super) fn workloads() -> Vec<Workload> {
    let both = COMMANDS.iter().flat_map(|command| [(command, 1), (command, 16)]);
    both.map(|((name, write), pipeline)| Workload {
        name: format!("{name} P={pipeline}"),
        setup: vec![fill(), groups()],
        request: Box::new(|_, chance, _| {
            write(format!("key:{:012}", chance % KEYS), chance >> 32)
                .into_iter()
                .map(String::into_bytes)
                .collect()
        }),
        connections: 50,
        pipeline,
        requests: if pipeline == 1 { 100_000 } else { 400_000 },
        operations: 1,
    })
    .collect()
}

/// Gives every key a value, so that reads find one.
fn fill() -> Vec<Vec<u8>> {
    let script = "for i = ARGV[1], ARGV[2] do redis.call('set', string.format('key:%012d', i), 'xxxxxxxxxxxxxxxx') end";
    words(&["EVAL", script, "0", "0", &(KEYS - 1).to_string()]).into_iter().map(String::into_bytes).collect()
}

/// Gives every stream a consumer group.
fn groups() -> Vec<Vec<u8>> {
    let script = "for i = 0, 99 do redis.call('xgroup', 'create', string.format('x:%02d', i), 'g', '$', 'mkstream') end";
    words(&["EVAL", script, "0"]).into_iter().map(String::into_bytes).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
