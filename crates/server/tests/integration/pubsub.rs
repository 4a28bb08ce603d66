//! Subscribers on real connections, on whichever worker they live.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::server::{Server, ask, eval, expect, wait_until};

#[test]
fn a_message_reaches_subscribers_on_every_worker() {
    let server = Server::start();
    let mut listeners: Vec<_> = (0..4).map(|_| server.client()).collect();
    let mut listening: Vec<_> = listeners
        .iter_mut()
        .map(|listener| {
            let mut listener = listener.as_pubsub();
            listener.subscribe("channel").unwrap();
            listener.psubscribe("ch*").unwrap();
            listener
        })
        .collect();
    assert_eq!(ask::<i64>(&mut server.client(), "PUBLISH channel text"), 8);
    for listener in &mut listening {
        for pattern in [false, true] {
            let message = listener.get_message().unwrap();
            assert_eq!(message.get_payload::<String>().unwrap(), "text");
            assert_eq!(message.from_pattern(), pattern);
        }
    }
}

#[test]
fn a_scripts_message_comes_after_its_effects() {
    let server = Server::start();
    let mut listener = server.client();
    let mut listener = listener.as_pubsub();
    listener.subscribe("unlocked").unwrap();
    let script =
        "redis.call('publish', 'unlocked', 'x') for i = 1, 1e6 do end redis.call('set', KEYS[1], 'done')";
    let run = eval(script, &["key"], &[]);
    let mut client = server.client();
    let publisher = std::thread::spawn(move || run.query::<()>(&mut client).unwrap());
    listener.get_message().unwrap();
    assert_eq!(ask::<String>(&mut server.client(), "GET key"), "done");
    publisher.join().unwrap();
}

#[test]
fn a_subscriber_that_leaves_is_forgotten() {
    let server = Server::start();
    let mut socket = server.socket();
    socket.write_all(b"SUBSCRIBE channel\r\n").unwrap();
    expect(&mut socket, "*3\r\n$9\r\nsubscribe\r\n$7\r\nchannel\r\n:1\r\n");
    drop(socket);
    let mut client = server.client();
    wait_until("nobody listens", || ask::<i64>(&mut client, "PUBLISH channel x") == 0);
    assert_eq!(ask::<Vec<String>>(&mut client, "PUBSUB CHANNELS"), Vec::<String>::new());
}

#[test]
fn a_resp3_subscriber_may_do_other_things() {
    let server = Server::start();
    let mut socket = server.socket();
    socket.write_all(b"HELLO 3\r\nSUBSCRIBE c\r\nPUBLISH c text\r\n").unwrap();
    let seen = read_until(&mut socket, ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ntext\r\n");
    assert!(seen.contains(">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"), "{seen}");
}

#[test]
fn a_resp3_subscriber_hears_messages_while_it_is_blocked() {
    let server = Server::start();
    let mut socket = server.socket();
    socket.write_all(b"HELLO 3\r\nSUBSCRIBE c\r\nBLPOP list 0\r\n").unwrap();
    let mut client = server.client();
    wait_until("it waits", || ask::<String>(&mut client, "INFO clients").contains("blocked_clients:1"));
    assert_eq!(ask::<i64>(&mut client, "PUBLISH c text"), 1);
    let message = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ntext\r\n";
    read_until(&mut socket, message);
    ask::<()>(&mut client, "RPUSH list x");
    expect(&mut socket, "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
}

#[test]
fn monitors_see_what_others_do() {
    let server = Server::start();
    let mut monitor = server.socket();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    expect(&mut monitor, "+OK\r\n");
    let mut client = server.client();
    ask::<()>(&mut client, "SET monitored 1");
    read_until(&mut monitor, "\"SET\" \"monitored\" \"1\"\r\n");
    // A database is told by the request that chooses it.
    for (request, told) in [("SELECT 3", " [3 "), ("SELECT 99", " [3 "), ("RESET", " [0 ")] {
        let _answer: Result<redis::Value, _> = redis::cmd(request.split(' ').next().unwrap())
            .arg(request.split(' ').skip(1).collect::<Vec<_>>())
            .query(&mut client);
        read_until(&mut monitor, told);
    }
}

/// Reads up to the end of the expected text, and gives all.
fn read_until(socket: &mut TcpStream, expected: &str) -> String {
    let mut seen = String::new();
    while !seen.ends_with(expected) {
        let mut byte = [0];
        let read = socket.read_exact(&mut byte);
        assert!(read.is_ok(), "{read:?} after {seen:?}");
        seen.push(byte[0] as char);
    }
    seen
}
