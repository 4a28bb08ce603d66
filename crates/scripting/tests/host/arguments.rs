//! KEYS and ARGV are each run's own.

use crate::server::Server;

const SHOW: &str = "local t = {} for k, v in pairs(ARGV) do t[#t + 1] = k .. '=' .. v end table.sort(t) \
    return {#KEYS, #ARGV, KEYS[1] or 'none', tostring(getmetatable(ARGV)), table.concat(t, ' ')}";

/// Runs the script, and then looks at KEYS and ARGV of another.
#[track_caller]
fn check(script: &str) {
    let server = Server::new(&[]);
    for args in [&["1", "a", "b", "c"][..], &["0"], &["2", "k1", "k2", "1", "2", "3", "4", "5", "6"]] {
        for _ in 0..4 {
            server.call(&[&["EVAL", script], args].concat());
        }
        let few = server.call(&["EVAL", SHOW, "1", "key", "x"]);
        assert_eq!(few, "*5\r\n:1\r\n:1\r\n$3\r\nkey\r\n$3\r\nnil\r\n$3\r\n1=x\r\n", "{script} {args:?}");
        let none = server.call(&["EVAL", SHOW, "0"]);
        assert_eq!(none, "*5\r\n:0\r\n:0\r\n$4\r\nnone\r\n$3\r\nnil\r\n$0\r\n\r\n", "{script} {args:?}");
    }
}

#[test]
fn nothing_of_one_run_is_left_for_the_next() {
    check("return 1");
    check("return {KEYS[1], ARGV[1]}");
    check("ARGV[1] = nil ARGV[3] = 'z'");
    check("ARGV[#ARGV + 1] = 'more' table.insert(KEYS, 'more')");
    check("ARGV.name = 'x' KEYS.name = 'x' ARGV[0] = 'x' ARGV[1.5] = 'x' ARGV[-1] = 'x'");
    check("for i = 1, 100 do ARGV[i] = i end");
    check("setmetatable(ARGV, {__index = function() return 'x' end})");
    check("local lists = {KEYS, ARGV} lists[2][2] = 'x'");
    check("local unpack = function(t) t[2] = 'x' end unpack(ARGV)");
    check("loadstring('ARGV[2] = 1')()");
    check("_G['AR' .. 'GV'][2] = 1");
    check("error('x')");
    check("ARGV[2] = 'x' error('x')");
}
