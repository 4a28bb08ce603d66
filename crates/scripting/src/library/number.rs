//! Doubles as text: C's `%.Ng` to write, C's `strtod` to read, with short ways for what scripts mostly hold.

use std::io::Write as _;

/// Appends `value` as `printf("%.<precision>g")` does; `precision` is 1 to 17.
#[inline]
pub(crate) fn write_general(output: &mut Vec<u8>, value: f64, precision: usize) {
    const EXACT: f64 = 99_999_999_999_999.0;
    let magnitude = value.abs();
    if precision == 14 && magnitude <= EXACT {
        // SAFETY: it is within the range.
        let whole = unsafe { magnitude.to_int_unchecked::<i64>() } as u64;
        let is_whole = whole as f64 == magnitude && (whole != 0 || value.is_sign_positive());
        if is_whole || is_short(magnitude) {
            if value < 0.0 {
                output.push(b'-');
            }
            return if is_whole { write_whole(output, whole) } else { write_short(output, magnitude) };
        }
    }
    write_any(output, value, precision);
}

#[inline(never)]
fn write_any(output: &mut Vec<u8>, value: f64, precision: usize) {
    if !value.is_finite() {
        let text: &[u8] = match (value.is_nan(), value.is_sign_negative()) {
            (true, false) => b"nan",
            (true, true) => b"-nan",
            (false, false) => b"inf",
            (false, true) => b"-inf",
        };
        output.extend_from_slice(text);
        return;
    }
    write_finite(output, value, precision);
}

/// Writes a number of at most 16 digits.
fn write_whole(output: &mut Vec<u8>, number: u64) {
    if number < 10 {
        return output.push(b'0' + number as u8);
    }
    let mut first = number as u32;
    if number >= EIGHT_DIGITS {
        first = (number / EIGHT_DIGITS) as u32;
    }
    let digits = digits(first);
    let zeros = digits.trailing_zeros() & !7;
    output.extend_from_slice(&((digits | ASCII) >> zeros).to_le_bytes());
    output.truncate(output.len() - zeros as usize / 8);
    if number >= EIGHT_DIGITS {
        write_rest(output, (number % EIGHT_DIGITS) as u32);
    }
}

fn write_rest(output: &mut Vec<u8>, rest: u32) {
    output.extend_from_slice(&(digits(rest) | ASCII).to_le_bytes());
}

const EIGHT_DIGITS: u64 = 100_000_000;
const ASCII: u64 = 0x3030_3030_3030_3030;

/// The eight decimal digits of a number, a byte for each, the highest one in the lowest byte.
#[inline]
fn digits(number: u32) -> u64 {
    // Each lane is halved into quotient and rest, by 10,000, by 100, by 10; the factors are exact for lanes of that size.
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 5_243) >> 19) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

const MILLION: f64 = 1_000_000.0;

/// Whether a positive number is a whole number of millionths with at most 14 digits: then these are its 14 digits, since no
/// other decimal of that length is as near.
#[inline]
fn is_short(magnitude: f64) -> bool {
    let millionths = (magnitude * MILLION + 0.5) as u64;
    (0.0001..100_000_000.0).contains(&magnitude) && millionths as f64 / MILLION == magnitude
}

/// Writes such a number.
fn write_short(output: &mut Vec<u8>, magnitude: f64) {
    let millionths = (magnitude * MILLION + 0.5) as u64;
    write_whole(output, millionths / 1_000_000);
    let fraction = digits((millionths % 1_000_000) as u32) >> 16;
    if fraction != 0 {
        let places = 8 - fraction.leading_zeros() as usize / 8;
        output.extend_from_slice(&(u64::from(b'.') | ((fraction | ASCII) << 8)).to_le_bytes());
        output.truncate(output.len() - 7 + places);
    }
}

/// Rounds to `precision` digits in scientific form, then lays them out as `%g` would.
fn write_finite(output: &mut Vec<u8>, value: f64, precision: usize) {
    let mut scientific = Fixed { bytes: [0; 40], length: 0 };
    // The longest form, -d.dddddddddddddddde-308, fits.
    let _ = write!(scientific, "{:.*e}", precision - 1, value.abs());
    let text = &scientific.bytes[..scientific.length];
    let split = memchr::memchr(b'e', text).unwrap_or(text.len());
    let mut digits = [0; 20];
    let mut count = 0;
    for &byte in &text[..split] {
        if byte != b'.' {
            digits[count] = byte;
            count += 1;
        }
    }
    let exponent = text[split..].get(1..).map_or(0, small_integer);
    while count > 1 && digits[count - 1] == b'0' {
        count -= 1;
    }
    let digits = &digits[..count];

    if value.is_sign_negative() {
        output.push(b'-');
    }
    if exponent < -4 || exponent >= precision as i32 {
        output.push(digits[0]);
        if count > 1 {
            output.push(b'.');
            output.extend_from_slice(&digits[1..]);
        }
        output.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            output.push(b'0');
        }
        output.extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
    } else if exponent < 0 {
        output.extend_from_slice(b"0.");
        output.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        output.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        if whole >= count {
            output.extend_from_slice(digits);
            output.extend(std::iter::repeat_n(b'0', whole - count));
        } else {
            output.extend_from_slice(&digits[..whole]);
            output.push(b'.');
            output.extend_from_slice(&digits[whole..]);
        }
    }
}

