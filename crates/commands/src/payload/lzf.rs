//! LZF, the compression of long strings in RDB, one way.
//!
//! A control byte below 32 announces that many plus one bytes as they are. Any other refers back to what is there
//! already: three bits of length (7: one more byte of it), 13 bits of distance.

/// The bytes that were compressed, of which there must be `length`.
pub(super) fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    // A byte of input gives 264 at most, so that a damaged length reserves no memory.
    if length > packed.len().saturating_mul(264) {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    let mut rest = packed.iter();
    while let Some(&control) = rest.next() {
        let count = usize::from(control >> 5);
        if count == 0 {
            let literal = usize::from(control) + 1;
            out.extend_from_slice(rest.as_slice().get(..literal)?);
            rest.nth(literal - 1);
            continue;
        }
        let count = if count == 7 { 7 + usize::from(*rest.next()?) } else { count } + 2;
        let distance = (usize::from(control & 31) << 8 | usize::from(*rest.next()?)) + 1;
        let start = out.len().checked_sub(distance)?;
        if out.len() + count > length {
            return None;
        }
        // The source may run into what is being written.
        for at in start..start + count {
            out.push(out[at]);
        }
    }
    (out.len() == length).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_references_are_read() {
        assert_eq!(decompress(b"\x02abc", 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(decompress(b"\x00a\x20\x00", 4).as_deref(), Some(&b"aaaa"[..]));
        assert_eq!(decompress(b"\x01ab\xe0\x03\x01", 14).as_deref(), Some(&b"ababababababab"[..]));
    }

    #[test]
    fn damaged_input_is_none() {
        for packed in [&b"\x02ab"[..], b"\x00a\x20", b"\x00a\xe0", b"\x00a\x20\x05", b"\x00a\x20\x00"] {
            assert_eq!(decompress(packed, 3), None, "{}", packed.escape_ascii());
        }
        assert_eq!(decompress(b"\x00a", usize::MAX), None);
    }
}
