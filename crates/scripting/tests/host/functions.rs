//! Libraries of functions: instances, slices, kills, what they require of each other.

use crate::server::{Server, in_time};

fn load(server: &Server, name: &str, text: &str) -> String {
    server.call(&["FUNCTION", "LOAD", "REPLACE", &format!("#!lua name={name}\n{text}")])
}

/// Loads a library with one function `f` and the variable `state`.
#[track_caller]
fn load_function(server: &Server, body: &str) {
    let text = format!("local state = 0 redis.register_function('f', function(keys, args) {body} end)");
    assert_eq!(load(server, "lib", &text), "$3\r\nlib\r\n");
}

#[test]
fn state_stays_between_calls_and_goes_with_the_library() {
    let server = Server::new(&[]);
    load_function(&server, "state = state + 1 return state");
    let client = server.connect();
    assert_eq!(
        ["FCALL f 0", "FCALL F 0", "FCALL f 0"].map(|call| client.ask(call)),
        [":1\r\n", ":2\r\n", ":3\r\n"]
    );
    load_function(&server, "state = state + 10 return state");
    assert_eq!(client.ask("FCALL f 0"), ":10\r\n");
}

#[test]
fn an_error_leaves_the_state_as_it_is() {
    let server = Server::new(&[]);
    load_function(&server, "state = state + 1 error({err = 'AT ' .. state})");
    let client = server.connect();
    client.ask("FCALL f 0");
    assert_eq!(client.ask("FCALL f 0"), "-AT 2 script: f, on @user_function:2.\r\n");
}

