//! What the server has done and holds: stats, commandstats, errorstats, keyspace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lines::Lines;
use crate::acl::Reason;
use crate::call::Call;
use crate::config::Param;
use crate::histogram::Distribution;
use crate::pubsub::Kind;
use crate::samples::Totals;
use crate::stats::{CommandStats, Counter, WorkerStats};

pub(super) fn stats(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let workers = engine.worker_stats();
    let (totals, rates) = (Totals::of(engine), engine.samples.rates());
    let sum = |counter: fn(&WorkerStats) -> &Counter| total(&workers, counter);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    lines.add("total_connections_received", count(&engine.counters.connections));
    lines.add("total_commands_processed", totals.commands);
    lines.add("instantaneous_ops_per_sec", rates.commands);
    lines.add("total_net_input_bytes", totals.input_bytes);
    lines.add("total_net_output_bytes", totals.output_bytes);
    lines.add("total_net_repl_input_bytes", 0);
    lines.add("total_net_repl_output_bytes", 0);
    lines.add("instantaneous_input_kbps", kilobytes(rates.input_bytes));
    lines.add("instantaneous_output_kbps", kilobytes(rates.output_bytes));
    lines.add("rejected_connections", count(&engine.counters.rejected_connections));
    lines.add("sync_full", 0);
    lines.add("sync_partial_ok", 0);
    lines.add("sync_partial_err", 0);
    lines.add("expired_keys", count(&engine.counters.expired_keys));
    lines.add("expired_subkeys", count(&engine.counters.expired_fields));
    // The same in Valkey 9 (<https://valkey.io/commands/info/>).
    lines.add("expired_fields", count(&engine.counters.expired_fields));
    lines.add("expired_time_cap_reached_count", count(&engine.counters.expiry_cut_short));
    lines.add("evicted_keys", count(&engine.memory.evicted_keys));
    lines.add("evicted_clients", count(&engine.memory.evicted_clients));
    lines.add("evicted_scripts", engine.scripts.evictions_shown());
    let exceeding_ms = engine.memory.exceeding_ms(call.env.now_ms);
    lines.add("total_eviction_exceeded_time", count(&engine.memory.exceeded_ms) + exceeding_ms);
    lines.add("current_eviction_exceeded_time", exceeding_ms);
    lines.add("keyspace_hits", sum(|worker| &worker.keyspace_hits));
    lines.add("keyspace_misses", sum(|worker| &worker.keyspace_misses));
    lines.add("pubsub_channels", engine.pubsub.channel_count());
    lines.add("pubsub_patterns", engine.pubsub.pattern_count());
    lines.add("pubsubshard_channels", engine.pubsub.channel_names(Kind::Shard, None).len());
    lines.add("latest_fork_usec", 0);
    lines.add("total_forks", 0);
    let (tracked_keys, tracked_items) = engine.keyspace.tracked();
    lines.add("tracking_total_keys", tracked_keys);
    lines.add("tracking_total_items", tracked_items);
    lines.add("tracking_total_prefixes", engine.tracking.prefixes());
    lines.add("total_error_replies", errors_by_code(&workers).values().sum::<u64>());
    let refused = engine.acl.log.lock();
    lines.add("client_query_buffer_limit_disconnections", count(&engine.counters.overlong_requests));
    lines.add("client_output_buffer_limit_disconnections", count(&engine.counters.slow_readers));
    lines.add("acl_access_denied_auth", refused.refusals(Reason::Auth));
    lines.add("acl_access_denied_cmd", refused.refusals(Reason::Command));
    lines.add("acl_access_denied_key", refused.refusals(Reason::Key));
    lines.add("acl_access_denied_channel", refused.refusals(Reason::Channel));
    lines.add("acl_access_denied_db", refused.refusals(Reason::Database));
    lines.add("dump_payload_sanitizations", count(&engine.counters.checked_payloads));
    lines.add("total_reads_processed", sum(|worker| &worker.reads));
    lines.add("total_writes_processed", sum(|worker| &worker.writes));
    lines.add("instantaneous_input_repl_kbps", "0.00");
    lines.add("instantaneous_output_repl_kbps", "0.00");
    lines.add_none(&[
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "unexpected_error_replies",
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
    ]);
}

