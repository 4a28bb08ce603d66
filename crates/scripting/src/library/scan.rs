//! Texts looked through eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// Appends the text up to the first byte that JSON writes otherwise: a control character, `"`, `\`, `/`, DEL. Returns that byte and
/// what follows it.
#[inline]
pub(super) fn append_unescaped<'a>(output: &mut Vec<u8>, text: &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        output.extend_from_slice(word);
        let found = escaped(u64::from_le_bytes(*word));
        if found != 0 {
            let place = found.trailing_zeros() as usize / 8;
            output.truncate(output.len() - 8 + place);
            return Some((word[place], &text[8 * at + place + 1..]));
        }
    }
    let word = padded(rest);
    let found = escaped(word);
    let place = if found == 0 { rest.len() } else { found.trailing_zeros() as usize / 8 };
    output.extend_from_slice(&word.to_le_bytes());
    output.truncate(output.len() - 8 + place);
    rest.get(place).map(|&byte| (byte, &rest[place + 1..]))
}

#[inline(always)]
fn escaped(eight: u64) -> u64 {
    below(eight, 32) | equal(eight, b'"') | equal(eight, b'\\') | equal(eight, b'/') | equal(eight, 127)
}

/// The bytes before the first `"`, `\` or NUL.
#[inline]
pub(super) fn quoted(text: &[u8]) -> usize {
    before(text, |eight| equal(eight, b'"') | equal(eight, b'\\') | equal(eight, 0))
}

/// The bytes before the first one whose highest bit `find` marks; it may mark others behind it, and never marks an `a`.
#[inline(always)]
fn before(text: &[u8], find: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = find(u64::from_le_bytes(*word));
        if found != 0 {
            return 8 * at + found.trailing_zeros() as usize / 8;
        }
    }
    let found = find(padded(rest));
    if found == 0 { text.len() } else { 8 * words.len() + found.trailing_zeros() as usize / 8 }
}

/// Up to seven bytes, and then as many `a`.
#[inline(always)]
fn padded(rest: &[u8]) -> u64 {
    let length = rest.len();
    let bytes = if let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4))
    } else if let [first, ..] = rest {
        let at = |place: usize| u64::from(rest[place]) << (8 * place);
        u64::from(*first) | at(length / 2) | at(length - 1)
    } else {
        0
    };
    bytes | (ONES * u64::from(b'a')) << (8 * length)
}

/// Marks the bytes that equal `byte`; behind the first one of them also some that do not.
#[inline(always)]
fn equal(eight: u64, byte: u8) -> u64 {
    below(eight ^ (ONES * u64::from(byte)), 1)
}

/// Marks the bytes below `limit`, at most 128, in the same way.
#[inline(always)]
fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(ONES * u64::from(limit)) & !eight & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_agree(text in prop::collection::vec(prop_oneof![4 => 30_u8..36, 1 => any::<u8>(), 20 => Just(b'a')], 0..40)) {
            let escaped = |byte: &u8| *byte < 32 || matches!(*byte, b'"' | b'\\' | b'/' | 127);
            let at = text.iter().position(escaped).unwrap_or(text.len());
            let mut output = b"so far".to_vec();
            let rest = append_unescaped(&mut output, &text);
            prop_assert_eq!(output.strip_prefix(b"so far"), Some(&text[..at]));
            prop_assert_eq!(rest, text[at..].split_first().map(|(byte, rest)| (*byte, rest)));
            let ends = |byte: &u8| matches!(*byte, b'"' | b'\\' | 0);
            prop_assert_eq!(quoted(&text), text.iter().position(ends).unwrap_or(text.len()));
        }
    }

    #[test]
    fn every_byte_is_told_from_its_neighbours() {
        for byte in 0..=255 {
            let mut text = [b'a'; 16];
            for at in 0..16 {
                text[at] = byte;
                let escaped = byte < 32 || matches!(byte, b'"' | b'\\' | b'/' | 127);
                let mut output = Vec::new();
                append_unescaped(&mut output, &text);
                assert_eq!(output.len(), if escaped { at } else { 16 }, "{byte} at {at}");
                let ends = matches!(byte, b'"' | b'\\' | 0);
                assert_eq!(quoted(&text), if ends { at } else { 16 }, "{byte} at {at}");
                text[at] = b'a';
            }
        }
    }
}
