//! Clients that do not read what they are sent.

use std::io::Write;

use crate::server::{Server, ask, eval, expect, read_to_end, wait_until};

#[test]
fn a_subscriber_that_does_not_read_is_given_up() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub", "1mb", "0", "0"]);
    let mut deaf = server.socket();
    deaf.write_all(b"SUBSCRIBE channel\r\n").unwrap();
    expect(&mut deaf, "*3\r\n$9\r\nsubscribe\r\n$7\r\nchannel\r\n:1\r\n");
    let mut publisher = server.client();
    let mut message = redis::cmd("PUBLISH");
    message.arg("channel").arg(vec![b'x'; 100_000]);
    // The kernel's own buffers take some megabytes first.
    wait_until("nobody listens", || message.query::<i64>(&mut publisher).unwrap() == 0);
    assert!(server.log().contains("overcoming of output buffer limits"));
    wait_until("it is gone", || ask::<String>(&mut publisher, "CLIENT LIST").lines().count() == 1);
    assert!(
        ask::<String>(&mut publisher, "INFO stats").contains("client_output_buffer_limit_disconnections:1")
    );
}

#[test]
fn the_soft_limit_gives_it_some_time() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub", "0", "64kb", "1"]);
    let mut deaf = server.socket();
    deaf.write_all(b"SUBSCRIBE channel\r\n").unwrap();
    let mut publisher = server.client();
    let mut message = redis::cmd("PUBLISH");
    message.arg("channel").arg(vec![b'x'; 100_000]);
    wait_until("somebody listens", || message.query::<i64>(&mut publisher).unwrap() == 1);
    wait_until("it is given up", || message.query::<i64>(&mut publisher).unwrap() == 0);
    wait_until("it is gone", || ask::<String>(&mut publisher, "CLIENT LIST TYPE pubsub").trim().is_empty());
    assert!(server.log().contains("overcoming of output buffer limits"));
}

#[test]
fn a_reply_over_the_limit_of_ordinary_clients_is_not_sent() {
    let server = Server::start_with(&["--client-output-buffer-limit", "normal", "1mb", "0", "0"]);
    let mut client = server.client();
    redis::cmd("SET").arg("big").arg(vec![b'x'; 2 << 20]).exec(&mut client).unwrap();
    assert_eq!(server.last_words(b"GET big\r\n"), "");
    assert_eq!(ask::<i64>(&mut client, "STRLEN big"), 2 << 20);
}

#[test]
fn slow_readers_of_big_replies_hold_nobody_up() {
    let server = Server::start();
    let mut client = server.client();
    redis::cmd("SET").arg("big").arg(vec![b'x'; 8 << 20]).exec(&mut client).unwrap();
    let mut slow: Vec<_> = (0..4)
        .map(|_| {
            let mut socket = server.socket();
            socket.write_all(b"GET big\r\nGET big\r\nQUIT\r\n").unwrap();
            socket
        })
        .collect();
    for n in 1..=1000 {
        assert_eq!(ask::<i64>(&mut client, "INCR count"), n);
    }
    let reply = "$8388608\r\n".len() + (8 << 20) + 2;
    for socket in &mut slow {
        assert_eq!(read_to_end(socket).len(), 2 * reply + "+OK\r\n".len());
    }
}

#[test]
fn flushall_under_load() {
    let server = Server::start();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let mut client = server.client();
            std::thread::spawn(move || {
                for round in 0..20 {
                    let mut pipeline = redis::pipe();
                    for n in 0..100 {
                        pipeline.cmd("SET").arg(format!("{writer}:{round}:{n}")).arg(n).ignore();
                        pipeline.cmd("RPUSH").arg(format!("list:{n}")).arg(n).ignore();
                    }
                    pipeline.exec(&mut client).unwrap();
                }
            })
        })
        .collect();
    let mut client = server.client();
    while writers.iter().any(|writer| !writer.is_finished()) {
        ask::<()>(&mut client, "FLUSHALL");
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    ask::<()>(&mut client, "FLUSHALL");
    assert_eq!(ask::<i64>(&mut client, "DBSIZE"), 0);
}

#[test]
fn what_takes_long_is_noted_by_latency() {
    let server = Server::start_with(&["--latency-monitor-threshold", "20"]);
    let mut client = server.client();
    let spin = "local x = 0 for i = 1, 3e8 do x = x + i % 7 end";
    eval(spin, &[], &[]).exec(&mut client).unwrap();
    let latest: Vec<(String, u64, u64, u64)> = ask(&mut client, "LATENCY LATEST");
    if let [(event, at_s, ms, longest_ms)] = &latest[..] {
        assert_eq!((event.as_str(), ms), ("command", longest_ms));
        let history: Vec<(u64, u64)> = ask(&mut client, "LATENCY HISTORY command");
        assert_eq!(history, [(*at_s, *ms)]);
    }
    let histogram: Vec<redis::Value> = ask(&mut client, "LATENCY HISTOGRAM eval");
    assert_eq!(histogram.len(), 2);
    let reset: usize = ask(&mut client, "LATENCY RESET");
    assert_eq!(reset, latest.len());
}
