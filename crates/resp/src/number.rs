//! Numbers as Redis 7.0 prints and accepts them.

use std::io::Write;
use std::ops::Deref;

/// A printed number, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct DoubleText {
    bytes: [u8; 32],
    len: usize,
}

impl Deref for DoubleText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The text of a double in a reply, such as a score: 17 significant digits in the form of C's `%.17g`, so that it
/// parses back to the same value; `inf`, `-inf`, `nan`.
pub fn format_double(value: f64) -> DoubleText {
    let mut text = DoubleText { bytes: [0; 32], len: 0 };
    if value.is_nan() {
        text.push(b"nan");
    } else if value.is_infinite() {
        text.push(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == value.trunc() && value.abs() < 1e17 {
        if value == 0.0 && value.is_sign_negative() {
            text.push(b"-");
        }
        match value as i64 {
            short @ 0..=SHORT if text.len == 0 => {
                let (digits, len) = short_digits(short as u32);
                text.bytes[..digits.len()].copy_from_slice(&digits);
                text.len = len;
            }
            long => text.push(itoa::Buffer::new().format(long).as_bytes()),
        }
    } else {
        text.push_significant(value);
    }
    text
}

/// The largest number that [`short_digits`] takes.
pub(crate) const SHORT: i64 = 99_999_999;

/// The decimal digits of a number of up to eight of them, and how many there are.
///
/// All are computed at once in one register and leave it as one word: digits that are written one by one, and copied
/// elsewhere just after, make the copy wait until they are in the cache.
#[inline]
pub(crate) fn short_digits(number: u32) -> ([u8; 8], usize) {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = (fours * 10_486) >> 20 & 0x007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = (twos * 103) >> 10 & 0x000f_000f_000f_000f;
    let ones = tens | (twos - tens * 10) << 8;
    let leading_zeros = (ones.trailing_zeros() / 8).min(7);
    let digits = (ones | 0x3030_3030_3030_3030) >> (8 * leading_zeros);
    (digits.to_le_bytes(), 8 - leading_zeros as usize)
}

impl DoubleText {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Lays out 17 correctly rounded digits as `%g` does: without trailing zeros, and in scientific notation where the
    /// exponent is below -4 or above 16.
    fn push_significant(&mut self, value: f64) {
        let mut scientific = [0; 32];
        let mut unwritten = &mut scientific[..];
        write!(unwritten, "{:.16e}", value.abs()).expect("17 digits and an exponent fit into 32 bytes");
        let len = 32 - unwritten.len();

        let mut digits = [0; 17];
        digits[0] = scientific[0];
        digits[1..].copy_from_slice(&scientific[2..18]);
        let digits = &digits[..digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1)];
        let exponent = parse_i64(&scientific[19..len]).expect("an exponent follows the e");

        if value < 0.0 {
            self.push(b"-");
        }
        match exponent {
            0..17 => {
                // Integers of at most 17 digits never come here, so there is a fraction.
                let (whole, fraction) = digits.split_at(exponent as usize + 1);
                self.push(whole);
                self.push(b".");
                self.push(fraction);
            }
            -4..0 => {
                self.push(&b"0.000"[..(1 - exponent) as usize]);
                self.push(digits);
            }
            _ => {
                self.push(&digits[..1]);
                if digits.len() > 1 {
                    self.push(b".");
                    self.push(&digits[1..]);
                }
                self.push(if exponent < 0 { b"e-" } else { b"e+" });
                if exponent.abs() < 10 {
                    self.push(b"0");
                }
                self.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
            }
        }
    }
}

/// The text of a double with no more digits than it takes to parse back to the same value, laid out as Redis 8.0 does; `inf`, `-inf`,
/// `nan`.
pub fn format_shortest(value: f64) -> DoubleText {
    if value == 0.0 || !value.is_finite() {
        return format_double(value);
    }
    let mut scientific = [0; 32];
    let mut unwritten = &mut scientific[..];
    write!(unwritten, "{:e}", value.abs()).expect("17 digits and an exponent fit into 32 bytes");
    let len = 32 - unwritten.len();
    let written = &scientific[..len];
    let mark = written.iter().position(|&byte| byte == b'e').expect("an exponent");
    let exponent = parse_i64(&written[mark + 1..]).expect("an exponent follows the e");
    let (first, others) = (&written[..1], written.get(2..mark).unwrap_or_default());

    let mut text = DoubleText { bytes: [0; 32], len: 0 };
    if value < 0.0 {
        text.push(b"-");
    }
    // How many digits stand behind the point, or zeros before it.
    let places = others.len() as i64 - exponent;
    if places <= 0 && exponent < others.len() as i64 + 8 {
        text.push(first);
        text.push(others);
        text.push(&b"0000000"[..-places as usize]);
    } else if places > 0 && (places < 7 || exponent.abs() < 4) {
        match usize::try_from(exponent) {
            Ok(before) => {
                text.push(first);
                text.push(&others[..before]);
                text.push(b".");
                text.push(&others[before..]);
            }
            Err(_) => {
                text.push(&b"0.000000"[..1 + exponent.unsigned_abs() as usize]);
                text.push(first);
                text.push(others);
            }
        }
    } else {
        text.push(first);
        if !others.is_empty() {
            text.push(b".");
            text.push(others);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        text.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
    text
}

/// The text of a double without an exponent, as C's `%.17Lf` prints it, without zeros at its end; zero has no sign.
pub fn format_decimal(value: f64) -> String {
    let text = format!("{value:.17}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// An integer argument: optional minus, digits, nothing else. No plus, no spaces, no leading zeros, no `-0`.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A double argument such as a score: what C's `strtod` accepts to the last byte, decimal or hexadecimal, `inf` and
/// `infinity` in any case. No leading or trailing spaces, no `nan`; refused too are numbers other than infinity and
/// zero that a double can only hold as infinity or zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
        [b'0'..=b'9' | b'.', ..] => parse_decimal(unsigned)?,
        _ if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") => {
            f64::INFINITY
        }
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Decimal digits, a point among them or not, an exponent or not.
fn parse_decimal(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mut mantissa = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    let underflow = value == 0.0 && mantissa.any(|byte| (b'1'..=b'9').contains(byte));
    (value.is_finite() && !underflow).then_some(value)
}

/// What follows `0x`: hexadecimal digits with or without a point, then `p` and a binary exponent or nothing.
fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    let mut mantissa: u64 = 0;
    let mut lost = false;
    let mut exponent: i64 = 0;
    let (mut any_digit, mut after_point) = (false, false);
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                any_digit = true;
                if mantissa >> 60 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if after_point { 4 } else { 0 };
                } else {
                    lost |= digit != 0;
                    exponent += if after_point { 0 } else { 4 };
                }
            }
            None if byte == b'.' && !after_point => after_point = true,
            None => break,
        }
        rest = tail;
    }
    if !any_digit {
        return None;
    }
    match rest {
        [] => {}
        [b'p' | b'P', digits @ ..] => exponent = exponent.saturating_add(parse_exponent(digits)?),
        _ => return None,
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    let value = scale(mantissa, lost, exponent);
    (value.is_finite() && value != 0.0).then_some(value)
}

