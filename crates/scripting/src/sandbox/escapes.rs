//! Takes the backslashes out that mean nothing: `'\.'` becomes `'.'`, and `'\x41'` becomes `'x41'`.
//!
//! To Lua 5.1 a backslash before a character without an escape is that character. LuaJIT refuses it, or knows an escape that
//! came later (`\x`, `\z`, `\u`).

use super::scanner::{Kind, Scanner};

/// The chunk without such backslashes in its quoted texts; `None` if there are none.
pub(super) fn without_idle(chunk: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', chunk)?;
    let mut scanner = Scanner::new(chunk);
    while scanner.next().kind != Kind::End {}
    if scanner.idle_backslashes.is_empty() {
        return None;
    }
    let mut result = Vec::with_capacity(chunk.len());
    let mut taken = 0;
    for &position in &scanner.idle_backslashes {
        result.extend_from_slice(&chunk[taken..position]);
        taken = position + 1;
    }
    result.extend_from_slice(&chunk[taken..]);
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunk: &str, wanted: &str) {
        let result = without_idle(chunk.as_bytes()).unwrap_or_else(|| chunk.as_bytes().to_vec());
        assert_eq!(String::from_utf8_lossy(&result), wanted);
    }

    #[test]
    fn backslashes_that_mean_nothing_go() {
        check(r"return '\.' .. '\x41\z\u{1}' -- '\.'", r"return '.' .. 'x41zu{1}' -- '\.'");
        check("return \"\\q\\\\q\" .. [[\\q]] .. '\\d'", "return \"q\\\\q\" .. [[\\q]] .. 'd'");
    }

    #[test]
    fn others_stay() {
        for chunk in
            [r#"return '\a\b\f\n\r\t\v\\\'\"\065\0'"#, "return '\\\n'", "--[==[ '\\q' ]==]", "return '\\"]
        {
            check(chunk, chunk);
        }
    }
}
