//! What XREAD and XREADGROUP are asked for.

use perigee_keyspace::{Stream, StreamId};

use crate::call::Call;
use crate::error::Error;
use crate::parse::{Options as Words, Word, integer};
use crate::session::Role;
use crate::stream::id;

/// The options.
pub(super) struct Options<'a> {
    /// Entries of each stream at most.
    pub(super) count: usize,
    /// To wait, and until when.
    pub(super) block: Option<Option<u64>>,
    pub(super) no_ack: bool,
    /// CLAIM: how long entries have been pending that are to be taken over.
    pub(super) claim_ms: Option<u64>,
    /// Both empty for XREAD.
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    /// Position of the first key.
    pub(super) first: usize,
    /// How many keys there are; as many IDs follow.
    pub(super) len: usize,
}

/// Where a consumer group's reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// `>`: behind what the group has read.
    New,
    /// In what is pending for the consumer, behind this ID.
    After(StreamId),
}

/// Entries of each stream that one who has waited gets at most, unless it says otherwise.
const SERVED: usize = 1000;

impl<'a> Options<'a> {
    pub(super) fn parse(call: &Call<'a, '_>, grouped: bool) -> Result<Self, Error> {
        let (mut count, mut block, mut no_ack, mut claim_ms) = (0, None, false, None);
        let mut names: Option<(&[u8], &[u8])> = None;
        let mut words = call.options(1);
        let streams = loop {
            let Some(word) = words.next() else { return Err(Error::Syntax) };
            let more = words.left();
            if word.is("BLOCK") && more > 0 {
                if call.session.role == Role::Script {
                    let after = " command is not allowed with BLOCK option from scripts";
                    return Err(Error::quoting("ERR ", call.args[0], after));
                }
                block = Some(deadline(call, words.value()?)?);
            } else if word.is("COUNT") && more > 0 {
                count = usize::try_from(words.integer()?).unwrap_or(0);
            } else if word.is("CLAIM") && more > 0 {
                if !grouped {
                    return Err(Error::Text(
                        "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                claim_ms = Some(min_idle_ms(words.value()?)?);
            } else if word.is("STREAMS") && more > 0 {
                break words.position();
            } else if word.is("GROUP") && more >= 2 {
                if !grouped {
                    return Err(Error::Text(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                names = Some((words.value()?, words.value()?));
            } else if word.is("NOACK") {
                if !grouped {
                    return Err(Error::Text(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                no_ack = true;
            } else {
                return Err(Error::Syntax);
            }
        };
        let len = call.args.len() - streams;
        if !len.is_multiple_of(2) {
            return Err(Error::Text(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            ));
        }
        if grouped && names.is_none() {
            return Err(Error::Text("ERR Missing GROUP option for XREADGROUP"));
        }
        let (group, consumer) = names.unwrap_or_default();
        let served = matches!(call.session.role, Role::Served { .. });
        let count = match count {
            0 if served => SERVED,
            0 => usize::MAX,
            count => count,
        };
        Ok(Options { count, block, no_ack, claim_ms, group, consumer, first: streams, len: len / 2 })
    }

    /// Keys with what stands for their IDs.
    pub(super) fn streams(
        &self,
        call: &Call<'a, '_>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let args: &'a [&'a [u8]] = call.args;
        let (keys, words) = args[self.first..].split_at(self.len);
        keys.iter().copied().zip(words.iter().copied())
    }
}

fn min_idle_ms(word: &[u8]) -> Result<u64, Error> {
    let number = integer(word).ok_or(Error::Text("ERR min-idle-time is not an integer"))?;
    u64::try_from(number).map_err(|_| Error::Text("ERR min-idle-time must be a positive integer"))
}

/// When to give up, from milliseconds; `None` for never.
fn deadline(call: &Call<'_, '_>, word: &[u8]) -> Result<Option<u64>, Error> {
    match integer(word) {
        None => Err(Error::Text("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(Error::Text("ERR timeout is negative")),
        Some(0) => Ok(None),
        Some(milliseconds) => Ok(Some(call.now_ms().saturating_add(milliseconds as u64))),
    }
}

/// The ID behind which XREAD begins. `+`, the last entry alone, is of Redis 7.4
/// (<https://github.com/redis/redis/pull/13117>).
pub(super) fn after(stream: Option<&Stream>, word: &[u8]) -> Result<StreamId, Error> {
    let last_id = stream.map_or(StreamId::MIN, Stream::last_id);
    match word {
        b"$" => Ok(last_id),
        b"+" => {
            let last = stream.and_then(Stream::last);
            Ok(last.and_then(|last| last.id.previous()).unwrap_or(last_id))
        }
        b">" => Err(Error::Text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        word => id::parse(word, 0),
    }
}

/// Where XREADGROUP begins.
pub(super) fn of_group(word: &[u8]) -> Result<Start, Error> {
    match word {
        b">" => Ok(Start::New),
        b"$" => Err(Error::Text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        b"+" => Err(Error::Text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
        )),
        word => Ok(match id::parse(word, 0)? {
            // Redis has the greatest ID stand for `>`.
            StreamId::MAX => Start::New,
            id => Start::After(id),
        }),
    }
}

/// The positions of the keys: the first half of what follows STREAMS.
pub(super) fn keys(args: &[&[u8]]) -> Vec<usize> {
    // Before that, XREADGROUP has no place for it.
    let earliest = if args.first().is_some_and(|name| Word(name).is("XREADGROUP")) { 4 } else { 1 };
    let mut words = Words::new(args, 1);
    while let Some(word) = words.next() {
        if word.is("STREAMS") && words.position() > earliest {
            return behind_keyword(args, words.position());
        }
        // What is no option is passed over: keys are looked for before the request is refused for it.
        let values = match word {
            _ if word.is("GROUP") => 2,
            _ if word.is("COUNT") || word.is("BLOCK") || word.is("CLAIM") => 1,
            _ => 0,
        };
        (0..values).for_each(|_| _ = words.next());
    }
    // The command refuses such a request, but those who may not use its keys are to be told so first.
    let hidden = args.iter().skip(earliest).position(|word| Word(word).is("STREAMS"));
    hidden.map_or_else(Vec::new, |at| behind_keyword(args, earliest + at + 1))
}

fn behind_keyword(args: &[&[u8]], first: usize) -> Vec<usize> {
    (first..first + (args.len() - first) / 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_behind_the_keyword_alone() {
        for (request, expected) in [
            ("xread streams a b 0 0", &[2, 3][..]),
            ("xread count 1 block 0 streams a 0", &[6]),
            ("xreadgroup noack group streams streams streams a >", &[6]),
            ("xread streams a b 0", &[2]),
            ("xreadgroup group g c other streams a >", &[6]),
            ("xreadgroup group g c claim streams streams a >", &[7]),
            ("xreadgroup g group c streams a >", &[5]),
            ("xreadgroup g c streams a b 0 >", &[]),
            ("xread count", &[]),
            ("xread", &[]),
        ] {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            assert_eq!(keys(&args), expected, "{request}");
        }
    }
}
