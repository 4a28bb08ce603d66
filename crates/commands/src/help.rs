//! The HELP subcommands' frame.

use crate::call::Call;

/// Answers with a container's help: its subcommands' lines between Redis's first and last ones.
pub(crate) fn reply(call: &mut Call<'_, '_>, container: &str, lines: &[&str]) {
    call.reply.array(lines.len() + 3);
    let first = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    call.reply.simple(first.as_bytes());
    for line in lines {
        call.reply.simple(line.as_bytes());
    }
    call.reply.simple(b"HELP");
    call.reply.simple(b"    Prints this help.");
}
