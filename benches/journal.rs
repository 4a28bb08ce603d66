//! What it costs to be able to undo: a transaction of a thousand writes with and without its journal.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use perigee_keyspace::types::Str;
use perigee_keyspace::{Footprint, Keyspace, Txn};

criterion_group!(benches, journal);
criterion_main!(benches);

const WRITES: u64 = 1_000;

/// One write of a script: the transaction, and the number of the write.
type Write = fn(&mut Txn<'_>, u64);

const KINDS: &[(&str, Write)] = &[
    ("incr", |txn, number| {
        txn.string_entry(0, b"string").expect("a string").replace_by_int(number as i64);
    }),
    ("set a string", |txn, number| {
        txn.string_entry(0, b"string").expect("a string").replace(Str::from(number as i64));
    }),
    ("hset one field", |txn, number| {
        txn.hash_entry(0, b"hash").expect("a hash").insert(b"field", &number.to_le_bytes());
    }),
    ("hset a thousand fields", |txn, number| {
        txn.hash_entry(0, b"large").expect("a hash").insert(&(number % 1_000).to_le_bytes(), b"a value");
    }),
    ("zadd a thousand members", |txn, number| {
        let mut zset = txn.zset_entry(0, b"zset").expect("a sorted set");
        zset.insert_or_update(&(number % 1_000).to_le_bytes(), number as f64);
    }),
    ("rpush", |txn, number| {
        txn.list_entry(0, b"list").expect("a list").push_back(&number.to_le_bytes());
    }),
];

fn journal(criterion: &mut Criterion) {
    for (name, write) in KINDS {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Elements(WRITES));
        for journalled in [false, true] {
            let keyspace = Keyspace::new(1, 1);
            let mut number = 0;
            group.bench_function(if journalled { "with journal" } else { "without" }, |bencher| {
                bencher.iter(|| {
                    let mut txn = keyspace.try_begin(&Footprint::All, 1).expect("nobody else is here");
                    if journalled {
                        txn.open_journal();
                    }
                    for _ in 0..WRITES {
                        number += 1;
                        write(&mut txn, number);
                    }
                    if number % (100 * WRITES) == 0 {
                        txn.remove(0, b"list");
                    }
                    black_box(txn.commit());
                });
            });
        }
        group.finish();
    }
}
