//! Generated scripts and functions in the sandbox, under limits of memory and time: each ends, or can be ended; nothing of it stays behind that
//! should not.
//!
//! The input's first byte chooses how it is run; the others choose a program of the [`grammar`], or are the program's text.
#![no_main]

mod grammar;

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use perigee_commands::scripts::ScriptHost;
use perigee_scripting::LuaHost;
use perigee_testkit::{Connection, Node};

/// Slices after which a run is killed.
const PATIENCE: usize = 30;
/// Slices that a killed run may still take.
const MERCY: usize = 20;
/// Longer than any slice, however busy the machine.
const STUCK: Duration = Duration::from_secs(20);
/// What a VM may keep of what it has run: stacks of coroutines, tables of strings and references.
const KEPT_BYTES: usize = 2 << 20;

const PARAMETERS: &[(&str, &str)] =
    &[("script-memory-limit", "8mb"), ("script-max-writes", "5000"), ("maxmemory", "64mb")];

fuzz_target!(|data: &[u8]| {
    let Some((&way, rest)) = data.split_first() else { return };
    let text = if way & 1 == 0 { grammar::program(rest) } else { String::from_utf8_lossy(rest).into_owned() };
    if std::env::var_os("SHOW_SCRIPTS").is_some() {
        eprintln!("{way} {text}");
    }
    let mut host = None;
    let node = Node::new(PARAMETERS, |engine| Some(Box::new(host.insert(LuaHost::new(engine)).clone())));
    let host = host.expect("a node makes its host");
    let client = node.connect();
    populate(&client);
    client.call(&["EVAL", "return redis.call('get', KEYS[1])", "1", "string"]);
    settle(&node, &host);
    let base_bytes = host.used_bytes();

    let before = contents(&client);
    // In its third run a script is compiled again.
    let times = if way & 64 == 0 { 1 } else { 4 };
    let undone = match way / 2 % 4 {
        0 => run(&node, &["EVAL", &text, "2", "string", "list", "argument"]),
        1 => {
            let text =
                format!("#!lua flags=atomic\nlocal function main(...)\n{text}\nend main() error('the end')");
            for _ in 0..times {
                run(&node, &["EVAL", &text, "2", "hash", "zset", "argument"]);
            }
            true
        }
        2 => {
            for _ in 0..times {
                run(&node, &["EVAL_RO", &text, "2", "set", "stream", "argument"]);
            }
            true
        }
        _ => {
            let text = format!(
                "#!lua name=generated\nlocal KEYS, ARGV = {{}}, {{}}\nredis.register_function('run', function(KEYS, ARGV)\n{text}\nend)\n{text}"
            );
            let undone = run(&node, &["FUNCTION", "LOAD", &text]);
            assert_eq!(before, contents(&client), "what is loaded changes nothing");
            undone | run(&node, &["FCALL", "run", "2", "string", "list", "argument"])
        }
    };
    if undone {
        assert_eq!(before, contents(&client), "it is undone");
    }
    for request in ["flushall", "script flush", "function flush", "select 0", "dbsize"] {
        assert!(!client.ask(request).starts_with('-'), "{request}");
    }
    settle(&node, &host);
    let kept_bytes = host.used_bytes().saturating_sub(base_bytes);
    assert!(kept_bytes <= KEPT_BYTES, "{kept_bytes} bytes stay behind");
});

/// Runs a request to its end, and kills what it runs when that takes long. Whether it was killed or met a limit, so that nothing of it
/// must be left.
fn run(node: &Node, request: &[&str]) -> bool {
    let client = node.connect();
    let mut pending = client.send(request);
    for slice in 0..PATIENCE + MERCY {
        if slice >= PATIENCE {
            node.call(&["SCRIPT", "KILL"]);
            node.call(&["FUNCTION", "KILL"]);
        }
        let begin = Instant::now();
        let answer = pending.go_on();
        assert!(begin.elapsed() < STUCK, "a slice took {:?}", begin.elapsed());
        if let Some(answer) = answer {
            let first = answer.lines().next().unwrap_or_default();
            return first.starts_with("-ERR Script killed by user with")
                || first.starts_with("-ERR Script ended: ");
        }
    }
    panic!("it does not end");
}

fn populate(client: &Connection<'_>) {
    for request in [
        "set string 1 px 100000",
        "rpush list a b c",
        "hset hash x 1 y 2",
        "sadd set 1 2 3",
        "zadd zset 1 a 2 b",
        "xadd stream 1-1 x y",
    ] {
        client.ask(request);
    }
}

/// Every key with its value and its deadline.
fn contents(client: &Connection<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for database in ["0", "1", "2"] {
        client.ask(&format!("select {database}"));
        let keys = client.ask("keys *");
        let mut keys: Vec<&str> = keys.split("\r\n").skip(2).step_by(2).collect();
        keys.sort_unstable();
        for key in keys {
            all.push(format!(
                "{database} {key} {} {}",
                client.call(&["DUMP", key]),
                client.call(&["PEXPIRETIME", key])
            ));
        }
    }
    client.ask("select 0");
    all
}

/// Collects what can be collected. The buffer in which the VM joins texts shrinks by half in each cycle.
fn settle(node: &Node, host: &LuaHost) {
    node.call(&["EVAL", "for i = 1, 6 do collectgarbage() end", "0"]);
    while host.tidy() {}
}
