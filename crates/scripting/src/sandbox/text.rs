//! A script's tokens, kept to be looked at in any order.

use std::collections::HashSet;

use super::scanner::{Kind, Scanner, Token};

pub(super) struct Text<'a> {
    pub(super) chunk: &'a [u8],
    /// The last one is the end.
    pub(super) tokens: Vec<Token>,
}

/// What the text assigns to, whichever variable of that name it is; declarations are not assignments.
#[derive(Default)]
pub(super) struct Assigned<'a> {
    /// `name = value`, `function name()`
    pub(super) names: HashSet<&'a [u8]>,
    /// `name[key] = value`, `name.a.b = value`, and all others that begin with a name.
    pub(super) elements_of: HashSet<&'a [u8]>,
}

/// Longer scripts are not looked at: what is read of them is kept.
const LONGEST: usize = 256 * 1024;

impl<'a> Text<'a> {
    /// Cuts the text up, unless it is very long.
    pub(super) fn new(chunk: &'a [u8]) -> Option<Self> {
        if chunk.len() > LONGEST {
            return None;
        }
        let mut scanner = Scanner::new(chunk);
        let mut tokens = vec![scanner.next()];
        while tokens.last().is_some_and(|token| token.kind != Kind::End) {
            tokens.push(scanner.next());
        }
        Some(Text { chunk, tokens })
    }

    /// The token's text; empty after the last one.
    pub(super) fn at(&self, index: usize) -> &'a [u8] {
        self.tokens.get(index).map_or(b"", |&token| &self.chunk[token.start..token.end])
    }

    pub(super) fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn is_name(&self, index: usize) -> bool {
        let text = self.at(index);
        self.kind(index) == Kind::Other
            && text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && !KEYWORDS.contains(&text)
    }

    /// What is assigned to.
    pub(super) fn assigned(&self) -> Assigned<'a> {
        let mut assigned = Assigned::default();
        let mut open = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                Kind::OpenBracket => open.push(self.at(index)),
                Kind::Opener(_) => open.push(b"do"),
                Kind::CloseBracket | Kind::Closer => {
                    open.pop();
                }
                // `{name = value}` is a field.
                Kind::Other if self.is_assignment(index) && open.last() != Some(&b"{".as_slice()) => {
                    self.targets(index, &mut assigned);
                }
                _ => {}
            }
            let named = self.at(index) == b"function" && self.is_name(index + 1);
            if named && index > 0 && self.at(index - 1) != b"local" {
                assigned.names.insert(self.at(index + 1));
            }
        }
        assigned
    }

    /// Whether it is a `=` that is not a part of `==`, `~=`, `<=` or `>=`.
    fn is_assignment(&self, index: usize) -> bool {
        let Token { start, end, .. } = self.tokens[index];
        let before = start.checked_sub(1).and_then(|at| self.chunk.get(at));
        self.at(index) == b"="
            && !before.is_some_and(|byte| b"=~<>".contains(byte))
            && self.chunk.get(end) != Some(&b'=')
    }

    /// What is in the list that ends before `assignment`.
    fn targets(&self, assignment: usize, assigned: &mut Assigned<'a>) {
        let mut names = Vec::new();
        let mut index = assignment;
        while let Some(last) = index.checked_sub(1) {
            index = last;
            if self.is_name(index) && (index == 0 || !is_access(self.at(index - 1))) {
                names.push(self.at(index));
            } else {
                index = self.skip_back(index);
                assigned.elements_of.insert(self.at(index));
            }
            match index.checked_sub(1).map(|before| self.at(before)) {
                Some(b",") => index -= 1,
                Some(b"local") => return,
                _ => break,
            }
        }
        assigned.names.extend(names);
    }

    /// The first token of the `a.b[c].d` that ends at `index`.
    fn skip_back(&self, mut index: usize) -> usize {
        loop {
            if self.kind(index) == Kind::CloseBracket {
                let mut depth = 0;
                loop {
                    match self.kind(index) {
                        Kind::CloseBracket => depth += 1,
                        Kind::OpenBracket => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || index == 0 {
                        break;
                    }
                    index -= 1;
                }
            } else if !self.is_name(index) && self.kind(index) != Kind::Text {
                return index;
            }
            let Some(before) = index.checked_sub(1) else { return index };
            let continues = is_access(self.at(before))
                || self.kind(index) != Kind::Other
                    && (self.is_name(before) || self.kind(before) == Kind::CloseBracket);
            if !continues {
                return index;
            }
            index = if is_access(self.at(before)) { before.saturating_sub(1) } else { before };
        }
    }
}

fn is_access(text: &[u8]) -> bool {
    matches!(text, b"." | b":")
}

/// Words that are not names and that the scanner does not tell from them.
const KEYWORDS: [&[u8]; 13] = [
    b"and", b"break", b"false", b"for", b"goto", b"in", b"local", b"nil", b"not", b"or", b"then", b"true",
    b"while",
];
