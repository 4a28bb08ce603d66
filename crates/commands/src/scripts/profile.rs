//! SCRIPT PROFILE: where a script spends its time, by samples of its levels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::commands::NO_SCRIPT;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, command};

pub(super) const PROFILE: Command = command("profile", 4, script_profile)
    .full("script|profile")
    .flags(Flags::NOSCRIPT)
    .acl(Categories::SCRIPTING)
    .docs(
        Group::Scripting,
        "7.2.4",
        "O(1), GET: O(N) with N being the number of different stacks",
        "Sample where a script spends its time",
    )
    .syntax("target<sha1|name> action<ON|OFF|GET>");

fn script_profile(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let script = call.env.engine.scripts.find_named(call.args[2]).ok_or(NO_SCRIPT)?;
    match call.args[3].to_ascii_lowercase().as_slice() {
        b"on" => {
            script.profile.start();
            call.reply.ok();
        }
        b"off" => {
            script.profile.stop();
            call.reply.ok();
        }
        b"get" => call.reply.verbatim(b"txt", script.profile.text().as_bytes()),
        _ => return Err(Error::Text("ERR Use SCRIPT PROFILE <sha1>|<name> ON|OFF|GET")),
    }
    Ok(())
}

/// Samples of a script's runs, on all workers.
#[derive(Default)]
pub struct Profile {
    on: AtomicBool,
    /// How often each stack was found.
    stacks: Mutex<BTreeMap<String, u64>>,
}

/// Different stacks that are told apart.
const STACKS: usize = 10_000;

impl Profile {
    /// Whether samples are wanted.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Counts a sample: frames from the outermost to the innermost, with `;` between them.
    pub fn count(&self, stack: String) {
        let mut stacks = self.stacks.lock();
        let known = stacks.len() < STACKS || stacks.contains_key(&stack);
        *stacks.entry(if known { stack } else { "others".into() }).or_default() += 1;
    }

    fn start(&self) {
        self.stacks.lock().clear();
        self.on.store(true, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.on.store(false, Ordering::Relaxed);
    }

    /// A line for each stack, with its count behind a space: what flamegraph tools read.
    fn text(&self) -> String {
        self.stacks.lock().iter().map(|(stack, count)| format!("{stack} {count}\n")).collect()
    }
}
