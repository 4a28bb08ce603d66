//! The limits that end a script, and `redis.abort`: nothing of the script is left, and nothing in it can stand in the way.

use crate::server::Server;

/// Ways in which a script might survive what ends it; `END` is where it is ended.
const STUBBORN: &[&str] = &[
    "END",
    "pcall(function() END end) return 'survived'",
    "while true do pcall(function() END end) end",
    "while true do pcall(pcall, pcall, function() END end) end",
    "xpcall(function() END end, function() while true do end end) return 'survived'",
    "xpcall(function() END end, function() return 'handled' end) return 'survived'",
    "coroutine.wrap(function() pcall(function() END end) end)() return 'survived'",
    "coroutine.resume(coroutine.create(function() END end)) return 'survived'",
    "pcall(coroutine.wrap(function() pcall(coroutine.wrap(function() END end)) end)) return 'survived'",
    "pcall(table.sort, {3, 2, 1}, function() END end) return 'survived'",
    "pcall(string.gsub, 'aaa', 'a', function() END end) return 'survived'",
    "pcall(table.foreach, {1}, function() END end) return 'survived'",
    "pcall(table.foreachi, {1}, function() pcall(function() END end) end) return 'survived'",
    "pcall(table.foreachi, {1}, function() pcall(coroutine.wrap(function() END end)) end) return 'survived'",
    "pcall(function() return setmetatable({}, {__index = function() END end}).x end) return 'survived'",
    "pcall(function() return setmetatable({}, {__lt = function() END end}) < setmetatable({}, {}) end) END",
    "pcall(tostring, setmetatable({}, {__tostring = function() END end})) return 'survived'",
    "pcall(load, function() END end) return 'survived'",
    "pcall(loadstring([[END]])) return 'survived'",
];

/// Runs the end in every stubborn way, after some writes.
#[track_caller]
fn check(parameters: &[(&str, &str)], end: &str, expected: &str) {
    for way in STUBBORN {
        let server = Server::new(parameters);
        server.call(&["SET", "k", "before"]);
        let script = format!(
            "redis.call('set', 'k', 'during') redis.call('rpush', 'l', 1) {}",
            way.replace("END", end)
        );
        let answer = server.eval(&script);
        assert!(answer.starts_with(expected), "{way}: {answer}");
        assert_eq!(server.call(&["GET", "k"]), "$6\r\nbefore\r\n", "{way}");
        assert_eq!(server.call(&["EXISTS", "l"]), ":0\r\n", "{way}");
        assert_eq!(server.eval("return {1, #table.concat({'a', 'b'})}"), "*2\r\n:1\r\n:2\r\n", "{way}");
    }
}

#[test]
fn nothing_survives_the_memory_limit() {
    let limit = ("script-memory-limit", "16mb");
    let expected = "-ERR Script ended: not enough memory (see script-memory-limit)";
    check(&[limit], "local t = {} while true do t[#t + 1] = {#t} end", expected);
    check(&[limit], "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end", expected);
    check(&[limit], "string.rep('x', 1e8)", expected);
    check(&[limit], "local s = 'x' while true do s = s .. s end", expected);
}

#[test]
fn nothing_survives_too_many_writes() {
    let expected = "-ERR Script ended: too many writes (see script-max-writes)";
    check(&[("script-max-writes", "10")], "for i = 1, 9 do redis.call('set', 'n', i) end", expected);
    check(&[("script-max-writes", "10")], "for i = 1, 9 do redis.pcall('incr', 'n') end", expected);
}

#[test]
fn writes_within_their_limit_and_reads_do_not_count() {
    let server = Server::new(&[("script-max-writes", "3")]);
    let script =
        "for i = 1, 3 do redis.call('incr', 'n') redis.call('get', 'n') end return redis.call('get', 'n')";
    assert_eq!(server.eval(script), "$1\r\n3\r\n");
    assert_eq!(server.eval(script), "$1\r\n6\r\n");
    server.call(&["CONFIG", "SET", "script-max-writes", "0"]);
    assert_eq!(server.eval("for i = 1, 100 do redis.call('incr', 'n') end return 1"), ":1\r\n");
}

#[test]
fn nothing_survives_an_abort() {
    check(&[], "redis.abort()", "$-1\r\n");
    check(&[], "redis.abort({1, 'two', {ok = 'fine'}})", "*3\r\n:1\r\n$3\r\ntwo\r\n+fine\r\n");
    check(&[], "redis.abort(redis.error_reply('LIMIT reached'))", "-LIMIT reached");
    check(&[], "redis.setresp(3) redis.abort({double = 1.5})", "$3\r\n1.5\r\n");
}