/// A signed decimal integer; far outside any double's range, an approximation.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(i64::MAX / 32));
    Some(if negative { -value } else { value })
}

/// `mantissa * 2^exponent`, rounded once, to even; `lost` says that the mantissa (then of over 60 bits) has a nonzero rest.
fn scale(mantissa: u64, lost: bool, exponent: i64) -> f64 {
    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift | u64::from(lost);
    // The value is 1.xxx * 2^binade with 63 bits behind the point.
    let binade = exponent.saturating_add(63 - i64::from(shift));
    if binade > 1023 {
        return f64::INFINITY;
    }
    let kept_bits = (53 + (binade + 1022).min(0)).max(-1);
    if kept_bits < 0 {
        return 0.0;
    }
    let dropped_bits = 64 - kept_bits as u32;
    let (kept, rest) = match dropped_bits {
        64 => (0, mantissa),
        bits => (mantissa >> bits, mantissa << (64 - bits)),
    };
    let half = 1 << 63;
    let rounded = kept + u64::from(rest > half || (rest == half && kept & 1 == 1));
    // Each factor and each product is exact: the first scales a 53-bit integer, the second moves it into its binade.
    let unit = binade - (kept_bits - 1);
    let first = unit.max(-1022);
    rounded as f64 * power_of_two(first) * power_of_two(unit - first)
}

