//! WAIT and WAITAOF, of a server that has neither replicas nor an append-only file.

use perigee_resp::Reply;

use crate::blocking::Block;
use crate::call::Call;
use crate::error::Error;
use crate::parse::not_negative;
use crate::spec::{Categories, Command, Flags, Group, command};

pub(super) const WAIT: Command =
    command("wait", 3, wait).flags(Flags::NOSCRIPT).acl(Categories::CONNECTION).docs(
        Group::Generic,
        "3.0.0",
        "O(1)",
        "Wait for the synchronous replication of all the write commands sent in the context of the current connection",
    )
    .syntax("numreplicas:int timeout:int");

fn wait(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let replicas = call.integer(1)?;
    let deadline_ms = deadline(call, 2)?;
    if replicas <= 0 {
        nobody(call.reply);
    } else {
        call.block(Block { deadline_ms, on_timeout: Some(nobody), ..Block::default() });
    }
    Ok(())
}

fn nobody(reply: &mut dyn Reply) {
    reply.int(0);
}

/// As Redis 7.2 documents it.
pub(super) const WAITAOF: Command =
    command("waitaof", 4, waitaof).flags(Flags::BLOCKING).acl(Categories::CONNECTION).docs(
        Group::Generic,
        "7.2.0",
        "O(1)",
        "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the master and/or replicas.",
    )
    .syntax("numlocal:int numreplicas:int timeout:int");

fn waitaof(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let local = call.integer(1)?;
    if !(0..=1).contains(&local) {
        return Err(Error::Text("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = not_negative(call.args[2])?;
    let deadline_ms = deadline(call, 3)?;
    if local > 0 {
        return Err(Error::Text(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    if replicas == 0 {
        no_files(call.reply);
    } else {
        call.block(Block { deadline_ms, on_timeout: Some(no_files), ..Block::default() });
    }
    Ok(())
}

fn no_files(reply: &mut dyn Reply) {
    reply.array(2);
    reply.int(0);
    reply.int(0);
}

/// The moment that a time-out in milliseconds names; 0 is never.
fn deadline(call: &Call<'_, '_>, at: usize) -> Result<Option<u64>, Error> {
    let timeout =
        call.integer(at).map_err(|_| Error::Text("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::Text("ERR timeout is negative"))?;
    Ok((timeout > 0).then(|| call.now_ms().saturating_add(timeout)))
}
