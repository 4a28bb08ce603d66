//! The wire: requests parsed, replies written.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use perigee_resp::{
    Encoder, Limits, Parsed, Protocol, Reply, RequestParser, decode, encode_request, format_double,
    parse_f64, parse_i64,
};

criterion_group!(benches, requests, replies, numbers);
criterion_main!(benches);

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let multibulk = |args: &[&[u8]]| {
        let mut out = Vec::new();
        encode_request(&mut out, args);
        out
    };
    let big = vec![b'x'; 100_000];
    let many = vec![&b"element"[..]; 10_000];
    for (name, input) in [
        ("get", multibulk(&[b"GET", b"key:000012345678"])),
        ("set", multibulk(&[b"SET", b"key:000012345678", b"value"])),
        ("set 16 pipelined", multibulk(&[b"SET", b"key:000012345678", b"value"]).repeat(16)),
        ("set 100 KB", multibulk(&[b"SET", b"key:000012345678", &big])),
        ("10,000 arguments", multibulk(&many)),
        ("inline", b"SET key:000012345678 value\r\n".to_vec()),
        ("inline quoted", b"SET key:000012345678 \"a \\x41 value\"\r\n".to_vec()),
    ] {
        let (mut parser, limits) = (RequestParser::new(), Limits::default());
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut rest = black_box(&input[..]);
                let mut bytes = 0;
                while let Ok(Parsed::Request { consumed }) = parser.parse(rest, &limits) {
                    bytes += parser.args(rest).map(<[u8]>::len).sum::<usize>();
                    rest = &rest[consumed..];
                }
                bytes
            });
        });
    }
}

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    let mut encoder = Encoder::new(Protocol::Resp2);
    let mut encode = |name: &str, write: &dyn Fn(&mut dyn Reply)| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                encoder.clear();
                write(black_box(&mut encoder));
                encoder.len()
            });
        });
    };
    encode("ok", &|reply| reply.ok());
    encode("int", &|reply| reply.int(black_box(1234)));
    encode("bulk of 5", &|reply| reply.bulk(black_box(b"value")));
    encode("bulk of 500", &|reply| reply.bulk(black_box(&[b'x'; 500])));
    encode("100 bulks", &|reply| {
        reply.array(100);
        (0..100).for_each(|_| reply.bulk(black_box(b"element:12")));
    });

    encoder.clear();
    encoder.array(100);
    (0..100).for_each(|_| encoder.bulk(b"element:12"));
    group.bench_function("decode 100 bulks", |bencher| bencher.iter(|| decode(black_box(encoder.out()))));
}

fn numbers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("number");
    for value in [42.0, 0.1, 1.5e300] {
        group.bench_function(format!("format {value:e}"), |bencher| {
            bencher.iter(|| format_double(black_box(value)));
        });
    }
    group.bench_function("parse i64", |bencher| bencher.iter(|| parse_i64(black_box(b"1234567890"))));
    group.bench_function("parse f64", |bencher| bencher.iter(|| parse_f64(black_box(b"123456.789"))));
}
