//! The request parser against recorded answers of Redis 7.0.15, against the server itself, and against itself in pieces.

use perigee_resp::{Encoder, Limits, Parsed, Protocol, ProtocolError, RequestParser, encode_request};
use proptest::prelude::*;

use crate::redis::Redis;

type Request = Vec<Vec<u8>>;

const DEFAULT: Limits = Limits { max_bulk_len: 512 * 1024 * 1024, authenticated: true };
const UNAUTHENTICATED: Limits = Limits { max_bulk_len: 512 * 1024 * 1024, authenticated: false };

#[test]
fn well_formed_requests() {
    check(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &[&["GET", ""]]);
    check(b"PING\r\nPING\n", &[&["PING"], &["PING"]]);
    check(b"GET / HTTP/1.1\r\n", &[&["GET", "/", "HTTP/1.1"]]);
    check(b"*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n \n", &[&[], &[], &[], &[], &[]]);
    check(b"set \"a b\" 'c\\'d'\r\n*1\r\n$4\r\nPING\r\n", &[&["set", "a b", "c'd"], &["PING"]]);
    check(b"PING\rx\n", &[&["PING", "x"]]);
}

#[test]
fn what_follows_a_bulk_is_not_looked_at() {
    check(b"*1\rX$4\rYPINGZZPING\r\n", &[&["PING"], &["PING"]]);
}

#[test]
fn requests_that_go_on() {
    for input in [
        &b""[..],
        b"*",
        b"*\r",
        b"*x\r",
        b"*2147483647\r\n",
        b"*1\r\nx\r",
        b"*1\r\n$536870912\r\n",
        b"*1\r\n$4\r\nPING\r",
        b"*1\n$4\nPING\n",
        b"*1\0\r\n",
        b"*1\r\n$4\0\r\nPING\r\n",
        b"PI\0NG\r\nPING\r\n",
        b"PING",
    ] {
        check(input, &[]);
    }
    check(&[b'a'; 65536], &[]);
}

