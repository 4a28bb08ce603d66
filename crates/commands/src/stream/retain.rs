//! What a stream is to keep: the options of XADD and XTRIM, and what becomes of references to what goes.

use perigee_keyspace::{References, StreamTrim, TrimTo};

use super::id::{self, NewId};
use crate::config::Param;
use crate::engine::Env;
use crate::error::Error;
use crate::parse::{Options, Word, integer};

/// The options of XADD up to the ID, or all of XTRIM.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Retention {
    pub(super) trim: Option<StreamTrim>,
    pub(super) no_create: bool,
    /// The ID of XADD, unless the request ends before.
    pub(super) id: Option<NewId>,
}

impl Retention {
    /// Reads options up to an ID if there is to be one; `words` goes on behind it.
    ///
    /// # Errors
    /// Redis's, in its order.
    pub(super) fn parse(env: Env<'_>, words: &mut Options<'_>, with_id: bool) -> Result<Self, Error> {
        let mut retention = Retention::default();
        let mut to: Option<(TrimTo, bool)> = None;
        let mut limit = None;
        let mut references = None;
        while let Some(word) = words.next() {
            let more = words.left() > 0;
            if with_id && word.0 == b"*" {
                retention.id = Some(NewId::Automatic);
                break;
            } else if more && (word.is("MAXLEN") || word.is("MINID")) {
                if to.is_some() {
                    return Err(TWO_STRATEGIES);
                }
                let approximate = operator(words);
                let threshold = words.value()?;
                let threshold = if word.is("MAXLEN") {
                    let len = integer(threshold).ok_or(Error::NotInteger)?;
                    let len = usize::try_from(len)
                        .map_err(|_| Error::Text("ERR The MAXLEN argument must be >= 0."))?;
                    TrimTo::Length(len)
                } else {
                    TrimTo::Id(id::parse(threshold, 0)?)
                };
                to = Some((threshold, approximate));
            } else if more && word.is("LIMIT") {
                let number = words.integer()?;
                let number = usize::try_from(number)
                    .map_err(|_| Error::Text("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(number);
            } else if with_id && word.is("NOMKSTREAM") {
                retention.no_create = true;
            } else if let Some(wanted) = parse_references(word).filter(|_| references.is_none()) {
                references = Some(wanted);
            } else if with_id {
                retention.id = Some(id::parse_new(word.0, 0)?);
                break;
            } else {
                return Err(Error::Syntax);
            }
        }
        retention.trim = match to {
            None if limit.is_some_and(|limit| limit > 0) => return Err(LIMIT_ALONE),
            None if !with_id => return Err(NO_STRATEGY),
            None if limit.is_some() => return Err(LIMIT_OF_EXACT),
            None => None,
            Some((_, false)) if limit.is_some() => return Err(LIMIT_OF_EXACT),
            Some((to, approximate)) => {
                let limit = limit.unwrap_or_else(|| if approximate { default_limit(env) } else { 0 });
                Some(StreamTrim { to, approximate, limit, references: references.unwrap_or_default() })
            }
        };
        Ok(retention)
    }
}

/// `KEEPREF`, `DELREF` or `ACKED`, of Redis 8.2 (<https://redis.io/docs/latest/commands/xdelex/>).
pub(super) fn parse_references(word: Word<'_>) -> Option<References> {
    if word.is("KEEPREF") {
        Some(References::Keep)
    } else if word.is("DELREF") {
        Some(References::Delete)
    } else if word.is("ACKED") {
        Some(References::Acknowledged)
    } else {
        None
    }
}

/// Reads `~` or `=` where a threshold follows; whether it was `~`.
fn operator(words: &mut Options<'_>) -> bool {
    let is = |operator| words.left() >= 2 && words.peek() == Some(operator);
    let approximate = is(b"~");
    if approximate || is(b"=") {
        words.next();
    }
    approximate
}

/// A hundred nodes.
fn default_limit(env: Env<'_>) -> usize {
    match env.engine.config.number(Param::StreamNodeMaxEntries).saturating_mul(100) {
        ..=0 => 10_000,
        limit => limit.min(1_000_000) as usize,
    }
}

const TWO_STRATEGIES: Error =
    Error::Text("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const LIMIT_ALONE: Error =
    Error::Text("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const NO_STRATEGY: Error = Error::Text("ERR syntax error, XTRIM must be called with a trimming strategy");
const LIMIT_OF_EXACT: Error =
    Error::Text("ERR syntax error, LIMIT cannot be used without the special ~ option");
