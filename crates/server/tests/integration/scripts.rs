//! Scripts over the socket: the cache, kills, BUSY, clients that leave.

use std::io::Write;
use std::thread::JoinHandle;

use redis::Connection;

use crate::server::{Server, ask, eval, refusal, try_ask, wait_until, words};

const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const ENDLESS: &str = "redis.call('set', KEYS[1], 'half') while true do end";

#[test]
fn evalsha_of_what_is_not_there() {
    let server = Server::start();
    let mut client = server.client();
    let sha: String = redis::cmd("SCRIPT").arg("LOAD").arg("return ARGV[1]").query(&mut client).unwrap();
    assert_eq!(ask::<String>(&mut client, &format!("EVALSHA {sha} 0 x")), "x");
    assert_eq!(ask::<String>(&mut server.client(), &format!("EVALSHA {sha} 0 y")), "y");
    ask::<()>(&mut client, "SCRIPT FLUSH");
    let refused = refusal(&mut client, &words(&format!("EVALSHA {sha} 0 x")));
    assert_eq!(refused, "NOSCRIPT No matching script. Please use EVAL.");
}

#[test]
fn script_kill_undoes_a_compiled_loop_that_has_written() {
    let server = Server::start();
    let mut client = server.client();
    for script in [
        ENDLESS,
        "redis.call('set', KEYS[1], 'half') while true do pcall(function() while true do end end) end",
        "redis.call('set', KEYS[1], 'half') while true do redis.call('rpush', KEYS[2], 'x') end",
    ] {
        let running = start(&server, script, &["key", "list"]);
        kill(&mut client);
        assert!(running.join().unwrap().contains("Script killed by user"));
        assert_eq!(ask::<i64>(&mut client, "EXISTS key list"), 0);
    }
    assert_eq!(refusal(&mut client, &words("SCRIPT KILL")), "NOTBUSY No scripts in execution right now.");
}

/// The short form of `cargo xtask preempt`: a script of each kind on every worker, none of which would let anybody else in if it
/// could not be interrupted.
#[test]
fn scripts_that_never_end_on_every_worker_let_others_in_and_are_killed() {
    let server = Server::start_with(&["--io-threads", "2", "--io-threads-placement", "turn"]);
    let mut client = server.client();
    ask::<()>(&mut client, "SET quick value");
    for script in [
        "while true do end",
        "while true do pcall(redis.call, 'incr', KEYS[1]) end",
        "local t = {} for i = 1, 1e5 do t[i] = i * 7919 % 100003 end
         while true do table.sort(t, function(a, b) return a % 1000 < b % 1000 end) end",
        "local s = string.rep('word ', 1e5) while true do s:gsub('%w+', function(w) return w end) end",
        "return string.find(string.rep('a', 1e5), string.rep('.-', 12) .. 'b')",
        "local i = 0 while true do i = i + 1 string.rep(i, 1e7) end",
        "local t = {} for i = 1, 100 do t[i] = string.rep('x', 2e5) end
         local i = 0 while true do i = i + 1 t[1] = i table.concat(t, ',') end",
    ] {
        let running = [start(&server, script, &["a"]), start(&server, script, &["b"])];
        for _ in 0..4 {
            assert_eq!(ask::<String>(&mut server.client(), "GET quick"), "value", "{script}");
        }
        for run in running {
            while !run.is_finished() {
                // One that has not outlived its first slice yet is not on the list.
                drop(try_ask::<()>(&mut client, "SCRIPT KILL"));
            }
            assert!(run.join().unwrap().contains("killed by user"), "{script}");
        }
    }
}

#[test]
fn only_those_who_want_its_keys_hear_that_a_script_is_busy() {
    let server = Server::start_with(&["--busy-reply-threshold", "50"]);
    let running = start(&server, ENDLESS, &["key"]);
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    wait_until("it is busy", || {
        try_ask::<()>(&mut clients[0], "GET key").is_err_and(|error| error.code() == Some("BUSY"))
    });
    for client in &mut clients {
        assert_eq!(refusal(client, &words("GET key")), BUSY);
        assert_eq!(ask::<String>(client, "SET another 1"), "OK");
        assert_eq!(
            eval("return redis.call('get', KEYS[1])", &["another"], &[]).query::<i64>(client).unwrap(),
            1
        );
    }
    kill(&mut clients[0]);
    assert!(running.join().unwrap().contains("Script killed by user"));
    assert_eq!(ask::<Option<String>>(&mut clients[1], "GET key"), None);
}

#[test]
fn everybody_hears_it_where_the_server_is_busy() {
    let server = Server::start_with(&["--lua-time-limit", "50", "--busy-reply-scope", "server"]);
    let running = start(&server, ENDLESS, &["key"]);
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        wait_until("the server is busy", || {
            try_ask::<()>(client, "SET another 1").is_err_and(|error| error.code() == Some("BUSY"))
        });
        assert_eq!(refusal(client, &words("PING")), BUSY);
    }
    kill(&mut clients[0]);
    assert!(running.join().unwrap().contains("Script killed by user"));
    assert_eq!(ask::<String>(&mut clients[1], "SET another 1"), "OK");
}

#[test]
fn a_script_goes_on_when_its_client_leaves() {
    let server = Server::start();
    for _ in 0..10 {
        let mut socket = server.socket();
        let script = "for i = 1, 3000000 do local x = i * i end redis.call('incr', 'done')";
        write!(socket, "EVAL \"{script}\" 1 done\r\n").unwrap();
    }
    let mut client = server.client();
    wait_until("all have run", || ask::<Option<i64>>(&mut client, "GET done") == Some(10));
    wait_until("all are gone", || ask::<String>(&mut client, "CLIENT LIST").lines().count() == 1);
}

#[test]
fn shutdown_ends_a_script_too() {
    let server = Server::start_with(&["--busy-reply-threshold", "50"]);
    let running = start(&server, ENDLESS, &["key"]);
    let mut client = server.client();
    wait_until("it runs", || ask::<String>(&mut client, "CLIENT LIST").contains("cmd=eval"));
    let _ = words("SHUTDOWN NOSAVE").query::<()>(&mut client);
    assert_eq!(server.exit_code(), Some(0));
    running.join().unwrap();
}

/// Runs a script from a connection of its own; gives what it was refused with.
fn start(server: &Server, script: &str, keys: &[&str]) -> JoinHandle<String> {
    let run = eval(script, keys, &[]);
    let mut client = server.client();
    std::thread::spawn(move || match run.query::<redis::Value>(&mut client) {
        Ok(value) => format!("not refused: {value:?}"),
        Err(error) => error.to_string(),
    })
}

fn kill(client: &mut Connection) {
    wait_until("a script is killed", || try_ask::<()>(client, "SCRIPT KILL").is_ok());
}
