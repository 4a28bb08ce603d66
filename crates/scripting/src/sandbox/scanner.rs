//! Lua's text cut into tokens, as far as the rewriting of scripts tells them apart.

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    position: usize,
    /// Where the last token began.
    start: usize,
    /// The backslashes met so far that stand before a character for which Lua 5.1 has no escape.
    pub(super) idle_backslashes: Vec<usize>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Scanner { text, position: 0, start: 0, idle_backslashes: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Token {
        let kind = self.skip_to_token();
        Token { kind, start: self.start, end: self.position }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn skip_to_token(&mut self) -> Kind {
        while self.position < self.text.len() {
            let byte = self.byte(0);
            self.start = self.position;
            match byte {
                b'-' if self.byte(1) == b'-' => self.comment(),
                b'"' | b'\'' => return self.quoted(byte),
                b'[' if self.long_bracket().is_some() => {
                    self.long_text();
                    return Kind::Text;
                }
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => return self.word(),
                b'0'..=b'9' => {
                    while matches!(self.byte(0), b'.' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') {
                        self.position += 1;
                    }
                    return Kind::Other;
                }
                b' ' | b'\t'..=b'\r' => self.position += 1,
                _ => {
                    self.position += 1;
                    return match byte {
                        b'(' | b'{' | b'[' => Kind::OpenBracket,
                        b')' | b'}' | b']' => Kind::CloseBracket,
                        b',' => Kind::Comma,
                        b';' => Kind::Semicolon,
                        _ => Kind::Other,
                    };
                }
            }
        }
        self.start = self.position;
        Kind::End
    }

    fn word(&mut self) -> Kind {
        while matches!(self.byte(0), b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') {
            self.position += 1;
        }
        match &self.text[self.start..self.position] {
            b"return" => Kind::Return,
            b"function" => Kind::Opener(Block::Function),
            b"do" | b"if" | b"repeat" => Kind::Opener(Block::Other),
            b"end" | b"until" => Kind::Closer,
            b"else" | b"elseif" => Kind::Branch,
            _ => Kind::Other,
        }
    }

    fn quoted(&mut self, quote: u8) -> Kind {
        self.position += 1;
        while self.position < self.text.len() {
            match self.byte(0) {
                b'\\' => {
                    let known = br#"0123456789abfnrtv\"'"#;
                    let escaped = self.text.get(self.position + 1);
                    if escaped.is_some_and(|byte| !known.contains(byte) && !b"\n\r".contains(byte)) {
                        self.idle_backslashes.push(self.position);
                    }
                    self.position += 1;
                }
                byte if byte == quote => break,
                _ => {}
            }
            self.position += 1;
        }
        self.position = (self.position + 1).min(self.text.len());
        Kind::Text
    }

    fn comment(&mut self) {
        self.position += 2;
        if self.byte(0) == b'[' && self.long_bracket().is_some() {
            self.long_text();
            return;
        }
        let rest = &self.text[self.position.min(self.text.len())..];
        self.position =
            self.text.len() - rest.len() + memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    }

    /// The level of the long bracket that opens here.
    fn long_bracket(&self) -> Option<usize> {
        let mut level = 0;
        while self.byte(1 + level) == b'=' {
            level += 1;
        }
        (self.byte(1 + level) == b'[').then_some(level)
    }

    fn long_text(&mut self) {
        let level = self.long_bracket().unwrap_or(0);
        self.position += level + 2;
        while self.position < self.text.len() {
            if self.byte(0) == b']'
                && (1..=level).all(|ahead| self.byte(ahead) == b'=')
                && self.byte(level + 1) == b']'
            {
                self.position += level + 2;
                return;
            }
            self.position += 1;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Block {
    Function,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    End,
    Return,
    /// `function`, `do`, `if`, `repeat`
    Opener(Block),
    /// `end`, `until`
    Closer,
    /// `else`, `elseif`
    Branch,
    OpenBracket,
    CloseBracket,
    Text,
    Comma,
    Semicolon,
    Other,
}

#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    /// The position after it.
    pub(super) end: usize,
}
