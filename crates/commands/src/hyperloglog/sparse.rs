//! Registers as runs of equal values.
//!
//! A run is one byte or two: `00llllll` for up to 64 zeros, `01llllll llllllll` for up to 16,384, `1vvvvvll` for up to four
//! registers with a value from 1 to 32. Which runs there are depends on the order of the changes, as it does in Redis: the
//! bytes are the same for the same changes.

use smallvec::SmallVec;

/// All registers zero.
pub(super) const EMPTY: [u8; 2] = [0x7f, 0xff];

/// The greatest value that a run can have.
const HIGHEST_VALUE: u8 = 32;
const SHORT_ZEROS: usize = 64;
const LONGEST_OF_VALUES: usize = 4;
/// After a change so many runs are looked at, to join those that are equal.
const JOINED: usize = 5;

/// Some registers in a row with the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) length: usize,
    /// It takes two bytes.
    pub(super) wide: bool,
}

/// What became of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It is as high now; whether it was lower before.
    Done(bool),
    /// It needs more bytes than there may be, or a value that no run can have. Nothing has changed.
    TooLong,
}

impl Run {
    fn at(bytes: &[u8]) -> Option<Run> {
        let first = *bytes.first()?;
        Some(match first {
            0..0x40 => Run { value: 0, length: usize::from(first) + 1, wide: false },
            0x40..0x80 => {
                // Redis reads the string's end as a zero.
                let second = bytes.get(1).copied().unwrap_or(0);
                let length = (usize::from(first & 0x3f) << 8 | usize::from(second)) + 1;
                Run { value: 0, length, wide: true }
            }
            _ => Run { value: (first >> 2 & 31) + 1, length: usize::from(first & 3) + 1, wide: false },
        })
    }

    fn size(self) -> usize {
        1 + usize::from(self.wide)
    }
}

/// The runs of a sketch, without its header.
pub(super) fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        let run = Run::at(bytes)?;
        bytes = bytes.get(run.size()..).unwrap_or_default();
        Some(run)
    })
}

/// Raises a register of a sketch whose runs begin at an offset and which may have so many bytes. `None` if it has no such
/// register.
pub(super) fn raise(
    sketch: &mut Vec<u8>,
    start: usize,
    register: usize,
    value: u8,
    most_bytes: usize,
) -> Option<Raised> {
    if value > HIGHEST_VALUE {
        return Some(Raised::TooLong);
    }
    let (mut at, mut before, mut first) = (start, None, 0);
    let run = loop {
        let run = Run::at(&sketch[at.min(sketch.len())..])?;
        if register < first + run.length {
            break run;
        }
        before = Some(at);
        first += run.length;
        at += run.size();
    };
    if run.value >= value {
        return Some(Raised::Done(false));
    }
    if run.length == 1 && !run.wide {
        sketch[at] = of_values(value, 1);
    } else {
        let mut cut = SmallVec::new();
        fill(&mut cut, run.value, register - first);
        cut.push(of_values(value, 1));
        fill(&mut cut, run.value, first + run.length - 1 - register);
        let size = run.size().min(sketch.len() - at);
        if cut.len() > size && sketch.len() + cut.len() - size > most_bytes {
            return Some(Raised::TooLong);
        }
        sketch.splice(at..at + size, cut);
    }
    join(sketch, before.unwrap_or(start));
    Some(Raised::Done(true))
}

/// Appends so many registers, if there are any.
fn fill(out: &mut SmallVec<[u8; 8]>, value: u8, length: usize) {
    match (value, length) {
        (_, 0) => {}
        (0, 1..=SHORT_ZEROS) => out.push(length as u8 - 1),
        (0, _) => out.extend([0x40 | ((length - 1) >> 8) as u8, (length - 1) as u8]),
        _ => out.push(of_values(value, length)),
    }
}

fn of_values(value: u8, length: usize) -> u8 {
    0x80 | (value - 1) << 2 | (length as u8 - 1)
}

/// Joins neighbours with the same value, from a run on.
fn join(sketch: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED {
        let Some(run) = sketch.get(at..).and_then(Run::at) else { return };
        let next = at + run.size();
        let equal = sketch.get(next..).and_then(Run::at).filter(|other| {
            run.value > 0 && other.value == run.value && other.length + run.length <= LONGEST_OF_VALUES
        });
        match equal {
            Some(other) => {
                sketch[next] = of_values(run.value, run.length + other.length);
                sketch.remove(at);
            }
            None => at = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut sketch = EMPTY.to_vec();
        for &(register, value) in changes {
            assert_eq!(raise(&mut sketch, 0, register, value, 3000), Some(Raised::Done(true)));
        }
        sketch
    }

    fn shown(sketch: &[u8]) -> String {
        runs(sketch).map(|run| format!("{}x{} ", run.value, run.length)).collect()
    }

    #[test]
    fn runs_are_cut_and_joined() {
        assert_eq!(shown(&after(&[(0, 3)])), "3x1 0x16383 ");
        assert_eq!(shown(&after(&[(100, 3)])), "0x100 3x1 0x16283 ");
        assert_eq!(shown(&after(&[(100, 3), (101, 3), (102, 3)])), "0x100 3x3 0x16281 ");
        assert_eq!(shown(&after(&[(100, 3), (101, 3), (102, 3), (101, 4)])), "0x100 3x1 4x1 3x1 0x16281 ");
        let five: Vec<_> = (0..5).map(|register| (register, 1)).collect();
        assert_eq!(shown(&after(&five)), "1x4 1x1 0x16379 ");
        assert_eq!(after(&[(16_383, 32)]), [0x7f, 0xfe, 0xfc]);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut sketch = after(&[(100, 3)]);
        let before = sketch.clone();
        assert_eq!(raise(&mut sketch, 0, 5, 33, 3000), Some(Raised::TooLong));
        assert_eq!(raise(&mut sketch, 0, 5, 3, 4), Some(Raised::TooLong));
        assert_eq!(raise(&mut sketch, 0, 100, 3, 3000), Some(Raised::Done(false)));
        assert_eq!(sketch, before);
        assert_eq!(raise(&mut sketch, 0, 100, 5, 0), Some(Raised::Done(true)), "it gets no longer");
    }
}
