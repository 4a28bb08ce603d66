//! Vectors as requests give them.

use crate::error::Error;
use crate::parse::{Word, integer};

pub(super) const INVALID: Error = Error::Text("ERR invalid vector specification");

/// Reads `FP32 blob` or `VALUES number component...` at a position of the request, and tells the position behind it.
///
/// # Errors
/// [`INVALID`]: another word, no components, fewer than it says, one that is no number.
pub(super) fn vector(args: &[&[u8]], at: usize) -> Result<(Vec<f32>, usize), Error> {
    let kind = Word(args.get(at).ok_or(INVALID)?);
    let given = args.get(at + 1).ok_or(INVALID)?;
    if kind.is("FP32") {
        let (components, rest) = given.as_chunks::<4>();
        if components.is_empty() || !rest.is_empty() {
            return Err(INVALID);
        }
        Ok((components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(), at + 2))
    } else if kind.is("VALUES") {
        let end = count(given)?.checked_add(at + 2).ok_or(INVALID)?;
        let components = args.get(at + 2..end).ok_or(INVALID)?.iter();
        let component = |text: &&[u8]| Some(perigee_resp::parse_f64(text)? as f32);
        Ok((components.map(component).collect::<Option<_>>().ok_or(INVALID)?, end))
    } else {
        Err(INVALID)
    }
}

/// A number of components.
///
/// # Errors
/// [`INVALID`] for what is not positive.
pub(super) fn count(text: &[u8]) -> Result<usize, Error> {
    let number = integer(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(INVALID)
}

/// The refusal of a vector with another number of components than those of the set.
pub(super) fn mismatch(got: usize, dim: usize) -> Error {
    Error::Owned(format!("ERR Vector dimension mismatch - got {got} but set has {dim}"))
}

/// The same where the set projects longer vectors.
pub(super) fn projection_mismatch(got: usize, input_dim: usize) -> Error {
    Error::Owned(format!(
        "ERR Input dimension mismatch for projection - got {got} but projection expects {input_dim}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_blobs_or_values() {
        let read = |text: &str| {
            let args: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
            vector(&args, 0)
        };
        assert_eq!(read("fp32 \0\0\u{0}@ a"), Ok((vec![2.0], 2)));
        assert_eq!(read("values 2 0x10 -1e39 a"), Ok((vec![16.0, f32::NEG_INFINITY], 4)));
        for text in [
            "FP32",
            "FP32 ",
            "FP32 abc",
            "VALUES",
            "VALUES 0",
            "VALUES 02 1 1",
            "VALUES 2 1",
            "VALUES 1 nan",
            "X abcd",
        ] {
            assert_eq!(read(text), Err(INVALID), "{text}");
        }
    }
}
