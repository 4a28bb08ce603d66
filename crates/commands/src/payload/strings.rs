//! Strings as RDB has them: a length and bytes, a small integer in binary, or compressed.
//!
//! The first two bits of a length tell its kind: 6 bits, 14 bits, 4 or 8 bytes, or one of the special encodings.

use super::lzf;

const FOURTEEN_BITS: u8 = 0x40;
const FOUR_BYTES: u8 = 0x80;
const EIGHT_BYTES: u8 = 0x81;
const ONE_BYTE_INTEGER: u8 = 0xc0;
const TWO_BYTE_INTEGER: u8 = 0xc1;
const FOUR_BYTE_INTEGER: u8 = 0xc2;
const COMPRESSED: u8 = 0xc3;

/// Appends a string as it is.
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend([FOURTEEN_BITS | (length >> 8) as u8, length as u8]),
        0x4000..=0xffff_ffff => {
            out.push(FOUR_BYTES);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            out.push(EIGHT_BYTES);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// Takes a string from the front; `None` if there is none.
pub(crate) fn read_string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let text = |number: i64| Some(number.to_string().into_bytes());
    match *rest.first()? {
        ONE_BYTE_INTEGER => text(i8::from_le_bytes(take_special(rest)?).into()),
        TWO_BYTE_INTEGER => text(i16::from_le_bytes(take_special(rest)?).into()),
        FOUR_BYTE_INTEGER => text(i32::from_le_bytes(take_special(rest)?).into()),
        COMPRESSED => {
            *rest = &rest[1..];
            let packed = read_length(rest)?;
            let length = read_length(rest)?;
            lzf::decompress(take(rest, packed)?, length)
        }
        _ => {
            let length = read_length(rest)?;
            take(rest, length).map(<[u8]>::to_vec)
        }
    }
}

fn read_length(rest: &mut &[u8]) -> Option<usize> {
    let first = *take(rest, 1)?.first()?;
    match first {
        0..0x40 => Some(first.into()),
        0x40..0x80 => Some(usize::from(first & 0x3f) << 8 | usize::from(*take(rest, 1)?.first()?)),
        FOUR_BYTES => usize::try_from(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?)).ok(),
        EIGHT_BYTES => usize::try_from(u64::from_be_bytes(take(rest, 8)?.try_into().ok()?)).ok(),
        _ => None,
    }
}

/// The bytes behind a special encoding's first.
fn take_special<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N + 1)?[1..].try_into().ok()
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut rest = bytes;
        read_string(&mut rest).filter(|_| rest.is_empty())
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 63, 64, 0x3fff, 0x4000, 70_000] {
            let (text, mut out) = (vec![b'x'; length], Vec::new());
            write_string(&mut out, &text);
            assert_eq!(read(&out), Some(text), "{length}");
        }
    }

    #[test]
    fn every_encoding_is_read() {
        assert_eq!(read(b"\x03abc"), Some(b"abc".to_vec()));
        assert_eq!(read(b"\x40\x03abc"), Some(b"abc".to_vec()));
        assert_eq!(read(b"\x80\0\0\0\x03abc"), Some(b"abc".to_vec()));
        assert_eq!(read(b"\x81\0\0\0\0\0\0\0\x03abc"), Some(b"abc".to_vec()));
        assert_eq!(read(b"\xc0\xff"), Some(b"-1".to_vec()));
        assert_eq!(read(b"\xc1\x05\x05"), Some(b"1285".to_vec()));
        assert_eq!(read(b"\xc2\x00\x00\x00\x80"), Some(b"-2147483648".to_vec()));
        assert_eq!(read(b"\xc3\x04\x03\x02abc"), Some(b"abc".to_vec()));
    }

    #[test]
    fn what_ends_too_early_or_is_unknown_is_none() {
        for bytes in [
            &b""[..],
            b"\x05abc",
            b"\x40",
            b"\x80\0\0",
            b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xc0",
            b"\xc2\0\0",
            b"\xc3\x05\x03\x02abc",
            b"\xc3\x04\x0a\x02abc",
            b"\xc4abc",
            b"\x82abc",
        ] {
            assert_eq!(read(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
