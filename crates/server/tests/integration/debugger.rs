//! The debugger over the socket: conversations recorded from redis-server, `redis-cli --ldb`, and what happens to others
//! meanwhile.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::server::{Folder, Server, ask, eval, expect, read_to_end, refusal, try_ask, wait_until, words};

const CONVERSATIONS: &str = include_str!("../debugger/conversations.txt");

#[test]
fn conversations_are_those_of_redis() {
    let server = Server::start_with(&["--io-threads", "2", "--enable-debug-command", "yes"]);
    // Where it holds a shard for longer than usual, a script that wants that begins again, and says so.
    ask::<()>(&mut server.client(), "DEBUG PAUSE-CRON 1");
    let mut count = 0;
    for conversation in CONVERSATIONS.split("\n== ").skip(1) {
        play(&server, conversation);
        count += 1;
    }
    assert!(count > 25);
}

/// Says what the client says, and expects what is written below it.
fn play(server: &Server, conversation: &str) {
    let mut client = server.client();
    ask::<()>(&mut client, "FLUSHALL");
    let mut socket = server.socket();
    let mut lines = conversation.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    eprintln!("== {}", lines.next().unwrap_or_default());
    let mode = lines.next().and_then(|line| line.strip_prefix("debug ")).expect("a mode");
    send(&mut socket, &["SCRIPT", "DEBUG", mode]);
    expect(&mut socket, "+OK\r\n");
    let arguments = lines.next().and_then(|line| line.strip_prefix("eval ")).expect("arguments");
    let mut lines = lines.peekable();
    let mut text = Vec::new();
    while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
        text.push(&line[1..]);
    }
    let text = text.join("\n");
    let mut request = vec!["EVAL", &text];
    request.extend(arguments.split(' '));
    send(&mut socket, &request);
    for line in lines {
        if let Some(said) = line.strip_prefix("> ") {
            eprintln!("> {said}");
            send(&mut socket, &said.split(' ').collect::<Vec<_>>());
        } else if line == "keys" {
            socket = server.socket();
            send(&mut socket, &["KEYS", "*"]);
        } else if line == "<closed>" {
            assert_eq!(read_to_end(&mut socket), "");
        } else {
            expect(&mut socket, &format!("{line}\r\n"));
        }
    }
}

fn send(socket: &mut TcpStream, words: &[&str]) {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    socket.write_all(request.as_bytes()).unwrap();
}

/// A session that stands still after `set`ting the key, and holds it.
fn stopped(server: &Server, mode: &str) -> TcpStream {
    let mut socket = server.socket();
    send(&mut socket, &["SCRIPT", "DEBUG", mode]);
    expect(&mut socket, "+OK\r\n");
    send(&mut socket, &["EVAL", "redis.call('set', KEYS[1], 'new')\nlocal x = 1\nreturn x", "1", "key"]);
    expect(&mut socket, "*2\r\n+* Stopped at 1, stop reason = step over\r\n");
    expect(&mut socket, "+-> 1   redis.call('set', KEYS[1], 'new')\r\n");
    send(&mut socket, &["step"]);
    expect(&mut socket, "*4\r\n+<redis> set key new\r\n+<reply> \"+OK\"\r\n");
    expect(&mut socket, "+* Stopped at 2, stop reason = step over\r\n+-> 2   local x = 1\r\n");
    socket
}

#[test]
fn others_go_on_and_hear_busy_of_its_keys() {
    let server = Server::start_with(&["--busy-reply-threshold", "50"]);
    let mut client = server.client();
    ask::<()>(&mut client, "SET key old");
    let mut socket = stopped(&server, "YES");
    assert_eq!(ask::<String>(&mut client, "SET another 1"), "OK");
    assert_eq!(eval("return 7", &[], &[]).query::<i64>(&mut client).unwrap(), 7);
    assert!(refusal(&mut client, &words("GET key")).starts_with("BUSY"));
    send(&mut socket, &["continue"]);
    expect(&mut socket, "*1\r\n+<endsession>\r\n:1\r\n");
    assert_eq!(read_to_end(&mut socket), "");
    assert_eq!(ask::<String>(&mut client, "GET key"), "old");
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    for mode in ["YES", "SYNC"] {
        let server = Server::start_with(&["--busy-reply-threshold", "50"]);
        let mut client = server.client();
        ask::<()>(&mut client, "SET key old");
        drop(stopped(&server, mode));
        wait_until("the key is free", || try_ask::<String>(&mut client, "GET key").is_ok());
        assert_eq!(ask::<String>(&mut client, "GET key"), "old", "{mode}");
    }
}

#[test]
fn what_stands_still_can_be_killed() {
    let server = Server::start();
    let mut client = server.client();
    let mut socket = stopped(&server, "SYNC");
    ask::<()>(&mut client, "SCRIPT KILL");
    let last_words = read_to_end(&mut socket);
    assert!(last_words.starts_with("*1\r\n+<endsession>\r\n-ERR Script killed by user"), "{last_words}");
    assert_eq!(ask::<i64>(&mut client, "EXISTS key"), 0);
}

