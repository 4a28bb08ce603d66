//! The words of an expression.

use super::Operator;
use super::text::is_space;
use super::value::Constant;

/// A part of an expression that has no parts of its own, lists aside.
pub(super) enum Word<'a> {
    Constant(Constant),
    Field(&'a [u8]),
    Operator(Operator),
    Open,
    Close,
}

impl Word<'_> {
    /// Whether an operator is to follow, so that a minus is one even before a digit.
    fn ends_operand(&self) -> bool {
        matches!(self, Word::Constant(_) | Word::Field(_) | Word::Close)
    }
}

/// Cuts an expression into words; an error is the place where no word stands.
pub(super) fn words(text: &[u8]) -> Result<Vec<Word<'_>>, usize> {
    let mut reader = Reader { text, at: 0 };
    let mut words: Vec<Word<'_>> = Vec::new();
    loop {
        reader.skip_space();
        let Some(byte) = reader.peek() else { return Ok(words) };
        let after_operand = words.last().is_some_and(Word::ends_operand);
        words.push(match byte {
            b'0'..=b'9' => reader.number()?,
            b'-' if !after_operand && reader.rest().get(1).is_some_and(u8::is_ascii_digit) => {
                reader.number()?
            }
            b'"' | b'\'' => reader.text()?,
            b'[' => reader.list()?,
            b'.' => reader.field()?,
            _ => reader.sign()?,
        });
    }
}

/// A number may have so many characters.
pub(super) const LONGEST_NUMBER: usize = 255;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.take_while(is_space);
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest().iter().take_while(|byte| belongs(**byte)).count();
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    /// What begins with a digit or a minus.
    fn number(&mut self) -> Result<Word<'a>, usize> {
        self.constant_number().map(Word::Constant)
    }

    fn constant_number(&mut self) -> Result<Constant, usize> {
        let start = self.at;
        self.at += 1;
        self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E'));
        if self.at - start > LONGEST_NUMBER {
            return Err(start + LONGEST_NUMBER);
        }
        let number = std::str::from_utf8(&self.text[start..self.at]).ok().and_then(|text| text.parse().ok());
        number.map(Constant::Number).ok_or(self.at)
    }

    fn text(&mut self) -> Result<Word<'a>, usize> {
        self.constant_text().map(Word::Constant)
    }

    /// Up to the quote that it began with. A backslash keeps a quote from ending it.
    fn constant_text(&mut self) -> Result<Constant, usize> {
        let quote = self.text[self.at];
        let start = self.at + 1;
        let mut at = start;
        while at < self.text.len() {
            match self.text[at] {
                b'\\' => at += 2,
                byte if byte == quote => {
                    self.at = at + 1;
                    return Ok(Constant::Text(self.text[start..at].into()));
                }
                _ => at += 1,
            }
        }
        Err(self.text.len())
    }

    /// Numbers and texts between brackets, with a comma behind each but perhaps the last.
    fn list(&mut self) -> Result<Word<'a>, usize> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            items.push(match self.peek() {
                Some(b']') => break,
                Some(b'0'..=b'9' | b'-') => self.constant_number()?,
                Some(b'"' | b'\'') => self.constant_text()?,
                _ => return Err(self.at),
            });
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.at),
            }
        }
        self.at += 1;
        Ok(Word::Constant(Constant::List(items.into())))
    }

    /// A point and a name. At the end of the expression the name may be missing: such a field no element has.
    fn field(&mut self) -> Result<Word<'a>, usize> {
        let start = self.at;
        self.at += 1;
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if name.is_empty() && self.at < self.text.len() { Err(start) } else { Ok(Word::Field(name)) }
    }

    /// An operator or a parenthesis: the longest that the letters and signs begin with. Where none does they are all in the way.
    fn sign(&mut self) -> Result<Word<'a>, usize> {
        let rest = self.rest();
        let word = match rest.first() {
            Some(b'(') => Some((1, Word::Open)),
            Some(b')') => Some((1, Word::Close)),
            _ => {
                let begins = |&&(written, _): &&(&str, Operator)| rest.starts_with(written.as_bytes());
                let longest =
                    Operator::WRITTEN.iter().filter(begins).max_by_key(|(written, _)| written.len());
                longest.map(|(written, operator)| (written.len(), Word::Operator(*operator)))
            }
        };
        let Some((length, word)) = word else {
            self.take_while(|byte| byte.is_ascii_alphabetic() || b"!=<>&|+-*/%()".contains(&byte));
            return Err(self.at);
        };
        self.at += length;
        Ok(word)
    }
}
