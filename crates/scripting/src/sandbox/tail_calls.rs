//! Takes the tail calls out of a script's own level: `return f(x)` becomes `return (f(x))`.
//!
//! A tail call leaves no trace of the line it was on. Lua 5.1 does not make one when the callee is a C function, so Redis
//! can say where `return redis.call(...)` went wrong; LuaJIT always makes one, and then neither an error's position nor
//! its traceback knows the script. Of what a script returns only the first value counts, so at its own level parentheses change
//! nothing else. In the functions within all values count, but a command's call has one, whoever returns it. They are
//! put on the lines where the call stands.

use super::scanner::{Block, Kind, Scanner, Token};

/// The chunk with parentheses around each single returned call at its own level; `None` if there is none. Wrong text
/// may come out as it likes, as long as it stays wrong: all that is inserted is balanced and within one statement.
pub(super) fn without(chunk: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(chunk, b"return")?;
    let mut insertions = Vec::new();
    let mut scanner = Scanner::new(chunk);
    let mut blocks: Vec<Block> = Vec::new();
    let mut functions = 0;
    let mut returned: Option<Returned> = None;
    loop {
        let token = scanner.next();
        if let Some(open) = &mut returned {
            if open.ends_at(token.kind, blocks.len()) {
                let counts_once = !open.in_function || is_command_call(&chunk[open.start..open.end]);
                if open.single && open.ends_like_a_call && counts_once {
                    insertions.push((open.start, b'('));
                    insertions.push((open.end, b')'));
                }
                returned = None;
            } else {
                open.take(token, blocks.len());
            }
        }
        match token.kind {
            Kind::End => break,
            Kind::Opener(block) => {
                functions += usize::from(block == Block::Function);
                blocks.push(block);
            }
            Kind::Closer => functions -= usize::from(blocks.pop() == Some(Block::Function)),
            Kind::Return if returned.is_none() => {
                returned = Some(Returned::after(token, blocks.len(), functions > 0));
            }
            _ => {}
        }
    }
    (!insertions.is_empty()).then(|| insert(chunk, &insertions))
}

/// Whether it begins with a call of a command, which has one result wherever it stands.
fn is_command_call(returned: &[u8]) -> bool {
    let text = returned.trim_ascii_start();
    let call = text.strip_prefix(b"redis.").or_else(|| text.strip_prefix(b"server."));
    call.is_some_and(|call| call.starts_with(b"call(") || call.starts_with(b"pcall("))
}

fn insert(chunk: &[u8], insertions: &[(usize, u8)]) -> Vec<u8> {
    let mut result = Vec::with_capacity(chunk.len() + insertions.len());
    let mut taken = 0;
    for &(position, byte) in insertions {
        result.extend_from_slice(&chunk[taken..position]);
        result.push(byte);
        taken = position;
    }
    result.extend_from_slice(&chunk[taken..]);
    result
}

/// The values of a `return` that is being read.
struct Returned {
    start: usize,
    end: usize,
    depth: usize,
    in_function: bool,
    brackets: i32,
    single: bool,
    ends_like_a_call: bool,
}

impl Returned {
    fn after(token: Token, depth: usize, in_function: bool) -> Returned {
        Returned {
            start: token.end,
            end: token.end,
            depth,
            in_function,
            brackets: 0,
            single: true,
            ends_like_a_call: false,
        }
    }

    fn ends_at(&self, kind: Kind, depth: usize) -> bool {
        depth == self.depth && matches!(kind, Kind::End | Kind::Closer | Kind::Branch | Kind::Semicolon)
            || kind == Kind::End
    }

    fn take(&mut self, token: Token, depth: usize) {
        self.end = token.end;
        if depth > self.depth {
            self.ends_like_a_call = false;
            return;
        }
        match token.kind {
            Kind::OpenBracket => self.brackets += 1,
            Kind::CloseBracket => self.brackets -= 1,
            Kind::Comma if self.brackets == 0 => self.single = false,
            _ => {}
        }
        self.ends_like_a_call = matches!(token.kind, Kind::CloseBracket | Kind::Text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunk: &str, wanted: &str) {
        let result = without(chunk.as_bytes()).unwrap_or_else(|| chunk.as_bytes().to_vec());
        assert_eq!(String::from_utf8_lossy(&result), wanted);
    }

    #[test]
    fn single_returned_calls_of_the_script_itself_are_wrapped() {
        check("return f(x)", "return( f(x))");
        check("return redis.call('get', KEYS[1]) -- done", "return( redis.call('get', KEYS[1])) -- done");
        check(
            "if a then return f 'x' else return g{1}; end",
            "if a then return( f 'x') else return( g{1}); end",
        );
        check("do return a.b:c(1, {2, 3})\nend", "do return( a.b:c(1, {2, 3}))\nend");
        check(
            "while x do return f(function() return 1, 2 end) end",
            "while x do return( f(function() return 1, 2 end)) end",
        );
    }

    #[test]
    fn commands_that_functions_return_are_wrapped() {
        check(
            "local function f() return redis.call('get', x) end",
            "local function f() return( redis.call('get', x)) end",
        );
        check(
            "g('f', function() if a then return server.pcall('x', {f(1)}) end return f(x) end)",
            "g('f', function() if a then return( server.pcall('x', {f(1)})) end return f(x) end)",
        );
    }

    #[test]
    fn other_returns_stay() {
        for chunk in [
            "return",
            "return 1",
            "return x",
            "return f(x), 2",
            "return f(x), g(y)",
            "return function() return f() end",
            "function f() return redis.call('get', x), 1 end",
            "function f() return redis.sha1hex(x) end",
            "local function f() return g() end return f",
            "local f = function() if a then return g() end end",
            "-- return f()\nlocal s = 'return f()' .. [[ return g() ]] --[==[ return h() ]==]",
        ] {
            check(chunk, chunk);
        }
    }

    #[test]
    fn broken_text_ends() {
        for chunk in
            ["return f('", "return [[", "return f(--[[", "return ) end end until", "return \\", "return 'a\\"]
        {
            without(chunk.as_bytes());
        }
    }
}
