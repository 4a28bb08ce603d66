//! Bad input: it gets Redis's error, closes its own connection, and costs nobody else anything.

use std::io::Write;

use crate::server::{Server, ask, expect, wait_until};

#[test]
fn a_malformed_frame_closes_that_connection_alone() {
    let server = Server::start();
    let mut other = server.client();
    for (bytes, error) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"SET a \"b\r\n", "unbalanced quotes in request"),
    ] {
        assert_eq!(server.last_words(bytes), format!("-ERR Protocol error: {error}\r\n"));
        assert_eq!(ask::<String>(&mut other, "PING"), "PONG");
    }
}

#[test]
fn what_came_before_is_answered_and_what_comes_after_is_not_done() {
    let server = Server::start();
    let said = server.last_words(b"SET before 1\r\n*1\r\n$-1\r\nSET after 1\r\n");
    assert_eq!(said, "+OK\r\n-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(ask::<i64>(&mut server.client(), "EXISTS before after"), 1);
}

#[test]
fn a_browser_is_not_listened_to() {
    let server = Server::start();
    let form = b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET from-a-page 1\r\n";
    assert_eq!(server.last_words(form), "");
    let said = server.last_words(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET from-a-page 1\r\n");
    assert_eq!(said, "", "replies to lines before it are dropped with the connection, as Redis does");
    assert!(!ask::<bool>(&mut server.client(), "EXISTS from-a-page"));
    assert!(server.log().contains("Possible SECURITY ATTACK"));
}

#[test]
fn headers_that_promise_much_cost_nothing() {
    let server = Server::start();
    let mut client = server.client();
    let before = used_memory(&mut client);
    let held: Vec<_> = [
        &b"*1000000\r\n"[..],
        b"*2\r\n$4\r\nECHO\r\n$536870912\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\n",
        b"PIN",
        b"*",
    ]
    .iter()
    .cycle()
    .take(50)
    .map(|bytes| {
        let mut socket = server.socket();
        socket.write_all(bytes).unwrap();
        socket
    })
    .collect();
    wait_until("all are there", || {
        ask::<String>(&mut client, "INFO clients").contains("connected_clients:51")
    });
    let grown = used_memory(&mut client).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown}");
    drop(held);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::start();
    let mut socket = server.socket();
    for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nPING\r\n" {
        socket.write_all(&[*byte]).unwrap();
        socket.flush().unwrap();
    }
    expect(&mut socket, "$5\r\nhello\r\n+PONG\r\n");
}

#[test]
fn a_million_arguments_and_big_values() {
    let server = Server::start();
    let mut client = server.client();
    let mut command = redis::cmd("RPUSH");
    command.arg("list").arg(vec!["x"; 1_000_000]);
    assert_eq!(command.query::<i64>(&mut client).unwrap(), 1_000_000);
    assert_eq!(ask::<Vec<String>>(&mut client, "LRANGE list 0 -1").len(), 1_000_000);
    let big = vec![b'x'; 40 << 20];
    redis::cmd("SET").arg("big").arg(&big).exec(&mut client).unwrap();
    assert!(ask::<Vec<u8>>(&mut client, "GET big") == big);
}

#[test]
fn those_who_have_not_authenticated_may_send_little() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    assert_eq!(server.last_words(b"*11\r\n"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_eq!(
        server.last_words(b"*1\r\n$16385\r\n"),
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
}

/// Requests are read ahead of their turn; what those before them change holds for them all the same.
#[test]
fn a_request_is_read_under_the_limits_that_hold_when_its_turn_comes() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let long = |words: usize| format!("*{words}\r\n{}", "$3\r\ndel\r\n".repeat(words));
    let auth = "*2\r\n$4\r\nauth\r\n$6\r\nsecret\r\n";
    let reset = "*1\r\n$5\r\nreset\r\n";
    let sent = [auth, &long(11), reset, &long(3), &long(11)].concat();
    assert_eq!(
        server.last_words(sent.as_bytes()),
        "+OK\r\n:0\r\n+RESET\r\n-NOAUTH Authentication required.\r\n\
         -ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    let quit = [auth, "*1\r\n$4\r\nquit\r\n", &long(3)].concat();
    assert_eq!(server.last_words(quit.as_bytes()), "+OK\r\n+OK\r\n");
}

fn used_memory(client: &mut redis::Connection) -> usize {
    let info: String = ask(client, "INFO memory");
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().parse().unwrap()
}
