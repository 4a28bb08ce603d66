//! What the server is: server, clients, memory, persistence, replication, CPU.

use std::sync::atomic::Ordering;

use super::lines::{Lines, human};
use super::system;
use crate::blocking;
use crate::call::Call;
use crate::clients::{Client, Mark};
use crate::config::Param;
use crate::server::REDIS_VERSION;
use crate::server::memory::Figures;

pub(super) fn server(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let (config, process) = (&engine.config, &engine.process);
    let uptime_s = call.env.now_ms.saturating_sub(process.started_ms) / 1000;
    let hz = config.number(Param::Hz);
    lines.add("redis_version", REDIS_VERSION);
    lines.add("perigee_version", env!("CARGO_PKG_VERSION"));
    lines.add("redis_git_sha1", "00000000");
    lines.add("redis_git_dirty", 0);
    lines.add("redis_mode", "standalone");
    lines.add("os", system(call));
    lines.add("arch_bits", usize::BITS);
    lines.add("monotonic_clock", "POSIX clock_gettime");
    lines.add("multiplexing_api", "epoll");
    lines.add("process_id", std::process::id());
    lines.add("process_supervised", "no");
    lines.add("run_id", &process.run_id);
    lines.add("tcp_port", config.number(Param::Port));
    lines.add("server_time_usec", call.env.worker.clock.now_us());
    lines.add("uptime_in_seconds", uptime_s);
    lines.add("uptime_in_days", uptime_s / 86400);
    lines.add("hz", hz);
    lines.add("configured_hz", hz);
    lines.add("lru_clock", (call.env.now_ms / 1000) & 0xff_ffff);
    lines.add("executable", &process.executable);
    lines.add("config_file", &process.config_file);
    lines.add("io_threads_active", u8::from(engine.worker_stats().len() > 1));
    lines.add("availability_zone", config.text(Param::AvailabilityZone));
}

pub(super) fn clients(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    lines.add("connected_clients", engine.clients.len());
    lines.add("cluster_connections", 0);
    lines.add("maxclients", engine.config.number(Param::MaxClients));
    lines.add("blocked_clients", engine.clients.blocked.load(Ordering::Relaxed));
    let (awaited, awaited_by_readers) = blocking::awaited_keys(engine);
    lines.add("tracking_clients", engine.tracking.clients());
    let all = engine.clients.all();
    let count = |is_counted: &dyn Fn(&Client) -> bool| all.iter().filter(|client| is_counted(client)).count();
    lines.add("pubsub_clients", count(&|client| client.has(Mark::Subscribed)));
    lines.add("watching_clients", count(&|client| client.watches.load(Ordering::Relaxed) > 0));
    lines.add("total_blocking_keys", awaited);
    lines.add("total_blocking_keys_on_nokey", awaited_by_readers);
    let paused = engine.pause.in_force(call.env.now_ms);
    lines.add("paused_reason", if paused.is_some() { "client_pause" } else { "none" });
    lines.add("paused_actions", paused.map_or("none", |(_, writes)| if writes { "write" } else { "all" }));
    lines.add("paused_timeout_milliseconds", paused.map_or(0, |(left_ms, _)| left_ms));
}

