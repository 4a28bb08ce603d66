//! Request lines: words as redis-cli reads them, and back.

use anyhow::{Result, bail};

/// Splits a line into arguments: blanks separate, `"..."` knows escapes (`\xHH \n \r \t \a \b \\ \"`), `'...'` only `\'`.
pub(super) fn split(line: &str) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(words);
        }
        let mut word = Vec::new();
        while let Some((&byte, after)) = rest.split_first()
            && !byte.is_ascii_whitespace()
        {
            rest = match byte {
                b'"' | b'\'' => quoted(after, byte, &mut word)?,
                _ => {
                    word.push(byte);
                    after
                }
            };
        }
        words.push(word);
    }
}

/// A request as a line that `split` reads back.
pub(super) fn join<T: AsRef<[u8]>>(request: &[T]) -> String {
    let words: Vec<String> = request
        .iter()
        .map(|word| {
            let word = word.as_ref();
            let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
            if !word.is_empty() && word.iter().all(plain) {
                String::from_utf8_lossy(word).into_owned()
            } else {
                format!("\"{}\"", word.escape_ascii().to_string().replace("\\'", "'"))
            }
        })
        .collect();
    words.join(" ")
}

fn quoted<'a>(mut rest: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Result<&'a [u8]> {
    loop {
        match (quote, rest) {
            (_, []) => bail!("a quote is not closed"),
            (_, [byte, after @ ..]) if *byte == quote => return Ok(after),
            (b'"', [b'\\', b'x', high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (b'"', [b'\\', byte, after @ ..]) => {
                word.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    other => *other,
                });
                rest = after;
            }
            (b'\'', [b'\\', b'\'', after @ ..]) => {
                word.push(b'\'');
                rest = after;
            }
            (_, [byte, after @ ..]) => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).map_or(0, |value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let request = [b"SET".to_vec(), every_byte, Vec::new(), b"it's".to_vec(), b"a\"b".to_vec()];
        assert_eq!(split(&join(&request)).expect("closed"), request);
    }

    #[test]
    fn quotes_as_redis_cli() {
        assert_eq!(
            split(r#" a  "b\x41\n" 'c\n' d'e'f"#).expect("closed"),
            [&b"a"[..], b"bA\n", b"c\\n", b"def"]
        );
        assert!(split("\"open").is_err());
    }
}
