//! SORT and SORT_RO.

mod options;
mod pattern;

use std::borrow::Cow;
use std::cmp::Ordering;

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Deadline, List, Value, ValueRef};

use self::options::{Options, keys, names_other_keys};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::session::Role;
use crate::spec::{Categories, Command, Flags, Group, Keys, Scope, command};

pub(super) const SORT: Command = command("sort", -2, |call| sort(call, true))
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS))
    .keys(Keys::Custom(keys))
    .scope(Scope::AllIf(names_other_keys))
    .acl(CATEGORIES)
    .docs(Group::Generic, "1.0.0", COMPLEXITY, "Sort the elements in a list, set or sorted set")
    .syntax(
        "key [BY pattern:pattern@1] [LIMIT offset_count(offset:int count:int)] \
        [GET pattern:pattern@1+] [order<ASC|DESC>] [sorting=ALPHA] \
        [STORE destination@2]",
    );

pub(super) const SORT_RO: Command = command("sort_ro", -2, |call| sort(call, false))
    .flags(Flags::READONLY.or(Flags::MOVABLE_KEYS))
    .keys(Keys::at(1))
    .scope(Scope::AllIf(names_other_keys))
    .acl(CATEGORIES)
    .docs(
        Group::Generic,
        "7.0.0",
        COMPLEXITY,
        "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
    )
    .syntax(
        "key [BY pattern:pattern@1] [LIMIT offset_count(offset:int count:int)] \
        [GET pattern:pattern@1+] [order<ASC|DESC>] [sorting=ALPHA]",
    );

const CATEGORIES: Categories =
    Categories::SET.or(Categories::SORTEDSET).or(Categories::LIST).or(Categories::DANGEROUS);
const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";

fn sort(call: &mut Call<'_, '_>, may_store: bool) -> Result<(), Error> {
    let mut options = Options::parse(call, may_store)?;
    let source = call.txn.value(call.db, call.args[1]);
    call.env.count_lookup(call.txn, call.db, call.args[1], source.is_some());
    let mut elements = elements(source, &options)?;
    // The order of a set is nobody's business: what is kept, and what a script sees, must not depend on it.
    if options.keeps_order
        && matches!(source, Some(ValueRef::Set(_)))
        && (options.store.is_some() || call.session.role == Role::Script)
    {
        (options.by, options.keeps_order, options.alphabetic) = (None, false, true);
    }
    if !options.keeps_order {
        elements = sorted(call, elements, &options)?;
    }
    let chosen = options.chosen(elements.len());
    let output = fetch(call, &elements[chosen], &options);
    match options.store {
        Some(destination) => {
            let list = output.into_iter().map(Option::unwrap_or_default).fold(
                List::default(),
                |mut list, element| {
                    list.push_back(&element, &mut NoLog);
                    list
                },
            );
            store(call, destination, list);
        }
        None => {
            call.reply.array(output.len());
            for element in output {
                match element {
                    Some(element) => call.reply.bulk(&element),
                    None => call.reply.null(),
                }
            }
        }
    }
    Ok(())
}

type Bytes<'v> = Cow<'v, [u8]>;

/// The elements in the order in which they are kept; backwards if they are to descend and not to be sorted.
fn elements<'v>(source: Option<ValueRef<'v>>, options: &Options<'_>) -> Result<Vec<Bytes<'v>>, Error> {
    let backwards = options.descending && options.keeps_order;
    Ok(match source {
        None => Vec::new(),
        Some(ValueRef::List(list)) if backwards => {
            list.iter_rev_from(list.len().saturating_sub(1)).map(Cow::Borrowed).collect()
        }
        Some(ValueRef::List(list)) => list.iter().map(Cow::Borrowed).collect(),
        Some(ValueRef::Set(set)) => set.iter().map(|member| Cow::Owned(member.to_vec())).collect(),
        Some(ValueRef::ZSet(zset)) if backwards => zset
            .iter_rev_from_rank(zset.len().saturating_sub(1))
            .map(|(member, _)| Cow::Borrowed(member))
            .collect(),
        Some(ValueRef::ZSet(zset)) => zset.iter().map(|(member, _)| Cow::Borrowed(member)).collect(),
        Some(_) => return Err(Error::WrongType),
    })
}

