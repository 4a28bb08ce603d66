//! SCRIPT LIST and SCRIPT STATS: what is cached, and what is known of it.

use std::sync::Arc;

use perigee_resp::Reply;

use super::Script;
use super::commands::NO_SCRIPT;
use super::figures::{Failure, Total};
use crate::call::Call;
use crate::engine::Engine;
use crate::error::Error;
use crate::histogram::Distribution;
use crate::spec::{Categories, Command, Flags, Group, command};

pub(super) const LIST: Command =
    command("list", 2, list).full("script|list").flags(Flags::NOSCRIPT).acl(Categories::SCRIPTING).docs(
        Group::Scripting,
        "7.2.4",
        "O(N) with N being the number of scripts in cache",
        "List the scripts in the script cache",
    );

fn list(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let all = call.env.engine.scripts.all();
    call.reply.array(all.len());
    for script in all {
        call.reply.map(6);
        identity(&script, call.reply);
        field_int(call.reply, "calls", script.figures.calls());
        field_int(call.reply, "size", script.source.len() as u64);
        call.reply.bulk(b"flags");
        let flags = script.flags().names();
        call.reply.set(flags.len());
        flags.iter().for_each(|flag| call.reply.simple(flag.as_bytes()));
    }
    Ok(())
}

pub(super) const STATS: Command = command("stats", -2, stats)
    .full("script|stats")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "7.2.4",
        "O(N) with N being the number of scripts in cache, O(1) for one of them",
        "Show how scripts ran: calls, errors, times, memory",
    )
    .syntax("[target<sha1|name|RESET>]");

fn stats(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let all = || with_functions(call.env.engine);
    match call.args {
        [_, _] => {
            let all = all();
            call.reply.array(all.len());
            all.iter().for_each(|script| figures(script, call.reply));
        }
        [_, _, word] if word.eq_ignore_ascii_case(b"reset") => {
            all().iter().for_each(|script| script.figures.reset());
            call.reply.ok();
        }
        [_, _, word] => {
            let engine = call.env.engine;
            let function =
                || engine.functions.libraries().function(word).map(|function| function.script.clone());
            let found = engine.scripts.find_named(word).or_else(function);
            figures(&found.ok_or(NO_SCRIPT)?, call.reply);
        }
        _ => return Err(Error::unknown_subcommand_or_arity(call.args)),
    }
    Ok(())
}

/// The cached scripts, and the functions of all libraries.
fn with_functions(engine: &Engine) -> Vec<Arc<Script>> {
    let mut all = engine.scripts.all();
    let libraries = engine.functions.libraries();
    let functions = libraries.all().flat_map(|library| &library.functions);
    all.extend(functions.map(|function| function.script.clone()));
    all
}

fn identity(script: &Script, reply: &mut dyn Reply) {
    reply.bulk(b"sha1");
    if script.is_function() {
        reply.null()
    } else {
        reply.bulk(&script.sha1)
    }
    reply.bulk(b"name");
    match script.name() {
        Some(name) => reply.bulk(name.as_bytes()),
        None => reply.null(),
    }
    reply.bulk(b"source");
    reply.bulk(match script.is_function() {
        true => b"function",
        false if script.is_loaded() => b"load",
        false => b"eval",
    });
}

fn figures(script: &Arc<Script>, reply: &mut dyn Reply) {
    let total = script.figures.total();
    reply.map(18);
    identity(script, reply);
    field_int(reply, "calls", total.calls);
    reply.bulk(b"errors");
    reply.map(total.errors.len());
    for (code, count) in &total.errors {
        field_int(reply, code, *count);
    }
    field_int(reply, "kills", total.kills);
    field_int(reply, "rollbacks", total.rollbacks);
    field_int(reply, "restarts", total.restarts);
    field_int(reply, "wide-runs", total.wide_runs);
    field_int(reply, "undeclared-keys", total.undeclared_keys);
    field_int(reply, "redis-calls", total.redis_calls);
    reply.bulk(b"redis-calls-per-run");
    reply.double(per_run(&total));
    field_int(reply, "cpu-us", total.cpu_ns / 1000);
    field_int(reply, "memory-peak", total.peak_bytes);
    field_quantiles(reply, "run-us", &total.run_ns);
    field_quantiles(reply, "lock-wait-us", &total.wait_ns);
    reply.bulk(b"wide");
    reply.bool(script.is_wide());
    reply.bulk(b"last-error");
    match &total.last_error {
        Some(failure) => last_error(failure, reply),
        None => reply.null(),
    }
}

fn per_run(total: &Total) -> f64 {
    let per_run = total.redis_calls as f64 / total.calls.max(1) as f64;
    (per_run * 100.0).round() / 100.0
}

fn field_int(reply: &mut dyn Reply, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.int(value as i64);
}

fn field_quantiles(reply: &mut dyn Reply, name: &str, distribution: &Distribution) {
    reply.bulk(name.as_bytes());
    reply.map(3);
    for (name, percent) in [("p50", 50.0), ("p99", 99.0), ("p99.9", 99.9)] {
        reply.bulk(name.as_bytes());
        reply.double(distribution.quantile(percent) as f64 / 1000.0);
    }
}

fn last_error(failure: &Failure, reply: &mut dyn Reply) {
    reply.map(3);
    field_int(reply, "at-ms", failure.at_ms);
    reply.bulk(b"text");
    reply.bulk(&failure.text);
    reply.bulk(b"traceback");
    reply.array(failure.traceback.len());
    failure.traceback.iter().for_each(|line| reply.bulk(line.as_bytes()));
}
