//! DEBUG RELOAD: every value written as a snapshot has it, and read again.

use perigee_keyspace::Deadline;

use super::inside::form;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::payload;

/// There is no file in between: NOSAVE and NOFLUSH, which load an older one, fail.
pub(super) fn reload(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut from_file = false;
    for option in call.args[2..].iter().map(|option| Word(option)) {
        match option {
            option if option.is("MERGE") => {}
            option if option.is("NOSAVE") || option.is("NOFLUSH") => from_file = true,
            _ => return Err(UNKNOWN_OPTION),
        }
    }
    if from_file {
        return Err(NO_FILE);
    }
    let (form, limits) = (form(call), call.txn.limits());
    for db in 0..call.env.engine.keyspace.databases() {
        let keys: Vec<Vec<u8>> = call.txn.entries(db).map(|entry| entry.key().to_vec()).collect();
        for key in keys {
            let Some(value) = call.txn.peek(db, &key).map(|entry| entry.value()) else { continue };
            let mut body = Vec::new();
            payload::write_value(&mut body, value, form);
            let read = payload::read_value(&mut &body[..], &limits).ok_or(UNREADABLE)?;
            call.txn.insert(db, &key, read, Deadline::Keep);
        }
    }
    call.reply.ok();
    Ok(())
}

const UNKNOWN_OPTION: Error =
    Error::Text("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
const NO_FILE: Error = Error::Text("ERR Error trying to load the RDB dump, check server logs");
const UNREADABLE: Error = Error::Text("ERR a value could not be read again");
