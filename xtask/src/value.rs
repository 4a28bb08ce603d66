//! Replies as values, decoded independently of the codec under test.
//!
//! `perigee_resp::Value` will not do: two replies that it holds for equal (`$-1` and `_`, `,3` and `,3.0`) are different bytes,
//! and a mistake that encoder and decoder share would go unseen.

use std::fmt;

use anyhow::{Context as _, Result, bail};

/// One decoded reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Null,
    NullBulk,
    NullArray,
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    Double(Vec<u8>),
    Bool(bool),
    BigNumber(Vec<u8>),
    Verbatim(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
}

impl Value {
    /// The bytes of a string-like value.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Error(bytes) | Self::Bulk(bytes) | Self::Verbatim(bytes) => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// The elements of an array, set or push.
    pub(crate) fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// A number, however it travels.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Double(text) | Self::Bulk(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// What kind of reply it is, with an error's code: enough to group mismatches by.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Null | Self::NullBulk => "nil".into(),
            Self::NullArray => "nil-array".into(),
            Self::Simple(_) => "simple".into(),
            Self::Error(text) => {
                let words: Vec<_> =
                    String::from_utf8_lossy(text).split(' ').take(5).map(str::to_owned).collect();
                format!("-{}", words.join(" "))
            }
            Self::Int(_) => "int".into(),
            Self::Bulk(_) => "bulk".into(),
            Self::Double(_) => "double".into(),
            Self::Bool(_) => "bool".into(),
            Self::BigNumber(_) => "bignum".into(),
            Self::Verbatim(_) => "verbatim".into(),
            Self::Array(_) => "array".into(),
            Self::Map(_) => "map".into(),
            Self::Set(_) => "set".into(),
            Self::Push(_) => "push".into(),
        }
    }
}

/// Decodes the first reply in `bytes` and tells how many bytes it took; `None` if it is not complete.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let (line, after) = (&bytes[..end], end + 2);
    let (kind, rest) = line.split_first().context("an empty line")?;
    let text = || rest.to_vec();
    let value = match kind {
        b'+' => Value::Simple(text()),
        b'-' => Value::Error(text()),
        b':' => Value::Int(number(rest)?),
        b',' => Value::Double(text()),
        b'(' => Value::BigNumber(text()),
        b'_' => Value::Null,
        b'#' => Value::Bool(rest == b"t"),
        b'$' | b'=' if rest == b"-1" => Value::NullBulk,
        b'*' if rest == b"-1" => Value::NullArray,
        b'$' | b'=' => {
            let length: usize = number(rest)?.try_into()?;
            let Some(body) = bytes.get(after..after + length + 2) else { return Ok(None) };
            if !body.ends_with(b"\r\n") {
                bail!("a string without its end");
            }
            let body = body[..length].to_vec();
            let value = if *kind == b'$' { Value::Bulk(body) } else { Value::Verbatim(body) };
            return Ok(Some((value, after + length + 2)));
        }
        b'*' | b'~' | b'>' | b'%' => return decode_aggregate(*kind, number(rest)?.try_into()?, bytes, after),
        _ => bail!("an unknown type {:?}", *kind as char),
    };
    Ok(Some((value, after)))
}

fn decode_aggregate(kind: u8, length: usize, bytes: &[u8], mut at: usize) -> Result<Option<(Value, usize)>> {
    let count = if kind == b'%' { length * 2 } else { length };
    let mut items = Vec::new();
    for _ in 0..count {
        let Some((item, used)) = decode(&bytes[at..])? else { return Ok(None) };
        items.push(item);
        at += used;
    }
    let value = match kind {
        b'*' => Value::Array(items),
        b'~' => Value::Set(items),
        b'>' => Value::Push(items),
        _ => {
            let mut items = items.into_iter();
            Value::Map(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
        }
    };
    Ok(Some((value, at)))
}

fn number(text: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(text)?;
    text.parse().with_context(|| format!("'{text}' is not an integer"))
}

/// Redis-cli's idea of a reply on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: &str, items: &[Value]| {
            f.write_str(open)?;
            for (index, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
            }
            f.write_str("]")
        };
        match self {
            Self::Null => f.write_str("null"),
            Self::NullBulk => f.write_str("nil"),
            Self::NullArray => f.write_str("nil-array"),
            Self::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Self::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Self::Int(value) => write!(f, ":{value}"),
            Self::Bulk(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Self::Bool(value) => write!(f, "#{value}"),
            Self::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Self::Verbatim(text) => write!(f, "={}", text.escape_ascii()),
            Self::Array(items) => list(f, "[", items),
            Self::Set(items) => list(f, "~[", items),
            Self::Push(items) => list(f, ">[", items),
            Self::Map(pairs) => {
                f.write_str("%[")?;
                for (index, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_type_and_waits_for_the_rest() {
        let bytes = b"*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n,1.5\r\n~1\r\n_\r\n";
        let (value, used) = decode(bytes).expect("valid").expect("complete");
        assert_eq!(used, bytes.len());
        assert_eq!(value.to_string(), r#"["a\r\n", %[+k: ,1.5], ~[null]]"#);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).expect("valid so far").is_none(), "cut at {cut}");
        }
        assert!(decode(b"?\r\n").is_err());
    }
}