pub(super) fn memory(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let config = &engine.config;
    let figures = Figures::of(engine);
    let (scripts, script_bytes) = (engine.scripts.size().0, figures.scripts);
    let vm_bytes: u64 = engine.worker_stats().iter().map(|stats| stats.script_vm_bytes.value()).sum();
    let vm_bytes = vm_bytes as usize;
    let libraries = engine.functions.libraries();
    let max = config.number(Param::MaxMemory) as usize;
    lines.add_memory("used_memory", figures.used);
    lines.add_memory("used_memory_rss", figures.resident);
    lines.add_memory("used_memory_peak", figures.peak);
    lines.add("used_memory_peak_perc", format_args!("{:.2}%", figures.peak_share()));
    lines.add("used_memory_overhead", figures.overhead);
    lines.add("used_memory_startup", figures.startup);
    lines.add("used_memory_dataset", figures.dataset);
    lines.add("used_memory_dataset_perc", format_args!("{:.2}%", figures.dataset_share()));
    lines.add("allocator_allocated", figures.used);
    lines.add("allocator_active", figures.active);
    lines.add("allocator_resident", figures.kept);
    lines.add_memory("total_system_memory", engine.process.machine_memory);
    lines.add("used_memory_vm_eval", vm_bytes);
    lines.add_memory("used_memory_lua", vm_bytes);
    lines.add("used_memory_vm_functions", 0);
    lines.add("used_memory_scripts_eval", script_bytes);
    lines.add("number_of_cached_scripts", scripts);
    lines.add("number_of_functions", libraries.function_count());
    lines.add("number_of_libraries", libraries.all().len());
    lines.add_memory("used_memory_vm_total", vm_bytes);
    lines.add("used_memory_functions", libraries.code_bytes());
    lines.add_memory("used_memory_scripts", script_bytes + libraries.code_bytes());
    lines.add("maxmemory", max);
    lines.add("maxmemory_human", human(max));
    lines.add("maxmemory_policy", config.show(Param::MaxMemoryPolicy as usize));
    for (name, of) in [
        ("allocator_frag", figures.fragmentation()),
        ("allocator_rss", figures.kept_pages()),
        ("rss_overhead", figures.process_overhead()),
        ("mem_fragmentation", figures.total()),
    ] {
        lines.add(format_args!("{name}_ratio"), format_args!("{:.2}", of.ratio));
        lines.add(format_args!("{name}_bytes"), of.bytes);
    }
    lines.add("mem_not_counted_for_evict", 0);
    lines.add("mem_clients_normal", figures.clients);
    lines.add("mem_clients_slaves", 0);
    lines.add("mem_replication_backlog", 0);
    lines.add("mem_total_replication_buffers", 0);
    lines.add("mem_cluster_links", 0);
    lines.add("mem_aof_buffer", 0);
    lines.add("mem_allocator", engine.process.allocator.name);
    lines.add_none(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

pub(super) fn persistence(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let changes: u64 = engine.worker_stats().iter().map(|stats| stats.changes.value()).sum();
    lines.add("loading", 0);
    lines.add("async_loading", 0);
    lines.add("rdb_changes_since_last_save", changes);
    lines.add("rdb_bgsave_in_progress", 0);
    lines.add("rdb_last_save_time", engine.counters.last_save_ms.load(Ordering::Relaxed) / 1000);
    lines.add("rdb_last_bgsave_status", "ok");
    lines.add("rdb_last_bgsave_time_sec", -1);
    lines.add("rdb_current_bgsave_time_sec", -1);
    lines.add("rdb_saves", 0);
    lines.add("aof_enabled", 0);
    lines.add("aof_rewrite_in_progress", 0);
    lines.add("aof_rewrite_scheduled", 0);
    lines.add("aof_last_rewrite_time_sec", -1);
    lines.add("aof_current_rewrite_time_sec", -1);
    lines.add("aof_last_bgrewrite_status", "ok");
    lines.add("aof_last_write_status", "ok");
    lines.add("current_fork_perc", "0.00");
    lines.add_none(&[
        "current_cow_peak",
        "current_cow_size",
        "current_cow_size_age",
        "current_save_keys_processed",
        "current_save_keys_total",
        "rdb_last_cow_size",
        "rdb_last_load_keys_expired",
        "rdb_last_load_keys_loaded",
        "aof_rewrites",
        "aof_rewrites_consecutive_failures",
        "aof_last_cow_size",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
    ]);
}

pub(super) fn replication(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    lines.add("role", "master");
    lines.add("connected_slaves", 0);
    lines.add("master_failover_state", "no-failover");
    lines.add("master_replid", &engine.process.run_id);
    lines.add("master_replid2", "0".repeat(40));
    lines.add("master_repl_offset", 0);
    lines.add("second_repl_offset", -1);
    lines.add("repl_backlog_active", 0);
    lines.add("repl_backlog_size", engine.config.number(Param::ReplBacklogSize));
    lines.add("repl_backlog_first_byte_offset", 0);
    lines.add("repl_backlog_histlen", 0);
}

pub(super) fn cpu(call: &Call<'_, '_>, lines: &mut Lines) {
    let (system_us, user_us) = (call.env.engine.process.cpu_us)();
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    lines.add("used_cpu_sys", seconds(system_us));
    lines.add("used_cpu_user", seconds(user_us));
    lines.add("used_cpu_sys_children", seconds(0));
    lines.add("used_cpu_user_children", seconds(0));
}