/// `2^exponent` of a normal double.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_their_digits() {
        let edges = (0..9).flat_map(|digits| [10_u32.pow(digits) - 1, 10_u32.pow(digits)]);
        for number in (0..20_000).chain((0..100_000_000).step_by(9_973)).chain(edges) {
            let number = number.min(SHORT as u32);
            let (digits, len) = short_digits(number);
            assert_eq!(&digits[..len], number.to_string().as_bytes());
        }
    }

    #[test]
    fn decimals_have_no_exponent() {
        for (value, text) in [
            (13.361_389_338_970_184, "13.36138933897018433"),
            (-0.0, "0"),
            (1e-18, "0"),
            (-1e-18, "0"),
            (180.0, "180"),
            (-120.5, "-120.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_decimal(value), text);
        }
    }

    #[test]
    fn doubles_as_redis_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.10000000000000001"),
            (123456.789, "123456.789"),
            (0.0001, "0.0001"),
            (0.00012345678901234567, "0.00012345678901234567"),
            (1e-5, "1.0000000000000001e-05"),
            (2f64.powi(-25), "2.9802322387695312e-08"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1e22, "1e+22"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (4503599627370495.5, "4503599627370495.5"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN, "-1.7976931348623157e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(format_double(value).escape_ascii().to_string(), text);
        }
    }

    /// All as redis-server 8.0.6 prints scores and vectors.
    #[test]
    fn doubles_as_later_redis_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (0.853_553_384_542_465_2, "0.8535533845424652"),
            (-0.5, "-0.5"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-1e-7, "-1e-7"),
            (1.234e-5, "1.234e-5"),
            (1.5e-5, "0.000015"),
            (1.0000000116860974e-7, "1.0000000116860974e-7"),
            (12345.678, "12345.678"),
            (12_345.677_734_375, "1.2345677734375e+4"),
            (10_000_000.0, "10000000"),
            (123_456_789_012.0, "123456789012"),
            (999_999_986_991_104.0, "999999986991104"),
            (1e20, "1e+20"),
            (1.25e30, "1.25e+30"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-5e-324, "-5e-324"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(format_shortest(value).escape_ascii().to_string(), text);
        }
        for value in (0..400).map(|power| 1.37f64.powi(power - 200)) {
            let text = format_shortest(value);
            assert_eq!(parse_f64(&text), Some(value), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn integers() {
        for text in ["0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "a",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551617",
            "99999999999999999999",
            "--1",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn doubles_that_redis_accepts() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-1.", -1.0),
            (".5", 0.5),
            ("1E5", 1e5),
            ("0x10", 16.0),
            ("0X1P4", 16.0),
            ("-0x1", -1.0),
            ("0x1.8p1", 3.0),
            ("0x.8", 0.5),
            ("0x8.p+0", 8.0),
            ("0x0p99999", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x123456789abcdef01234", 8.596805828370696e22),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080001p0", 1.0000000000000002),
            ("0x1.00000000000018p0", 1.0000000000000004),
            ("inf", f64::INFINITY),
            ("+iNfinity", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("1e-320", 1e-320),
            ("3e-324", 5e-324),
            ("0e-400", 0.0),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_f64(b"-0").is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn doubles_that_redis_refuses() {
        for text in [
            "",
            " 1",
            "1 ",
            "\t1",
            "--1",
            "+-1",
            ".",
            "-",
            "e5",
            "1e",
            "1e+",
            "1_0",
            "1,5",
            "1.0.0",
            "1f",
            "1\0",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0x1..",
            "0xg",
            "x1",
            "infin",
            "in",
            "nan",
            "-nan",
            "NAN(12)",
            "1e400",
            "-1e400",
            "1e-400",
            "2e-324",
            "0x1p-1080",
            "0x1p-1075",
            "0x1.fffffffffffff8p1023",
            "0x1p1024",
            "0x1p99999999999999999999",
            "é",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }
}
