//! The string that a HyperLogLog is: a header, then the registers, all of them in six bits each (dense) or as runs (sparse).
//!
//! The header is `HYLL`, the encoding, three bytes of nothing and the number of elements when it was last counted, whose highest
//! bit says that it holds no more.

use super::estimate::{Histogram, cardinality};
use super::{CORRUPTED, NOT_A_SKETCH, sparse};
use crate::error::Error;

pub(super) const REGISTER_BITS: u32 = 14;
pub(super) const REGISTERS: usize = 1 << REGISTER_BITS;
/// The greatest value of a register.
pub(super) const HIGHEST: u8 = 64 - REGISTER_BITS as u8 + 1;
pub(super) const HEADER: usize = 16;
/// Where the header has the count, in eight bytes.
pub(super) const COUNT: usize = 8;
const DENSE_SIZE: usize = HEADER + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";
const ENCODING: usize = 4;
const STALE: usize = COUNT + 7;
const STALE_BIT: u8 = 0x80;

/// How the registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Dense,
    Sparse,
}

/// The bytes of a sketch to be changed.
pub(super) struct Sketch(Vec<u8>);

/// The encoding of a string that is a sketch.
///
/// # Errors
/// It is none.
pub(super) fn encoding(bytes: &[u8]) -> Result<Encoding, Error> {
    match bytes.get(ENCODING) {
        Some(_) if bytes.len() < HEADER || !bytes.starts_with(MAGIC) => Err(NOT_A_SKETCH),
        Some(0) if bytes.len() == DENSE_SIZE => Ok(Encoding::Dense),
        Some(1) => Ok(Encoding::Sparse),
        _ => Err(NOT_A_SKETCH),
    }
}

/// The number of elements as it was last counted, if it still holds.
pub(super) fn counted(bytes: &[u8]) -> Option<u64> {
    let count = bytes[COUNT..HEADER].try_into().map(u64::from_le_bytes);
    count.ok().filter(|_| bytes[STALE] & STALE_BIT == 0)
}

/// Counts the elements anew.
///
/// # Errors
/// The sketch is damaged.
pub(super) fn count(bytes: &[u8], encoding: Encoding) -> Result<u64, Error> {
    let mut histogram: Histogram = [0; 64];
    match encoding {
        Encoding::Dense => dense_values(bytes).for_each(|value| histogram[usize::from(value)] += 1),
        Encoding::Sparse => {
            let mut total = 0;
            for run in sparse::runs(&bytes[HEADER..]) {
                total += run.length;
                histogram[usize::from(run.value)] += run.length as u32;
            }
            if total != REGISTERS {
                return Err(CORRUPTED);
            }
        }
    }
    Ok(cardinality(&histogram))
}

/// Raises the registers of a union by those of a sketch.
///
/// # Errors
/// The sketch is damaged.
pub(super) fn unite(union: &mut [u8; REGISTERS], bytes: &[u8], encoding: Encoding) -> Result<(), Error> {
    match encoding {
        Encoding::Dense => {
            union.iter_mut().zip(dense_values(bytes)).for_each(|(most, value)| *most = value.max(*most));
        }
        Encoding::Sparse => {
            let mut at = 0;
            for run in sparse::runs(&bytes[HEADER..]) {
                let registers = union.get_mut(at..at + run.length).ok_or(CORRUPTED)?;
                registers.iter_mut().for_each(|most| *most = run.value.max(*most));
                at += run.length;
            }
            if at != REGISTERS {
                return Err(CORRUPTED);
            }
        }
    }
    Ok(())
}

/// The values of a dense sketch's registers.
pub(super) fn dense_values(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes[HEADER..].chunks_exact(3).flat_map(|three| {
        let four = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        [0, 6, 12, 18].map(|shift| (four >> shift) as u8 & 63)
    })
}

/// Where the three bytes of a dense register and its three neighbours are, and what they become if its value is raised.
pub(super) fn raised(bytes: &[u8], register: usize, value: u8) -> Option<(usize, [u8; 3])> {
    let (at, shift) = (HEADER + register / 4 * 3, register % 4 * 6);
    let four = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
    if (four >> shift & 63) as u8 >= value {
        return None;
    }
    let [a, b, c, _] = (four & !(63 << shift) | u32::from(value) << shift).to_le_bytes();
    Some((at, [a, b, c]))
}

/// The last byte of the count with the mark that the count holds no more, and where it is.
pub(super) fn outdated(bytes: &[u8]) -> (usize, u8) {
    (STALE, bytes[STALE] | STALE_BIT)
}

