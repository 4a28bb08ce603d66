//! Takes the functions that a script begins with out of its runs: they are made once, when it is compiled.
//!
//! A script that begins with `local function f() ... end` makes a new closure for `f` in every run, and LuaJIT compiles code for
//! a function that comes in many closures without knowing what its upvalues hold. Where nothing that such a function can see is
//! ever assigned to, one closure serves all runs, and no run can tell. So the text `HEAD REST` becomes the text
//! `HEAD return function(...) REST end`, line for line.

use super::scanner::{Kind, Scanner, Token};

/// The chunk that returns the script as a function whose leading functions it has made; `None` if it has none, or if one
/// of them could change. Wrong text may come out as it likes, as long as it stays wrong.
pub(super) fn made_once(chunk: &[u8]) -> Option<Vec<u8>> {
    if chunk.len() > LONGEST || memchr::memmem::find(chunk, b"function").is_none() {
        return None;
    }
    let mut scanner = Scanner::new(chunk);
    let first = scanner.next();
    if word(chunk, first) != b"local" {
        return None;
    }
    let mut tokens = vec![first];
    while tokens.last()?.kind != Kind::End {
        tokens.push(scanner.next());
    }
    let text = Text { chunk, tokens };
    let end = text.head_end(&text.assigned())?;
    Some([&chunk[..end], b" return function(...) ", &chunk[end..], b"\nend"].concat())
}

/// Longer scripts are left as they are: what is read of them here is kept.
const LONGEST: usize = 256 * 1024;

/// Names of the sandbox that always mean the same: their tables cannot be changed, nor they themselves.
const CONSTANT: [&[u8]; 10] = [
    b"redis",
    b"server",
    b"cjson",
    b"cmsgpack",
    b"struct",
    b"bit",
    b"string",
    b"table",
    b"math",
    b"tonumber",
];

fn word(chunk: &[u8], token: Token) -> &[u8] {
    &chunk[token.start..token.end]
}

struct Text<'a> {
    chunk: &'a [u8],
    /// The last one is the end.
    tokens: Vec<Token>,
}

impl<'a> Text<'a> {
    /// The token's text; empty after the last one.
    fn at(&self, index: usize) -> &'a [u8] {
        self.tokens.get(index).map_or(b"", |&token| word(self.chunk, token))
    }

    fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |token| token.kind)
    }

    fn is_name(&self, index: usize) -> bool {
        let text = self.at(index);
        self.kind(index) == Kind::Other
            && text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && !KEYWORDS.contains(&text)
    }

    /// The names that are assigned to somewhere, whichever variable of that name it is; declarations are not assignments.
    fn assigned(&self) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
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
                    self.targets(index, &mut names);
                }
                _ => {}
            }
            let named = word(self.chunk, *token) == b"function" && self.is_name(index + 1);
            if named && index > 0 && self.at(index - 1) != b"local" {
                names.push(self.at(index + 1));
            }
        }
        names
    }

    /// Whether it is a `=` that is not a part of `==`, `~=`, `<=` or `>=`.
    fn is_assignment(&self, index: usize) -> bool {
        let Token { start, end, .. } = self.tokens[index];
        let before = start.checked_sub(1).and_then(|at| self.chunk.get(at));
        self.at(index) == b"="
            && !before.is_some_and(|byte| b"=~<>".contains(byte))
            && self.chunk.get(end) != Some(&b'=')
    }

    /// The plain names in the list that ends before `assignment`.
    fn targets(&self, assignment: usize, names: &mut Vec<&'a [u8]>) {
        let mut found = Vec::new();
        let mut index = assignment;
        while let Some(last) = index.checked_sub(1) {
            index = last;
            if self.is_name(index) && (index == 0 || !is_access(self.at(index - 1))) {
                found.push(self.at(index));
            } else {
                index = self.skip_back(index);
            }
            match index.checked_sub(1).map(|before| self.at(before)) {
                Some(b",") => index -= 1,
                Some(b"local") => return,
                _ => break,
            }
        }
        names.append(&mut found);
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

    /// Where the declarations end that no run can change, if a function is among them.
    fn head_end(&self, assigned: &[&[u8]]) -> Option<usize> {
        let mut end = None;
        let mut index = 0;
        while self.at(index) == b"local" {
            let (next, has_function) = if self.at(index + 1) == b"function" {
                let fixed = self.is_name(index + 2) && !assigned.contains(&self.at(index + 2));
                match self.function_end(index + 1).filter(|_| fixed) {
                    Some(next) => (next, true),
                    None => break,
                }
            } else {
                let fixed = self.is_name(index + 1) && !assigned.contains(&self.at(index + 1));
                match self.value_end(index + 2).filter(|_| fixed) {
                    Some(next) => (next, self.at(index + 3) == b"function"),
                    None => break,
                }
            };
            index = if self.kind(next) == Kind::Semicolon { next + 1 } else { next };
            if has_function {
                end = Some(self.tokens[index - 1].end);
            }
        }
        end
    }

    /// The token after the function that begins at `index`.
    fn function_end(&self, index: usize) -> Option<usize> {
        let mut depth = 0;
        for (offset, token) in self.tokens[index..].iter().enumerate() {
            match token.kind {
                Kind::Opener(_) => depth += 1,
                Kind::Closer => depth -= 1,
                Kind::End => return None,
                _ => {}
            }
            if depth == 0 {
                return Some(index + offset + 1);
            }
        }
        None
    }

    /// The token after `= VALUE`, if the value is one that cannot change: a function, a literal, a name of the sandbox.
    fn value_end(&self, index: usize) -> Option<usize> {
        if self.at(index) != b"=" {
            return None;
        }
        let value = index + 1;
        let end = if self.at(value) == b"function" {
            self.function_end(value)?
        } else if self.kind(value) == Kind::Text
            || self.at(value).first()?.is_ascii_digit()
            || [b"true".as_slice(), b"false", b"nil"].contains(&self.at(value))
        {
            value + 1
        } else if CONSTANT.contains(&self.at(value)) {
            let mut end = value + 1;
            while self.at(end) == b"." && self.is_name(end + 1) {
                end += 2;
            }
            end
        } else {
            return None;
        };
        self.begins_statement(end).then_some(end)
    }

    /// Whether the expression before is over: what follows can only begin a statement.
    fn begins_statement(&self, index: usize) -> bool {
        match self.kind(index) {
            Kind::End | Kind::Return | Kind::Semicolon => true,
            Kind::Opener(_) => true,
            _ => self.is_name(index) || STATEMENTS.contains(&self.at(index)),
        }
    }
}