#[test]
fn the_hard_time_limit_ends_a_script() {
    let server = Server::new(&[("script-hard-time-limit", "50")]);
    let client = server.connect();
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "string.find(string.rep('a', 1e5), string.rep('.-', 9) .. 'b')",
    ] {
        let script = format!("redis.call('set', KEYS[1], 1) {body}");
        let mut endless = client.send(&["EVAL", &script, "1", "k"]);
        endless.slices(3);
        server.clock().advance_ms(100);
        let answer = endless.finish();
        assert!(
            answer.starts_with("-ERR Script ended: it ran for too long (see script-hard-time-limit)"),
            "{answer}"
        );
        assert_eq!(server.call(&["EXISTS", "k"]), ":0\r\n");
    }
    assert_eq!(server.eval("return 1"), ":1\r\n");
}

#[test]
fn one_of_several_scripts_is_killed() {
    let server = Server::new(&[]);
    let names = ["#!lua name=first\n", "#!lua name=second\n", ""];
    let scripts: Vec<String> =
        (0..3).map(|at| format!("{}while true do local n = {at} end", names[at])).collect();
    let clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let keys = ["a", "b", "c"];
    let mut runs: Vec<_> =
        (0..3).map(|at| clients[at].send(&["EVAL", &scripts[at], "1", keys[at]])).collect();
    runs.iter_mut().for_each(|run| run.slices(2));
    assert!(server.call(&["SCRIPT", "KILL", "third"]).starts_with("-NOTBUSY"));
    assert!(server.call(&["SCRIPT", "KILL", "CLIENT", "ID", "999"]).starts_with("-NOTBUSY"));
    assert!(server.call(&["SCRIPT", "KILL", "CLIENT", "ID", "x"]).starts_with("-ERR client-id"));
    assert!(server.call(&["SCRIPT", "KILL", "a", "b"]).starts_with("-ERR syntax error"));
    assert_eq!(server.call(&["SCRIPT", "KILL", "second"]), "+OK\r\n");
    let mut third = runs.pop().expect("three");
    let mut second = runs.pop().expect("two");
    let mut first = runs.pop().expect("one");
    assert!(second.go_on().is_some_and(|answer| answer.contains("killed by user")));
    first.slices(2);
    third.slices(2);
    let sha1 = server.call(&["SCRIPT", "LOAD", &scripts[2]]);
    assert_eq!(server.call(&["SCRIPT", "KILL", &sha1[5..45].to_uppercase()]), "+OK\r\n");
    assert!(third.go_on().is_some_and(|answer| answer.contains("killed by user")));
    first.slices(2);
    assert_eq!(server.call(&["SCRIPT", "KILL"]), "+OK\r\n");
    assert!(first.finish().contains("killed by user"));
}

#[test]
fn what_a_script_has_left_behind_is_given_back() {
    let server = Server::new(&[]);
    server.eval("return 1");
    let before = server.used_bytes();
    let client = server.connect();
    let greedy =
        "local t = {} for i = 1, 2e5 do t[i] = {i} end t.long = string.rep('x', 3e7) while true do end";
    let mut run = client.send(&["EVAL", greedy, "0"]);
    run.slices(2);
    while server.used_bytes() < before + (30 << 20) {
        run.slices(1);
    }
    assert!(!server.tidy(), "a script that runs is left alone");
    server.call(&["SCRIPT", "KILL"]);
    run.finish();
    while server.tidy() {}
    assert!(server.used_bytes() < before + (5 << 20), "{before} {}", server.used_bytes());
}

/// Left to itself, the collector takes a step for each string, however long.
#[test]
fn the_collector_keeps_up_with_large_strings() {
    for body in ["string.rep(10 + i % 90, 1e7)", "(i .. string.rep('x', 3e7)):upper():reverse()"] {
        let server = Server::new(&[]);
        let client = server.connect();
        let mut run = client.send(&["EVAL", &format!("local i = 0 while true do i = i + 1 {body} end"), "0"]);
        let mut most = 0;
        for _ in 0..1000 {
            run.slices(1);
            most = most.max(server.used_bytes());
        }
        assert!(most < 256 << 20, "{body}: {most}");
        server.call(&["SCRIPT", "KILL"]);
        run.finish();
    }
}
