//! Commands with large requests and large replies, as Valkey 8.1 remembers them beside the slow ones
//! (<https://valkey.io/commands/commandlog-get/>).

use crate::config::Param;
use crate::engine::Env;
use crate::secrets;
use crate::session::Session;
use crate::spec::Flags;
use crate::stats::Slowlog;
use crate::table::Entry;

/// Of one server.
#[derive(Default)]
pub(crate) struct CommandLog {
    /// By bytes of the request.
    pub(crate) requests: Slowlog,
    /// By bytes of the reply.
    pub(crate) replies: Slowlog,
}

/// Remembers a finished command if its request or its reply is large.
#[inline(always)]
pub(crate) fn note(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]], reply_bytes: usize) {
    let config = &env.engine.config;
    // -1, for never, becomes more than there is.
    let limit = |limit: Param| config.number(limit) as usize;
    if reply_bytes >= limit(Param::LargeReply) || most_bytes(args) >= limit(Param::LargeRequest) {
        note_large(env, session, entry, args, reply_bytes);
    }
}

#[cold]
fn note_large(env: Env<'_>, session: &Session, entry: Entry, args: &[&[u8]], reply_bytes: usize) {
    if entry.command.has(Flags::SKIP_SLOWLOG) {
        return;
    }
    let (config, log) = (&env.engine.config, &env.engine.command_log);
    for (log, limit, length, bytes) in [
        (&log.requests, Param::LargeRequest, Param::LargeRequestMaxLen, request_bytes(args)),
        (&log.replies, Param::LargeReply, Param::LargeReplyMaxLen, reply_bytes),
    ] {
        let (limit, length) = (config.number(limit), config.number(length) as usize);
        // A log without room does not count, either.
        if length > 0 && limit >= 0 && bytes as i64 >= limit {
            let shown = secrets::hidden(entry, args);
            log.push(env, session, &shown, None, bytes as u64, length);
        }
    }
}

/// Not less than the bytes of the request, and quickly found.
#[inline]
fn most_bytes(args: &[&[u8]]) -> usize {
    /// `$`, twenty digits, two line ends.
    const AROUND: usize = 25;
    AROUND + args.iter().map(|arg| arg.len() + AROUND).sum::<usize>()
}

/// The bytes of the request as it is written in RESP.
fn request_bytes(args: &[&[u8]]) -> usize {
    let header = |number: usize| 3 + number.checked_ilog10().unwrap_or(0) as usize + 1;
    header(args.len()) + args.iter().map(|arg| header(arg.len()) + arg.len() + 2).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_long_as_they_are_in_resp() {
        for request in [&[&b"get"[..], b""][..], &[b"set", b"k", &[b'x'; 1000]], &[&b"x"[..]; 12]] {
            let mut encoded = Vec::new();
            perigee_resp::encode_request(&mut encoded, request);
            assert_eq!(request_bytes(request), encoded.len());
            assert!(most_bytes(request) >= encoded.len());
        }
    }
}