/// Two runs that take turns on one worker have an instance each.
#[test]
fn runs_that_take_turns_share_no_state() {
    in_time(|| {
        let server = Server::new(&[]);
        load_function(
            &server,
            "state = tonumber(args[1]) for i = 1, tonumber(args[2]) do end
             return redis.call('set', keys[1], state)",
        );
        let (slow, quick) = (server.connect(), server.connect());
        let mut pending = slow.send(&["FCALL", "f", "1", "a", "1", "3e8"]);
        pending.try_slices(2)?;
        assert_eq!(quick.call(&["FCALL", "f", "1", "b", "2", "0"]), "+OK\r\n");
        assert_eq!(pending.finish(), "+OK\r\n");
        assert_eq!(server.call(&["MGET", "a", "b"]), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        Some(())
    });
}

#[test]
fn a_killed_function_leaves_neither_writes_nor_state() {
    let server = Server::new(&[]);
    load_function(
        &server,
        "state = state + 1 redis.call('set', keys[1], state) while args[1] do end return state",
    );
    let client = server.connect();
    assert_eq!(client.call(&["FCALL", "f", "1", "k"]), ":1\r\n");
    let mut endless = client.send(&["FCALL", "f", "1", "k", "forever"]);
    endless.slices(3);
    assert!(
        server
            .call(&["SCRIPT", "KILL"])
            .starts_with("-BUSY Redis is busy running a script. You can only call FUNCTION")
    );
    let stats = server.call(&["FUNCTION", "STATS"]);
    assert!(stats.contains("$1\r\nf\r\n") && stats.contains("$7\r\nforever\r\n"), "{stats}");
    assert!(server.call(&["FUNCTION", "KILL", "other"]).starts_with("-NOTBUSY"));
    assert_eq!(server.call(&["FUNCTION", "KILL", "f"]), "+OK\r\n");
    let answer = endless.finish();
    assert_eq!(answer, "-ERR Script killed by user with SCRIPT KILL... script: f, on @user_function:2.\r\n");
    assert_eq!(server.call(&["GET", "k"]), "$1\r\n1\r\n");
    assert_eq!(client.call(&["FCALL", "f", "1", "k"]), ":1\r\n", "what was stopped half-way is given up");
}

#[test]
fn a_function_kill_spares_scripts() {
    let server = Server::new(&[]);
    let client = server.connect();
    let mut endless = client.send(&["EVAL", "while true do end", "0"]);
    endless.slices(2);
    assert!(
        server
            .call(&["FUNCTION", "KILL"])
            .starts_with("-BUSY Redis is busy running a script. You can only call SCRIPT")
    );
    assert_eq!(server.call(&["SCRIPT", "KILL"]), "+OK\r\n");
    endless.finish();
    assert!(server.call(&["FUNCTION", "KILL"]).starts_with("-NOTBUSY"));
}

#[test]
fn a_text_that_never_ends_harms_nobody_and_is_given_up() {
    let server = Server::new(&[]);
    let client = server.connect();
    let mut endless = client.send(&["FUNCTION", "LOAD", "#!lua name=lib\nwhile true do end"]);
    endless.slices(3);
    assert_eq!(server.call(&["SET", "k", "v"]), "+OK\r\n");
    load_function(&server, "return 1");
    server.clock().advance_ms(600);
    assert_eq!(endless.finish(), "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n");
    assert_eq!(client.ask("FCALL f 0"), ":1\r\n");
}

#[test]
fn a_text_that_never_ends_can_be_killed() {
    for body in [
        "while true do end",
        "local function f() return f() end f()",
        "('x'):gsub('x', function() while true do end end)",
        "('a'):rep(1e5):find(('.-'):rep(9) .. 'b')",
    ] {
        let server = Server::new(&[]);
        let client = server.connect();
        let mut endless = client.send(&["FUNCTION", "LOAD", &format!("#!lua name=lib\n{body}")]);
        endless.slices(3);
        assert!(server.call(&["SCRIPT", "KILL"]).starts_with("-BUSY"), "{body}");
        assert_eq!(server.call(&["FUNCTION", "KILL"]), "+OK\r\n", "{body}");
        let answer = endless.go_on();
        let killed = "-ERR Error registering functions: ERR Script killed by user with FUNCTION KILL...\r\n";
        assert_eq!(answer.as_deref(), Some(killed), "{body}");
        assert!(server.call(&["FUNCTION", "KILL"]).starts_with("-NOTBUSY"), "{body}");
        load_function(&server, "return 1");
        assert_eq!(client.ask("FCALL f 0"), ":1\r\n", "{body}");
    }
}

/// The libraries have changed while a text was being run: it is run again, and sees the change.
#[test]
fn a_load_that_was_overtaken_is_done_again() {
    in_time(|| {
        let server = Server::new(&[]);
        let client = server.connect();
        let slow = "#!lua name=slow\nfor i = 1, 3e8 do end redis.register_function('f', function() end)";
        let mut pending = client.send(&["FUNCTION", "LOAD", slow]);
        pending.try_slices(2)?;
        load_function(&server, "return 1");
        assert_eq!(pending.finish(), "-ERR Function f already exists\r\n");
        assert_eq!(server.connect().ask("FCALL f 0"), ":1\r\n");
        Some(())
    });
}

#[test]
fn a_library_that_is_required_is_run_anew_and_stays() {
    let server = Server::new(&[]);
    assert!(load(&server, "user", "require('tool')").contains("'tool', which is required, is not loaded"));
    load(&server, "tool", "return {twice = function(x) return 2 * x end}");
    load(
        &server,
        "user",
        "local tool = require('tool') redis.register_function('f', function() return tool.twice(21) end)",
    );
    let client = server.connect();
    assert_eq!(client.ask("FCALL f 0"), ":42\r\n");
    assert_eq!(client.ask("FUNCTION DELETE tool"), "-ERR Library 'tool' is required by library 'user'\r\n");
    load(&server, "tool", "return {twice = function(x) return x .. x end}");
    assert_eq!(client.ask("FCALL f 0"), "$4\r\n2121\r\n");
    let broken = load(&server, "tool", "redis.register_function('g', function() end)");
    assert_eq!(
        broken,
        "-ERR Library 'user', which requires it, fails: Error registering functions: ERR Library 'tool', which is required, returns no table\r\n"
    );
    assert!(load(&server, "tool", "require('user')").contains("requires itself: tool -> user -> tool"));
    assert_eq!(client.ask("FCALL f 0"), "$4\r\n2121\r\n");
    for call in ["FUNCTION DELETE user", "FUNCTION DELETE tool"] {
        assert_eq!(client.ask(call), "+OK\r\n");
    }
}

#[test]
fn what_a_required_library_registers_is_its_own() {
    let server = Server::new(&[]);
    let tool = "local n = 0 local function next() n = n + 1 return n end
                redis.register_function('tool', next) return {next = next}";
    load(&server, "tool", tool);
    load(&server, "user", "local tool = require('tool') redis.register_function('user', tool.next)");
    let client = server.connect();
    let calls = ["FCALL user 0", "FCALL user 0", "FCALL tool 0"];
    assert_eq!(calls.map(|call| client.ask(call)), [":1\r\n", ":2\r\n", ":1\r\n"]);
}

#[test]
fn errors_in_a_required_library_say_where() {
    let server = Server::new(&[]);
    load(&server, "tool", "local function f(x)\nreturn x + 1 end\nreturn {f = f}");
    load(
        &server,
        "user",
        "local tool = require('tool') redis.register_function('f', function() local x = tool.f() return x end)",
    );
    let answer = server.call(&["FCALL", "f", "0"]);
    assert_eq!(
        answer,
        "-ERR library tool:3: attempt to perform arithmetic on local 'x' (a nil value) script: f, on @library tool:3.\r\n"
    );
}

/// LuaJIT's tail calls leave no trace of the caller.
#[test]
fn errors_always_name_the_function_and_a_line() {
    let server = Server::new(&[]);
    for body in [
        "return redis.call('nosuch')",
        "local call = redis.call return call('nosuch')",
        "return error({err = 'X'})",
    ] {
        load_function(&server, body);
        let answer = server.connect().ask("FCALL f 0");
        assert!(answer.ends_with(" script: f, on @user_function:2.\r\n"), "{body}: {answer}");
    }
}

#[test]
fn instances_of_replaced_libraries_are_freed() {
    let server = Server::new(&[]);
    let text =
        "local t = {} for i = 1, 1e5 do t[i] = i end redis.register_function('f', function() return #t end)";
    load(&server, "lib", text);
    server.call(&["FCALL", "f", "0"]);
    let before = server.used_bytes();
    for _ in 0..20 {
        load(&server, "lib", text);
        assert_eq!(server.call(&["FCALL", "f", "0"]), ":100000\r\n");
    }
    server.eval("collectgarbage() collectgarbage()");
    assert!(server.used_bytes() < before + (4 << 20), "{} after {before}", server.used_bytes());
}

/// KEYS and ARGV belong to scripts; a function must not find those of another client.
#[test]
fn functions_see_nothing_of_scripts() {
    let server = Server::new(&[]);
    for body in [
        "return KEYS[1]",
        "return _G.KEYS[1]",
        "return loadstring('return KEYS[1]')()",
        "return rawget(_G, 'ARGV')",
    ] {
        load_function(&server, body);
        in_time(|| {
            let client = server.connect();
            let long = "for i = 1, 1e9 do end return KEYS[1] .. ARGV[1]";
            let mut pending = client.send(&["EVAL", long, "1", "secret", "too"]);
            pending.try_slices(2)?;
            let answer = server.call(&["FCALL", "f", "0"]);
            assert!(
                answer.contains("nonexistent global variable 'KEYS'") || answer == "$-1\r\n",
                "{body}: {answer}"
            );
            assert_eq!(pending.finish(), "$9\r\nsecrettoo\r\n");
            Some(())
        });
        let answer = server.call(&["FCALL", "f", "0"]);
        assert!(
            answer.contains("nonexistent global variable 'KEYS'") || answer == "$-1\r\n",
            "{body}: {answer}"
        );
    }
    load_function(&server, "return _G.redis == redis and _G._G == _G and _G.string == string");
    assert_eq!(server.call(&["FCALL", "f", "0"]), ":1\r\n");
}

#[test]
fn functions_are_observed_as_scripts_are() {
    let server = Server::new(&[]);
    load_function(&server, "return redis.call('incr', keys[1])");
    let client = server.connect();
    client.ask("FCALL f 1 k");
    client.ask("FCALL F 1 k");
    let stats = server.call(&["SCRIPT", "STATS", "f"]);
    assert!(
        stats.starts_with(
            "*36\r\n$4\r\nsha1\r\n$-1\r\n$4\r\nname\r\n$1\r\nf\r\n$6\r\nsource\r\n$8\r\nfunction\r\n"
        ),
        "{stats}"
    );
    assert!(
        stats.contains("$5\r\ncalls\r\n:2\r\n") && stats.contains("$11\r\nredis-calls\r\n:2\r\n"),
        "{stats}"
    );
    assert!(server.call(&["SCRIPT", "STATS"]).contains("$8\r\nfunction\r\n"));
}
