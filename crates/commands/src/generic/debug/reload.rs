//! DEBUG RELOAD: every value written as a snapshot has it, and read again.

use perigee_keyspace::Deadline;

use super::inside::form;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::payload;

/// There is no file in between: NOSAVE, which loads an older one, fails. Without MERGE, NOFLUSH finds everything there
/// already.
pub(super) fn reload(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (mut merge, mut flush, mut save) = (false, true, true);
    for option in call.args[2..].iter().map(|option| Word(option)) {
        match option {
            option if option.is("MERGE") => merge = true,
            option if option.is("NOFLUSH") => flush = false,
            option if option.is("NOSAVE") => save = false,
            _ => return Err(UNKNOWN_OPTION),
        }
    }
    if !save || !(flush || merge || is_empty(call)) {
        return Err(NOT_LOADED);
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

/// Whether there are neither keys nor libraries.
fn is_empty(call: &Call<'_, '_>) -> bool {
    let engine = call.env.engine;
    (0..engine.keyspace.databases()).all(|db| call.txn.len(db) == 0)
        && engine.functions.libraries().all().len() == 0
}

const UNKNOWN_OPTION: Error =
    Error::Text("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
const NOT_LOADED: Error = Error::Text("ERR Error trying to load the RDB dump, check server logs");
const UNREADABLE: Error = Error::Text("ERR a value could not be read again");
