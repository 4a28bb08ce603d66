//! KEYS and ARGV, and keys that a script has not declared.

use crate::server::Server;

#[test]
fn keys_and_arguments_arrive() {
    let server = Server::new(&[]);
    let script = "return {#KEYS, KEYS[1], KEYS[2], #ARGV, ARGV[1]}";
    assert_eq!(
        server.call(&["EVAL", script, "2", "a", "b", "c"]),
        "*5\r\n:2\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n$1\r\nc\r\n"
    );
    assert_eq!(server.eval("return {#KEYS, #ARGV}"), "*2\r\n:0\r\n:0\r\n");
}

#[test]
fn undeclared_keys_are_locked_when_they_are_touched() {
    let server = Server::new(&[]);
    let client = server.connect();
    let script = "redis.call('set', ARGV[1], 1) redis.call('incr', ARGV[2]) while true do end";
    let mut pending = client.send(&["EVAL", script, "0", "a", "b"]);
    pending.slices(2);
    for key in ["a", "b"] {
        while server.connect().send(&["GET", key]).settle().is_some() {
            pending.slices(1);
        }
    }
    server.call(&["SCRIPT", "KILL"]);
    pending.finish();
    assert_eq!(server.call(&["EXISTS", "a", "b"]), ":0\r\n");
}

#[test]
fn a_script_that_meets_a_held_key_starts_again_with_all() {
    let server = Server::new(&[]);
    let client = server.connect();
    let keys: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
    let mut request = vec!["EVAL", "for i = 1, #ARGV do redis.call('incr', ARGV[i]) end return #ARGV", "0"];
    request.extend(keys.iter().map(String::as_str));
    let held = server.hold(&keys[20]);
    let mut pending = client.send(&request);
    assert_eq!(pending.settle(), None);
    drop(held);
    assert_eq!(pending.finish(), ":40\r\n");
    for key in &keys {
        assert_eq!(server.call(&["GET", key]), "$1\r\n1\r\n", "undone once, done once");
    }
    let sha1 = server.call(&["SCRIPT", "LOAD", request[1]]);
    let script = server.engine().scripts.find(&sha1.as_bytes()[5..45]).expect("a cached script");
    assert!(script.is_wide(), "the next run starts wide");
}

#[test]
fn restarting_works_in_later_slices_inside_pcall_and_coroutines() {
    for call in [
        "pcall(redis.call, 'incr', KEY)",
        "redis.pcall('incr', KEY)",
        "coroutine.wrap(function() pcall(redis.call, 'incr', KEY) end)()",
        "table.foreachi({1}, function() pcall(redis.call, 'incr', KEY) end)",
        "table.foreachi({1}, function() pcall(coroutine.wrap(function() redis.call('incr', KEY) end)) end)",
    ] {
        let server = Server::new(&[]);
        let client = server.connect();
        // The held key's shard comes before the declared one's, so that it cannot be waited for.
        let mut names = ["one", "two"];
        names.sort_by_key(|name| server.engine().keyspace.shard_of(name.as_bytes()));
        let call = call.replace("KEY", "ARGV[1]");
        let script = format!(
            "redis.call('incr', KEYS[1]) for i = 1, 2e8 do end {call} return redis.call('get', ARGV[1])"
        );
        let held = server.hold(names[0]);
        let mut pending = client.send(&["EVAL", &script, "1", names[1], names[0]]);
        for _ in 0..300 {
            assert_eq!(pending.go_on(), None, "{call}");
        }
        drop(held);
        assert_eq!(pending.finish(), "$1\r\n1\r\n", "{call}");
        assert_eq!(server.call(&["GET", names[1]]), "$1\r\n1\r\n", "{call}");
    }
}

#[test]
fn a_table_is_a_whole_request() {
    let server = Server::new(&[]);
    assert_eq!(server.eval("return redis.call({'set', 'k', 1.5})"), "+OK\r\n");
    assert_eq!(server.eval("return redis.pcall({'get', 'k'})"), "$3\r\n1.5\r\n");
    let many = "local t = {'rpush', 'l'} for i = 1, 1e5 do t[i + 2] = i end return redis.call(t)";
    assert_eq!(server.eval(many), ":100000\r\n");
    assert_eq!(server.call(&["LRANGE", "l", "99998", "-1"]), "*2\r\n$5\r\n99999\r\n$6\r\n100000\r\n");
    for wrong in
        ["{}", "{'get', {}}", "{'get'}, 'k'", "'get', {'k'}", "setmetatable({}, {__index = {'ping'}})"]
    {
        let answer = server.eval(&format!("return redis.call({wrong})"));
        assert!(
            answer.starts_with("-ERR Lua redis lib command arguments must be strings or integers"),
            "{wrong}: {answer}"
        );
    }
}
