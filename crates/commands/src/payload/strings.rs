//! Strings as RDB has them: a length and bytes, a small integer in binary, or compressed.
//!
//! The first two bits of a length tell its kind: 6 bits, 14 bits, 4 or 8 bytes, or one of the special encodings.

use perigee_keyspace::canonical_int;

use super::lzf;

const FOURTEEN_BITS: u8 = 0x40;
const FOUR_BYTES: u8 = 0x80;
const EIGHT_BYTES: u8 = 0x81;
const ONE_BYTE_INTEGER: u8 = 0xc0;
const TWO_BYTE_INTEGER: u8 = 0xc1;
const FOUR_BYTE_INTEGER: u8 = 0xc2;
const COMPRESSED: u8 = 0xc3;
/// Bytes of the longest text that can be that of a four-byte integer.
const INTEGER_TEXT: usize = 11;
/// Longer strings are compressed if that saves more than four bytes.
const UNCOMPRESSED: usize = 20;

/// Appends a string: as an integer if that is what it is, compressed if that is allowed and saves something.
pub fn write_string(out: &mut Vec<u8>, bytes: &[u8], compress: bool) {
    if bytes.len() <= INTEGER_TEXT
        && let Some(value) = canonical_int(bytes)
    {
        return write_integer(out, value);
    }
    let packed =
        if compress && bytes.len() > UNCOMPRESSED { lzf::compress(bytes, bytes.len() - 4) } else { None };
    match packed {
        Some(packed) => {
            out.push(COMPRESSED);
            write_length(out, packed.len() as u64);
            write_length(out, bytes.len() as u64);
            out.extend_from_slice(&packed);
        }
        None => write_plain(out, bytes),
    }
}

/// Appends a string that is the text of an integer.
pub(super) fn write_integer(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = i8::try_from(value) {
        out.extend([ONE_BYTE_INTEGER, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.push(TWO_BYTE_INTEGER);
        out.extend(value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(FOUR_BYTE_INTEGER);
        out.extend(value.to_le_bytes());
    } else {
        write_plain(out, itoa::Buffer::new().format(value).as_bytes());
    }
}

fn write_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a number as the lengths are written.
pub(super) fn write_length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend([FOURTEEN_BITS | (length >> 8) as u8, length as u8]),
        0x4000..=0xffff_ffff => {
            out.push(FOUR_BYTES);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        _ => {
            out.push(EIGHT_BYTES);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Takes a string from the front; `None` if there is none.
pub fn read_string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let text = |number: i64| Some(number.to_string().into_bytes());
    match *rest.first()? {
        ONE_BYTE_INTEGER => text(i8::from_le_bytes(take_special(rest)?).into()),
        TWO_BYTE_INTEGER => text(i16::from_le_bytes(take_special(rest)?).into()),
        FOUR_BYTE_INTEGER => text(i32::from_le_bytes(take_special(rest)?).into()),
        COMPRESSED => {
            *rest = &rest[1..];
            let packed = usize::try_from(read_length(rest)?).ok()?;
            let length = usize::try_from(read_length(rest)?).ok()?;
            lzf::decompress(take(rest, packed)?, length)
        }
        _ => {
            let length = usize::try_from(read_length(rest)?).ok()?;
            take(rest, length).map(<[u8]>::to_vec)
        }
    }
}

/// Takes a number that is written as the lengths are.
pub(super) fn read_length(rest: &mut &[u8]) -> Option<u64> {
    let [first] = take_array(rest)?;
    match first {
        0..0x40 => Some(first.into()),
        0x40..0x80 => {
            let [second] = take_array(rest)?;
            Some(u64::from(first & 0x3f) << 8 | u64::from(second))
        }
        FOUR_BYTES => Some(u32::from_be_bytes(take_array(rest)?).into()),
        EIGHT_BYTES => Some(u64::from_be_bytes(take_array(rest)?)),
        _ => None,
    }
}

/// The bytes behind a special encoding's first.
fn take_special<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N + 1)?[1..].try_into().ok()
}

pub(super) fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    take(rest, N)?.try_into().ok()
}

pub(super) fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
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
        for (length, compress) in [0, 1, 20, 21, 63, 64, 0x3fff, 0x4000, 70_000]
            .into_iter()
            .flat_map(|length| [(length, false), (length, true)])
        {
            let (text, mut out) = (vec![b'x'; length], Vec::new());
            write_string(&mut out, &text, compress);
            assert_eq!(out.len() < length, compress && length > 20);
            assert_eq!(read(&out), Some(text), "{length}");
        }
    }

    #[test]
    fn integers_are_written_in_binary() {
        for (text, written) in [
            ("7", &b"\xc0\x07"[..]),
            ("-128", b"\xc0\x80"),
            ("128", b"\xc1\x80\0"),
            ("-32769", b"\xc2\xff\x7f\xff\xff"),
            ("2147483648", b"\x0a2147483648"),
            ("007", b"\x03007"),
            ("-0", b"\x02-0"),
        ] {
            let mut out = Vec::new();
            write_string(&mut out, text.as_bytes(), true);
            assert_eq!(out, written, "{text}");
            assert_eq!(read(&out), Some(text.as_bytes().to_vec()));
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
