//! The data structures of the keyspace at a million elements.

use criterion::{Criterion, criterion_group, criterion_main};
use perigee_keyspace::{
    log::NoLog,
    table::{Keyed, Table},
    types::{Blob, Limits, List, ZSet},
};
use std::hint::black_box;

criterion_group!(benches, table, list, zset);
criterion_main!(benches);

const MILLION: u64 = 1_000_000;

struct Key(Blob);

impl Keyed for Key {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

fn table(criterion: &mut Criterion) {
    let mut table = Table::default();
    for number in 0..MILLION {
        table.insert_unique(Key(member(number)));
    }
    let mut number = 0;
    criterion.bench_function("table/get of 1M", |bencher| {
        bencher.iter(|| black_box(table.get(&member(scattered(&mut number)))).is_some());
    });
    criterion.bench_function("table/remove and insert in 1M", |bencher| {
        bencher.iter(|| {
            let at = table.get_index_of(&member(scattered(&mut number))).expect("a key of the table");
            let key = table.swap_remove_at(at);
            table.insert_unique(key)
        });
    });
    let mut small = Table::default();
    criterion.bench_function("table/insert into up to 20k", |bencher| {
        bencher.iter(|| {
            if small.len() == 20_000 {
                small.clear();
            }
            small.insert_unique(Key(member(small.len() as u64)))
        });
    });
}

fn list(criterion: &mut Criterion) {
    let mut list = List::default();
    for number in 0..MILLION {
        list.push_back(&member(number), &mut NoLog);
    }
    criterion.bench_function("list/push front, pop back in 1M", |bencher| {
        bencher.iter(|| {
            list.push_front(b"member:0000001", &mut NoLog);
            list.pop_back(&mut NoLog)
        });
    });
    criterion.bench_function("list/first 100 of 1M", |bencher| {
        bencher.iter(|| list.iter_from(0).take(100).map(<[u8]>::len).sum::<usize>());
    });
    criterion.bench_function("list/middle 100 of 1M", |bencher| {
        bencher.iter(|| list.iter_from(500_000).take(100).map(<[u8]>::len).sum::<usize>());
    });
}

fn zset(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut zset = ZSet::default();
    for number in 0..MILLION {
        let score = (number * 7_919 % MILLION) as f64;
        zset.insert_or_update(&member(number), score, &limits, &mut NoLog);
    }
    let mut number = 0;
    criterion.bench_function("zset/new score in 1M", |bencher| {
        bencher.iter(|| {
            let number = scattered(&mut number);
            let score = (number * 31 % MILLION) as f64 + 0.5;
            zset.insert_or_update(&member(number), score, &limits, &mut NoLog)
        });
    });
    criterion.bench_function("zset/remove and insert in 1M", |bencher| {
        bencher.iter(|| {
            let number = scattered(&mut number);
            zset.remove(&member(number), &mut NoLog);
            zset.insert_or_update(&member(number), number as f64, &limits, &mut NoLog)
        });
    });
    criterion.bench_function("zset/score in 1M", |bencher| {
        bencher.iter(|| zset.score(&member(scattered(&mut number))));
    });
    criterion.bench_function("zset/rank in 1M", |bencher| {
        bencher.iter(|| zset.rank(&member(scattered(&mut number))));
    });
    criterion.bench_function("zset/range of 100 by rank in 1M", |bencher| {
        bencher.iter(|| {
            let rank = scattered(&mut number) as usize;
            zset.iter_from_rank(rank).take(100).map(|(member, _)| member.len()).sum::<usize>()
        });
    });
}

fn member(number: u64) -> Blob {
    Blob::from(format!("member:{number:07}").as_bytes())
}

/// Walks over all numbers below a million in an order that no cache likes.
fn scattered(number: &mut u64) -> u64 {
    *number = (*number + 618_033) % MILLION;
    *number
}
