//! The compact encodings of Redis before 7.0, which are only read: [ziplists] of lists, hashes and sorted sets, and the
//! zipmaps of hashes before 2.6.
//!
//! [ziplists]: https://github.com/redis/redis/blob/7.0.15/src/ziplist.c

use super::strings::{take, take_array};

/// The strings of a ziplist in order; `None` if it is damaged.
pub(super) fn read_ziplist(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    const HEADER: usize = 10;
    let mut rest = bytes;
    let size = u32::from_le_bytes(take_array(&mut rest)?);
    let tail = u32::from_le_bytes(take_array(&mut rest)?);
    let count = u16::from_le_bytes(take_array(&mut rest)?);
    let mut strings = Vec::new();
    let (mut before, mut last) = (0, HEADER);
    while *rest.first()? != END {
        let left = rest.len();
        (previous_length(&mut rest)? == before).then_some(())?;
        strings.push(entry(&mut rest)?);
        last = bytes.len() - left;
        before = left - rest.len();
    }
    let counted = count == u16::MAX || usize::from(count) == strings.len();
    let whole = rest.len() == 1 && size as usize == bytes.len() && tail as usize == last && counted;
    whole.then_some(strings)
}

const END: u8 = 0xff;

fn previous_length(rest: &mut &[u8]) -> Option<usize> {
    match take_array(rest)? {
        [254] => Some(u32::from_le_bytes(take_array(rest)?) as usize),
        [255] => None,
        [length] => Some(length.into()),
    }
}

fn entry(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let text = |number: i64| Some(number.to_string().into_bytes());
    let [kind] = take_array(rest)?;
    let length = match kind {
        0x00..0x40 => usize::from(kind),
        0x40..0x80 => {
            let [low] = take_array(rest)?;
            usize::from(kind & 0x3f) << 8 | usize::from(low)
        }
        0x80 => u32::from_be_bytes(take_array(rest)?) as usize,
        0xc0 => return text(i16::from_le_bytes(take_array(rest)?).into()),
        0xd0 => return text(i32::from_le_bytes(take_array(rest)?).into()),
        0xe0 => return text(i64::from_le_bytes(take_array(rest)?)),
        0xf0 => {
            let [low, middle, high] = take_array(rest)?;
            return text((i32::from_le_bytes([0, low, middle, high]) >> 8).into());
        }
        0xfe => return text(i8::from_le_bytes(take_array(rest)?).into()),
        0xf1..=0xfd => return text(i64::from(kind & 0x0f) - 1),
        _ => return None,
    };
    take(rest, length).map(<[u8]>::to_vec)
}

/// Fields and values of a zipmap in turn; `None` if it is damaged.
pub(super) fn read_zipmap(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    const UNCOUNTED: u8 = 254;
    let mut rest = bytes;
    let [count] = take_array(&mut rest)?;
    let mut strings = Vec::new();
    while *rest.first()? != END {
        let length = zipmap_length(&mut rest)?;
        strings.push(take(&mut rest, length)?.to_vec());
        let length = zipmap_length(&mut rest)?;
        let [unused] = take_array(&mut rest)?;
        strings.push(take(&mut rest, length)?.to_vec());
        take(&mut rest, unused.into())?;
    }
    let counted = count >= UNCOUNTED || usize::from(count) == strings.len() / 2;
    (rest.len() == 1 && counted).then_some(strings)
}

fn zipmap_length(rest: &mut &[u8]) -> Option<usize> {
    match take_array(rest)? {
        [254] => Some(u32::from_le_bytes(take_array(rest)?) as usize),
        [255] => None,
        [length] => Some(length.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        let (mut before, mut tail) = (0u8, 10);
        for entry in entries {
            tail = 10 + body.len();
            body.push(before);
            body.extend_from_slice(entry);
            before = entry.len() as u8 + 1;
        }
        let size = 10 + body.len() as u32 + 1;
        let mut out = [size.to_le_bytes(), (tail as u32).to_le_bytes()].concat();
        out.extend((entries.len() as u16).to_le_bytes());
        out.extend(body);
        out.push(END);
        out
    }

    #[test]
    fn every_kind_of_entry_is_read() {
        let strings = read_ziplist(&ziplist(&[
            b"\x03abc",
            b"\x40\x02de",
            b"\x80\0\0\0\x01f",
            b"\xf1",
            b"\xfd",
            b"\xfe\x80",
            b"\xc0\x00\x80",
            b"\xf0\xff\xff\xff",
            b"\xd0\x00\x00\x01\x00",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
        ]));
        let texts: Vec<_> = strings.expect("a whole one").into_iter().map(String::from_utf8).collect();
        let texts: Vec<_> = texts.into_iter().map(|text| text.expect("ASCII")).collect();
        let expected = ["abc", "de", "f", "0", "12", "-128", "-32768", "-1", "65536", "9223372036854775807"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn damaged_ziplists_are_refused() {
        let whole = ziplist(&[b"\x03abc", b"\xf1"]);
        assert!(read_ziplist(&whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(read_ziplist(&whole[..end]), None, "{end}");
        }
        for at in [0, 4, 8, 10, 11, 15, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            assert_eq!(read_ziplist(&damaged), None, "{at}");
        }
    }

    #[test]
    fn zipmaps_are_read() {
        let pairs = read_zipmap(b"\x02\x03foo\x03\x00bar\x01a\x01\x02bxx\xff");
        assert_eq!(pairs, Some([&b"foo"[..], b"bar", b"a", b"b"].map(<[u8]>::to_vec).to_vec()));
        for damaged in [&b""[..], b"\x01\xff", b"\x01\x03foo\x03\x00bar", b"\x01\x03foo\x09\x00bar\xff"] {
            assert_eq!(read_zipmap(damaged), None);
        }
    }
}
