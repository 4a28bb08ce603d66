//! XTRIM.

use perigee_keyspace::Audience;

use super::on_stream;
use super::retain::Retention;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const XTRIM: Command = on_stream("xtrim", -4, xtrim, Flags::WRITE).docs(
    Group::Stream,
    "5.0.0",
    "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
    "Trims the stream to (approximately if '~' is passed) a certain size",
)
    .syntax("key trim(strategy<MAXLEN|MINID^6.2.0> [operator<equal='='|\
        approximately='~'>] threshold [LIMIT count:int^6.2.0]) \
        [condition<KEEPREF|DELREF|ACKED>^8.2.0]")
    .history(&[
        ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
    ]);

fn xtrim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let retention = Retention::parse(call.env, &mut call.options(2), false)?;
    let key = call.args[1];
    let mut deleted = 0;
    if let (Some(mut stream), Some(trim)) = (call.txn.stream_mut(call.db, key)?, retention.trim) {
        stream.tell(Audience::Watchers);
        deleted = stream.trim(&trim);
    }
    if deleted > 0 {
        call.notify(Event::Stream, "xtrim", key);
    }
    call.reply.int(deleted as i64);
    Ok(())
}
