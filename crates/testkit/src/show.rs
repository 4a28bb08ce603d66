//! Replies as a reader wants them: one line each.

use perigee_resp::{Value, format_double};

/// A reply in one line: a status as it is, `"a bulk string"`, `42`, `(error) ERR text`, `(nil)`, `["a", "b"]`.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "(nil)".to_owned(),
        Value::NullArray => "(nil list)".to_owned(),
        Value::Simple(text) => text.escape_ascii().to_string(),
        Value::Error(text) => format!("(error) {}", String::from_utf8_lossy(text)),
        Value::Int(value) => value.to_string(),
        Value::Bulk(bytes) => quoted(bytes),
        Value::Double(value) => format!("(double) {}", format_double(*value).escape_ascii()),
        Value::Bool(value) => format!("({value})"),
        Value::BigNumber(digits) => format!("(big) {}", digits.escape_ascii()),
        Value::Verbatim(format, text) => format!("({}) {}", format.escape_ascii(), quoted(text)),
        Value::Array(items) => format!("[{}]", list(items)),
        Value::Set(items) => format!("set [{}]", list(items)),
        Value::Push(items) => format!("push [{}]", list(items)),
        Value::Map(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{} => {}", show(key), show(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn list(items: &[Value]) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_looks_different() {
        let bulk = |text: &str| Value::Bulk(text.into());
        for (value, text) in [
            (Value::Null, "(nil)"),
            (Value::NullArray, "(nil list)"),
            (Value::Simple("OK".into()), "OK"),
            (Value::Error("ERR no".into()), "(error) ERR no"),
            (Value::Int(-3), "-3"),
            (bulk("a \"b\"\r\n"), r#""a \"b\"\r\n""#),
            (Value::Double(1.5), "(double) 1.5"),
            (Value::Bool(true), "(true)"),
            (Value::Verbatim(*b"txt", "x".into()), "(txt) \"x\""),
            (Value::Array(vec![Value::Int(1), Value::Array(vec![])]), "[1, []]"),
            (Value::Map(vec![(bulk("a"), Value::Int(1))]), "{\"a\" => 1}"),
            (Value::Set(vec![bulk("a")]), "set [\"a\"]"),
            (Value::Push(vec![bulk("a")]), "push [\"a\"]"),
        ] {
            assert_eq!(show(&value), text);
        }
    }
}
