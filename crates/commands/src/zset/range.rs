//! Ranges of a sorted set: what a client writes, and the ranks that it comes to.
//!
//! Every command on a range parses its bounds once, before it touches data, and then asks for the interval of ranks
//! that they enclose, which costs O(log n); all else is walking or removing between two ranks.

use std::ops::Range as Interval;

use perigee_keyspace::ZSet;
use perigee_resp::parse_f64;

use crate::error::Error;
use crate::parse::integer;

/// Which members a command speaks of, in which direction, and which part of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range<'a> {
    pub(super) bounds: Bounds<'a>,
    /// From the last to the first.
    pub(super) reversed: bool,
    pub(super) limit: Option<Limit>,
}

/// How many members to pass over, and how many to take; a negative number to take means all, a negative one to pass
/// over leaves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) offset: i64,
    pub(super) count: i64,
}

/// Where a range begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bounds<'a> {
    /// Positions, both included; negative ones count from the end.
    Rank { start: i64, stop: i64 },
    /// Scores.
    Score { min: ScoreBound, max: ScoreBound },
    /// Members by their bytes, where all scores are equal.
    Lex { min: LexBound<'a>, max: LexBound<'a> },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScoreBound {
    value: f64,
    exclusive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexBound<'a> {
    Lowest,
    Highest,
    At { member: &'a [u8], exclusive: bool },
}

impl<'a> Range<'a> {
    /// The whole of what the bounds enclose, from the first to the last.
    pub(super) fn all(bounds: Bounds<'a>) -> Self {
        Range { bounds, reversed: false, limit: None }
    }

    /// The ranks that the range comes to, counted from the lowest whatever its direction. Empty ones may have any place.
    pub(super) fn interval(&self, zset: &ZSet) -> Interval<usize> {
        let whole = self.bounds.interval(zset, self.reversed);
        match self.limit {
            None => whole,
            Some(limit) => limit.apply(whole, self.reversed),
        }
    }
}

impl<'a> Bounds<'a> {
    /// Two positions.
    ///
    /// # Errors
    /// [`Error::NotInteger`].
    pub(super) fn rank(start: &[u8], stop: &[u8]) -> Result<Self, Error> {
        let start = integer(start).ok_or(Error::NotInteger)?;
        let stop = integer(stop).ok_or(Error::NotInteger)?;
        Ok(Bounds::Rank { start, stop })
    }

    /// Two scores: `5`, `(5` without the score itself, `-inf`, `+inf`.
    ///
    /// # Errors
    /// `min or max is not a float`.
    pub(super) fn score(min: &[u8], max: &[u8]) -> Result<Self, Error> {
        let min = ScoreBound::parse(min).ok_or(NOT_A_SCORE)?;
        let max = ScoreBound::parse(max).ok_or(NOT_A_SCORE)?;
        Ok(Bounds::Score { min, max })
    }

    /// Two members: `[a`, `(a` without the member itself, `-`, `+`.
    ///
    /// # Errors
    /// `min or max not valid string range item`.
    pub(super) fn lex(min: &'a [u8], max: &'a [u8]) -> Result<Self, Error> {
        let min = LexBound::parse(min).ok_or(NOT_A_MEMBER)?;
        let max = LexBound::parse(max).ok_or(NOT_A_MEMBER)?;
        Ok(Bounds::Lex { min, max })
    }

    fn interval(&self, zset: &ZSet, reversed: bool) -> Interval<usize> {
        let len = zset.len();
        let interval = match *self {
            Bounds::Rank { start, stop } => {
                let positions = positions(start, stop, len);
                if reversed { len - positions.end..len - positions.start } else { positions }
            }
            Bounds::Score { min, max } => {
                let start = zset.lower_bound(min.value, min.exclusive);
                start..zset.lower_bound(max.value, !max.exclusive)
            }
            Bounds::Lex { min, max } => {
                let place = |bound, behind| match bound {
                    LexBound::Lowest => 0,
                    LexBound::Highest => len,
                    LexBound::At { member, exclusive } => zset.lower_bound_lex(member, exclusive != behind),
                };
                place(min, false)..place(max, true)
            }
        };
        interval.start..interval.end.max(interval.start)
    }
}

/// The positions that exist between two that may be negative or beyond the end.
fn positions(start: i64, stop: i64, len: usize) -> Interval<usize> {
    let from_end = |position: i64| if position < 0 { position.saturating_add(len as i64) } else { position };
    let start = from_end(start).clamp(0, len as i64);
    let end = from_end(stop).saturating_add(1).clamp(start, len as i64);
    start as usize..end as usize
}

impl Limit {
    fn apply(self, whole: Interval<usize>, reversed: bool) -> Interval<usize> {
        let len = whole.len();
        let offset = usize::try_from(self.offset).map_or(len, |offset| offset.min(len));
        let count = usize::try_from(self.count).map_or(len - offset, |count| count.min(len - offset));
        if reversed {
            let end = whole.end - offset;
            end - count..end
        } else {
            let start = whole.start + offset;
            start..start + count
        }
    }
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<Self> {
        let (exclusive, text) = match text.strip_prefix(b"(") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Some(ScoreBound { value: lenient_f64(text)?, exclusive })
    }
}

/// A number as C's `strtod` reads it up to a zero byte, by which Redis reads bounds: unlike a score, it may follow blanks or be missing
/// altogether (0), and what is too large or too small becomes infinity or 0.
fn lenient_f64(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let number = &text[blanks..];
    parse_f64(number).or_else(|| {
        let out_of_range: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        number.iter().any(u8::is_ascii_digit).then_some(out_of_range)
    })
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(LexBound::Lowest),
            b"+" => Some(LexBound::Highest),
            [b'[', member @ ..] => Some(LexBound::At { member, exclusive: false }),
            [b'(', member @ ..] => Some(LexBound::At { member, exclusive: true }),
            _ => None,
        }
    }
}

