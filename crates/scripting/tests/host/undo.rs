//! Random scripts, ended at every one of their calls in every way there is: everything is as if they had never been.

use crate::server::Server;

const KEYS: [&str; 7] = ["s", "n", "l", "m", "h", "u", "z"];

/// Data of every type, some of it about to expire.
const DATA: &[&[&str]] = &[
    &["SET", "s", "text", "PX", "50000"],
    &["SET", "n", "7"],
    &["RPUSH", "l", "a", "b", "c", "d"],
    &["HSET", "h", "f", "1", "g", "two"],
    &["PEXPIRE", "h", "70000"],
    &["SADD", "u", "1", "2", "3"],
    &["ZADD", "z", "1", "a", "2", "b", "3", "c"],
    &["CONFIG", "SET", "notify-keyspace-events", "KEA"],
];

/// Calls that change something; errors among them are part of the game.
const CALLS: &[&str] = &[
    "'set', 's', 'other'",
    "'append', 's', '+'",
    "'setrange', 's', 3, 'xyz'",
    "'getdel', 's'",
    "'psetex', 's', 9000, 'v'",
    "'incrby', 'n', 5",
    "'incrbyfloat', 'n', 0.5",
    "'decr', 'n'",
    "'setbit', 'n', 3, 1",
    "'mset', 's', 1, 'm', 2",
    "'rpush', 'l', 'x', 'y'",
    "'lpop', 'l'",
    "'rpop', 'l', 2",
    "'linsert', 'l', 'before', 'b', 'new'",
    "'lset', 'l', 0, 'z'",
    "'ltrim', 'l', 1, 2",
    "'lmove', 'l', 'm', 'left', 'right'",
    "'lrem', 'l', 0, 'b'",
    "'rpush', 'awaited', 'fed'",
    "'hset', 'h', 'f', 2, 'new', 3",
    "'hdel', 'h', 'f'",
    "'hincrby', 'h', 'f', 4",
    "'hset', 'h', 'long', string.rep('v', 100)",
    "'sadd', 'u', 4, 'text'",
    "'srem', 'u', 1",
    "'spop', 'u'",
    "'smove', 'u', 'm', 2",
    "'sunionstore', 'm', 'u', 'u'",
    "'zadd', 'z', 5, 'a', 6, 'new'",
    "'zincrby', 'z', 1, 'b'",
    "'zpopmin', 'z'",
    "'zrem', 'z', 'c'",
    "'zremrangebyrank', 'z', 0, 0",
    "'zunionstore', 'm', 2, 'z', 'z'",
    "'del', 'l', 'h'",
    "'unlink', 'z'",
    "'expire', 'u', 100",
    "'persist', 's'",
    "'pexpire', 'h', -1",
    "'rename', 'l', 'u'",
    "'copy', 'z', 'm', 'replace'",
    "'move', 'n', 3",
    "'sort', 'u', 'store', 'm'",
    "'publish', 'news', 'told'",
    "'flushall'",
    "'flushdb'",
    "'swapdb', 0, 3",
    "'bitfield', 'n', 'set', 'u8', 0, 9",
];

/// How a script is ended at a call.
const ENDS: &[(&str, &str)] = &[
    ("", "redis.abort('aborted')"),
    ("", "pcall(function() redis.abort() end)"),
    ("#!lua flags=atomic\n", "error('failed')"),
    ("", "string.rep('x', 1e9)"),
    ("", "for i = 1, 1000 do redis.call('set', 's', i) end"),
    ("", "while true do end"),
];

#[test]
fn a_script_that_is_ended_has_never_been() {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for round in 0..40 {
        let calls: Vec<&str> = (0..6).map(|_| CALLS[chance.below(CALLS.len())]).collect();
        for at in 0..=calls.len() {
            let (head, end) = ENDS[(round + at) % ENDS.len()];
            check(&calls[..at], head, end);
        }
    }
}

#[track_caller]
fn check(calls: &[&str], head: &str, end: &str) {
    let server = Server::new(&[("script-memory-limit", "32mb"), ("script-max-writes", "500")]);
    for request in DATA {
        server.call(request);
    }
    let before = state(&server);
    let (listener, watcher, popper) = (server.connect(), server.connect(), server.connect());
    listener.call(&["PSUBSCRIBE", "*"]);
    listener.messages();
    watcher.call(&[&["WATCH"], &KEYS[..], &["awaited"]].concat());
    let mut popped = popper.send(&["BLPOP", "awaited", "0"]);
    assert_eq!(popped.go_on(), None);
    let body: String = calls.iter().map(|call| format!("redis.pcall({call}) ")).collect();
    let script = format!("{head}{body} {end}");
    let runner = server.connect();
    let mut run = runner.send(&["EVAL", &script, "0"]);
    if end.starts_with("while") {
        run.slices(2);
        server.call(&["SCRIPT", "KILL"]);
    }
    run.finish();
    assert!(listener.messages().is_empty(), "{script}: nobody hears of it");
    assert_eq!(popped.go_on(), None, "{script}: the blocked client waits on");
    assert_eq!(state(&server), before, "{script}");
    watcher.call(&["MULTI"]);
    watcher.call(&["PING"]);
    assert_eq!(watcher.call(&["EXEC"]), "*1\r\n+PONG\r\n", "{script}: what was watched is as it was");
    server.call(&["RPUSH", "awaited", "fed"]);
    assert_eq!(popped.finish(), "*2\r\n$7\r\nawaited\r\n$3\r\nfed\r\n", "{script}");
}

/// All that can be seen of the data.
fn state(server: &Server) -> Vec<String> {
    let client = server.connect();
    let mut seen = Vec::new();
    for database in ["0", "3"] {
        client.call(&["SELECT", database]);
        seen.push(client.call(&["DBSIZE"]));
        for key in KEYS.iter().chain(&["awaited"]) {
            seen.push(client.call(&["PEXPIRETIME", key]));
            seen.push(client.call(&["OBJECT", "ENCODING", key]));
            let kind = client.call(&["TYPE", key]);
            seen.push(match kind.trim() {
                "+string" => client.call(&["GET", key]),
                "+list" => client.call(&["LRANGE", key, "0", "-1"]),
                "+hash" => client.call(&["HGETALL", key]),
                "+set" => client.call(&["SMEMBERS", key]),
                "+zset" => client.call(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
                _ => kind,
            });
        }
    }
    seen
}

/// A small generator: the seed is the failure's name.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) as usize % bound
    }
}
