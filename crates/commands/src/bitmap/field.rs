//! Integers of any width among bits: their types, their overflow, their place in a string.

/// The type of a field: `u1` to `u63`, `i1` to `i64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldType {
    pub(super) signed: bool,
    pub(super) width: u8,
}

/// What becomes of a value that its field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// It loses its high bits.
    Wrap,
    /// It becomes the nearest value that fits.
    Saturate,
    /// It is not written.
    Fail,
}

impl FieldType {
    /// Reads a type's name.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (letter, width) = text.split_first()?;
        let signed = match letter {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        let width =
            crate::parse::integer(width).filter(|width| (1..=63 + i64::from(signed)).contains(width))?;
        Some(FieldType { signed, width: width as u8 })
    }

    /// An operand of SET as the field sees it: unsigned fields take a negative one for a very large one.
    pub(super) fn wide(self, operand: i64) -> i128 {
        if self.signed { i128::from(operand) } else { i128::from(operand as u64) }
    }

    /// The value that a field holds after `value` was written: `None` if it was to fail instead.
    pub(super) fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (low, high) = match self.signed {
            true => (-1_i128 << (self.width - 1), (1_i128 << (self.width - 1)) - 1),
            false => (0, (1_i128 << self.width) - 1),
        };
        let fitted = match overflow {
            _ if (low..=high).contains(&value) => value,
            Overflow::Fail => return None,
            Overflow::Saturate => value.clamp(low, high),
            Overflow::Wrap => return Some(self.interpret(value as u64)),
        };
        Some(fitted as i64)
    }

    /// The value that the low bits spell.
    fn interpret(self, bits: u64) -> i64 {
        let unused = 64 - u32::from(self.width);
        let high = bits << unused;
        if self.signed { high as i64 >> unused } else { (high >> unused) as i64 }
    }

    /// The value of the field that begins with a bit of the string; what lies behind the string is zero.
    pub(super) fn read(self, content: &[u8], offset: u64) -> i64 {
        let window = Window::new(self, offset);
        let bits = window.bits(content) >> window.shift;
        self.interpret(bits as u64)
    }

    /// Where the bytes that the field lies in begin, and what they become when it is written.
    pub(super) fn write(self, content: &[u8], offset: u64, value: i64) -> (usize, Vec<u8>) {
        let window = Window::new(self, offset);
        let mask = ((1_u128 << self.width) - 1) << window.shift;
        let bits = window.bits(content) & !mask | (value as u128) << window.shift & mask;
        (window.first, bits.to_be_bytes()[16 - window.len..].to_vec())
    }
}

/// The bytes that a field lies in.
struct Window {
    first: usize,
    len: usize,
    /// How many bits follow the field in its last byte.
    shift: u32,
}

impl Window {
    fn new(field: FieldType, offset: u64) -> Self {
        let end = offset + u64::from(field.width);
        let (first, behind) = (offset / 8, end.div_ceil(8));
        Window { first: first as usize, len: (behind - first) as usize, shift: (behind * 8 - end) as u32 }
    }

    fn bits(&self, content: &[u8]) -> u128 {
        (self.first..self.first + self.len)
            .fold(0, |bits, at| bits << 8 | u128::from(content.get(at).copied().unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str) -> FieldType {
        FieldType::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn names() {
        assert_eq!(field("i64"), FieldType { signed: true, width: 64 });
        assert_eq!(field("u63"), FieldType { signed: false, width: 63 });
        for name in ["", "i", "u0", "u64", "i65", "x8", "i08", "i-1", "U8"] {
            assert_eq!(FieldType::parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn overflow() {
        for (name, value, wrapped, saturated) in [
            ("u8", 256, 0, 255),
            ("u8", -1, 255, 0),
            ("i8", 128, -128, 127),
            ("i8", -129, 127, -128),
            ("i1", 1, -1, 0),
            ("u63", 1 << 63, 0, i64::MAX),
            ("i64", 1 << 63, i64::MIN, i64::MAX),
        ] {
            assert_eq!(field(name).fit(value, Overflow::Wrap), Some(wrapped), "{name} {value}");
            assert_eq!(field(name).fit(value, Overflow::Saturate), Some(saturated), "{name} {value}");
            assert_eq!(field(name).fit(value, Overflow::Fail), None, "{name} {value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_changes(
            content in prop::collection::vec(any::<u8>(), 0..20),
            signed: bool,
            width in 1..=63_u8,
            offset in 0..200_u64,
            value: i64,
        ) {
            let field = FieldType { signed, width };
            let value = field.fit(i128::from(value), Overflow::Wrap).unwrap();
            let mut changed = content.clone();
            let (at, bytes) = field.write(&content, offset, value);
            changed.resize(changed.len().max(at + bytes.len()), 0);
            changed[at..at + bytes.len()].copy_from_slice(&bytes);
            prop_assert_eq!(field.read(&changed, offset), value);
            let bit = |content: &[u8], at: usize| content.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
            let inside = offset as usize..offset as usize + usize::from(width);
            for at in (0..changed.len() * 8).filter(|at| !inside.contains(at)) {
                prop_assert_eq!(bit(&changed, at), bit(&content, at), "bit {}", at);
            }
        }
    }
}
