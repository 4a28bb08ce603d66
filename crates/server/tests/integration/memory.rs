//! `maxmemory` and `maxmemory-clients` of a whole process: several workers, the real allocator.

use std::io::{Read, Write};
use std::net::TcpStream;

use redis::Connection;

use crate::server::{Server, ask, expect, try_ask, wait_until, words};

const MB: usize = 1 << 20;

#[test]
fn memory_stays_at_the_limit_whatever_the_size_of_values() {
    let server = Server::start();
    let mut client = server.client();
    let limit = figure(&mut client, "memory", "used_memory") + 20 * MB;
    let _: String = ask(&mut client, "CONFIG SET maxmemory-policy allkeys-lru");
    let _: String = ask(&mut client, &format!("CONFIG SET maxmemory {limit}"));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut client = server.client();
            // Lists of more than 64 elements are freed by another thread than that which evicts them.
            scope.spawn(move || (0..500).for_each(|number| fill(&mut client, writer, number)));
        }
    });
    assert!(figure(&mut client, "stats", "evicted_keys") > 500);
    wait_until("what was evicted is freed", || figure(&mut client, "memory", "used_memory") < limit + MB);
    let left: usize = ask(&mut client, "DBSIZE");
    assert!(left > 100, "no more went than had to: {left}");
    let _: String = ask(&mut client, "FLUSHALL");
    let _: String = ask(&mut client, "CONFIG SET maxmemory-policy noeviction");
    assert_eq!(ask::<String>(&mut client, "SET key value"), "OK", "what is being freed is not in use");
}

fn fill(client: &mut Connection, writer: usize, number: usize) {
    let mut push = redis::cmd("RPUSH");
    push.arg(format!("{writer}:{number}"));
    for _ in 0..number % 200 + 1 {
        push.arg(&[b'x'; 500]);
    }
    push.exec(client).unwrap();
}

#[test]
fn scripts_run_without_memory_if_they_say_so() {
    let server = Server::start_with(&["--maxmemory", "1mb"]);
    let mut client = server.client();
    let mut eval = |text: &str| {
        let result = redis::cmd("EVAL").arg(text).arg(0).query::<String>(&mut client);
        result.map_err(|error| error.to_string())
    };
    assert_eq!(eval("#!lua flags=allow-oom\nreturn redis.call('SET', 'key', 'value')").unwrap(), "OK");
    assert!(eval("#!lua\nreturn 'nothing'").unwrap_err().contains("OOM"));
    assert!(eval("return redis.call('SET', 'key', 'value')").unwrap_err().contains("OOM"));
    assert_eq!(eval("redis.call('DEL', 'key') return redis.call('SET', 'key', 'value')").unwrap(), "OK");
    assert!(try_ask::<String>(&mut client, "SET key value").unwrap_err().to_string().contains("OOM"));
}

#[test]
fn clients_that_hold_most_are_disconnected() {
    let server = Server::start_with(&["--maxmemory-clients", "3mb"]);
    let mut client = server.client();
    let mut protected = half_a_request(&server, b"CLIENT NO-EVICT ON\r\n");
    let mut greedy = half_a_request(&server, b"PING\r\n");
    wait_until("the greedy client is gone", || greedy.write_all(b"more").is_err());
    assert_eq!(figure(&mut client, "stats", "evicted_clients"), 1);
    assert_eq!(ask::<String>(&mut client, "PING"), "PONG");
    protected.write_all(&vec![b'x'; 2 * MB]).unwrap();
    protected.write_all(b"\r\n").unwrap();
    expect(&mut protected, "+OK\r\n");
}

#[test]
fn a_client_over_the_limit_does_not_wait_for_the_clock() {
    let server = Server::start_with(&["--maxmemory-clients", "1mb", "--enable-debug-command", "yes"]);
    let mut client = server.client();
    let _: String = ask(&mut client, "DEBUG PAUSE-CRON 1");
    let mut greedy = half_a_request(&server, b"PING\r\n");
    wait_until("the greedy client is gone", || greedy.write_all(b"more").is_err());
    let _: String = ask(&mut client, "CONFIG SET maxmemory-clients 0");
    let mut others: Vec<_> = (0..3).map(|_| half_a_request(&server, b"PING\r\n")).collect();
    let unread = || ask::<String>(&mut server.client(), "CLIENT LIST").matches(" qbuf=2097152 ").count();
    wait_until("all is read", || unread() == 3);
    let _: String = ask(&mut client, "CONFIG SET maxmemory-clients 1mb");
    assert_eq!(figure(&mut client, "stats", "evicted_clients"), 4);
    wait_until("all are gone", || others.iter_mut().all(|socket| socket.write_all(b"more").is_err()));
}

