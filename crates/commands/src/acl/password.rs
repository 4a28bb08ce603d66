//! Passwords: kept as SHA-256, in 64 hexadecimal digits.

use sha2::{Digest, Sha256};

/// A password's hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PasswordHash([u8; DIGITS]);

const DIGITS: usize = 64;

impl PasswordHash {
    /// That of a password in the clear.
    pub(super) fn of(password: &[u8]) -> Self {
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_mut(2).zip(Sha256::digest(password)) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        PasswordHash(digits)
    }

    /// One that is written out.
    pub(super) fn parse(digits: &[u8]) -> Option<Self> {
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        digits.iter().all(|digit| HEX.contains(digit)).then_some(PasswordHash(digits))
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.0
    }

    /// Compares in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &PasswordHash) -> bool {
        self.0.iter().zip(&other.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// Digits in order of their value.
pub(super) const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha256_in_lower_case() {
        let pw = PasswordHash::of(b"pw");
        assert_eq!(pw.digits(), b"30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4");
        assert!(PasswordHash::parse(pw.digits()).is_some_and(|parsed| parsed.is(&pw)));
        assert!(!PasswordHash::of(b"px").is(&pw));
        assert!(PasswordHash::parse(&[b'a'; 63]).is_none());
        assert!(PasswordHash::parse(&[b'A'; 64]).is_none());
    }
}
