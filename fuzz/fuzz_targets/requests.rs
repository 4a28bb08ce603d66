//! Arbitrary bytes in arbitrary pieces: the same requests and the same error as in one piece, and every limit holds.
//!
//! The input's first byte chooses the limits, its second how many of the bytes that follow are lengths of pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perigee_resp::{Limits, Parsed, ProtocolError, RequestParser};

fuzz_target!(|data: &[u8]| {
    let [options, count, data @ ..] = data else { return };
    let (pieces, input) = data.split_at(data.len().min(usize::from(*count)));
    let limits = Limits {
        max_bulk_len: if options & 1 == 0 { 512 * 1024 * 1024 } else { 20 },
        authenticated: options & 2 == 0,
    };
    let mut ends: Vec<usize> = pieces
        .iter()
        .scan(0, |end, &piece| {
            *end += usize::from(piece);
            (*end < input.len()).then_some(*end)
        })
        .collect();
    ends.push(input.len());

    let (requests, error) = parse(input, &[input.len()], &limits, false);
    for shorter_way in [false, true] {
        assert_eq!(parse(input, &ends, &limits, shorter_way), (requests.clone(), error));
    }

    for request in requests {
        let multibulk = request.raw.first() == Some(&b'*');
        assert!(multibulk || request.raw.len() <= 65536 + 1);
        assert!(request.args.iter().map(Vec::len).sum::<usize>() <= request.raw.len());
        assert!(!multibulk || request.args.iter().all(|arg| arg.len() <= limits.max_bulk_len));
        assert!(!multibulk || limits.authenticated || request.args.len() <= 10);
        assert!(!multibulk || limits.authenticated || request.args.iter().all(|arg| arg.len() <= 16384));
    }
});

#[derive(Clone, Debug, PartialEq)]
struct Request {
    raw: Vec<u8>,
    args: Vec<Vec<u8>>,
}

fn parse(
    input: &[u8],
    ends: &[usize],
    limits: &Limits,
    shorter_way: bool,
) -> (Vec<Request>, Option<ProtocolError>) {
    let mut parser = RequestParser::new();
    let (mut requests, mut start) = (Vec::new(), 0);
    for &end in ends {
        loop {
            let buf = &input[start..end];
            let mut args = Vec::new();
            if shorter_way && let Some(consumed) = parser.whole(buf, limits, |word| args.push(word.to_vec()))
            {
                requests.push(Request { raw: buf[..consumed].to_vec(), args });
                start += consumed;
                continue;
            }
            match parser.parse(buf, limits) {
                Ok(Parsed::Incomplete) => {
                    let wanted = parser.bytes_wanted(buf.len());
                    assert!(wanted == 0 || wanted > buf.len());
                    break;
                }
                Ok(Parsed::Request { consumed }) => {
                    assert!(consumed > 0);
                    let args = parser.args(buf).map(<[u8]>::to_vec).collect();
                    requests.push(Request { raw: buf[..consumed].to_vec(), args });
                    start += consumed;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}
