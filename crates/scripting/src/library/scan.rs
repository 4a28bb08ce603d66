//! Texts looked through sixteen bytes at a time.

/// The bytes in a block.
pub(super) const BLOCK: usize = 16;
/// What surrounds a name: a comma, quotes, a colon.
const AROUND: usize = 4;

/// How a text is written in quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoted {
    Value,
    FirstKey,
    /// After a comma.
    Key,
}

/// Appends a text in quotes. False, and nothing appended: it is longer than a block, or has a byte that JSON writes otherwise.
#[inline]
pub(super) fn append_short(output: &mut Vec<u8>, text: &[u8], quoted: Quoted) -> bool {
    let length = text.len();
    if length > BLOCK {
        return false;
    }
    output.reserve(BLOCK + AROUND);
    let before = usize::from(quoted == Quoted::Key);
    // SAFETY: there is room for a block and what surrounds it. The text is as long as it says: what is read and written of it at
    // once lies within, and its parts overlap where it is shorter than they are together.
    unsafe {
        let start = output.as_mut_ptr().add(output.len());
        start.write(b',');
        start.add(before).write(b'"');
        let (from, to) = (text.as_ptr(), start.add(before + 1));
        let (first, last) = if length >= 8 {
            let (first, last) = (from.cast::<u64>(), from.add(length - 8).cast::<u64>());
            let (first, last) = (first.read_unaligned(), last.read_unaligned());
            to.cast::<u64>().write_unaligned(first);
            to.add(length - 8).cast::<u64>().write_unaligned(last);
            (first, last)
        } else if length >= 4 {
            let (first, last) = (from.cast::<u32>(), from.add(length - 4).cast::<u32>());
            let (first, last) = (first.read_unaligned(), last.read_unaligned());
            to.cast::<u32>().write_unaligned(first);
            to.add(length - 4).cast::<u32>().write_unaligned(last);
            (u64::from(first) | (u64::from(last) << 32), HARMLESS)
        } else if length > 0 {
            let middle = length / 2;
            let bytes = [from.read(), from.add(middle).read(), from.add(length - 1).read()];
            to.write(bytes[0]);
            to.add(middle).write(bytes[1]);
            to.add(length - 1).write(bytes[2]);
            let bytes = u64::from(bytes[0]) | (u64::from(bytes[1]) << 8) | (u64::from(bytes[2]) << 16);
            (bytes | (HARMLESS << 24), HARMLESS)
        } else {
            (HARMLESS, HARMLESS)
        };
        let block = u128::from(first) | (u128::from(last) << 64);
        if escaped(&block.to_le_bytes()) != 0 {
            return false;
        }
        to.add(length).write(b'"');
        to.add(length + 1).write(b':');
        let colon = usize::from(quoted != Quoted::Value);
        output.set_len(output.len() + before + length + 2 + colon);
    }
    true
}

/// Eight bytes that are written as they are.
const HARMLESS: u64 = 0x6161_6161_6161_6161;

/// Appends the text up to the first byte that JSON writes otherwise: a control character, `"`, `\`, `/`, DEL. Returns that byte and
/// what follows it.
#[inline]
pub(super) fn append_unescaped<'a>(output: &mut Vec<u8>, text: &'a [u8]) -> Option<(u8, &'a [u8])> {
    let length = append_until(output, text, escaped);
    text.get(length).map(|&byte| (byte, &text[length + 1..]))
}

/// Appends the text up to the first `"`, `\` or NUL, and returns how much that was.
#[inline]
pub(super) fn append_quoted(output: &mut Vec<u8>, text: &[u8]) -> usize {
    append_until(output, text, quotes)
}

/// The bytes before the first `"`, `\` or NUL.
#[inline]
pub(super) fn quoted(text: &[u8]) -> usize {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (at, block) in blocks.iter().enumerate() {
        let found = quotes(block);
        if found != 0 {
            return BLOCK * at + found.trailing_zeros() as usize;
        }
    }
    let found = quotes(&padded(rest).to_le_bytes()) | !below(rest.len());
    BLOCK * blocks.len() + found.trailing_zeros() as usize
}

#[inline(always)]
fn append_until(output: &mut Vec<u8>, text: &[u8], find: impl Fn(&[u8; BLOCK]) -> u32) -> usize {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (at, block) in blocks.iter().enumerate() {
        output.extend_from_slice(block);
        let found = find(block);
        if found != 0 {
            let place = found.trailing_zeros() as usize;
            output.truncate(output.len() - BLOCK + place);
            return BLOCK * at + place;
        }
    }
    let block = padded(rest);
    let found = find(&block.to_le_bytes()) | !below(rest.len());
    let place = found.trailing_zeros() as usize;
    append(output, block, place);
    BLOCK * blocks.len() + place
}

/// Appends the first bytes of a block.
#[inline(always)]
fn append(output: &mut Vec<u8>, block: u128, length: usize) {
    output.extend_from_slice(&block.to_le_bytes());
    output.truncate(output.len() - BLOCK + length);
}