fn is_access(text: &[u8]) -> bool {
    matches!(text, b"." | b":")
}

/// Words that begin statements and that the scanner does not tell from names.
const STATEMENTS: [&[u8]; 5] = [b"local", b"for", b"while", b"break", b"goto"];

/// Words that are not names and that the scanner does not tell from them.
const KEYWORDS: [&[u8]; 13] = [
    b"and", b"break", b"false", b"for", b"goto", b"in", b"local", b"nil", b"not", b"or", b"then", b"true",
    b"while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, rest: &str) {
        let result =
            made_once(format!("{head}{rest}").as_bytes()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(result, Some(format!("{head} return function(...) {rest}\nend")));
    }

    #[test]
    fn leading_functions_are_made_once() {
        check("local function f(n) return n < 2 and n or f(n - 1) end", " return f(3)");
        check("local function f() end;", "\n-- a comment\nreturn f()");
        check("local f = function(a) if a then return {f = 1} end end", " return f(1)");
        check(
            "local rcall = redis.call\nlocal limit = 10 local name = 'x'; local function get(k)\n return rcall('get', k) end",
            "\nlocal other = {}\nlocal function g() end return get(KEYS[1])",
        );
        check("local function f() end", " local x = f() for i = 1, 2 do x = i end");
    }

    #[test]
    fn what_is_not_a_function_is_not_worth_it() {
        for chunk in
            ["return 1", "local x = 1 return x", "local call = redis.call return call('get', 'function')"]
        {
            assert_eq!(made_once(chunk.as_bytes()), None, "{chunk}");
        }
    }

    #[test]
    fn what_could_change_stays_in_the_run() {
        for chunk in [
            "local t = {} local function f() t[1] = 1 end",
            "local x = redis.call('get', 'y') local function f() return x end",
            "local x = 1 + y local function f() return x end",
            "local x = f {} local function f() return x end",
            "local n = 0 local function f() n = n + 1 return n end return f()",
            "local function f() end f = nil",
            "local function f() end local t = {} t.x, f = 1, 2",
            "local function f() end local t = {} f, t[f(1)] = 1, 2",
            "local function f() end local t = {} f, t.a['b'].c = 1, 2",
            "local function f() end function f() end",
            "local a, b = 1, 2 local function f() return a end",
            "local x = KEYS[1] local function f() return x end",
            "local x = redis local y = x.call local function f() return y end",
            "local x = 'a' .. KEYS[1] local function f() return x end",
            "local x = 1 or 2 local function f() return x end",
            "local x local function f() return x end",
            "f = 1 local function g() end",
        ] {
            assert_eq!(made_once(chunk.as_bytes()), None, "{chunk}");
        }
    }

    #[test]
    fn what_only_looks_like_an_assignment_does_not_matter() {
        let head = "local function f() end";
        check(head, " return f == 1 or f ~= 2 or f <= 3 or f >= 4");
        check(head, " local t = {f = 1, 2, f = 3}");
        check(head, " local t = {} t.f = 1 t.f, t[1] = 1, 2");
        check(head, " do local a, f = 1, 2 end");
        check(head, " local t = {} function t.g() end");
    }

    #[test]
    fn broken_text_ends() {
        for chunk in [
            "local function",
            "local function f(",
            "local f = function",
            "local f = function() end end end }",
            "local x = ] = [ function",
            "local function f() end ) = ] , = {",
            "local",
            "local function f() end , = function",
        ] {
            made_once(chunk.as_bytes());
        }
    }
}
