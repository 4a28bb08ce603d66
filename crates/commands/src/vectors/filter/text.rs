//! Texts of expressions and attributes, as they stand there.

use std::borrow::Cow;

/// A text, perhaps with backslashes before characters that are to be taken otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    written: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// One that is what is written. In expressions all are: a backslash before a quote keeps it from ending the text, and stays.
    pub(super) fn plain(written: &'a [u8]) -> Self {
        Text { written, escaped: false }
    }

    /// One of JSON. As in Redis 8.0.6 `\n`, `\r` and `\t` stand for one character, and any other that follows a backslash for itself:
    /// `\u00e9` for `u00e9`.
    pub(super) fn json(written: &'a [u8]) -> Self {
        Text { written, escaped: memchr::memchr(b'\\', written).is_some() }
    }

    pub(super) fn is_empty(self) -> bool {
        self.written.is_empty()
    }

    /// The number that it is: what C's `strtod` accepts to the last byte.
    pub(super) fn number(self) -> Option<f64> {
        let bytes = self.bytes();
        let ended = &bytes[..memchr::memchr(0, &bytes).unwrap_or(bytes.len())];
        let number = &ended[ended.iter().take_while(|byte| is_space(**byte)).count()..];
        let range_aside = || std::str::from_utf8(number).ok()?.parse().ok();
        perigee_resp::parse_f64(number).or_else(range_aside)
    }

    fn bytes(self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return self.written.into();
        }
        let mut bytes = Vec::with_capacity(self.written.len());
        let mut rest = self.written.iter();
        while let Some(&byte) = rest.next() {
            bytes.push(match byte {
                b'\\' => match rest.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(&other) => other,
                    None => b'\\',
                },
                other => other,
            });
        }
        bytes.into()
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.escaped, other.escaped) {
            (false, false) => self.written == other.written,
            _ => self.bytes() == other.bytes(),
        }
    }
}

/// As C's `isspace`.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_as_in_c() {
        for (text, number) in [
            ("12", Some(12.0)),
            (" 12", Some(12.0)),
            ("12 ", None),
            ("12abc", None),
            ("", None),
            (".5", Some(0.5)),
            ("0x1p3", Some(8.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("1e400", Some(f64::INFINITY)),
            ("1e-400", Some(0.0)),
            ("1\0z", Some(1.0)),
            ("+5", Some(5.0)),
            ("1e", None),
            (".", None),
        ] {
            assert_eq!(Text::plain(text.as_bytes()).number(), number, "{text:?}");
        }
        assert!(Text::plain(b"nan").number().is_some_and(f64::is_nan));
    }

    #[test]
    fn escapes_are_of_json_alone() {
        assert!(Text::json(br#"a\"b\n\u0041"#) == Text::plain(b"a\"b\nu0041"));
        assert!(Text::plain(br#"a\"b"#) != Text::plain(b"a\"b"));
    }
}