fn sorted<'v>(
    call: &Call<'_, '_>,
    elements: Vec<Bytes<'v>>,
    options: &Options<'_>,
) -> Result<Vec<Bytes<'v>>, Error> {
    let weigh = |element: &[u8]| options.by.and_then(|pattern| pattern::look_up(call, pattern, element));
    let in_order = |ordering: Ordering| if options.descending { ordering.reverse() } else { ordering };
    if options.alphabetic {
        if options.by.is_none() {
            let mut elements = elements;
            elements.sort_by(|a, b| in_order(a.cmp(b)));
            return Ok(elements);
        }
        let mut weighed: Vec<_> = elements.into_iter().map(|element| (weigh(&element), element)).collect();
        weighed.sort_by(|(a, _), (b, _)| in_order(a.cmp(b)));
        return Ok(weighed.into_iter().map(|(_, element)| element).collect());
    }
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements {
        let score = match options.by {
            Some(_) => weigh(&element).map_or(Some(0.0), |weight| score(&weight)),
            None => score(&element),
        };
        weighed.push((score.unwrap_or(f64::NAN), element));
    }
    // Every weight has been looked up by then, as misses may be told of.
    if weighed.iter().any(|(score, _)| score.is_nan()) {
        return Err(NOT_A_SCORE);
    }
    let compare = |(score, element): &(f64, Bytes<'v>), (other_score, other): &(f64, Bytes<'v>)| {
        in_order(score.partial_cmp(other_score).unwrap_or(Ordering::Equal).then_with(|| element.cmp(other)))
    };
    // What compares equal is equal. Nobody sees the order behind the elements that LIMIT chooses.
    let seen = options.chosen(weighed.len()).end;
    if seen > 0 && seen < weighed.len() {
        weighed.select_nth_unstable_by(seen - 1, compare);
    }
    weighed[..seen].sort_unstable_by(compare);
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

const NOT_A_SCORE: Error = Error::Text("ERR One or more scores can't be converted into double");

/// So many digits are a whole number that a double holds.
const EXACT_DIGITS: usize = 15;

/// A number as C's `strtod` reads it: after spaces, up to a zero byte; nothing at all is zero.
fn score(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    if text.len() <= EXACT_DIGITS && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0, |number, byte| 10 * number + u64::from(byte - b'0')) as f64);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let first = text.iter().position(|byte| !is_space(byte))?;
    perigee_resp::parse_f64(&text[first..]).filter(|value| *value == 0.0 || value.abs() >= f64::MIN_POSITIVE)
}

/// What is answered for the elements: themselves, or what the GET patterns lead to.
fn fetch(call: &Call<'_, '_>, elements: &[Bytes<'_>], options: &Options<'_>) -> Vec<Option<Vec<u8>>> {
    if options.fetch.is_empty() {
        return elements.iter().map(|element| Some(element.to_vec())).collect();
    }
    elements
        .iter()
        .flat_map(|element| options.fetch.iter().map(|pattern| pattern::look_up(call, pattern, element)))
        .collect()
}

fn store(call: &mut Call<'_, '_>, destination: &[u8], list: List) {
    let len = list.len();
    if len > 0 {
        call.txn.insert(call.db, destination, Value::List(Box::new(list)), Deadline::Never);
        call.notify(Event::List, "sortstore", destination);
    } else if call.txn.remove(call.db, destination) {
        call.notify(Event::Generic, "del", destination);
    }
    call.reply.int(len as i64);
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn scores_are_read_as_strtod_reads_them() {
        for (text, expected) in [
            ("", Some(0.0)),
            ("\x00abc", Some(0.0)),
            (" \t-1.5", Some(-1.5)),
            ("0x10", Some(16.0)),
            ("inf", Some(f64::INFINITY)),
            ("1 ", None),
            (" ", None),
            ("nan", None),
            ("1e400", None),
            ("1e-320", None),
        ] {
            assert_eq!(score(text.as_bytes()), expected, "{text:?}");
        }
    }
}
