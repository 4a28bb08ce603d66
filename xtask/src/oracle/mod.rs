//! The oracle: the same calls to a real redis-server and to Perigee, replies and data compared.
//!
//! Recorded transcripts (`xtask/oracle/*.txt`) say what was thought of; random commands find what was not. A mismatch
//! is minimised by replaying its episode on empty databases, and reported once for its command and kind. Differences
//! that are meant are listed in `xtask/oracle/accepted.list`. A random run ends with the commands and options that it never sent.

mod accepted;
mod caller;
mod compare;
mod coverage;
mod episode;
mod grammar;
mod introspection;
mod listener;
mod newer;
mod pair;
mod peer;
mod recorded;
mod report;
mod scripts;
mod shapes;
mod state;
mod step;
mod table;
mod transcript;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::arguments::Arguments;
use crate::programs;
use crate::server::Server;
use accepted::Accepted;
pub(crate) use caller::Caller;
use pair::Pair;
use peer::Peer;
use report::Report;

pub(crate) const HELP: &str = "\
oracle [--seed N] [--commands N] [--only GROUP] [--subject PATH] [--at-most N] [--peer NAME=PATH]...
    Compares Perigee with redis-server: transcripts, then random commands.
    --seed N       of the random commands (default: from the clock; it is printed)
    --commands N   how many random commands (default 20000; 0 for none)
    --only GROUP   one transcript (its file name), or 'introspection', or 'random', or a command's name, or its beginning and *,
                   for random calls of these alone
    --subject PATH the server to examine (default: builds Perigee's release)
    --at-most N    distinct mismatches before giving up (default 40)
    --peer NAME=PATH  compares with this newer server, Redis 7.2 to 8 or Valkey, in place of redis-server 7.0.15:
                   what came after 7.0 (xtask/oracle/newer, crates/server/tests/transcripts, random calls of it)";

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
    let peers = arguments.values("--peer")?;
    if let Some(word) = arguments.finish()?.first() {
        bail!("unexpected argument {word}");
    }
    let subject = subject.map_or_else(|| programs::build_perigee("release"), Ok)?;
    let plan = Plan { seed, commands, only, subject, at_most };
    if peers.is_empty() {
        return examine(&plan);
    }
    for peer in &peers {
        let (name, path) = programs::named(peer)?;
        examine_beside(&plan, &name, &path).with_context(|| name.clone())?;
    }
    Ok(())
}

/// Starts both servers and compares them; fails if anything differs.
pub(crate) fn examine(plan: &Plan) -> Result<()> {
    let reference = Server::start("redis", &programs::redis_server()?, DEBUG)?;
    let subject = Server::start("subject", &plan.subject, DEBUG)?;
    let mut pair = Pair::new(reference, subject);
    let mut report = Report::new(plan.at_most, Accepted::read("accepted.list", None)?);
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

/// As [`examine`], with a newer server, and what is newer alone.
fn examine_beside(plan: &Plan, name: &str, program: &Path) -> Result<()> {
    let reference = Server::start(name, program, DEBUG)?;
    let subject = Server::start("subject", &plan.subject, DEBUG)?;
    let peer = Peer::of(&reference)?;
    let mut pair = Pair::beside(peer, reference, subject);
    let mut report = Report::new(plan.at_most, Accepted::read("accepted-newer.list", Some(peer))?);
    let only = plan.only.as_deref();
    let mut found = transcript::replay_newer(&mut pair, &mut report, only)?;
    found |= recorded::replay_all(&mut pair, &mut report, only)?;
    if only.is_none_or(|only| only == "introspection") {
        introspection::compare(&mut pair, &mut report)?;
    }
    if !found && only != Some("introspection") && plan.commands > 0 {
        let command = only.filter(|name| *name != "random");
        episode::run(&mut pair, &mut report, plan.seed, plan.commands, command)?;
    }
    // Which of the accepted differences are met is a matter of chance here.
    report.finish(false)
}

/// What both servers are started with.
const DEBUG: &[&str] = &["--enable-debug-command", "local"];

fn clock_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs())
}