fn small_integer(text: &[u8]) -> i32 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let magnitude = digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
    if negative { -magnitude } else { magnitude }
}

/// A buffer in the frame: nothing to drop when an error unwinds it.
struct Fixed {
    bytes: [u8; 40],
    length: usize,
}

impl std::io::Write for Fixed {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let room = &mut self.bytes[self.length..];
        let count = part.len().min(room.len());
        room[..count].copy_from_slice(&part[..count]);
        self.length += count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a number at the front of `text` as `strtod` does (decimal, hexadecimal, infinity, nan, a sign) and returns it
/// with the bytes it took; `None` when there is none. `text` must be followed by a NUL in memory, as Lua's strings are.
pub(crate) fn read(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut integer = 0_u64;
    let mut end = start;
    while let Some(digit @ b'0'..=b'9') = text.get(end) {
        integer = integer.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        end += 1;
    }
    let digits = end - start;
    let follower = text.get(end).copied().unwrap_or(0);
    if digits == 0 || (digits == 1 && text[start] == b'0' && matches!(follower, b'x' | b'X')) {
        return read_by_c(text);
    }
    if !matches!(follower, b'.' | b'e' | b'E') && digits <= 15 {
        let value = integer as f64;
        return Some((if negative { -value } else { value }, end));
    }
    if follower == b'.' {
        end += 1;
        let point = end;
        while let Some(digit @ b'0'..=b'9') = text.get(end) {
            integer = integer.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            end += 1;
        }
        let decimals = end - point;
        if digits + decimals <= 15 && !matches!(text.get(end), Some(b'e' | b'E')) {
            // Both are exact, so the quotient is rounded once.
            let value = integer as f64 / POWERS_OF_TEN[decimals];
            return Some((if negative { -value } else { value }, end));
        }
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        if text.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end += 1 + sign;
            while text.get(end).is_some_and(u8::is_ascii_digit) {
                end += 1;
            }
        }
    }
    match std::str::from_utf8(&text[..end]).ok().and_then(|decimal| decimal.parse().ok()) {
        Some(value) => Some((value, end)),
        None => read_by_c(text),
    }
}

const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

fn read_by_c(text: &[u8]) -> Option<(f64, usize)> {
    let mut end = std::ptr::null_mut();
    // SAFETY: `text` is followed by a NUL (the caller's promise), and strtod stops there.
    let value = unsafe { libc::strtod(text.as_ptr().cast(), &mut end) };
    let taken = end as usize - text.as_ptr() as usize;
    (taken != 0).then_some((value, taken))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_c(value: f64, precision: usize) -> String {
        let mut buffer = [0_u8; 64];
        // SAFETY: the buffer is longer than any such text.
        let length = unsafe {
            libc::snprintf(
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                c"%.*g".as_ptr(),
                std::ffi::c_int::try_from(precision).unwrap(),
                value,
            )
        };
        String::from_utf8(buffer[..usize::try_from(length).unwrap()].to_vec()).unwrap()
    }

    fn ours(value: f64, precision: usize) -> String {
        let mut output = Vec::new();
        write_general(&mut output, value, precision);
        String::from_utf8(output).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn general_form_is_what_printf_writes(bits: u64, precision in 1_usize..18) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(ours(value, precision), by_c(value, precision));
        }

        #[test]
        fn short_decimals_and_ties_round_as_printf_does(
            mantissa in -1_000_000_000_i64..1_000_000_000, scale in -60_i32..60, precision in 1_usize..18,
        ) {
            let value = mantissa as f64 * 2_f64.powi(scale);
            prop_assert_eq!(ours(value, precision), by_c(value, precision));
            let value = mantissa as f64 * 10_f64.powi(scale / 4);
            prop_assert_eq!(ours(value, precision), by_c(value, precision));
        }

        #[test]
        fn decimals_are_written_as_printf_does(digits in 0_i64..200_000_000_000_000, places in 0_i32..9, ulps in -2_i64..3) {
            let value = digits as f64 / 10_f64.powi(places);
            let value = f64::from_bits((value.to_bits() as i64 + ulps).unsigned_abs());
            prop_assert_eq!(ours(value, 14), by_c(value, 14));
            prop_assert_eq!(ours(-value, 14), by_c(-value, 14));
        }

        #[test]
        fn reading_is_what_strtod_reads(text in "-?[0-9]{0,20}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{0,3})?[x a-f]{0,2}") {
            let terminated = format!("{text}\0");
            let text = &terminated.as_bytes()[..text.len()];
            prop_assert_eq!(read(text).map(|(v, n)| (v.to_bits(), n)), read_by_c(text).map(|(v, n)| (v.to_bits(), n)));
        }
    }
}
