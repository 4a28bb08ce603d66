//! From an element to a register and its candidate.

use super::sketch::{REGISTER_BITS, REGISTERS};

/// The register of an element, and what it is to hold at least: the number of zeros that follow the register's bits in
/// the hash, plus one.
pub(super) fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    // A one above the bits that are used ends the zeros.
    let rest = hash >> REGISTER_BITS | 1 << (64 - REGISTER_BITS);
    (hash as usize % REGISTERS, rest.trailing_zeros() as u8 + 1)
}

/// [MurmurHash64A](https://github.com/aappleby/smhasher) with Redis's seed.
fn murmur(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ value >> 47;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    for word in words {
        let word = mix(u64::from_le_bytes(*word).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let last = tail.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    mix(mix(hash).wrapping_mul(FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PFADD of redis-server 7.0.15 sets them.
    #[test]
    fn elements_fall_where_they_do_in_redis() {
        assert_eq!(place(b"a"), (12711, 2));
        assert_eq!(place(b"hello world"), (9399, 4));
        assert_eq!(place(b""), (5938, 2));
    }
}
