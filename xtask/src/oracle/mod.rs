//! The oracle: the same calls to a real redis-server and to Perigee, replies and data compared.
//!
//! Recorded transcripts (`xtask/oracle/*.txt`) say what was thought of; random commands find what was not. A mismatch
//! is minimised by replaying its episode on empty databases, and reported once for its command and kind. Differences
//! that are meant are listed in `xtask/oracle/accepted.list`. A random run ends with the commands and options that it never sent.

mod accepted;
mod compare;
mod coverage;
mod episode;
mod grammar;
mod introspection;
mod listener;
mod pair;
mod report;
mod scripts;
mod shapes;
mod state;
mod step;
mod table;
mod transcript;
mod words;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::arguments::Arguments;
use crate::programs;
use crate::server::Server;
use accepted::Accepted;
use pair::Pair;
use report::Report;

pub(crate) const HELP: &str = "\
oracle [--seed N] [--commands N] [--only GROUP] [--subject PATH] [--at-most N]
    Compares Perigee with redis-server: transcripts, then random commands.
    --seed N       of the random commands (default: from the clock; it is printed)
    --commands N   how many random commands (default 20000; 0 for none)
    --only GROUP   one transcript (its file name), or 'introspection', or 'random', or a command's name, or its beginning and *,
                   for random calls of these alone
    --subject PATH the server to examine (default: builds Perigee's release)
    --at-most N    distinct mismatches before giving up (default 40)";

/// What one run of the oracle examines.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) commands: u64,
    pub(crate) only: Option<String>,
    pub(crate) subject: PathBuf,
    pub(crate) at_most: usize,
}

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let seed = arguments.number("--seed", clock_seed())?;
    let commands = arguments.number("--commands", 20_000)?;
    let only = arguments.value("--only")?;
    let at_most = arguments.number("--at-most", 40)? as usize;
    let subject = arguments.value("--subject")?.map(PathBuf::from);
    if let Some(word) = arguments.finish()?.first() {
        bail!("unexpected argument {word}");
    }
    let subject = subject.map_or_else(|| programs::build_perigee("release"), Ok)?;
    examine(&Plan { seed, commands, only, subject, at_most })
}

/// Starts both servers and compares them; fails if anything differs.
pub(crate) fn examine(plan: &Plan) -> Result<()> {
    let reference = Server::start("redis", &programs::redis_server()?, DEBUG)?;
    let subject = Server::start("subject", &plan.subject, DEBUG)?;
    let mut pair = Pair::new(reference, subject);
    let mut report = Report::new(plan.at_most, Accepted::read()?);
    let only = plan.only.as_deref();
    transcript::replay_all(&mut pair, &mut report, only)?;
    if only.is_none_or(|only| only == "introspection") {
        introspection::compare(&mut pair, &mut report)?;
    }
    let transcript_only = only.is_some_and(|only| only == "introspection" || transcript::exists(only));
    if !transcript_only && plan.commands > 0 {
        let command = only.filter(|name| *name != "random");
        episode::run(&mut pair, &mut report, plan.seed, plan.commands, command)?;
    }
    report.finish(only.is_none())
}

/// What both servers are started with.
const DEBUG: &[&str] = &["--enable-debug-command", "local"];

fn clock_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs())
}