impl Default for Sketch {
    /// Sparse, without elements, and counted.
    fn default() -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[ENCODING] = 1;
        bytes.extend(sparse::EMPTY);
        Sketch(bytes)
    }
}

impl Sketch {
    /// A copy of a string that is one.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Sketch(bytes.to_vec())
    }

    pub(super) fn encoding(&self) -> Encoding {
        if self.0[ENCODING] == 0 { Encoding::Dense } else { Encoding::Sparse }
    }

    /// Raises a register and answers whether it was lower. A sparse sketch that would get longer than so many bytes
    /// becomes dense.
    ///
    /// # Errors
    /// The sketch is damaged.
    pub(super) fn raise(&mut self, register: usize, value: u8, most_bytes: usize) -> Result<bool, Error> {
        if self.encoding() == Encoding::Sparse {
            match sparse::raise(&mut self.0, HEADER, register, value, most_bytes).ok_or(CORRUPTED)? {
                sparse::Raised::Done(raised) => {
                    if raised {
                        self.outdate();
                    }
                    return Ok(raised);
                }
                sparse::Raised::TooLong => self.make_dense()?,
            }
        }
        let raised = raised(&self.0, register, value);
        if let Some((at, bytes)) = raised {
            self.0[at..at + 3].copy_from_slice(&bytes);
        }
        Ok(raised.is_some())
    }

    /// Gives every register its six bits.
    ///
    /// # Errors
    /// The sketch is damaged.
    pub(super) fn make_dense(&mut self) -> Result<(), Error> {
        if self.encoding() == Encoding::Dense {
            return Ok(());
        }
        let mut registers = [0; REGISTERS];
        unite(&mut registers, &self.0, Encoding::Sparse)?;
        self.0.truncate(HEADER);
        self.0[ENCODING] = 0;
        for four in registers.chunks_exact(4) {
            let joined = four.iter().rev().fold(0u32, |joined, value| joined << 6 | u32::from(*value));
            self.0.extend_from_slice(&joined.to_le_bytes()[..3]);
        }
        Ok(())
    }

    /// The count holds no more.
    pub(super) fn outdate(&mut self) {
        let (at, byte) = outdated(&self.0);
        self.0[at] = byte;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_hold_the_same() {
        let (mut sparse, mut dense) = (Sketch::default(), Sketch::default());
        dense.make_dense().expect("a whole sketch");
        let mut register = 7;
        for step in 0..600 {
            register = register * 5 % REGISTERS + step % 3;
            let value = (step % 40) as u8 + 1;
            let raised = sparse.raise(register, value, 1 << 20);
            assert_eq!(raised, dense.raise(register, value, 0));
        }
        // A value beyond 32 has made it dense.
        assert_eq!(sparse.encoding(), Encoding::Dense);
        sparse.outdate();
        dense.outdate();
        assert!(sparse.bytes() == dense.bytes());
    }

    #[test]
    fn what_is_no_sketch_is_refused() {
        assert_eq!(encoding(Sketch::default().bytes()), Ok(Encoding::Sparse));
        for bytes in [
            &b""[..],
            b"HYLL",
            b"HYLL\x01\0\0\0\0\0\0\0\0\0\0",
            &[b'x'; 18],
            b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(encoding(bytes), Err(NOT_A_SKETCH), "{}", bytes.escape_ascii());
        }
        let dense = [b"HYLL\0", &[0; DENSE_SIZE - 5][..]].concat();
        assert_eq!(encoding(&dense), Ok(Encoding::Dense));
        assert_eq!(encoding(&dense[1..]), Err(NOT_A_SKETCH));
        assert_eq!(encoding(&dense[..DENSE_SIZE - 1]), Err(NOT_A_SKETCH));
    }

    #[test]
    fn damage_is_found() {
        let mut short = Sketch::default().into_bytes();
        short.pop();
        assert_eq!(count(&short, Encoding::Sparse), Err(CORRUPTED));
        assert_eq!(unite(&mut [0; REGISTERS], &short, Encoding::Sparse), Err(CORRUPTED));
        assert_eq!(Sketch::of(&short).raise(16_200, 1, 3000), Err(CORRUPTED));
        let long = [Sketch::default().bytes(), &[0x80; 20]].concat();
        assert_eq!(count(&long, Encoding::Sparse), Err(CORRUPTED));
        assert_eq!(Sketch::of(&long).make_dense(), Err(CORRUPTED));
    }
}
