//! Fields of a JSON object, found without parsing what is not asked for.
//!
//! It reads as much of the object as it takes to meet the fields, and is lenient with what stands between them, as Redis 8.0.6 is: what
//! is no JSON at all simply has no fields.

use super::Fields;
use super::text::{Text, is_space};
use super::value::Value;
use super::words::LONGEST_NUMBER;

/// Puts the values of the fields into their places. Whether each is there, with a value that an expression can use: a text, a number,
/// true (1), false (0), null, or an array that no object is in. If a name comes twice, the first is meant.
pub(super) fn find<'a>(object: &'a [u8], fields: &Fields, found: &mut [Value<'a>]) -> bool {
    if fields.is_empty() {
        return true;
    }
    let mut missing = found.len();
    let mut there = smallvec::SmallVec::<[bool; 8]>::from_elem(false, missing);
    let mut reader = Reader { rest: object };
    let mut look = || -> Option<()> {
        reader.skip_space();
        reader.expect(b'{')?;
        loop {
            reader.skip_space();
            let name = reader.text()?;
            reader.skip_space();
            reader.expect(b':')?;
            reader.skip_space();
            match fields.get(name) {
                Some(&number) if !there[number] && !name.is_empty() => {
                    found[number] = reader.value()?;
                    there[number] = true;
                    missing -= 1;
                    if missing == 0 {
                        return Some(());
                    }
                }
                _ => reader.skip_value()?,
            }
            reader.skip_space();
            reader.expect(b',')?;
        }
    };
    look().is_some()
}

/// The items of a well-formed array without objects.
pub(super) fn items(array: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut reader = Reader { rest: array };
    std::iter::from_fn(move || {
        // A bracket at first, a comma later.
        reader.rest = reader.rest.get(1..)?;
        reader.skip_space();
        let item = reader.value()?;
        reader.skip_space();
        Some(item)
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        let spaces = self.rest.iter().take_while(|byte| is_space(**byte)).count();
        self.rest = &self.rest[spaces..];
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> Option<Value<'a>> {
        if self.rest.first() == Some(&b'[') { self.array().map(Value::Array) } else { self.scalar() }
    }

    fn scalar(&mut self) -> Option<Value<'a>> {
        Some(match self.rest.first()? {
            b'"' => Value::Text(Text::json(self.text()?)),
            b't' => self.word(b"true", Value::Number(1.0))?,
            b'f' => self.word(b"false", Value::Number(0.0))?,
            b'n' => self.word(b"null", Value::Null)?,
            b'0'..=b'9' | b'-' | b'+' => Value::Number(self.number()?),
            _ => return None,
        })
    }

    /// What stands between quotes.
    fn text(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.rest.get(at..)?)?;
            if self.rest[at] == b'"' {
                let text = self.take(at);
                self.take(1);
                return Some(text);
            }
            at += 2;
        }
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Option<Value<'a>> {
        let rest = self.rest.strip_prefix(word)?;
        if rest.first().is_some_and(|byte| !is_space(*byte) && !matches!(byte, b',' | b']' | b'}')) {
            return None;
        }
        self.rest = rest;
        Some(value)
    }

    fn number(&mut self) -> Option<f64> {
        let digits = self.digits();
        if digits.len() > LONGEST_NUMBER {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn digits(&mut self) -> &'a [u8] {
        let belongs = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest.iter().take_while(|byte| belongs(byte)).count();
        self.take(length)
    }

    /// A well-formed array of texts, numbers, words and such arrays, whole.
    fn array(&mut self) -> Option<&'a [u8]> {
        let start = self.rest;
        let mut depth = 0usize;
        loop {
            self.skip_space();
            if self.expect(b'[').is_some() {
                depth += 1;
                self.skip_space();
                if self.rest.first() != Some(&b']') {
                    continue;
                }
            } else {
                self.scalar()?;
            }
            loop {
                self.skip_space();
                if self.expect(b',').is_some() {
                    break;
                }
                self.expect(b']')?;
                depth -= 1;
                if depth == 0 {
                    return Some(&start[..start.len() - self.rest.len()]);
                }
            }
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.rest.first()? {
            b'"' => self.text().map(|_| ()),
            b'{' => self.skip_pairs(b'{', b'}'),
            b'[' => self.skip_pairs(b'[', b']'),
            b't' | b'f' | b'n' => self.scalar().map(|_| ()),
            _ => (!self.digits().is_empty()).then_some(()),
        }
    }

    /// As far as the bracket that closes the first one.
    fn skip_pairs(&mut self, open: u8, close: u8) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match *self.rest.first()? {
                b'"' => {
                    self.text()?;
                    continue;
                }
                byte if byte == open => depth += 1,
                byte if byte == close => depth -= 1,
                _ => {}
            }
            self.take(1);
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Filter;

    #[test]
    fn fields_are_met_on_the_way() {
        for (expression, attributes, holds) in [
            (".x", r#" { "y" : {"x": 0} , "x" : 1 }"#, true),
            (".x", r#"{"y":[{"x":5}, "]", {}],"x":1}"#, true),
            (".x == 1", r#"{"x":1,"x":2}"#, true),
            (".x and .y", r#"{"y":1,"x":2}"#, true),
            (".x and .y", r#"{"x":1,"x":2,"y":3}"#, true),
            (".x", r#"{"x":1"#, true),
            (".x", r#"{"x":1,"y":bad}"#, true),
            (".x", r#"{"y":bad,"x":1}"#, false),
            (".x", r#"{"y":1 "x":1}"#, false),
            (".x", r#"[{"x":1}]"#, false),
            (".x", r#"{"x":1.}"#, true),
            (".x", r#"{"x":.5}"#, false),
            (".x", r#"{"x":+1}"#, true),
            (".x", r#"{"x":1-1}"#, false),
            (".x", r#"{"x":truex}"#, false),
            (".x", r#"{"x":true"#, true),
            (".x", r#"{"x":"a\"}"#, false),
            (".x", r#"{"x":{}}"#, false),
            (".x", r#"{"x":[{}]}"#, false),
            (".x", r#"{"x":[1,]}"#, false),
            (".x", r#"{"x":[1 2]}"#, false),
            (".x", r#"{"x":[[1]}"#, false),
            (".x", r#"{"x":[ ]"#, true),
            ("2 in .x", r#"{"x":[ 1 , [3] , 2 ]}"#, true),
            ("3 in .x", r#"{"x":[ 1 , [3] , 2 ]}"#, false),
            ("0 in .x", r#"{"x":[ 1 , [3] , 2 ]}"#, true),
            ("1 in .x", r#"{"x":[]}"#, false),
            ("9 in .x", r#"{"x":[true,null,"a]",9]}"#, true),
            (".", r#"{"":1}"#, false),
        ] {
            let filter = Filter::compile(expression.as_bytes()).expect("a filter");
            assert_eq!(filter.matches(attributes.as_bytes()), holds, "{expression} {attributes}");
        }
    }
}
