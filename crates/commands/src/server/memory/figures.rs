//! What INFO, MEMORY STATS and MEMORY DOCTOR tell, computed once.

use crate::engine::Engine;

/// Bytes in use, and by what.
pub(in crate::server) struct Figures {
    /// Given out by the allocator.
    pub(in crate::server) used: usize,
    /// The most that ever was.
    pub(in crate::server) peak: usize,
    /// At the start.
    pub(in crate::server) startup: usize,
    /// In RAM, as the system counts it.
    pub(in crate::server) resident: usize,
    /// In pages that the allocator uses.
    pub(in crate::server) active: usize,
    /// Of those in RAM, and of those that it keeps.
    pub(in crate::server) kept: usize,
    /// Requests and replies of clients.
    pub(in crate::server) clients: usize,
    /// Texts in the script cache.
    pub(in crate::server) scripts: usize,
    /// Texts of libraries.
    pub(in crate::server) libraries: usize,
    /// What is no data.
    pub(in crate::server) overhead: usize,
    /// The rest.
    pub(in crate::server) dataset: usize,
}

impl Figures {
    /// Asks the allocator and the system, and adds up the rest.
    pub(in crate::server) fn of(engine: &Engine) -> Self {
        let allocator = &engine.process.allocator;
        let used = allocator.used_bytes();
        let (active, kept) = allocator.used_pages();
        let startup = engine.samples.startup_bytes();
        let clients = engine.clients.all().iter().map(|client| client.memory_bytes()).sum();
        let (_, scripts) = engine.scripts.size();
        let libraries = engine.functions.libraries().code_bytes();
        let overhead = startup + clients + scripts + libraries;
        Figures {
            used,
            peak: engine.samples.note_memory(used),
            startup,
            resident: (engine.process.resident_bytes)(),
            active,
            kept,
            clients,
            scripts,
            libraries,
            overhead,
            dataset: used.saturating_sub(overhead),
        }
    }

    /// The data's share of what was allocated since the start, in per cent.
    pub(in crate::server) fn dataset_share(&self) -> f64 {
        share(self.dataset, self.used.saturating_sub(self.startup)).min(100.0)
    }

    /// What is in use of the peak, in per cent.
    pub(in crate::server) fn peak_share(&self) -> f64 {
        share(self.used, self.peak)
    }

    /// Pages of the allocator to what it has given out.
    pub(in crate::server) fn fragmentation(&self) -> Ratio {
        Ratio::of(self.active, self.used)
    }

    /// Pages that the allocator keeps to those that it uses.
    pub(in crate::server) fn kept_pages(&self) -> Ratio {
        Ratio::of(self.kept, self.active)
    }

    /// The process's RAM to the pages of the allocator.
    pub(in crate::server) fn process_overhead(&self) -> Ratio {
        Ratio::of(self.resident, self.kept)
    }

    /// The process's RAM to what was given out.
    pub(in crate::server) fn total(&self) -> Ratio {
        Ratio::of(self.resident, self.used)
    }
}

/// How much more one amount is than another.
pub(in crate::server) struct Ratio {
    /// The one by the other.
    pub(in crate::server) ratio: f64,
    /// The difference.
    pub(in crate::server) bytes: i64,
}

impl Ratio {
    fn of(whole: usize, part: usize) -> Self {
        Ratio { ratio: whole as f64 / part.max(1) as f64, bytes: whole as i64 - part as i64 }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}
