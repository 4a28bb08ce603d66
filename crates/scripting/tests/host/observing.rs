//! SCRIPT LIST and SCRIPT STATS; the cache's limit.

use crate::server::{Server, in_time};

/// The value of a field in a flat array of fields, as it is on the wire: up to the next field's name.
fn field(reply: &str, name: &str) -> String {
    let marker = format!("${}\r\n{name}\r\n", name.len());
    let (_, rest) = reply.split_once(&marker).unwrap_or_else(|| panic!("{name} in {reply}"));
    let mut lines = rest.split("\r\n");
    let head = lines.next().unwrap_or_default();
    if head.starts_with('$') && head != "$-1" { lines.next().unwrap_or_default().into() } else { head.into() }
}

fn stats(server: &Server, script: &str, name: &str) -> String {
    field(&server.call(&["SCRIPT", "STATS", script]), name)
}

fn load(server: &Server, text: &str) -> String {
    let reply = server.call(&["SCRIPT", "LOAD", text]);
    reply.split("\r\n").nth(1).expect("a SHA1").to_owned()
}

#[test]
fn scripts_are_listed_as_they_came() {
    let server = Server::new(&[]);
    server.eval("return 1");
    load(&server, "#!lua name=two flags=no-writes,atomic\nreturn 2");
    server.eval("return 1");
    assert_eq!(
        server.call(&["SCRIPT", "LIST"]),
        "*2\r\n\
         *12\r\n$4\r\nsha1\r\n$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n$4\r\nname\r\n$-1\r\n\
         $6\r\nsource\r\n$4\r\neval\r\n$5\r\ncalls\r\n:2\r\n$4\r\nsize\r\n:8\r\n$5\r\nflags\r\n*0\r\n\
         *12\r\n$4\r\nsha1\r\n$40\r\naceeaff924ff6f3ba8e33c981aba46c5e942e5cc\r\n$4\r\nname\r\n$3\r\ntwo\r\n\
         $6\r\nsource\r\n$4\r\nload\r\n$5\r\ncalls\r\n:0\r\n$4\r\nsize\r\n:46\r\n$5\r\nflags\r\n\
         *2\r\n+no-writes\r\n+atomic\r\n"
    );
    let client = server.connect();
    client.ask("HELLO 3");
    assert!(client.ask("SCRIPT LIST").starts_with("*2\r\n%6\r\n"));
}

#[test]
fn runs_calls_and_errors_are_counted() {
    let server = Server::new(&[]);
    let script = "#!lua name=adder\nredis.call('incr', KEYS[1]) redis.call(ARGV[1], KEYS[1])";
    let sha = load(&server, script);
    server.call(&["EVALSHA", &sha, "1", "k", "get"]);
    server.call(&["EVAL", script, "1", "k", "incr"]);
    server.call(&["EVALSHA", &sha, "1", "k", "lpop"]);
    server.call(&["EVALSHA", &sha, "1", "k", "nosuch"]);
    let all = [("calls", ":4"), ("redis-calls", ":7"), ("redis-calls-per-run", "1.75"), ("errors", "*4")];
    for (name, value) in all {
        assert_eq!(stats(&server, "adder", name), value, "{name}");
        assert_eq!(stats(&server, &sha, name), value, "{name}");
    }
    assert_eq!(stats(&server, "adder", "WRONGTYPE"), ":1");
    assert_eq!(stats(&server, "adder", "ERR"), ":1");
    assert!(stats(&server, "adder", "text").starts_with("ERR Unknown Redis command called from script"));
    let reply = server.call(&["SCRIPT", "STATS", "adder"]);
    assert!(reply.contains("@user_script:2: in main chunk\r\n"), "{reply}");
    assert!(server.call(&["SCRIPT", "STATS", "nobody"]).starts_with("-NOSCRIPT"));
    assert!(server.call(&["SCRIPT", "STATS"]).starts_with("*1\r\n*36\r\n"));
    for reset in [["SCRIPT", "STATS", "RESET"], ["CONFIG", "RESETSTAT", ""]] {
        assert_eq!(server.call(&reset[..if reset[2].is_empty() { 2 } else { 3 }]), "+OK\r\n");
        assert_eq!(stats(&server, "adder", "calls"), ":0");
        assert_eq!(stats(&server, "adder", "last-error"), "$-1");
        server.call(&["EVALSHA", &sha, "1", "k", "lpop"]);
    }
}

