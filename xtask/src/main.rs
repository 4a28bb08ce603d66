//! The project's automation: `cargo xtask COMMAND`, the same on a desk as in CI.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "tools measure real time and wait for real servers")]
#![allow(clippy::print_stdout, reason = "these are command-line tools")]

mod arguments;
mod bench;
mod ci;
mod clients;
mod connection;
mod coverage;
mod crowd;
mod docs;
mod fuzz;
mod history;
mod lists;
mod memory;
mod miri;
mod oracle;
mod preempt;
mod programs;
mod server;
mod suite;
mod syntax;
mod value;

use std::process::ExitCode;

use arguments::Arguments;

type Run = fn(Arguments) -> anyhow::Result<()>;

const COMMANDS: &[(&str, Run, &str)] = &[
    ("bench", bench::run, bench::HELP),
    ("ci", ci::run, ci::HELP),
    ("clients", clients::run, clients::HELP),
    ("coverage", coverage::run, coverage::HELP),
    ("crowd", crowd::run, crowd::HELP),
    ("docs", docs::run, docs::HELP),
    ("fuzz", fuzz::run, fuzz::HELP),
    ("memory", memory::run, memory::HELP),
    ("miri", miri::run, miri::HELP),
    ("oracle", oracle::run, oracle::HELP),
    ("history", history::run, history::HELP),
    ("preempt", preempt::run, preempt::HELP),
    ("suite", suite::run, suite::HELP),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_process();
    let name = arguments.positional().unwrap_or_default();
    let Some((_, run, help)) = COMMANDS.iter().find(|(command, ..)| *command == name) else {
        return unknown(&name);
    };
    if arguments.flag("--help") {
        println!("{help}");
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn unknown(name: &str) -> ExitCode {
    let help = ["", "help", "--help"].contains(&name);
    if !help {
        eprintln!("xtask: no command '{name}'");
    }
    for (_, _, text) in COMMANDS {
        println!("{text}\n");
    }
    if help { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