/// Inputs that Redis refuses, and all that it sends before it closes the connection.
fn refused() -> Vec<(Vec<u8>, Limits, Vec<u8>)> {
    const K64: usize = 65536;
    let text = |input: &[u8], message: &str| (input.to_vec(), DEFAULT, message.as_bytes().to_vec());
    let filled =
        |head: &[u8], fill: u8, len: usize, message| text(&[head, &vec![fill; len]].concat(), message);
    let unauthenticated = |input: &[u8], message: &str| (input.to_vec(), UNAUTHENTICATED, message.into());
    vec![
        text(b"*\r\n", "invalid multibulk length"),
        text(b"*x\r\n", "invalid multibulk length"),
        text(b"*00\r\n", "invalid multibulk length"),
        text(b"*01\r\n", "invalid multibulk length"),
        text(b"*+1\r\n", "invalid multibulk length"),
        text(b"*-0\r\n", "invalid multibulk length"),
        text(b"* 1\r\n", "invalid multibulk length"),
        text(b"*1 \r\n", "invalid multibulk length"),
        text(b"*2147483648\r\n", "invalid multibulk length"),
        text(b"*99999999999999999999\r\n", "invalid multibulk length"),
        text(b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        text(b"*1\r\n\r\n", "expected '$', got ' '"),
        text(b"*1\r\n\n\r\n", "expected '$', got ' '"),
        (b"*1\r\n\xff\r\n".to_vec(), DEFAULT, b"expected '$', got '\xff'".to_vec()),
        text(b"*2\r\n$4\r\nPING\r\n+\r\n", "expected '$', got '+'"),
        text(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n:5\r\n", "expected '$', got ':'"),
        text(b"*1\r\n$\r\n", "invalid bulk length"),
        text(b"*1\r\n$x\r\n", "invalid bulk length"),
        text(b"*1\r\n$-1\r\n", "invalid bulk length"),
        text(b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
        text(b"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"),
        text(b"*1\r\n$\xff1\r\n", "invalid bulk length"),
        text(b"*1\r\n$536870913\r\n", "invalid bulk length"),
        text(b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        text(b"PING \"a\"b\r\n", "unbalanced quotes in request"),
        text(b"PING \"abc\r\n", "unbalanced quotes in request"),
        text(b"PING 'abc\r\n", "unbalanced quotes in request"),
        text(b"PING \"a\\\r\n", "unbalanced quotes in request"),
        filled(b"", b'a', K64 + 1, "too big inline request"),
        filled(b"\0\n", b'a', K64, "too big inline request"),
        filled(b"*", b'1', K64, "too big mbulk count string"),
        filled(b"*1\0\r\n", b'1', K64, "too big mbulk count string"),
        filled(b"*1\r\n$", b'1', K64, "too big bulk count string"),
        filled(b"*1\r\nx", b'1', K64, "too big bulk count string"),
        unauthenticated(b"*11\r\n", "unauthenticated multibulk length"),
        unauthenticated(b"*99999999999\r\n", "invalid multibulk length"),
        unauthenticated(b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        unauthenticated(b"*1\r\n$536870913\r\n", "invalid bulk length"),
    ]
}

#[test]
fn refused_requests() {
    for (input, limits, message) in refused() {
        let (requests, error) = whole(&input, &limits);
        assert_eq!(requests, [] as [Request; 0]);
        assert_eq!(wire(error.expect("an error")), framed(&message));
    }
}

#[test]
fn limits_hold_to_the_byte() {
    assert_eq!(whole(b"*10\r\n", &UNAUTHENTICATED), (vec![], None));
    assert_eq!(whole(b"*1\r\n$16384\r\n", &UNAUTHENTICATED), (vec![], None));
    let small = Limits { max_bulk_len: 3, authenticated: true };
    assert_eq!(whole(b"*1\r\n$3\r\n", &small), (vec![], None));
    assert_eq!(whole(b"*1\r\n$4\r\n", &small), (vec![], Some(ProtocolError::InvalidBulkLength)));
    assert_eq!(whole(&[&b"*"[..], &[b'1'; 65535]].concat(), &DEFAULT), (vec![], None));
    let longest = [&[b'a'; 65536][..], b"\n"].concat();
    assert_eq!(whole(&longest, &DEFAULT), (vec![vec![vec![b'a'; 65536]]], None));
    let too_long = [&[b'a'; 65537][..], b"\n"].concat();
    assert_eq!(whole(&too_long, &DEFAULT), (vec![], Some(ProtocolError::TooBigInlineRequest)));
}

#[test]
fn requests_before_an_error_are_given() {
    let (requests, error) = whole(b"PING\r\n*1\r\n$4\r\nQUIT\r\n*x\r\nPING\r\n", &DEFAULT);
    assert_eq!(requests, [[b"PING".to_vec()], [b"QUIT".to_vec()]]);
    assert_eq!(error, Some(ProtocolError::InvalidMultibulkLength));
}

/// The beginning of the first request is looked at alone; then it is there as a whole.
#[test]
fn what_is_known_of_one_request_is_not_held_of_the_next() {
    for (first, second) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], &b"*1\r\n$4\r\nQUIT\r\n"[..]),
        (b"*1\r\n$4\r\nPING\r\n", b"QUIT\r\n"),
        (b"*2\r\n$4\r\nPING\r\n$1\r\nx\r\n", b"*1\r\n$4\r\nQUIT\r\n"),
    ] {
        let input = [first, second].concat();
        for begun in 1..first.len() {
            for more in 0..=second.len() {
                let ends = [begun, first.len() + more, input.len()];
                assert_eq!(pieces(&input, ends, &DEFAULT), whole(&input, &DEFAULT));
            }
        }
    }
}

#[test]
#[ignore = "needs redis-server on the PATH"]
fn refused_as_by_redis() {
    let open = Redis::start(&[]);
    let closed = Redis::start(&["--requirepass", "secret"]);
    for (input, limits, message) in refused() {
        let redis = if limits.authenticated { &open } else { &closed };
        assert_eq!(
            redis.last_words(&input).escape_ascii().to_string(),
            framed(&message).escape_ascii().to_string(),
            "{}",
            input[..input.len().min(40)].escape_ascii()
        );
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_requests(input in stream(), cuts: Vec<prop::sample::Index>) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        ends.push(input.len());
        ends.sort_unstable();
        prop_assert_eq!(pieces(&input, ends, &DEFAULT), whole(&input, &DEFAULT));
    }

    #[test]
    fn byte_by_byte_gives_the_same_requests(input in stream()) {
        prop_assert_eq!(pieces(&input, 1..=input.len(), &UNAUTHENTICATED), whole(&input, &UNAUTHENTICATED));
    }

    #[test]
    fn any_bytes_give_the_same_in_pieces(input: Vec<u8>) {
        prop_assert_eq!(pieces(&input, 1..=input.len(), &DEFAULT), whole(&input, &DEFAULT));
    }

    #[test]
    fn encoded_requests_come_back(requests: Vec<Request>) {
        let mut input = Vec::new();
        requests.iter().for_each(|request| encode_request(&mut input, request));
        prop_assert_eq!(whole(&input, &DEFAULT), (requests, None));
    }
}

/// Multibulk and inline requests mixed, some of them broken.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let multibulk = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6).prop_map(|args| {
        let mut out = Vec::new();
        encode_request(&mut out, &args);
        out
    });
    let inline = "[a-z \"'\\\\\t]{0,12}\r?\n".prop_map(String::into_bytes);
    let broken = "[*$0-9a\r\n\\-]{1,8}".prop_map(String::into_bytes);
    let piece = prop_oneof![6 => multibulk, 3 => inline, 1 => broken];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn whole(input: &[u8], limits: &Limits) -> (Vec<Request>, Option<ProtocolError>) {
    pieces(input, [input.len()], limits)
}