fn total(workers: &[Arc<WorkerStats>], counter: impl Fn(&WorkerStats) -> &Counter) -> u64 {
    workers.iter().map(|worker| counter(worker).value()).sum()
}

pub(super) fn commands(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let workers = engine.worker_stats();
    for id in 0..engine.commands.len() {
        let sum =
            |counter: fn(&CommandStats) -> &Counter| total(&workers, |worker| counter(&worker.commands[id]));
        let (calls, ns) = (sum(|command| &command.calls), sum(|command| &command.time_ns));
        let (rejected, failed) = (sum(|command| &command.rejected), sum(|command| &command.failed));
        let Some(command) = engine.commands.by_id(id as u16) else { continue };
        if calls + rejected + failed > 0 {
            let us_per_call = ns as f64 / 1000.0 / calls.max(1) as f64;
            lines.add(
                format_args!("cmdstat_{}", command.full_name),
                format_args!(
                    "calls={calls},usec={},usec_per_call={us_per_call:.2},rejected_calls={rejected},failed_calls={failed}",
                    ns / 1000
                ),
            );
        }
    }
}

/// How long the commands took that were called: percentiles in microseconds.
pub(super) fn latencies(call: &Call<'_, '_>, lines: &mut Lines) {
    let engine = call.env.engine;
    let percentiles = engine.config.text(Param::LatencyTrackingInfoPercentiles);
    let workers = engine.worker_stats();
    for id in 0..engine.commands.len() {
        let times = Distribution::of(workers.iter().map(|worker| &worker.commands[id].times), 0);
        let Some(command) = engine.commands.by_id(id as u16).filter(|_| times.count() > 0) else { continue };
        let shown = percentiles.split(' ').filter_map(|word| {
            let us = times.quantile(word.parse().ok()?) as f64 / 1000.0;
            Some(format!("p{word}={us:.3}"))
        });
        let shown: Vec<String> = shown.collect();
        lines.add(format_args!("latency_percentiles_usec_{}", command.full_name), shown.join(","));
    }
}

pub(super) fn errors(call: &Call<'_, '_>, lines: &mut Lines) {
    for (code, count) in errors_by_code(&call.env.engine.worker_stats()) {
        lines.add(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn errors_by_code(workers: &[Arc<WorkerStats>]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for worker in workers {
        for (code, count) in worker.errors.lock().iter() {
            *sums.entry(code.clone()).or_default() += count;
        }
    }
    sums
}

/// Keys with a deadline that are looked at for their average.
const TTL_SAMPLE: usize = 64;
/// Keys that are looked at to find those.
const TTL_SEARCH: usize = 1024;

pub(super) fn keyspace(call: &Call<'_, '_>, lines: &mut Lines) {
    for db in 0..call.env.engine.keyspace.databases() {
        let keys = call.txn.len(db);
        if keys > 0 {
            let expires = call.txn.volatile_len(db);
            let average = if expires > 0 { average_ttl_ms(call, db) } else { 0 };
            let timed = call.txn.timed_hashes(db);
            lines.add(
                format_args!("db{db}"),
                // Redis 7.4's name and Valkey 9's for the same.
                format_args!(
                    "keys={keys},expires={expires},avg_ttl={average},subexpiry={timed},keys_with_volatile_items={timed}"
                ),
            );
        }
    }
}

/// The average time to live of some of the keys that have one, in milliseconds.
fn average_ttl_ms(call: &Call<'_, '_>, db: u16) -> u64 {
    let deadlines = call.txn.entries(db).take(TTL_SEARCH).filter_map(|entry| entry.deadline());
    let (mut sum, mut count) = (0, 0);
    for deadline in deadlines.take(TTL_SAMPLE) {
        sum += deadline.saturating_sub(call.now_ms());
        count += 1;
    }
    sum / count.max(1)
}