/// Calls `visit` with the members between two ranks and their scores.
pub(super) fn walk<'z>(
    zset: &'z ZSet,
    interval: Interval<usize>,
    reversed: bool,
    mut visit: impl FnMut(&'z [u8], f64),
) {
    let count = interval.len();
    let visit = |(member, score)| visit(member, score);
    match interval.end.checked_sub(1) {
        Some(last) if reversed && count > 1 => zset.iter_rev_from_rank(last).take(count).for_each(visit),
        _ => zset.iter_from_rank(interval.start).take(count).for_each(visit),
    }
}

const NOT_A_SCORE: Error = Error::Text("ERR min or max is not a float");
const NOT_A_MEMBER: Error = Error::Text("ERR min or max not valid string range item");

#[cfg(test)]
mod tests {
    use perigee_keyspace::Limits;
    use perigee_keyspace::log::NoLog;

    use super::*;

    fn zset(scores: &[f64]) -> ZSet {
        let mut zset = ZSet::default();
        for (at, &score) in scores.iter().enumerate() {
            zset.insert_or_update(&[b'a' + at as u8], score, &Limits::default(), &mut NoLog);
        }
        zset
    }

    #[test]
    fn positions_from_both_ends() {
        for (start, stop, expected) in [
            (0, -1, 0..5),
            (1, 1, 1..2),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 2, 3..3),
            (5, 9, 5..5),
            (0, -6, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 5..5),
        ] {
            assert_eq!(positions(start, stop, 5), expected, "{start} {stop}");
        }
    }

    #[test]
    fn reversed_ranks_count_from_the_highest() {
        let zset = zset(&[1.0, 2.0, 3.0, 4.0]);
        let range = Range { reversed: true, ..Range::all(Bounds::Rank { start: 0, stop: 1 }) };
        assert_eq!(range.interval(&zset), 2..4);
    }

    #[test]
    fn scores_with_and_without_their_ends() {
        let zset = zset(&[1.0, 2.0, 2.0, 3.0]);
        for (min, max, expected) in [
            ("-inf", "+inf", 0..4),
            ("1", "2", 0..3),
            ("(1", "2", 1..3),
            ("(1", "(2", 1..1),
            ("2", "(3", 1..3),
            ("(2", "(2", 3..3),
            ("(3", "inf", 4..4),
        ] {
            let bounds = Bounds::score(min.as_bytes(), max.as_bytes()).unwrap();
            assert_eq!(Range::all(bounds).interval(&zset), expected, "{min} {max}");
        }
        let bounds = Bounds::score(b"3", b"1").unwrap();
        assert!(Range::all(bounds).interval(&zset).is_empty());
    }

    #[test]
    fn members_with_and_without_their_ends() {
        let zset = zset(&[0.0; 4]);
        for (min, max, expected) in [
            ("-", "+", 0..4),
            ("[b", "[c", 1..3),
            ("(b", "[c", 2..3),
            ("[b", "(c", 1..2),
            ("[bb", "+", 2..4),
            ("[", "(", 0..0),
        ] {
            let bounds = Bounds::lex(min.as_bytes(), max.as_bytes()).unwrap();
            assert_eq!(Range::all(bounds).interval(&zset), expected, "{min} {max}");
        }
        for (min, max) in [("+", "-"), ("+", "+"), ("-", "-"), ("[c", "[b"), ("(b", "(b")] {
            let bounds = Bounds::lex(min.as_bytes(), max.as_bytes()).unwrap();
            assert!(Range::all(bounds).interval(&zset).is_empty(), "{min} {max}");
        }
    }

    #[test]
    fn limits_in_both_directions() {
        for (offset, count, forward, backward) in [
            (0, -1, 2..7, 2..7),
            (1, 2, 3..5, 4..6),
            (4, 9, 6..7, 2..3),
            (9, 1, 7..7, 2..2),
            (-1, 3, 7..7, 2..2),
            (0, 0, 2..2, 7..7),
            (i64::MAX, i64::MAX, 7..7, 2..2),
        ] {
            let limit = Limit { offset, count };
            assert_eq!(limit.apply(2..7, false), forward, "{limit:?}");
            assert_eq!(limit.apply(2..7, true), backward, "{limit:?}");
        }
    }

    #[test]
    fn bounds_are_read_leniently() {
        for (text, value) in [
            ("", 0.0),
            (" 1", 1.0),
            ("\t-0x10", -16.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("+inf", f64::INFINITY),
        ] {
            assert_eq!(lenient_f64(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [" ", "1 ", "nan", "NaN", " nan", "x", "1e", "(1"] {
            assert_eq!(lenient_f64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Bounds::score(b"((1", b"1"), Err(NOT_A_SCORE));
        for text in ["", "a", "-a", "+a", "--"] {
            assert_eq!(LexBound::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
