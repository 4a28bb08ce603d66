//! What jemalloc tells of the process's memory.

use perigee_commands::Allocator;
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{Access, AsName, epoch, stats, stats_print};

pub(crate) fn describe() -> Allocator {
    Allocator { name: "jemalloc-5.3.0", allocated, pages, thread_bytes, purge, report }
}

/// Bytes that it has given out.
fn allocated() -> usize {
    epoch::advance().and_then(|_| stats::allocated::read()).unwrap_or(0)
}

/// Bytes in active pages, and bytes resident.
fn pages() -> (usize, usize) {
    let read = || {
        epoch::advance()?;
        Ok::<_, tikv_jemalloc_ctl::Error>((stats::active::read()?, stats::resident::read()?))
    };
    read().unwrap_or_default()
}

thread_local! {
    /// Where jemalloc counts what this thread allocates and frees.
    static COUNTERS: Option<(ThreadLocal<u64>, ThreadLocal<u64>)> =
        allocatedp::read().and_then(|allocated| Ok((allocated, deallocatedp::read()?))).ok();
}

fn thread_bytes() -> i64 {
    COUNTERS.with(|counters| match counters {
        Some((allocated, freed)) => allocated.get().wrapping_sub(freed.get()) as i64,
        None => 0,
    })
}

/// Has every arena return its unused pages: by a decay time of nothing, for a moment.
fn purge() {
    let arenas: u32 = b"arenas.narenas\0".name().read().unwrap_or(0);
    for arena in 0..arenas {
        for pages in ["dirty", "muzzy"] {
            let name = format!("arena.{arena}.{pages}_decay_ms\0");
            let decay = name.as_bytes().name();
            // An arena that nobody has used refuses, and has nothing to return.
            let Ok(before) = Access::<isize>::read(decay) else { continue };
            let _purged = decay.write(0_isize);
            let _restored = decay.write(before);
        }
    }
}

fn report() -> Option<Vec<u8>> {
    let mut text = Vec::new();
    stats_print::stats_print(&mut text, stats_print::Options::default()).ok()?;
    Some(text)
}
