//! Serving those who wait: by whoever has changed the stream, and from that stream alone.

use perigee_keyspace::{Audience, StreamId};

use super::claim;
use super::options::{self, Options};
use super::{announce, announce_stream, deliver, reply_after};
use crate::blocking::{Again, Block};
use crate::call::Call;
use crate::error::Error;
use crate::stream::{consumer_of, tell_created};

/// Serves XREAD if something was added behind its ID, even if it is gone again.
pub(super) fn entries(call: &mut Call<'_, '_>, options: &Options<'_>, key_at: usize) -> Result<(), Error> {
    let key = call.args[key_at];
    let start = options::after(None, call.args[key_at + options.len])?;
    match call.txn.stream(call.db, key)?.filter(|stream| stream.last_id() > start) {
        None => call.block(GO_ON),
        Some(stream) => {
            announce(call.reply, 1);
            announce_stream(call.reply, key);
            reply_after(call.reply, stream, start, options.count);
        }
    }
    Ok(())
}

/// Serves XREADGROUP, also with the news that there is nothing to wait for any more.
pub(super) fn group(call: &mut Call<'_, '_>, options: &Options<'_>, key_at: usize) -> Result<(), Error> {
    let key = call.args[key_at];
    let Ok(Some(mut stream)) = call.txn.stream_mut(call.db, key) else {
        return Err(Error::Text("UNBLOCKED the stream key no longer exists"));
    };
    let Some((group, found)) = stream.group(options.group) else {
        return Err(Error::Text("NOGROUP the consumer group this client was blocked on no longer exists"));
    };
    let now_ms = stream.now_ms();
    let claimable = options.claim_ms.is_some_and(|min_idle_ms| {
        let idle = claim::claimable(found, min_idle_ms, now_ms);
        idle.iter().any(|(id, _)| stream.get(*id).is_some())
    });
    if !claimable && (stream.last_id() <= found.last_id || found.last_id == StreamId::MAX) {
        let at_ms = options.claim_ms.map(|min_idle_ms| claim::next_due(found, min_idle_ms, now_ms));
        drop(stream);
        call.block_as(GO_ON, Again { request: None, at_ms });
        return Ok(());
    }
    stream.tell(Audience::Nobody);
    let (number, created) = consumer_of(&mut stream, group, options.consumer);
    announce(call.reply, 1);
    announce_stream(call.reply, key);
    let active = deliver(call.reply, &mut stream, group, number, options) > 0;
    stream.note_consumer_seen(group, number, active);
    drop(stream);
    if created {
        tell_created(call, key);
    }
    Ok(())
}

/// What was said of the wait when it began still holds.
const GO_ON: Block = Block { keys: Vec::new(), deadline_ms: None, on_timeout: None };