#[test]
fn what_a_connection_holds_is_shown() {
    let server = Server::start();
    let mut client = server.client();
    let mut shown = |field: &str| {
        let list: String = ask(&mut client, "CLIENT LIST");
        let line = list.lines().find(|line| line.contains(" name=shown ")).unwrap_or_default().to_owned();
        let value = line.split(' ').find_map(|word| word.strip_prefix(field)?.strip_prefix('='));
        value.unwrap_or_default().parse::<usize>().unwrap_or_default()
    };
    let mut socket = server.socket();
    socket.write_all(b"CLIENT SETNAME shown\r\n").unwrap();
    expect(&mut socket, "+OK\r\n");
    let idle = shown("tot-mem");
    assert_eq!([shown("qbuf"), shown("qbuf-free"), shown("argv-mem")], [0; 3]);
    socket.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab").unwrap();
    wait_until("it is read", || shown("qbuf") == 2);
    assert_eq!(shown("argv-mem"), 4);
    assert!(shown("tot-mem") >= idle + shown("qbuf-free") + 6);
    socket.write_all(b"cde\r\n").unwrap();
    expect(&mut socket, "+OK\r\n");
    wait_until("nothing is left", || shown("tot-mem") == idle);
    socket.write_all(format!("SETRANGE k {} x\r\n{}", 8 * MB, "GET k\r\n".repeat(2)).as_bytes()).unwrap();
    wait_until("it does not read", || shown("omem") > MB);
    assert_eq!([shown("obl"), shown("oll")], [16 << 10, 1]);
}

#[test]
fn what_multi_queues_counts() {
    let server = Server::start_with(&["--maxmemory-clients", "2mb"]);
    let mut client = server.client();
    let mut queuing = server.socket();
    queuing.write_all(b"MULTI\r\n").unwrap();
    expect(&mut queuing, "+OK\r\n");
    let request = [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n"[..], &[b'x'; 100_000], b"\r\n"].concat();
    wait_until("it is gone", || queuing.write_all(&request).is_err());
    assert_eq!(figure(&mut client, "stats", "evicted_clients"), 1);
}

/// A client that has sent the request, and then half of a large one.
/// All refer to the same pages, whatever becomes of the key; each has as much before it as it has asked for.
#[test]
fn replies_that_nobody_reads_take_the_memory_of_a_large_string_once() {
    const LENGTH: usize = 40 * MB;
    let server = Server::start();
    let mut client = server.client();
    let ask_for_it = || {
        let mut reader = server.socket();
        reader.write_all(b"GET key\r\n").unwrap();
        reader
    };
    ask::<()>(&mut client, &format!("SETRANGE key {} x", LENGTH - 1));
    let readers: Vec<_> = (0..5).map(|_| ask_for_it()).collect();
    wait_until("all have been answered", || {
        let list: String = ask(&mut client, "CLIENT LIST");
        let omem = |line: &str| line.split_once("omem=")?.1.split_once(' ')?.0.parse::<usize>().ok();
        list.lines().filter_map(omem).filter(|&bytes| bytes > LENGTH / 2).count() == readers.len()
    });
    let used = |client: &mut Connection| figure(client, "memory", "used_memory");
    assert!(used(&mut client) < 2 * LENGTH);
    ask::<()>(&mut client, "DEL key");
    assert!(used(&mut client) > LENGTH, "they have it still");
    drop(readers);
    wait_until("it is free", || used(&mut client) < LENGTH);

    ask::<()>(&mut client, &format!("SETRANGE key {} x", LENGTH - 1));
    let limit = format!("normal {} 0 0", LENGTH / 2);
    words("CONFIG SET client-output-buffer-limit").arg(limit).exec(&mut client).unwrap();
    let mut answer = Vec::new();
    // The end may come as a reset.
    drop(ask_for_it().read_to_end(&mut answer));
    assert!(answer.len() < LENGTH, "{} bytes", answer.len());
}

fn half_a_request(server: &Server, first: &[u8]) -> TcpStream {
    let mut socket = server.socket();
    socket.write_all(first).unwrap();
    expect(&mut socket, if first.starts_with(b"PING") { "+PONG\r\n" } else { "+OK\r\n" });
    socket.write_all(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", 4 * MB).as_bytes()).unwrap();
    socket.write_all(&vec![b'x'; 2 * MB]).unwrap();
    socket
}

fn figure(client: &mut Connection, section: &str, name: &str) -> usize {
    let info: String = ask(client, &format!("INFO {section}"));
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}