#[test]
fn a_traceback_shows_the_functions() {
    let server = Server::new(&[]);
    let script = "#!lua name=deep\nlocal function inner()\n error('x')\nend\nlocal function outer()\n inner()\n return 1\nend\nouter()";
    server.eval(script);
    let reply = server.call(&["SCRIPT", "STATS", "deep"]);
    let lines = reply.split("\r\n").filter(|line| line.starts_with("@user_script")).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "@user_script:3: in function inner",
            "@user_script:6: in function outer",
            "@user_script:9: in main chunk"
        ]
    );
}

#[test]
fn undeclared_keys_restarts_and_wide_runs_are_counted() {
    let server = Server::new(&[]);
    let sha = load(&server, "return redis.call('set', ARGV[1], 1)");
    server.call(&["EVALSHA", &sha, "1", "declared", "declared"]);
    assert_eq!(stats(&server, &sha, "undeclared-keys"), ":0");
    server.call(&["EVALSHA", &sha, "0", "free"]);
    assert_eq!(stats(&server, &sha, "undeclared-keys"), ":1");
    assert_eq!(stats(&server, &sha, "restarts"), ":0");
    let client = server.connect();
    let mut run = {
        let _held = server.hold("taken");
        let mut run = client.send(&["EVALSHA", &sha, "0", "taken"]);
        assert_eq!(run.settle(), None);
        run
    };
    assert_eq!(run.settle().as_deref(), Some("+OK\r\n"));
    server.call(&["EVALSHA", &sha, "0", "later"]);
    for (name, value) in [("restarts", ":1"), ("wide-runs", ":2"), ("calls", ":4"), ("undeclared-keys", ":2")]
    {
        assert_eq!(stats(&server, &sha, name), value, "{name}");
    }
}

#[test]
fn kills_rollbacks_and_memory_are_counted() {
    let server = Server::new(&[]);
    let client = server.connect();
    let script = "#!lua name=endless\nlocal t = string.rep('x', 1e6) while true do end";
    let mut endless = client.send(&["EVAL", script, "0"]);
    endless.slices(3);
    server.call(&["SCRIPT", "KILL"]);
    endless.finish();
    for (name, value) in [("kills", ":1"), ("rollbacks", ":1"), ("calls", ":1"), ("errors", "*2")] {
        assert_eq!(stats(&server, "endless", name), value, "{name}");
    }
    let peak: usize = stats(&server, "endless", "memory-peak")[1..].parse().unwrap();
    assert!((1_000_000..10_000_000).contains(&peak), "{peak}");
    server.eval("#!lua name=undone flags=atomic\nerror('no')");
    assert_eq!(stats(&server, "undone", "rollbacks"), ":1");
    assert_eq!(stats(&server, "undone", "kills"), ":0");
}

/// Time that a slice takes counts for the run, and so does the time between the slices, but not as processor time.
#[test]
fn runs_of_several_slices_are_timed_from_end_to_end() {
    let server = Server::new(&[]);
    let client = server.connect();
    let mut long =
        client.send(&["EVAL", "#!lua name=long\nfor i = 1, 3e7 do local s = tostring(i) end", "0"]);
    long.slices(1);
    server.clock().advance_ms(500);
    long.finish();
    let reply = server.call(&["SCRIPT", "STATS", "long"]);
    let (_, run) = reply.split_once("run-us").unwrap();
    let p50: f64 = field(run, "p50").parse().unwrap();
    assert!((500_000.0..563_000.0).contains(&p50), "{p50}");
    assert_eq!(field(&reply, "cpu-us"), ":0");
}

