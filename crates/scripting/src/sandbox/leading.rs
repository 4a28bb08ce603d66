//! The functions that a script begins with, where one closure can serve all runs.
//!
//! A script that begins with `local function f() ... end` makes a new closure for `f` in every run, and LuaJIT compiles code for
//! a function that comes in many closures without knowing what its upvalues hold. Where nothing that such a function can see is
//! ever assigned to, no run can tell whether the closure is its own.

use std::collections::HashSet;

use super::scanner::Kind;
use super::text::{Assigned, Text};

/// Where the declarations that the script begins with end, if there is a function among them and no run can change them.
pub(super) fn end(text: &Text<'_>, assigned: &Assigned<'_>) -> Option<usize> {
    Head { text, assigned: &assigned.names }.end()
}

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

struct Head<'a> {
    text: &'a Text<'a>,
    /// Names that some variable of the text has that is assigned to.
    assigned: &'a HashSet<&'a [u8]>,
}

impl Head<'_> {
    fn end(&self) -> Option<usize> {
        let mut end = None;
        let mut index = 0;
        while self.text.at(index) == b"local" {
            let (next, has_function) = if self.text.at(index + 1) == b"function" {
                let fixed = self.text.is_name(index + 2) && !self.assigned.contains(self.text.at(index + 2));
                match self.function_end(index + 1).filter(|_| fixed) {
                    Some(next) => (next, true),
                    None => break,
                }
            } else {
                let fixed = self.text.is_name(index + 1) && !self.assigned.contains(self.text.at(index + 1));
                match self.value_end(index + 2).filter(|_| fixed) {
                    Some(next) => (next, self.text.at(index + 3) == b"function"),
                    None => break,
                }
            };
            index = if self.text.kind(next) == Kind::Semicolon { next + 1 } else { next };
            if has_function {
                end = Some(self.text.tokens[index - 1].end);
            }
        }
        end
    }

    /// The token after the function that begins at `index`.
    fn function_end(&self, index: usize) -> Option<usize> {
        let mut depth = 0;
        for (offset, token) in self.text.tokens[index..].iter().enumerate() {
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
        if self.text.at(index) != b"=" {
            return None;
        }
        let value = index + 1;
        let end = if self.text.at(value) == b"function" {
            self.function_end(value)?
        } else if self.text.kind(value) == Kind::Text
            || self.text.at(value).first()?.is_ascii_digit()
            || [b"true".as_slice(), b"false", b"nil"].contains(&self.text.at(value))
        {
            value + 1
        } else if CONSTANT.contains(&self.text.at(value)) {
            let mut end = value + 1;
            while self.text.at(end) == b"." && self.text.is_name(end + 1) {
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
        match self.text.kind(index) {
            Kind::End | Kind::Return | Kind::Semicolon => true,
            Kind::Opener(_) => true,
            _ => self.text.is_name(index) || STATEMENTS.contains(&self.text.at(index)),
        }
    }
}

/// Words that begin statements and that the scanner does not tell from names.
const STATEMENTS: [&[u8]; 5] = [b"local", b"for", b"while", b"break", b"goto"];

#[cfg(test)]
mod tests {
    use super::*;

    fn head(chunk: &str) -> Option<&str> {
        let text = Text::new(chunk.as_bytes())?;
        end(&text, &text.assigned()).map(|end| &chunk[..end])
    }

    #[track_caller]
    fn check(wanted: &str, rest: &str) {
        assert_eq!(head(&format!("{wanted}{rest}")), Some(wanted));
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
            assert_eq!(head(chunk), None, "{chunk}");
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
            assert_eq!(head(chunk), None, "{chunk}");
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
            head(chunk);
        }
    }
}
