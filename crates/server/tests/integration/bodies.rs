//! Large bodies, whatever pieces they come in.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use crate::server::{Server, ask, expect, wait_until};

const MB: usize = 1 << 20;

/// Bytes in which every place is told from its neighbours, and line ends lie.
fn body(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (((at + seed) * 2_654_435_761) >> 13) as u8).collect()
}

fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        text.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        text.extend_from_slice(argument);
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// The limit is of what is not understood yet: a value and its line end.
#[test]
fn who_sends_more_than_the_limit_is_closed() {
    let server = Server::start();
    let _done: String = ask(&mut server.client(), "CONFIG SET client-query-buffer-limit 1mb");
    for (length, accepted) in [(MB - 2, true), (MB - 1, false), (MB + 100, false), (3 * MB, false)] {
        let mut socket = server.socket();
        // It may be closed before it has sent everything.
        drop(socket.write_all(&request(&[b"SET", b"key", &body(length, 0)])));
        let mut answer = Vec::new();
        drop(socket.shutdown(std::net::Shutdown::Write));
        drop(socket.read_to_end(&mut answer));
        assert_eq!(answer == b"+OK\r\n", accepted, "{length}: {}", answer.escape_ascii());
    }
}

#[test]
fn large_bodies_arrive_intact_in_odd_pieces() {
    let server = Server::start();
    let (first, second, third) = (body(5 * MB + 1, 1), body(2 * MB, 2), body(3 * MB - 1, 3));
    let sent = [
        request(&[b"SET", b"a", &first]),
        request(&[b"MSET", b"b", &second, b"c", b"small", b"d", &third]),
        request(&[b"APPEND", b"c", &second]),
        request(&[b"STRLEN", b"c"]),
        request(&[b"ECHO", &third]),
        request(&[b"EVAL", b"return redis.call('SET', KEYS[1], ARGV[1])", b"1", b"e", &first]),
        request(&[b"GET", b"a"]),
        request(&[b"MULTI"]),
        request(&[b"SET", b"f", &second]),
        request(&[b"EXEC"]),
        request(&[b"MGET", b"b", b"c", b"d", b"e", b"f"]),
        request(&[b"PING"]),
    ]
    .concat();
    let bulk = |bytes: &[u8]| [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let joined = [b"small", &*second].concat();
    let expected = [
        b"+OK\r\n+OK\r\n".to_vec(),
        format!(":{0}\r\n:{0}\r\n", joined.len()).into_bytes(),
        bulk(&third),
        b"+OK\r\n".to_vec(),
        bulk(&first),
        b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n*5\r\n".to_vec(),
        bulk(&second),
        bulk(&joined),
        bulk(&third),
        bulk(&first),
        bulk(&second),
        b"+PONG\r\n".to_vec(),
    ]
    .concat();
    // Right behind the first header, in it, and around the ends of the first body and of the second.
    let head = 29;
    let behind = head + first.len();
    let second_end = sent.len() - sent.windows(9).rev().position(|part| part == b"$5\r\nsmall").unwrap() - 16;
    let cuts: [&[usize]; 6] = [
        &[],
        &[head],
        &[head - 1, behind, behind + 1, behind + 2, behind + 3],
        &[head - 5, head + 1, behind - 1, behind + 60],
        &[MB, 2 * MB + 7, behind + 2 * MB],
        &[second_end - 1, second_end, second_end + 1, second_end + 2, second_end + 9],
    ];
    for cuts in cuts {
        let (mut writer, mut from) = (server.socket(), 0);
        let mut reader = writer.try_clone().unwrap();
        let length = expected.len();
        let reading = std::thread::spawn(move || {
            let mut answer = vec![0; length];
            reader.read_exact(&mut answer).map(|()| answer)
        });
        for &cut in cuts {
            writer.write_all(&sent[from..cut]).unwrap();
            sleep(Duration::from_millis(5));
            from = cut;
        }
        writer.write_all(&sent[from..]).unwrap();
        assert!(reading.join().unwrap().unwrap() == expected, "cut at {cuts:?}");
        assert_eq!(ask::<String>(&mut server.client(), "FLUSHALL"), "OK");
    }
}

#[test]
fn a_large_body_that_does_not_come_to_its_end_changes_nothing() {
    let server = Server::start();
    let mut client = server.client();
    let request = request(&[b"SET", b"key", &body(20 * MB, 1)]);
    for end in [request.len() - 1, request.len() / 2, 30] {
        let mut socket = server.socket();
        socket.write_all(&request[..end]).unwrap();
        drop(socket);
    }
    wait_until("they are gone", || {
        ask::<String>(&mut client, "INFO clients").contains("connected_clients:1\r")
    });
    assert!(!ask::<bool>(&mut client, "EXISTS key"));
    let mut socket = server.socket();
    socket.write_all(&request).unwrap();
    expect(&mut socket, "+OK\r\n");
    assert_eq!(ask::<usize>(&mut client, "STRLEN key"), 20 * MB);
}

/// A reply is what was there when the request was run, whatever happens to the string while its client takes its time.
#[test]
fn a_large_reply_is_not_touched_by_what_comes_after() {
    let server = Server::start();
    let mut client = server.client();
    let content = body(20 * MB + 3, 1);
    let bulk = |bytes: &[u8]| [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let asked = "MULTI\r\nGET key\r\nPING\r\nGETRANGE key 5 -6\r\nMGET key none key\r\nEXEC\r\nPING\r\n";
    let expected = [
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n".to_vec(),
        bulk(&content),
        b"+PONG\r\n".to_vec(),
        bulk(&content[5..content.len() - 5]),
        b"*3\r\n".to_vec(),
        bulk(&content),
        b"$-1\r\n".to_vec(),
        bulk(&content),
        b"+PONG\r\n".to_vec(),
    ]
    .concat();
    for change in [
        "SETRANGE key 1000 another",
        "APPEND key more",
        "DEL key",
        "SETBIT key 8 1",
        "COPY key other",
        "SET key small GET",
    ] {
        let mut slow = server.socket();
        slow.write_all(&request(&[b"SET", b"key", &content])).unwrap();
        expect(&mut slow, "+OK\r\n");
        slow.write_all(asked.as_bytes()).unwrap();
        let mut answer = vec![0; expected.len()];
        slow.read_exact(&mut answer[..MB]).unwrap();
        drop(ask::<redis::Value>(&mut client, change));
        slow.read_exact(&mut answer[MB..]).unwrap();
        assert!(answer == expected, "{change}");
    }
}
