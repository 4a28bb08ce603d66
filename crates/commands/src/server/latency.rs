//! LATENCY: what took long, and how long commands take.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::error::Error;
use crate::histogram::Distribution;
use crate::latency::History;
use crate::spec::{Command, Flags, Group, Handler, command, container};
use crate::table::Entry;

pub(super) const LATENCY: Command = container(
    "latency",
    &[DOCTOR, GRAPH, HELP, HISTOGRAM, HISTORY, LATEST, RESET],
)
.docs(Group::Server, "2.8.13", "Depends on subcommand.", "A container for latency diagnostics commands");

const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    let flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);
    command(name, arity, handler).full(full).flags(flags)
}

const LATEST: Command = operator("latest", "latency|latest", 2, latest).docs(
    Group::Server,
    "2.8.13",
    "O(1)",
    "Return the latest latency samples for all events.",
);

fn latest(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let all = call.env.engine.latency.all();
    call.reply.array(all.len());
    for (event, history) in all {
        let last = history.samples.back().expect("a history has a sample");
        call.reply.array(4);
        call.reply.bulk(event.as_bytes());
        [last.at_s, last.ms, history.longest_ms].iter().for_each(|&number| call.reply.int(number as i64));
    }
    Ok(())
}

const HISTORY: Command = operator("history", "latency|history", 3, history)
    .docs(Group::Server, "2.8.13", "O(1)", "Return timestamp-latency samples for the event.")
    .syntax("event");

fn history(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let found = call.env.engine.latency.of(call.args[2]);
    let samples = found.map(|(_, history)| history.samples).unwrap_or_default();
    call.reply.array(samples.len());
    for sample in samples {
        call.reply.array(2);
        call.reply.int(sample.at_s as i64);
        call.reply.int(sample.ms as i64);
    }
    Ok(())
}

const RESET: Command = operator("reset", "latency|reset", -2, |call| {
    let count = call.env.engine.latency.reset(&call.args[2..]);
    call.reply.int(count as i64);
    Ok(())
})
.docs(Group::Server, "2.8.13", "O(1)", "Reset latency data for one or more events.")
.syntax("[event...]");

const HISTOGRAM: Command = operator("histogram", "latency|histogram", -2, histogram)
    .docs(
        Group::Server,
        "7.0.0",
        "O(N) where N is the number of commands with latency information being retrieved.",
        "Return the cumulative distribution of latencies of a subset of commands or all.",
    )
    .syntax("[command...]");

fn histogram(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let ids: Vec<u16> = if call.args.len() == 2 {
        (0..engine.commands.len() as u16).collect()
    } else {
        call.args[2..].iter().flat_map(|name| named(call, name)).collect()
    };
    let workers = engine.worker_stats();
    let known: Vec<(&str, Distribution)> = ids
        .into_iter()
        .filter_map(|id| {
            let histograms = workers.iter().map(|worker| &worker.commands[usize::from(id)].times);
            let distribution = Distribution::of(histograms, 0);
            let command = engine.commands.by_id(id)?;
            (distribution.count() > 0).then_some((command.full_name, distribution))
        })
        .collect();
    call.reply.map(known.len());
    for (name, distribution) in known {
        call.reply.bulk(name.as_bytes());
        call.reply.map(2);
        call.reply.bulk(b"calls");
        call.reply.int(distribution.count() as i64);
        call.reply.bulk(b"histogram_usec");
        let steps = steps(&distribution);
        call.reply.map(steps.len());
        for (us, count) in steps {
            call.reply.int(us as i64);
            call.reply.int(count as i64);
        }
    }
    Ok(())
}

/// A command by its name, full or not; a container stands for its subcommands.
fn named(call: &Call<'_, '_>, name: &[u8]) -> Vec<u16> {
    let commands = &call.env.engine.commands;
    let mut parts = name.splitn(2, |&byte| byte == b'|');
    let Some(entry) = parts.next().and_then(|first| commands.find(first)) else { return Vec::new() };
    match parts.next() {
        Some(second) => {
            commands.find_subcommand(entry, second).map(|Entry { id, .. }| id).into_iter().collect()
        }
        None => (entry.id..=entry.id + entry.command.subcommands.len() as u16).collect(),
    }
}

/// Microseconds, and how many calls took no longer: where that number grows, at powers of two from 1,024 ns on.
fn steps(distribution: &Distribution) -> Vec<(u64, u64)> {
    let (mut steps, mut before) = (Vec::new(), 0);
    for bits in 10..43 {
        let count = distribution.below(bits);
        if count > before {
            // Redis's ranges end a 128th behind the power.
            steps.push(((1 << bits) + (1 << (bits - 7)) - 1, count));
            before = count;
        }
    }
    steps.into_iter().map(|(ns, count): (u64, u64)| (ns / 1000, count)).collect()
}

