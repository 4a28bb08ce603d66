//! Character classes of Lua patterns, as the C locale has them.

/// Whether the class with this letter holds the byte. A letter without a class stands for itself.
#[inline]
pub(super) fn holds(class: u8, byte: u8) -> bool {
    let bits = match class.to_ascii_lowercase() {
        b'a' => LOWER | UPPER,
        b'c' => CONTROL,
        b'd' => DIGIT,
        b'l' => LOWER,
        b'p' => PUNCTUATION,
        b's' => SPACE,
        b'u' => UPPER,
        b'w' => LOWER | UPPER | DIGIT,
        b'x' => HEXADECIMAL,
        b'z' => ZERO,
        _ => return class == byte,
    };
    (KINDS[usize::from(byte)] & bits != 0) != class.is_ascii_uppercase()
}

const LOWER: u8 = 1;
const UPPER: u8 = 2;
const DIGIT: u8 = 4;
const CONTROL: u8 = 8;
const PUNCTUATION: u8 = 16;
const SPACE: u8 = 32;
const HEXADECIMAL: u8 = 64;
const ZERO: u8 = 128;

static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        kinds[byte] = (LOWER * c.is_ascii_lowercase() as u8)
            | (UPPER * c.is_ascii_uppercase() as u8)
            | (DIGIT * c.is_ascii_digit() as u8)
            | (CONTROL * c.is_ascii_control() as u8)
            | (PUNCTUATION * c.is_ascii_punctuation() as u8)
            | (SPACE * matches!(c, b' ' | 9..=13) as u8)
            | (HEXADECIMAL * c.is_ascii_hexdigit() as u8)
            | (ZERO * (c == 0) as u8);
        byte += 1;
    }
    kinds
}
