//! Bytes per element as jemalloc counts them, and the longest single step of growing to ten million elements (by the
//! wall clock: on a busy machine it shows the scheduler instead).

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a report that measures time")]

use perigee_keyspace::{
    log::NoLog,
    types::{Hash, Limits, List, Set, Stream, StreamId, ZSet},
};
use std::time::{Duration, Instant};
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Elements from which bytes are estimated.
const SAMPLES: usize = 32;

fn main() {
    let limits = Limits::default();
    println!(
        "{:44} {:>10} {:>12} {:>14} {:>12}",
        "", "elements", "bytes each", "estimated each", "longest step"
    );
    for count in [1_000_000, 10_000_000] {
        report(
            "set of integers",
            count,
            Set::default(),
            |set| set.heap_bytes(SAMPLES),
            |set, number| {
                set.insert(number.to_string().as_bytes(), &limits, &mut NoLog);
            },
        );
        report(
            "hash of field:0000001 to 10 bytes",
            count,
            Hash::default(),
            |hash| hash.heap_bytes(SAMPLES),
            |hash, number| {
                hash.insert(format!("field:{number:07}").as_bytes(), b"0123456789", &limits, &mut NoLog);
            },
        );
        report("list of 10 bytes", count, List::default(), List::heap_bytes, |list, number| {
            list.push_back(format!("{number:010}").as_bytes(), &mut NoLog);
        });
        report(
            "stream of one field with 10 bytes",
            count,
            Stream::default(),
            Stream::heap_bytes,
            |stream, number| {
                let id = StreamId { ms: 1_700_000_000_000 + number, seq: 0 };
                stream.append(id, &[b"field", format!("value{number:05}").as_bytes()], &limits, &mut NoLog);
            },
        );
        report(
            "zset of member:0000001, ascending scores",
            count,
            ZSet::default(),
            |zset| zset.heap_bytes(SAMPLES),
            |zset, number| {
                zset.insert_or_update(
                    format!("member:{number:07}").as_bytes(),
                    number as f64,
                    &limits,
                    &mut NoLog,
                );
            },
        );
        report(
            "zset of member:0000001, random scores",
            count,
            ZSet::default(),
            |zset| zset.heap_bytes(SAMPLES),
            |zset, number| {
                let score = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64;
                zset.insert_or_update(format!("member:{number:07}").as_bytes(), score, &limits, &mut NoLog);
            },
        );
    }
}

fn report<T>(
    name: &str,
    count: u64,
    mut value: T,
    heap_bytes: impl Fn(&T) -> usize,
    insert: impl Fn(&mut T, u64),
) {
    let before = allocated();
    let mut longest = Duration::ZERO;
    for number in 0..count {
        let start = Instant::now();
        insert(&mut value, number);
        longest = longest.max(start.elapsed());
    }
    let bytes = (allocated() - before) as f64 / count as f64;
    let estimated = heap_bytes(&value) as f64 / count as f64;
    println!("{name:44} {count:>10} {bytes:>12.1} {estimated:>14.1} {longest:>12.1?}");
}

fn allocated() -> usize {
    epoch::advance().expect("jemalloc's statistics");
    stats::allocated::read().expect("jemalloc's statistics")
}
