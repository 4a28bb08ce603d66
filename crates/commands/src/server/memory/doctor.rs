//! MEMORY DOCTOR: the figures that should worry somebody, in words.

use super::Figures;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Group, command};

pub(super) const DOCTOR: Command = command("doctor", 2, doctor).full("memory|doctor").docs(
    Group::Server,
    "4.0.0",
    "O(1)",
    "Outputs memory problems report",
);

fn doctor(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let report = report(&Figures::of(engine), engine.clients.len(), engine.scripts.size().0);
    call.reply.verbatim(b"txt", report.as_bytes());
    Ok(())
}

const MB: i64 = 1 << 20;
/// With less there is nothing to find.
const LITTLE: usize = 5 << 20;
/// Bytes for each client that are too many.
const CLIENT: usize = 200 << 10;
/// Scripts that are too many: somebody generates them.
const SCRIPTS: usize = 1000;

/// The thresholds are Redis's.
fn report(figures: &Figures, clients: usize, scripts: usize) -> String {
    if figures.used < LITTLE {
        return "Less than 5 MB are in use: too little to say anything about.".to_owned();
    }
    let mut problems = Vec::new();
    let mut complain = |is: bool, what: &str| problems.extend(is.then(|| format!(" * {what}\n")));
    complain(
        figures.peak * 2 > figures.used * 3,
        "Peak: at some time more than half as much again was in use. The allocator may keep some of that memory; MEMORY PURGE asks it to return what it can.",
    );
    let over = |ratio: super::figures::Ratio, limit: f64| ratio.ratio > limit && ratio.bytes > 10 * MB;
    complain(
        over(figures.total(), 1.4),
        "Fragmentation: the process occupies more than 1.4 times the memory that is in use. If the peak is no explanation, look at the figures of MEMORY STATS one by one.",
    );
    complain(
        over(figures.fragmentation(), 1.1),
        "Allocator fragmentation: the allocator's pages are more than 1.1 times what it has given out, as after many changes of size. A restart from a snapshot packs them.",
    );
    complain(
        over(figures.kept_pages(), 1.1),
        "Allocator reserve: the allocator keeps more than 1.1 times the pages that it uses. It returns them in time; MEMORY PURGE has it done now.",
    );
    complain(
        over(figures.process_overhead(), 1.1),
        "Process overhead: memory that the allocator does not know of, such as that of threads and of compiled scripts, is more than a tenth.",
    );
    complain(
        figures.clients / clients.max(1) > CLIENT,
        "Clients: each holds more than 200 KB on average. One may be reading too slowly what it is sent: see omem and qbuf in CLIENT LIST, and client-output-buffer-limit.",
    );
    complain(
        scripts > SCRIPTS,
        "Scripts: more than 1000 are cached. Scripts should take what varies as arguments, not be written anew for each call.",
    );
    if problems.is_empty() {
        return "No memory problem found.".to_owned();
    }
    format!("Memory problems found:\n\n{}", problems.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Figures {
        let used = 100 << 20;
        Figures {
            used,
            peak: used,
            startup: 1 << 20,
            resident: used + (4 << 20),
            active: used + (1 << 20),
            kept: used + (2 << 20),
            clients: 10_000,
            scripts: 0,
            libraries: 0,
            overhead: 1 << 20,
            dataset: 99 << 20,
        }
    }

    fn titles(figures: Figures, scripts: usize) -> Vec<String> {
        let report = report(&figures, 2, scripts);
        let lines = report.lines().filter_map(|line| line.strip_prefix(" * "));
        lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn each_symptom_has_its_line() {
        assert_eq!(titles(healthy(), 0), [""; 0]);
        assert_eq!(titles(Figures { used: 1, ..healthy() }, 0), [""; 0]);
        assert_eq!(titles(Figures { peak: 200 << 20, ..healthy() }, 0), ["Peak"]);
        assert_eq!(titles(Figures { clients: 1 << 20, ..healthy() }, 1001), ["Clients", "Scripts"]);
        let resident = Figures { resident: 150 << 20, ..healthy() };
        assert_eq!(titles(resident, 0), ["Fragmentation", "Process overhead"]);
        let active = Figures { active: 120 << 20, kept: 121 << 20, resident: 122 << 20, ..healthy() };
        assert_eq!(titles(active, 0), ["Allocator fragmentation"]);
        let kept = Figures { kept: 130 << 20, resident: 131 << 20, ..healthy() };
        assert_eq!(titles(kept, 0), ["Allocator reserve"]);
    }
}
