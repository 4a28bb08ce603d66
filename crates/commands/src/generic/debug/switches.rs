//! What DEBUG turns off for the whole server.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::call::Call;
use crate::parse::{Word, integer};

/// All are off at the start.
#[derive(Default)]
pub(crate) struct Switches {
    /// Expired keys stay until somebody looks for them: SET-ACTIVE-EXPIRE 0.
    pub(crate) expiry_paused: AtomicBool,
    /// Nothing is done periodically: PAUSE-CRON 1.
    pub(crate) cron_paused: AtomicBool,
    /// Scripts may run the subcommands of administration, DEBUG's and CLIENT's, too: SET-DISABLE-DENY-SCRIPTS 1.
    pub(crate) scripts_administer: AtomicBool,
    /// RESTORE takes payloads whose checksum is wrong: SET-SKIP-CHECKSUM-VALIDATION 1.
    pub(crate) checksums_skipped: AtomicBool,
}

/// Turns the switch that the subcommand names. Anything but a number counts as 0, as in C. Returns whether there is one.
pub(super) fn turn(call: &mut Call<'_, '_>) -> bool {
    let (word, is_on) = (Word(call.args[1]), integer(call.args[2]).unwrap_or(0) != 0);
    let switches = &call.env.engine.switches;
    let (switch, value) = if word.is("SET-ACTIVE-EXPIRE") {
        (&switches.expiry_paused, !is_on)
    } else if word.is("PAUSE-CRON") {
        (&switches.cron_paused, is_on)
    } else if word.is("SET-DISABLE-DENY-SCRIPTS") {
        (&switches.scripts_administer, is_on)
    } else if word.is("SET-SKIP-CHECKSUM-VALIDATION") {
        (&switches.checksums_skipped, is_on)
    } else {
        return false;
    };
    switch.store(value, Ordering::Relaxed);
    call.reply.ok();
    true
}
