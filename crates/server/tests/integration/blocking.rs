//! Clients that wait for data.

use std::io::Write;

use redis::Connection;

use crate::server::{Server, ask, expect, wait_until};

#[test]
fn those_who_wait_are_served_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let mut waiters = Vec::new();
    for number in 1..=5 {
        let mut waiter = server.socket();
        waiter.write_all(b"BLPOP list 0\r\n").unwrap();
        wait_until("it waits", || blocked(&mut client) == number);
        waiters.push(waiter);
    }
    ask::<()>(&mut client, "RPUSH list a b c d e f");
    for (waiter, element) in waiters.iter_mut().zip("abcde".chars()) {
        expect(waiter, &format!("*2\r\n$4\r\nlist\r\n$1\r\n{element}\r\n"));
    }
    assert_eq!(ask::<Vec<String>>(&mut client, "LRANGE list 0 -1"), ["f"]);
}

#[test]
fn a_timeout_ends_the_wait() {
    let server = Server::start();
    let mut socket = server.socket();
    socket
        .write_all(b"BLPOP list 0.05\r\nBZPOPMIN zset 0.05\r\nBLMOVE a b LEFT LEFT 0.05\r\nPING\r\n")
        .unwrap();
    expect(&mut socket, "*-1\r\n*-1\r\n*-1\r\n+PONG\r\n");
}

#[test]
fn what_is_pipelined_behind_a_wait_is_done_after_it() {
    let server = Server::start();
    let mut socket = server.socket();
    socket.write_all(b"BLPOP list 0\r\nINCR after\r\n").unwrap();
    let mut client = server.client();
    wait_until("it waits", || blocked(&mut client) == 1);
    assert!(!ask::<bool>(&mut client, "EXISTS after"));
    ask::<()>(&mut client, "RPUSH list x");
    expect(&mut socket, "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n:1\r\n");
}

#[test]
fn a_waiter_that_leaves_takes_nothing() {
    let server = Server::start();
    let mut client = server.client();
    for _ in 0..20 {
        let mut socket = server.socket();
        socket.write_all(b"BLPOP list other 0\r\n").unwrap();
        wait_until("it waits", || blocked(&mut client) == 1);
        drop(socket);
        wait_until("it has left", || blocked(&mut client) == 0);
    }
    ask::<()>(&mut client, "RPUSH list x");
    assert_eq!(ask::<i64>(&mut client, "LLEN list"), 1);
}

#[test]
fn elements_are_neither_lost_nor_doubled() {
    const CONSUMERS: usize = 8;
    const EACH: usize = 200;
    let server = Server::start();
    let consumers: Vec<_> = (0..CONSUMERS)
        .map(|_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let pop = |_| ask::<(String, usize)>(&mut client, "BLPOP one two 0").1;
                (0..EACH).map(pop).collect::<Vec<_>>()
            })
        })
        .collect();
    let producers: Vec<_> = ["one", "two"]
        .into_iter()
        .enumerate()
        .map(|(half, list)| {
            let mut client = server.client();
            std::thread::spawn(move || {
                for n in 0..CONSUMERS * EACH / 2 {
                    ask::<()>(&mut client, &format!("RPUSH {list} {}", n * 2 + half));
                }
            })
        })
        .collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let mut taken: Vec<usize> = consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
    taken.sort_unstable();
    assert!(taken.into_iter().eq(0..CONSUMERS * EACH));
}

fn blocked(client: &mut Connection) -> usize {
    let info: String = ask(client, "INFO clients");
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).unwrap();
    line.parse().unwrap()
}
