//! Functions that a script begins with are made once; no run can tell.

use crate::server::Server;

/// Runs the script several times and compares the last answer.
#[track_caller]
fn check(script: &str, wanted: &str) {
    let server = Server::new(&[]);
    for _ in 0..5 {
        server.call(&["EVAL", script, "1", "first", "1"]);
    }
    server.call(&["EVAL", script, "2", "second", "third", "2"]);
    assert_eq!(server.call(&["EVAL", script, "1", "k", "3"]), wanted, "{script}");
}

#[test]
fn leading_functions_see_their_run() {
    check(
        "local function f() return {KEYS[1], #KEYS, ARGV[1]} end return f()",
        "*3\r\n$1\r\nk\r\n:1\r\n$1\r\n3\r\n",
    );
    check(
        "local call = redis.call local function incr(k) return call('incr', k) end return incr(KEYS[1])",
        ":1\r\n",
    );
    check(
        "local function even(n) if n == 0 then return 1 end return even(n - 2) end return even(10)",
        ":1\r\n",
    );
}

#[test]
fn what_they_change_lasts_for_the_run() {
    check("local n = 0 local function f() n = n + 1 return n end return f()", ":1\r\n");
    check("local t = {} local function f() t[#t + 1] = 1 return #t end return f()", ":1\r\n");
    check("local f, n = nil, 0 local function g() n = n + 1 return n end return g()", ":1\r\n");
    check(
        "local function f(g) if g then f = g end return 0 end local r = f(function() return 7 end) return f()",
        ":7\r\n",
    );
}

#[test]
fn errors_keep_their_place() {
    let script = "local function f(x)\n  return redis.call('incr', x, 'y')\nend\n\nreturn f(KEYS[1]) + 1";
    let server = Server::new(&[]);
    let sha = server.call(&["SCRIPT", "LOAD", script]).lines().nth(1).unwrap().to_owned();
    for _ in 0..8 {
        let reply = server.call(&["EVALSHA", &sha, "1", "k"]);
        assert!(reply.contains("on @user_script:2."), "{reply}");
    }
    let statistics = server.call(&["SCRIPT", "STATS", &sha]);
    assert!(statistics.contains("@user_script:5: in main chunk"), "{statistics}");
}

#[test]
fn names_that_do_not_exist_fail_in_the_run() {
    let script = "local x = redis.nothing.there local function f() return x end return f()";
    let server = Server::new(&[]);
    let reply = server.call(&["EVAL", script, "0"]);
    assert!(reply.contains("attempt to index field 'nothing' (a nil value)"), "{reply}");
    assert!(reply.contains("on @user_script:1."), "{reply}");
}
