//! What SORT is told.

use std::ops::Range;

use super::pattern;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;

/// The parsed options.
#[derive(Default)]
pub(super) struct Options<'a> {
    pub(super) descending: bool,
    pub(super) alphabetic: bool,
    limit: Option<(i64, i64)>,
    pub(super) by: Option<&'a [u8]>,
    /// The elements stay as they are: there was a BY with a pattern that is the same for all of them.
    pub(super) keeps_order: bool,
    pub(super) fetch: Vec<&'a [u8]>,
    pub(super) store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    pub(super) fn parse(call: &Call<'a, '_>, may_store: bool) -> Result<Self, Error> {
        let mut options = Options::default();
        let mut words = call.options(2);
        while let Some(word) = words.next() {
            if word.is("ASC") {
                options.descending = false;
            } else if word.is("DESC") {
                options.descending = true;
            } else if word.is("ALPHA") {
                options.alphabetic = true;
            } else if word.is("LIMIT") && words.left() >= 2 {
                options.limit = Some((words.integer()?, words.integer()?));
            } else if word.is("STORE") && may_store {
                options.store = Some(words.value()?);
            } else if word.is("BY") {
                let pattern = words.value()?;
                options.by = Some(pattern);
                options.keeps_order |= !pattern::names_keys(pattern);
                if pattern::names_keys(pattern) && !reads_every_key(call) {
                    return Err(BY_DENIED);
                }
            } else if word.is("GET") {
                options.fetch.push(words.value()?);
                if !reads_every_key(call) {
                    return Err(GET_DENIED);
                }
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }

    /// The elements that LIMIT leaves of so many.
    pub(super) fn chosen(&self, len: usize) -> Range<usize> {
        let Some((start, count)) = self.limit else { return 0..len };
        let start = usize::try_from(start).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}

const BY_DENIED: Error = Error::Text("ERR BY option of SORT denied due to insufficient ACL permissions.");
const GET_DENIED: Error = Error::Text("ERR GET option of SORT denied due to insufficient ACL permissions.");

/// Whether the user may read the keys that patterns lead to, which are known too late: any.
fn reads_every_key(call: &Call<'_, '_>) -> bool {
    let engine = call.env.engine;
    let entry = engine.commands.find(call.args[0]);
    entry.is_none_or(|entry| call.session.identity.reads_every_key(&engine.acl, call.db, entry, call.args))
}

/// The positions of SORT's keys: the first argument, and the last STORE's.
pub(super) fn keys(args: &[&[u8]]) -> Vec<usize> {
    let mut destination = None;
    each_option(args, |option, at| {
        if option.is("STORE") && at < args.len() {
            destination = Some(at);
        }
    });
    std::iter::once(1).chain(destination).filter(|&at| at < args.len()).collect()
}

/// Whether BY or GET lead to keys beyond those that are named.
pub(super) fn names_other_keys(args: &[&[u8]]) -> bool {
    let mut found = false;
    each_option(args, |option, at| {
        found |= (option.is("BY") || option.is("GET"))
            && args.get(at).is_some_and(|text| pattern::names_keys(text));
    });
    found
}

/// Calls `visit` with every option and the position behind it.
fn each_option(args: &[&[u8]], mut visit: impl FnMut(Word<'_>, usize)) {
    let mut at = 2;
    while let Some(option) = args.get(at).map(|word| Word(word)) {
        visit(option, at + 1);
        at += match () {
            () if option.is("LIMIT") => 3,
            () if option.is("BY") || option.is("GET") || option.is("STORE") => 2,
            () => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(request: &str) -> Vec<&[u8]> {
        request.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn keys_are_found_among_options() {
        for (request, expected) in [
            ("sort a", &[1][..]),
            ("sort a store b", &[1, 3]),
            ("sort a by store get store limit store 1 store b store c", &[1, 12]),
            ("sort a store", &[1]),
        ] {
            assert_eq!(keys(&split(request)), expected, "{request}");
        }
    }

    #[test]
    fn patterns_that_lead_elsewhere() {
        for (request, expected) in [
            ("sort a by w_*", true),
            ("sort a get # get *", true),
            ("sort a by nosort get #", false),
            ("sort a store by", false),
            ("sort a store b* limit get *", false),
            ("sort a get", false),
        ] {
            assert_eq!(names_other_keys(&split(request)), expected, "{request}");
        }
    }

    #[test]
    fn limits() {
        for (limit, range) in
            [((1, 2), 1..3), ((-1, 2), 0..2), ((1, -5), 1..4), ((9, 1), 4..4), ((1, 0), 1..1)]
        {
            assert_eq!(Options { limit: Some(limit), ..Options::default() }.chosen(4), range);
        }
    }
}
