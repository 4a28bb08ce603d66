//! Medians, ratios, the table and the JSON file.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::load::{Sample, Workload};
use crate::server::Server;

/// One workload's results, a cell for each server.
pub(super) struct Row {
    workload: String,
    cells: Vec<Cell>,
}

struct Cell {
    server: String,
    median: Sample,
    ratio: Option<f64>,
}

impl Row {
    pub(super) fn new(workload: &Workload, servers: &[Server], samples: &[Vec<Sample>]) -> Self {
        let medians: Vec<Sample> = samples.iter().map(|samples| median(samples)).collect();
        let base =
            servers.iter().position(|server| server.name == "redis-server").map(|at| medians[at].cpu_us);
        let cell = |(server, median): (&Server, Sample)| Cell {
            server: server.name.clone(),
            median,
            ratio: base.map(|base| median.cpu_us / base),
        };
        Self { workload: workload.name.clone(), cells: servers.iter().zip(medians).map(cell).collect() }
    }

    pub(super) fn print(&self) {
        for (index, cell) in self.cells.iter().enumerate() {
            let name = if index == 0 { self.workload.as_str() } else { "" };
            let ratio = cell.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}x"));
            let Sample { per_second, cpu_us } = cell.median;
            println!("{name:<24} {:<16} {per_second:>12.0} {cpu_us:>14.3} {ratio:>8}", cell.server);
        }
    }

    fn json(&self) -> Value {
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|cell| {
                json!({
                    "server": cell.server,
                    "operations_per_second": cell.median.per_second,
                    "cpu_us_per_operation": cell.median.cpu_us,
                    "cpu_ratio_to_redis": cell.ratio,
                })
            })
            .collect();
        json!({ "workload": self.workload, "results": cells })
    }
}

pub(super) fn print_head() {
    println!("{:<24} {:<16} {:>12} {:>14} {:>8}", "workload", "server", "operations/s", "CPU us/op", "ratio");
}

/// What else the machine was doing.
pub(super) fn machine() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, load average {}", load.join(" "))
}

pub(super) fn write_json(path: &str, rows: &[Row]) -> Result<()> {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    let report = json!({ "machine": machine(), "workloads": rows });
    fs::write(path, serde_json::to_string_pretty(&report)?).with_context(|| format!("cannot write {path}"))
}

/// The sample in the middle by CPU.
fn median(samples: &[Sample]) -> Sample {
    let mut sorted = samples.to_vec();
    sorted.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    sorted[sorted.len() / 2]
}