const GRAPH: Command = operator("graph", "latency|graph", 3, graph)
    .docs(Group::Server, "2.8.13", "O(1)", "Return a latency graph for the event.")
    .syntax("event");

fn graph(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some((event, history)) = call.env.engine.latency.of(call.args[2]) else {
        return Err(Error::quoting("ERR No samples available for event '", call.args[2], "'"));
    };
    let text = drawn(event, &history, call.now_ms() / 1000);
    call.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// Columns of a graph.
const COLUMNS: usize = 80;
/// Lines of a graph.
const ROWS: u64 = 4;
/// The heights within a line.
const MARKS: [char; 3] = ['_', 'o', '#'];

/// The last samples as columns, with their ages below.
fn drawn(event: &str, history: &History, now_s: u64) -> String {
    let shown: Vec<_> = history.samples.iter().skip(history.samples.len().saturating_sub(COLUMNS)).collect();
    let high = shown.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let low = shown.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let longest = history.longest_ms;
    let mut text = format!("{event} - high {high} ms, low {low} ms (all time high {longest} ms)\n");
    text += &"-".repeat(COLUMNS);
    text.push('\n');
    let heights = ROWS * MARKS.len() as u64;
    let height = |ms: u64| ((ms - low) * heights / (high - low).max(1)).min(heights - 1);
    for row in (0..ROWS).rev() {
        text.extend(shown.iter().map(
            |sample| match height(sample.ms).checked_sub(row * MARKS.len() as u64) {
                Some(above) => *MARKS.get(above as usize).unwrap_or(&'|'),
                None => ' ',
            },
        ));
        text.push('\n');
    }
    text += &" ".repeat(shown.len());
    text.push('\n');
    let ages: Vec<String> = shown.iter().map(|sample| age(now_s.saturating_sub(sample.at_s))).collect();
    for line in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        text.extend(ages.iter().map(|age| age.chars().nth(line).unwrap_or(' ')));
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

const DOCTOR: Command = operator("doctor", "latency|doctor", 2, doctor).docs(
    Group::Server,
    "2.8.13",
    "O(1)",
    "Return a human readable latency analysis report.",
);

fn doctor(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let threshold_ms = call.env.engine.config.number(crate::config::Param::LatencyMonitorThreshold);
    let text = report(&call.env.engine.latency.all(), threshold_ms);
    call.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn report(all: &BTreeMap<&'static str, History>, threshold_ms: i64) -> String {
    if threshold_ms == 0 {
        return "Latency is not monitored. CONFIG SET latency-monitor-threshold <milliseconds> begins it.\n"
            .into();
    }
    if all.is_empty() {
        return format!("Nothing has taken {threshold_ms} milliseconds or longer.\n");
    }
    let mut text = format!("Kinds of events that took {threshold_ms} milliseconds or longer:\n");
    for (event, history) in all {
        let count = history.samples.len() as u64;
        let mean = history.samples.iter().map(|sample| sample.ms).sum::<u64>() / count.max(1);
        let span = history
            .samples
            .back()
            .zip(history.samples.front())
            .map_or(0, |(last, first)| last.at_s - first.at_s);
        let longest = history.longest_ms;
        text += &format!("- {event}: in {count} seconds of {span}; mean {mean} ms, longest {longest} ms. ");
        text += match *event {
            "command" => "SLOWLOG GET names the commands; scripts show their slowest line.\n",
            "fast-command" => "Commands that do little waited for a processor: look at the machine's load.\n",
            _ => "Many keys expire at the same time: spread their deadlines.\n",
        };
    }
    text
}

const HELP: Command = command("help", 2, help)
    .full("latency|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .docs(Group::Server, "2.8.13", "O(1)", "Show helpful text about the different subcommands.");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::LatencyMonitor;

    #[test]
    fn a_graph_shows_heights_and_ages() {
        let monitor = LatencyMonitor::default();
        for (at_s, ms) in [(0, 10), (3500, 80), (3590, 45)] {
            monitor.note("command", at_s * 1000, ms);
        }
        let text = drawn("command", &monitor.all()["command"], 3600);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 80 ms, low 10 ms (all time high 80 ms)");
        assert_eq!(lines[2..], [" # ", " |_", " ||", "_||", "   ", "111", "hm0", "  s"]);
    }
}
