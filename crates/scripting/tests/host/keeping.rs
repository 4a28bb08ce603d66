//! What libraries keep from call to call counts as memory of those who call them.

use crate::server::Server;

const KEEPS_TOO_MUCH: &str =
    "-ERR Script ended: not enough memory besides what the variables of its library keep";

/// A library `name` with the function `name`, whose variable `state` is a table.
#[track_caller]
fn load(server: &Server, name: &str, body: &str) {
    let text = format!(
        "#!lua name={name}\nlocal state = {{}} redis.register_function('{name}', function(keys, args) {body} end)"
    );
    assert_eq!(server.call(&["FUNCTION", "LOAD", &text]), format!("${}\r\n{name}\r\n", name.len()));
}

/// A megabyte more with each call; answers how many it has.
const GROW: &str = "local number = redis.call('incr', keys[1])
    state[#state + 1] = string.rep('x', 2^20 - 9) .. number + 1e8 return #state";

#[test]
fn state_that_grows_from_call_to_call_meets_the_limit_and_begins_anew() {
    let server = Server::new(&[("script-memory-limit", "16mb")]);
    load(&server, "grow", GROW);
    for round in 1..3 {
        let mut calls = 1;
        let answer = loop {
            let answer = server.call(&["FCALL", "grow", "1", "calls"]);
            if answer.starts_with('-') {
                break answer;
            }
            assert_eq!(answer, format!(":{calls}\r\n"), "round {round}");
            calls += 1;
            assert!(calls < 100, "it never meets the limit");
        };
        assert!(answer.starts_with(KEEPS_TOO_MUCH), "{answer}");
        assert!((12..=17).contains(&calls), "{calls} calls");
        let counted = round * (calls - 1);
        assert_eq!(
            server.call(&["GET", "calls"]),
            format!("${}\r\n{counted}\r\n", counted.to_string().len())
        );
        while server.tidy() {}
        server.eval("collectgarbage() collectgarbage()");
    }
}

#[test]
fn what_a_function_throws_away_is_not_kept() {
    let server = Server::new(&[("script-memory-limit", "16mb")]);
    load(&server, "waste", "state[1] = string.rep('x', 2^20) .. args[1] return #state");
    for call in 0..200 {
        assert_eq!(server.call(&["FCALL", "waste", "0", &call.to_string()]), ":1\r\n", "{call}");
    }
}

#[test]
fn libraries_keep_no_more_together_than_one_may() {
    let server = Server::new(&[("script-memory-limit", "16mb")]);
    for name in ["a", "b", "c"] {
        load(&server, name, GROW);
    }
    let before = server.used_bytes();
    for calls in 0..100 {
        for name in ["a", "b", "c"] {
            let answer = server.call(&["FCALL", name, "1", "calls"]);
            assert!(calls >= 5 || answer == format!(":{}\r\n", calls + 1), "{name}: {answer}");
        }
        server.eval("collectgarbage() collectgarbage()");
        assert!(server.used_bytes() < before + (17 << 20), "{before} {}", server.used_bytes());
    }
}

#[test]
fn there_is_no_limit_where_it_is_switched_off() {
    for parameter in [("script-memory-limit", "0"), ("redis-strict", "yes")] {
        let server = Server::new(&[("script-memory-limit", "16mb"), parameter]);
        load(&server, "grow", GROW);
        for calls in 1..40 {
            assert_eq!(server.call(&["FCALL", "grow", "1", "calls"]), format!(":{calls}\r\n"));
        }
    }
}