#[test]
fn an_endless_evaluation_can_be_killed_and_stops_nobody() {
    let server = Server::start_with(&["--io-threads", "1"]);
    let mut client = server.client();
    let mut socket = stopped(&server, "YES");
    send(&mut socket, &["eval", "while true do end"]);
    for _ in 0..10 {
        assert_eq!(ask::<String>(&mut client, "PING"), "PONG");
    }
    ask::<()>(&mut client, "SCRIPT KILL");
    let last_words = read_to_end(&mut socket);
    assert!(last_words.starts_with("*1\r\n+<endsession>\r\n-ERR Script killed by user"), "{last_words}");
}

#[test]
fn an_endless_loop_stops_by_itself() {
    let server = Server::start_with(&["--busy-reply-threshold", "20"]);
    let mut socket = server.socket();
    send(&mut socket, &["SCRIPT", "DEBUG", "YES"]);
    expect(&mut socket, "+OK\r\n");
    send(&mut socket, &["EVAL", "local x = 1\nwhile true do end", "0"]);
    expect(&mut socket, "*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   local x = 1\r\n");
    send(&mut socket, &["c"]);
    expect(&mut socket, "*2\r\n+* Stopped at 2, stop reason = timeout reached, infinite loop?\r\n");
    expect(&mut socket, "+-> 2   while true do end\r\n");
    send(&mut socket, &["p", "x"]);
    expect(&mut socket, "*1\r\n+<value> 1\r\n");
    send(&mut socket, &["abort"]);
    assert!(read_to_end(&mut socket).contains("script aborted for user request"));
}

#[test]
fn a_script_that_needs_more_keys_begins_again() {
    let server = Server::start_with(&["--io-threads", "1"]);
    let mut socket = stopped(&server, "SYNC");
    let mut other = server.socket();
    send(&mut other, &["SCRIPT", "DEBUG", "YES"]);
    expect(&mut other, "+OK\r\n");
    send(&mut other, &["EVAL", "redis.call('incr', 'n')\nreturn redis.call('get', 'key')", "0"]);
    expect(
        &mut other,
        "*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   redis.call('incr', 'n')\r\n",
    );
    send(&mut other, &["c"]);
    // There is one worker: what came before this has begun.
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
    send(&mut socket, &["c"]);
    expect(&mut socket, "*1\r\n+<endsession>\r\n:1\r\n");
    send(&mut other, &["c"]);
    let rest = read_to_end(&mut other);
    assert!(rest.starts_with("*1\r\n+<hint> ") && rest.contains("Stopped at 1"), "{rest}");
    assert!(rest.ends_with("$3\r\nnew\r\n"), "{rest}");
    assert_eq!(ask::<i64>(&mut server.client(), "EXISTS n"), 0);
}

/// The example in docs/scripting.md, as redis-cli shows it, without its colours and its greeting.
#[test]
fn redis_cli_debugs() {
    if Command::new("redis-cli").arg("--version").output().is_err() {
        return;
    }
    let page = include_str!("../../../../docs/scripting.md");
    let (before, example) = page.split_once("```ldb\n").expect("an example");
    let (_, file) = before.rsplit_once("<<'LUA'\n").expect("a script");
    let (file, _) = file.split_once("LUA\n").expect("its end");
    let (example, _) = example.split_once("\n```").expect("its end");
    let (mut said, mut shown) = (Vec::new(), Vec::new());
    for line in example.lines().skip(1) {
        match line.strip_prefix("lua debugger> ") {
            Some(command) => said.push(command),
            None => shown.push(line),
        }
    }
    let folder = Folder::new();
    let (server, path) = (Server::start(), folder.write("sum.lua", file));
    assert_eq!(debug(&server, "--ldb", &path, &said), shown);
    assert_eq!(ask::<i64>(&mut server.client(), "EXISTS sum"), 0);
    let in_sync_mode = debug(&server, "--ldb-sync-mode", &path, &said);
    let last = shown.len() - 1;
    assert_eq!(in_sync_mode[..last], shown[..last]);
    assert_eq!(ask::<i64>(&mut server.client(), "GET sum"), 84);
}

/// What redis-cli shows of a session.
fn debug(server: &Server, flag: &str, file: &str, said: &[&str]) -> Vec<String> {
    let mut cli = Command::new("redis-cli")
        .args(["-p", &server.port.to_string(), flag, "--eval", file, "sum", ",", "14"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = cli.stdin.take().unwrap();
    input.write_all(format!("{}\n", said.join("\n")).as_bytes()).unwrap();
    drop(input);
    let shown = String::from_utf8(cli.wait_with_output().unwrap().stdout).unwrap();
    let lines = shown.lines().map(without_colours).filter(|line| !line.is_empty());
    lines.skip_while(|line| !line.starts_with('*')).collect()
}

fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').map_or("", |(_, text)| text)).collect::<String>()
}