/// Up to a block's bytes, and zeros behind them.
#[inline(always)]
fn padded(text: &[u8]) -> u128 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let last = u128::from(u64::from_le_bytes(*last)) << (8 * (length - 8));
        u128::from(u64::from_le_bytes(*first)) | last
    } else {
        u128::from(word(text))
    }
}

/// Up to eight bytes, and zeros behind them.
#[inline(always)]
pub(super) fn word(text: &[u8]) -> u64 {
    let length = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4))
    } else if let [first, ..] = text {
        let at = |place: usize| u64::from(text[place]) << (8 * place);
        u64::from(*first) | at(length / 2) | at(length - 1)
    } else {
        0
    }
}

/// A bit for each place below this one.
#[inline(always)]
fn below(place: usize) -> u32 {
    !(u32::MAX << place)
}

/// Where JSON writes a byte otherwise.
#[inline(always)]
fn escaped(block: &[u8; BLOCK]) -> u32 {
    marks(block, 31, [b'"', b'\\', b'/', 127])
}

/// Where a string that is read may end, or says something else than it shows.
#[inline(always)]
pub(super) fn quotes(block: &[u8; BLOCK]) -> u32 {
    marks(block, 0, [b'"', b'\\'])
}

/// A bit for each byte up to `highest` or among `wanted`.
#[inline(always)]
fn marks<const N: usize>(block: &[u8; BLOCK], highest: u8, wanted: [u8; N]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    return marks_sse2(block, highest, wanted);
    #[cfg(not(target_arch = "x86_64"))]
    return marks_portable(block, highest, wanted);
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn marks_sse2<const N: usize>(block: &[u8; BLOCK], highest: u8, wanted: [u8; N]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: every x86-64 has SSE2; a block is as long as what is loaded.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let mut found = _mm_cmpeq_epi8(bytes, _mm_min_epu8(bytes, _mm_set1_epi8(highest as i8)));
        for byte in wanted {
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)));
        }
        _mm_movemask_epi8(found) as u32
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn marks_portable<const N: usize>(block: &[u8; BLOCK], highest: u8, wanted: [u8; N]) -> u32 {
    let is_found = |byte: &u8| *byte <= highest || wanted.contains(byte);
    block.iter().enumerate().fold(0, |found, (at, byte)| found | u32::from(is_found(byte)) << at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_escaped(byte: &u8) -> bool {
        *byte < 32 || matches!(*byte, b'"' | b'\\' | b'/' | 127)
    }

    fn ends(byte: &u8) -> bool {
        matches!(*byte, b'"' | b'\\' | 0)
    }

    fn check(text: &[u8]) -> Result<(), TestCaseError> {
        let at = text.iter().position(is_escaped).unwrap_or(text.len());
        let mut output = b"so far".to_vec();
        let rest = append_unescaped(&mut output, text);
        prop_assert_eq!(output.strip_prefix(b"so far"), Some(&text[..at]));
        prop_assert_eq!(rest, text[at..].split_first().map(|(byte, rest)| (*byte, rest)));
        let forms =
            [(Quoted::Value, "\"", "\""), (Quoted::FirstKey, "\"", "\":"), (Quoted::Key, ",\"", "\":")];
        for (quoted, start, end) in forms {
            let mut output = b"so far".to_vec();
            let is_short = append_short(&mut output, text, quoted);
            prop_assert_eq!(is_short, at == text.len() && text.len() <= BLOCK);
            let whole = [b"so far", start.as_bytes(), text, end.as_bytes()].concat();
            prop_assert_eq!(output, if is_short { whole } else { b"so far".to_vec() });
        }
        let at = text.iter().position(ends).unwrap_or(text.len());
        prop_assert_eq!(quoted(text), at);
        let mut output = b"so far".to_vec();
        prop_assert_eq!(append_quoted(&mut output, text), at);
        prop_assert_eq!(output.strip_prefix(b"so far"), Some(&text[..at]));
        Ok(())
    }

    proptest! {
        #[test]
        fn both_ways_agree(text in prop::collection::vec(prop_oneof![4 => 30_u8..36, 1 => any::<u8>(), 20 => Just(b'a')], 0..70)) {
            check(&text)?;
        }
    }

    #[cfg(target_arch = "x86_64")]
    proptest! {
        #[test]
        fn processors_agree(block: [u8; BLOCK], highest: u8, wanted: [u8; 4], near in 0..=255_u8) {
            for block in [block, block.map(|byte| near.wrapping_add(byte % 4)), wanted.repeat(4).try_into().unwrap()] {
                prop_assert_eq!(marks_sse2(&block, highest, wanted), marks_portable(&block, highest, wanted));
                prop_assert_eq!(marks_sse2(&block, near, [near]), marks_portable(&block, near, [near]));
            }
        }
    }

    #[test]
    fn every_byte_is_told_from_its_neighbours() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    check(&text).unwrap();
                }
            }
        }
    }
}
