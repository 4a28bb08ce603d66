//! LZF, the compression of long strings in RDB.
//!
//! A control byte below 32 announces that many plus one bytes as they are. Any other refers back to what is there
//! already: three bits of length (7: one more byte of it), 13 bits of distance.

/// Bytes as they are behind one control byte, at most.
const LONGEST_LITERAL: usize = 32;
/// Bytes that one reference stands for, at most.
const LONGEST_MATCH: usize = 264;
const FARTHEST: usize = 1 << 13;
/// So many bytes must be left when a reference or the end is written.
const ROOM: usize = 4;
const SLOT_BITS: u32 = 16;

/// The bytes compressed into about `limit` bytes at most, if they can be. Where there is a choice it is liblzf's, so that
/// what is dumped is the same as Redis's as a rule.
pub(super) fn compress(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit.min(bytes.len()));
    // Where three bytes of this hash were last seen, plus one.
    let mut seen = vec![0u32; 1 << SLOT_BITS];
    let mut note = |at: usize| std::mem::replace(&mut seen[slot(&bytes[at..at + 3])], at as u32 + 1) as usize;
    let (mut at, mut literal) = (0, 0);
    while at + 2 < bytes.len() {
        let before = note(at).checked_sub(1).filter(|before| {
            // A reference to the very first byte is never made.
            *before > 0 && at - before <= FARTHEST && bytes[*before..before + 3] == bytes[at..at + 3]
        });
        let Some(before) = before else {
            at += 1;
            continue;
        };
        let longest = longest_match(bytes.len() - at);
        let same = |length: &usize| bytes[before + length] == bytes[at + length];
        let length = (3..longest).take_while(same).count() + 3;
        put_literals(&mut out, &bytes[literal..at]);
        if out.len() + ROOM >= limit {
            return None;
        }
        put_reference(&mut out, length, at - before - 1);
        at += length;
        literal = at;
        // Of the bytes that are passed over only the last two places are noted.
        if at + 2 < bytes.len() {
            note(at - 2);
            note(at - 1);
        }
    }
    let pending = at - literal;
    let next = out.len() + pending + pending / LONGEST_LITERAL + 1;
    put_literals(&mut out, &bytes[literal..]);
    (next + ROOM - 1 <= limit).then_some(out)
}

/// How long a match may get so many bytes before the end. That two bytes are left over, unless it has 19 or 3, is a
/// habit of liblzf.
fn longest_match(left: usize) -> usize {
    let longest = (left - 2).min(LONGEST_MATCH);
    longest.max(if longest > 16 { 19 } else { 3 })
}

fn slot(three: &[u8]) -> usize {
    let value = three.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
    ((value >> (24 - SLOT_BITS)).wrapping_sub(value.wrapping_mul(5)) & ((1 << SLOT_BITS) - 1)) as usize
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LONGEST_LITERAL) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_reference(out: &mut Vec<u8>, length: usize, distance: usize) {
    let (length, high) = (length - 2, (distance >> 8) as u8);
    if length < 7 {
        out.push((length as u8) << 5 | high);
    } else {
        out.extend([7 << 5 | high, (length - 7) as u8]);
    }
    out.push(distance as u8);
}

/// The bytes that were compressed, of which there must be `length`.
pub(super) fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    // A byte of input gives 264 at most, so that a damaged length reserves no memory.
    if length > packed.len().saturating_mul(LONGEST_MATCH) {
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
    use proptest::prelude::*;

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

    /// As redis-server 7.0.15 dumps a string of 100 times `a`.
    #[test]
    fn repetitions_are_those_of_redis() {
        assert_eq!(compress(&[b'a'; 100], 96).as_deref(), Some(&b"\x01aa\xe0\x57\x00\x01aa"[..]));
        assert_eq!(compress(b"no repetition at all", 16), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_read(bytes in proptest::collection::vec(0u8..4, 0..20_000)) {
            if let Some(packed) = compress(&bytes, bytes.len()) {
                prop_assert_eq!(decompress(&packed, bytes.len()), Some(bytes));
            }
        }
    }
}