/// Lets the parser see `input` up to each of `ends`, as a connection does that drops what is consumed: with the shorter way and
/// without it, which must not differ.
fn pieces(
    input: &[u8],
    ends: impl IntoIterator<Item = usize>,
    limits: &Limits,
) -> (Vec<Request>, Option<ProtocolError>) {
    let ends: Vec<usize> = ends.into_iter().collect();
    let found = pieces_by(false, input, &ends, limits);
    assert_eq!(pieces_by(true, input, &ends, limits), found, "{} {ends:?}", input.escape_ascii());
    found
}

fn pieces_by(
    shorter_way: bool,
    input: &[u8],
    ends: &[usize],
    limits: &Limits,
) -> (Vec<Request>, Option<ProtocolError>) {
    let mut parser = RequestParser::new();
    let (mut requests, mut start) = (Vec::new(), 0);
    for &end in ends {
        loop {
            let buf = &input[start..end];
            let mut words = Vec::new();
            if shorter_way && let Some(consumed) = parser.whole(buf, limits, |word| words.push(word.to_vec()))
            {
                requests.push(words);
                start += consumed;
                continue;
            }
            match parser.parse(buf, limits) {
                Ok(Parsed::Incomplete) => {
                    assert_eq!(parser.args(buf).len(), 0);
                    break;
                }
                Ok(Parsed::Request { consumed }) => {
                    requests.push(parser.args(buf).map(<[u8]>::to_vec).collect());
                    start += consumed;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

#[track_caller]
fn check(input: &[u8], expected: &[&[&str]]) {
    let expected: Vec<Request> =
        expected.iter().map(|args| args.iter().map(|arg| arg.as_bytes().to_vec()).collect()).collect();
    for ends in [vec![input.len()], (1..=input.len()).collect()] {
        assert_eq!(pieces(input, ends, &DEFAULT), (expected.clone(), None), "{}", input.escape_ascii());
    }
}

fn wire(error: ProtocolError) -> Vec<u8> {
    let mut encoder = Encoder::new(Protocol::Resp2);
    error.reply_to(&mut encoder);
    encoder.take()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [b"-ERR Protocol error: ", message, b"\r\n"].concat()
}
