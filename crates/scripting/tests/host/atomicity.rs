//! What an error, the memory limit and a script's own commands leave behind.

use crate::server::Server;

#[test]
fn an_error_keeps_what_was_written() {
    let server = Server::new(&[]);
    let answer = server.eval("redis.call('set', 'k', 1) error('no')");
    assert!(answer.starts_with("-ERR user_script:1: no script: "), "{answer}");
    assert_eq!(server.call(&["GET", "k"]), "$1\r\n1\r\n");
}

#[test]
fn an_atomic_script_undoes_what_it_wrote() {
    let server = Server::new(&[]);
    let subscriber = server.connect();
    subscriber.call(&["SUBSCRIBE", "news"]);
    subscriber.messages();
    let body = "redis.call('set', 'k', 1) redis.call('publish', 'news', 'x') error('no')";
    let answer = server.eval(&format!("#!lua flags=atomic\n{body}"));
    assert!(answer.starts_with("-ERR user_script:2: no script: "), "{answer}");
    assert_eq!(server.call(&["EXISTS", "k"]), ":0\r\n");
    assert!(subscriber.messages().is_empty());
    server.call(&["CONFIG", "SET", "script-atomicity", "yes"]);
    server.eval(body);
    assert_eq!(server.call(&["EXISTS", "k"]), ":0\r\n");
    // An error that the script returns is an answer, not a failure.
    server.eval("redis.call('set', 'k', 1) return redis.error_reply('ERR mine')");
    assert_eq!(server.call(&["EXISTS", "k"]), ":1\r\n");
}

#[test]
fn the_memory_limit_ends_a_script_and_spares_the_vm() {
    let server = Server::new(&[("script-memory-limit", "32mb")]);
    for greedy in [
        "local t = {} while true do t[#t + 1] = {#t} end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1000) .. i end",
        "return string.rep('x', 1e9)",
        "local t = {} coroutine.wrap(function() while true do t[#t + 1] = {#t} end end)()",
    ] {
        let answer = server.eval(greedy);
        assert!(answer.contains("not enough memory"), "{greedy}: {answer}");
        assert_eq!(server.eval("local t = {} for i = 1, 1000 do t[i] = {i} end return #t"), ":1000\r\n");
    }
    assert!(server.used_bytes() < 256 << 20, "{}", server.used_bytes());
}

#[test]
fn the_memory_limit_is_for_all_slices_together() {
    let server = Server::new(&[("script-memory-limit", "32mb")]);
    let client = server.connect();
    let slowly = "local t = {} while true do
                      for i = 1, 20000 do local garbage = {i} end
                      t[#t + 1] = string.rep('x', 10000) .. #t
                  end";
    let mut pending = client.send(&["EVAL", slowly, "0"]);
    pending.slices(3);
    let answer = pending.finish();
    assert!(answer.contains("not enough memory"), "{answer}");
}

#[test]
fn a_reply_beyond_the_memory_limit_harms_nobody() {
    let server = Server::new(&[("script-memory-limit", "8mb")]);
    server.call(&["SETRANGE", "big", "20000000", "x"]);
    assert_eq!(server.eval("return #redis.call('get', 'big')"), ":20000001\r\n");
    assert_eq!(server.eval("return 1"), ":1\r\n");
}

#[test]
fn a_script_does_not_block() {
    let server = Server::new(&[]);
    for blocking in ["'blpop', 'none', 0", "'brpoplpush', 'none', 'x', 0", "'bzpopmin', 'none', 0"] {
        let answer = server.eval(&format!("return redis.call({blocking})"));
        assert!(answer.starts_with("-ERR This Redis command is not allowed from script"), "{answer}");
    }
}

#[test]
fn select_ends_with_the_script() {
    let server = Server::new(&[]);
    let client = server.connect();
    assert_eq!(
        client.call(&["EVAL", "redis.call('select', 5) return redis.call('set', 'k', 'five')", "0"]),
        "+OK\r\n"
    );
    assert_eq!(client.call(&["GET", "k"]), "$-1\r\n");
    assert_eq!(client.call(&["EVAL", "return redis.call('get', 'k')", "0"]), "$-1\r\n");
    client.call(&["SELECT", "5"]);
    assert_eq!(client.call(&["GET", "k"]), "$4\r\nfive\r\n");
}

#[test]
fn setresp_ends_with_the_script() {
    let server = Server::new(&[]);
    server.call(&["HSET", "h", "a", "1"]);
    let client = server.connect();
    let script = "redis.setresp(3) return redis.call('hgetall', 'h').map.a";
    assert_eq!(client.call(&["EVAL", script, "0"]), "$1\r\n1\r\n");
    assert_eq!(
        client.call(&["EVAL", "return redis.call('hgetall', 'h')", "0"]),
        "*2\r\n$1\r\na\r\n$1\r\n1\r\n"
    );
}

/// Tables are as deep as a script likes, and the worker's stack is not: each way a level can be made, on a thread with the
/// stack that workers have.
#[test]
fn a_reply_without_end_is_cut_off_and_harms_nobody() {
    let server = Server::new(&[]);
    for (script, levels) in [
        ("local t = {} t[1] = t return t", 7995),
        ("local t = {} t.map = {a = t} return t", 2665),
        ("redis.setresp(3) local t = {} t.set = {[t] = 1} return t", 2665),
        ("local t = {} for i = 1, 1e5 do t = {t} end return t", 7995),
    ] {
        let answer = server.eval(script);
        assert_eq!(answer.matches('*').count(), levels, "{script}");
        assert!(answer.ends_with("-ERR reached lua stack limit\r\n"), "{script}");
        assert_eq!(server.eval("return 1"), ":1\r\n");
    }
}

/// `error` with a table that has no text; redis-server 7.0.15 does not survive it.
#[test]
fn an_error_without_a_text_is_answered() {
    let server = Server::new(&[]);
    for script in
        ["error({})", "error({err = 1})", "error({err = {}})", "error(setmetatable({}, {__index = error}))"]
    {
        let answer = server.eval(script);
        assert!(answer.starts_with("-ERR unknown error script: "), "{script}: {answer}");
        assert!(answer.ends_with(", on @user_script:1.\r\n"), "{script}: {answer}");
    }
}
