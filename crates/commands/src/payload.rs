//! RDB's encodings of strings and values, and payloads as DUMP and FUNCTION DUMP give them and RESTORE takes them: such an
//! encoding, then the version of the format and a checksum. It knows no sessions and no keys.
//!
//! The checksum is CRC-64 with Jones's polynomial. Held against payloads of redis-server 7.0.15.

mod hashes;
mod kinds;
mod lzf;
mod nodes;
mod read;
mod streams;
mod strings;
mod vectors;
mod write;
mod ziplist;

use crc::{CRC_64_REDIS, Crc, Table};

use crate::error::Error;
pub use nodes::NodeLimits;
pub(crate) use nodes::{Node, for_each_node};
pub use read::read_value;
pub use strings::{read_string, write_string};
pub use write::{Form, write_value};

/// The version that is written: that of Redis 7.0, which later servers read as well.
const WRITTEN: u16 = 10;
/// The version that is written where fields have deadlines: that of Redis 7.4.
const WITH_DEADLINES: u16 = 12;
/// The newest version that is read: that of Redis 7.4 to 8.0.
const NEWEST: u16 = 12;
/// Valkey's own, from 9.0 on.
const VALKEY: u16 = 80;
/// Two bytes of version and eight of checksum.
const FOOTER: usize = 10;

const BAD: Error = Error::Text("ERR DUMP payload version or checksum are wrong");

static CHECKSUM: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Appends version and checksum.
pub fn seal(mut body: Vec<u8>) -> Vec<u8> {
    let deadlines = matches!(body.first(), Some(&(kinds::HASH_METADATA | kinds::HASH_LISTPACK_EX)));
    let version = if deadlines { WITH_DEADLINES } else { WRITTEN };
    body.extend_from_slice(&version.to_le_bytes());
    let checksum = CHECKSUM.checksum(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

/// What stands before version and checksum.
///
/// # Errors
/// A newer version, a wrong checksum.
pub fn open(payload: &[u8]) -> Result<&[u8], Error> {
    let body = open_unchecked(payload)?;
    let (covered, checksum) = payload.split_last_chunk::<8>().ok_or(BAD)?;
    if CHECKSUM.checksum(covered) != u64::from_le_bytes(*checksum) {
        return Err(BAD);
    }
    Ok(body)
}

/// As [`open`], whatever the checksum.
///
/// # Errors
/// A newer version.
pub fn open_unchecked(payload: &[u8]) -> Result<&[u8], Error> {
    let (body, footer) = payload.split_last_chunk::<FOOTER>().ok_or(BAD)?;
    let (version, _) = footer.split_first_chunk::<2>().ok_or(BAD)?;
    let version = u16::from_le_bytes(*version);
    if version > NEWEST && version != VALKEY {
        return Err(BAD);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FUNCTION DUMP of a redis-server 7.0.15 without libraries.
    const EMPTY: &[u8] = b"\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda";

    #[test]
    fn the_footer_is_that_of_redis() {
        assert_eq!(seal(Vec::new()), EMPTY);
        assert_eq!(open(EMPTY), Ok(&b""[..]));
        assert_eq!(open(&seal(b"body".to_vec())), Ok(&b"body"[..]));
    }

    #[test]
    fn what_is_damaged_newer_or_short_is_refused() {
        for at in 0..8 {
            let mut payload = seal(b"body".to_vec());
            payload[at] ^= 1;
            assert_eq!(open(&payload), Err(BAD), "{at}");
        }
        let mut newer = b"\x0d\x00".to_vec();
        newer.extend(CHECKSUM.checksum(&newer).to_le_bytes());
        assert_eq!(open(&newer), Err(BAD));
        newer[0] = 0x0b;
        assert_eq!(open(&newer), Err(BAD), "the checksum is that of the other version");
        assert_eq!(open(&EMPTY[1..]), Err(BAD));
        assert_eq!(open(b""), Err(BAD));
    }
}