#[test]
fn the_cache_and_the_vm_stay_small() {
    let server = Server::new(&[]);
    let kept = load(&server, "return 'kept'");
    for n in 0..1_000 {
        server.eval(&format!("return '{n}{}'", "y".repeat(1000)));
    }
    let after = server.used_bytes();
    for n in 0..5_000 {
        server.eval(&format!("return 'x{n}{}'", "y".repeat(1000)));
    }
    let info = server.call(&["INFO", "everything"]);
    assert!(info.contains("\r\nnumber_of_cached_scripts:501\r\n"), "{info}");
    assert!(info.contains("\r\nevicted_scripts:5500\r\n"), "{info}");
    assert_eq!(server.call(&["EVALSHA", &kept, "0"]), "$4\r\nkept\r\n");
    assert!(server.used_bytes() < after + (2 << 20), "{after} {}", server.used_bytes());
}

#[test]
fn the_slow_log_names_the_script_and_its_slowest_line() {
    let server = Server::new(&[("slowlog-log-slower-than", "0")]);
    let script = "#!lua name=slow\nlocal n = 0\nfor i = 1, 3e7 do n = n + i % 7 end\nreturn n";
    server.call(&["EVAL", script, "1", "key"]);
    server.eval("return 1");
    let log = server.call(&["SLOWLOG", "GET"]);
    assert!(log.contains("(script slow, sha1 "), "{log}");
    assert!(log.contains(", slowest line 3: "), "{log}");
    assert!(log.contains("\r\n(script sha1 e0e1f9fabfc9d4800c877a703b823ac0578ff8db)\r\n"), "{log}");
    let strict = Server::new(&[("slowlog-log-slower-than", "0"), ("redis-strict", "yes")]);
    strict.eval("return 1");
    assert!(!strict.call(&["SLOWLOG", "GET"]).contains("(script"));
}

#[test]
fn profiles_are_collapsed_stacks() {
    let server = Server::new(&[]);
    let script = "#!lua name=busy\n\
        local function inner(n)\n\
          local sum = 0\n\
          for i = 1, n do sum = sum + i % 7 end\n\
          return sum\n\
        end\n\
        local function outer(n)\n\
          local sum = inner(n)\n\
          return sum\n\
        end\n\
        local result = outer(tonumber(ARGV[1]))\n\
        return result";
    let sha = load(&server, script);
    let get = || server.call(&["SCRIPT", "PROFILE", "busy", "GET"]);
    server.call(&["EVALSHA", &sha, "0", "30000000"]);
    assert_eq!(get(), "$0\r\n\r\n");
    assert_eq!(server.call(&["SCRIPT", "PROFILE", &sha, "on"]), "+OK\r\n");
    in_time(|| {
        server.call(&["EVALSHA", &sha, "0", "100000000"]);
        get().contains("\nbusy;main:11;outer:8;inner:4 ").then_some(())
    });
    let profile = get();
    for line in profile.lines().skip(1).filter(|line| !line.is_empty()) {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        assert!(stack.starts_with("busy;main:") && count.parse::<u64>().unwrap() > 0, "{line}");
    }
    assert_eq!(server.call(&["SCRIPT", "PROFILE", "busy", "OFF"]), "+OK\r\n");
    server.call(&["EVALSHA", &sha, "0", "30000000"]);
    assert_eq!(get(), profile);
    assert!(server.call(&["SCRIPT", "PROFILE", "busy", "MAYBE"]).starts_with("-ERR Use SCRIPT PROFILE"));
    assert!(server.call(&["SCRIPT", "PROFILE", "nobody", "ON"]).starts_with("-NOSCRIPT"));
}

/// Runs that are over before their slice is are sampled too: with many of them some of the looks find one.
#[test]
fn short_runs_are_sampled() {
    let server = Server::new(&[]);
    let sha = load(&server, "#!lua name=short\nlocal n = 0\nfor i = 1, 20000 do n = n + i % 7 end\nreturn n");
    server.call(&["SCRIPT", "PROFILE", "short", "ON"]);
    let sampled = (0..200_000).any(|_| {
        server.call(&["EVALSHA", &sha, "0"]);
        server.call(&["SCRIPT", "PROFILE", "short", "GET"]).contains("short;main:3 ")
    });
    assert!(sampled);
}
