//! The `long double` of Redis on x86, in which INCRBYFLOAT and HINCRBYFLOAT count: 64 bits of mantissa.

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round, Status};

/// A number of the x87's 80-bit format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads what C's `strtold` accepts to the last byte: decimal or hexadecimal, or infinity. No leading spaces, no
    /// `nan`; nothing that could only be held as infinity or zero.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= LONGEST_TEXT {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let magnitude = if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity")
        {
            X87DoubleExtended::INFINITY
        } else {
            let number = Notation::of(unsigned)?;
            let parsed = X87DoubleExtended::from_str_r(&number.text, Round::NearestTiesToEven).ok()?.value;
            if parsed.is_infinite() || parsed.is_zero() && !number.is_zero {
                return None;
            }
            parsed
        };
        Some(LongDouble(if negative { -magnitude } else { magnitude }))
    }

    /// The sum, unless it is infinite or no number.
    pub(crate) fn checked_add(self, other: Self) -> Option<Self> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(LongDouble(sum))
    }

    /// Whether it is not infinite.
    pub(crate) fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// A thousand times this, rounded up to an integer; `None` if that exceeds 64 bits.
    pub(crate) fn thousandfold(self) -> Option<i64> {
        let product = (self.0 * X87DoubleExtended::from_u128(1000).value).value;
        let rounded = product.to_i128_r(64, Round::TowardPositive, &mut false);
        (!rounded.status.contains(Status::INVALID_OP)).then_some(rounded.value as i64)
    }

    /// The text of a finite number: 17 decimal places, without the zeros that end them.
    pub(crate) fn text(self) -> String {
        let bits = self.0.to_bits();
        let mantissa = bits as u64;
        let exponent = (bits >> 64) as i32 & 0x7fff;
        // The value is `mantissa * 2^power`.
        let power = exponent.max(1) - 16383 - 63;
        let mut text = if power < 0 {
            fixed_point(mantissa, power.unsigned_abs())
        } else {
            whole(mantissa, power as u32)
        };
        if self.0.is_negative() && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// Redis's buffer for the text of such a number, in bytes.
const LONGEST_TEXT: usize = 5 * 1024;

/// A number without its sign, spelled as the parser wants it.
struct Notation {
    text: String,
    is_zero: bool,
}

impl Notation {
    fn of(text: &[u8]) -> Option<Self> {
        let (digits, hexadecimal) = match text {
            [b'0', b'x' | b'X', digits @ ..] => (digits, true),
            _ => (text, false),
        };
        let exponent_mark = if hexadecimal { b'p' } else { b'e' };
        let end = digits.iter().position(|byte| byte.to_ascii_lowercase() == exponent_mark);
        let (mantissa, exponent) = match end {
            Some(at) => (&digits[..at], Some(&digits[at + 1..])),
            None => (digits, None),
        };
        let is_digit = |byte: &u8| if hexadecimal { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        let points = mantissa.iter().filter(|&&byte| byte == b'.').count();
        let number_of_digits = mantissa.iter().filter(|byte| is_digit(byte)).count();
        if points > 1 || number_of_digits == 0 || points + number_of_digits != mantissa.len() {
            return None;
        }
        let exponent = exponent.map_or(Some(0), clamped_exponent)?;
        let mantissa = std::str::from_utf8(mantissa).ok()?;
        let prefix = if hexadecimal { "0x" } else { "" };
        Some(Notation {
            text: format!("{prefix}{mantissa}{}{exponent}", exponent_mark as char),
            is_zero: mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.')),
        })
    }
}

/// A signed exponent; one that is beyond any number of this format and its longest text becomes as good a smaller one.
fn clamped_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| (value * 10 + i32::from(digit - b'0')).min(100_000));
    Some(if negative { -value } else { value })
}

/// `mantissa / 2^shift` to 17 decimal places, rounded to the nearest, ties to even.
fn fixed_point(mantissa: u64, shift: u32) -> String {
    let scaled = u128::from(mantissa) * 10_u128.pow(17);
    let rounded = if shift > 127 {
        0
    } else {
        let (floor, rest, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1 << (shift - 1));
        floor + u128::from(rest > half || rest == half && floor & 1 == 1)
    };
    let text = format!("{}.{:017}", rounded / 10_u128.pow(17), rounded % 10_u128.pow(17));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `mantissa * 2^power`, exactly.
fn whole(mantissa: u64, power: u32) -> String {
    const BASE: u64 = 1_000_000_000;
    let mut limbs = vec![mantissa % BASE, mantissa / BASE % BASE, mantissa / BASE / BASE];
    let mut left = power;
    while left > 0 {
        let step = left.min(32);
        let mut carry = 0;
        for limb in &mut limbs {
            let product = (*limb << step) + carry;
            *limb = product % BASE;
            carry = product / BASE;
        }
        while carry > 0 {
            limbs.push(carry % BASE);
            carry /= BASE;
        }
        left -= step;
    }
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:09}")).collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let (a, b) = (LongDouble::parse(a.as_bytes())?, LongDouble::parse(b.as_bytes())?);
        a.checked_add(b).map(LongDouble::text)
    }

    #[test]
    fn sums_as_redis_prints_them() {
        for (a, b, text) in [
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "1.1", "4.1"),
            ("0.1", "0.2", "0.3"),
            ("-0", "0", "0"),
            ("-1", "1", "0"),
            ("-0.5", "-.25", "-0.75"),
            ("1e-17", "0", "0.00000000000000001"),
            ("4e-18", "0", "0"),
            ("-4e-18", "0", "0"),
            ("18446744073709551615", "0", "18446744073709551615"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("1e30", "0", "1000000000000000000024696061952"),
            ("0x10", "0x1.8p1", "19"),
            ("0x.8", "0X1P-2", "0.75"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(text), "{a} + {b}");
        }
        assert_eq!(sum("1e4932", "0").unwrap().len(), 4933);
    }

    #[test]
    fn neither_infinity_nor_nonsense() {
        assert!(LongDouble::parse(b"-iNfinity").is_some() && sum("inf", "1").is_none());
        assert!(sum("1.1e4932", "1.1e4932").is_none());
        for text in [
            "",
            "-",
            "+-1",
            ".",
            "1..2",
            "1e",
            "1e+",
            "0x",
            "0xp1",
            "1f",
            "1 ",
            " 1",
            "nan",
            "1e5000",
            "1e-5000",
            "1e99999999999999999999",
            "1\0",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(LongDouble::parse(&[b'1'; LONGEST_TEXT]).is_none());
        assert!(LongDouble::parse(b"0e-99999999999").is_some());
    }
}
