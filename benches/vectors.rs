//! Vector sets of random vectors of 128 dimensions, the hardest to tell apart: what an insertion and a search take, how many
//! of the ten nearest a search finds, and bytes per element as jemalloc counts them. `cargo bench --bench vectors -- 100000` for so many elements.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a report that measures time")]

use perigee_keyspace::log::NoLog;
use perigee_keyspace::types::{Quantization, SearchPlan, VectorParams, VectorSearch, VectorSet};
use std::time::Instant;
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const DIM: usize = 128;
const QUERIES: usize = 200;
/// What VADD takes if it is not told.
const EF: usize = 200;

fn main() {
    let count = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(10_000);
    println!(
        "{:8} {:>9} {:>11} {:>14} {:>10} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "",
        "elements",
        "bytes each",
        "estimated each",
        "insert us",
        "remove us",
        "ef 100 us",
        "all us",
        "recall",
        "of 500"
    );
    for quantization in [Quantization::Q8, Quantization::Binary, Quantization::None] {
        report(quantization, count);
    }
}

fn report(quantization: Quantization, count: usize) {
    let mut numbers = Numbers(1);
    let before = allocated();
    let mut set = VectorSet::default();
    set.configure(VectorParams { dim: DIM, quantization, max_links: 16, projection: None }, 0, &mut NoLog);
    let insert = micros(count, |at| {
        let prepared = set.prepare(&numbers.vector()).expect("the set's dimension");
        set.insert(format!("element:{at}").as_bytes(), &prepared, EF, numbers.next(), &mut NoLog);
    });
    let bytes = (allocated() - before) as f64 / count as f64;
    let estimated = set.heap_bytes(32) as f64 / count as f64;

    let queries: Vec<_> =
        (0..QUERIES).map(|_| set.prepare(&numbers.vector()).expect("the set's dimension")).collect();
    let search = |plan: SearchPlan, found: &mut Vec<Vec<usize>>| {
        micros(QUERIES, |at| {
            let mut search = set.search(queries[at].clone(), plan);
            while !search.step(&set, usize::MAX, None) {}
            found.push(VectorSearch::found(search).into_iter().take(10).map(|found| found.at).collect());
        })
    };
    let [mut all, mut graph, mut more] = [const { Vec::new() }; 3];
    let all_us = search(SearchPlan::All { count: 10 }, &mut all);
    let graph_us = search(SearchPlan::Graph { ef: 100, effort: usize::MAX }, &mut graph);
    search(SearchPlan::Graph { ef: 500, effort: usize::MAX }, &mut more);
    let recall = |found: &[Vec<usize>]| {
        let hits =
            all.iter().zip(found).flat_map(|(all, found)| found.iter().filter(|at| all.contains(at))).count();
        hits as f64 / (10 * QUERIES) as f64
    };
    let (recall, recall_more) = (recall(&graph), recall(&more));
    let remove = micros(1000, |at| {
        set.remove(format!("element:{}", at * (count / 1000)).as_bytes(), &mut NoLog);
    });
    let name = format!("{quantization:?}");
    println!(
        "{name:8} {count:>9} {bytes:>11.1} {estimated:>14.1} {insert:>10.1} {remove:>10.1} {graph_us:>10.1} {all_us:>10.1} {recall:>8.3} {recall_more:>8.3}"
    );
}

/// What a run takes on average.
fn micros(times: usize, mut run: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..times).for_each(&mut run);
    start.elapsed().as_secs_f64() * 1e6 / times as f64
}

fn allocated() -> usize {
    epoch::advance().expect("jemalloc's statistics");
    stats::allocated::read().expect("jemalloc's statistics")
}

/// Always the same random numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIM).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }
}
