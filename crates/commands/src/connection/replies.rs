//! CLIENT REPLY: which replies a client wants.

use super::client::ordinary;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::session::ReplyMode;
use crate::spec::{Command, Group};

pub(super) const REPLY: Command = ordinary("reply", "client|reply", 3, reply)
    .docs(Group::Connection, "3.2.0", "O(1)", "Instruct the server whether to reply to commands")
    .syntax("on_off_skip<ON|OFF|SKIP>");

/// Answers in every case: the session withholds what the new mode does not want.
fn reply(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let word = Word(call.args[2]);
    let mode = &mut call.session.reply_mode;
    if word.is("ON") {
        *mode = ReplyMode::On;
    } else if word.is("OFF") {
        *mode = ReplyMode::Off;
    } else if word.is("SKIP") {
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(Error::Syntax);
    }
    call.reply.ok();
    Ok(())
}
