//! The arguments of a command as COMMAND DOCS tells them: for readers, and as a shape for random requests.

use std::fmt;

use crate::value::Value;

/// One argument.
pub(crate) struct Argument {
    name: String,
    kind: String,
    token: Option<String>,
    optional: bool,
    multiple: bool,
    multiple_token: bool,
    parts: Vec<Argument>,
}

impl Argument {
    /// The `arguments` of a map that COMMAND DOCS answers over RESP2.
    pub(crate) fn all_of(arguments: &Value) -> Vec<Self> {
        let arguments = arguments.items().unwrap_or_default().iter();
        arguments.filter_map(|argument| Self::of(argument.items()?)).collect()
    }

    fn of(pairs: &[Value]) -> Option<Self> {
        let fact = |name: &str| {
            pairs.chunks_exact(2).find(|pair| pair[0].bytes() == Some(name.as_bytes())).map(|pair| &pair[1])
        };
        let text = |value: &Value| value.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let flags = fact("flags").and_then(Value::items).unwrap_or_default();
        let has = |flag: &str| flags.iter().any(|known| known.bytes() == Some(flag.as_bytes()));
        Some(Self {
            name: text(fact("name")?)?,
            kind: text(fact("type")?)?,
            token: fact("token").and_then(text),
            optional: has("optional"),
            multiple: has("multiple"),
            multiple_token: has("multiple_token"),
            parts: fact("arguments").map(Self::all_of).unwrap_or_default(),
        })
    }

    /// The words that it is written with, in upper case.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let own = self.token.iter().filter(|token| !token.is_empty()).map(|token| token.to_uppercase());
        own.chain(self.parts.iter().flat_map(Argument::tokens)).collect()
    }

    /// What is written once, without its token.
    fn content(&self) -> String {
        let parts = || self.parts.iter().map(Argument::to_string).collect::<Vec<_>>();
        match self.kind.as_str() {
            "pure-token" => String::new(),
            "block" => parts().join(" "),
            "oneof" => parts().join(" | "),
            _ => self.name.clone(),
        }
    }

    /// As a shape for random requests, see `oracle/grammar.rs`.
    pub(crate) fn shape(&self) -> String {
        let parts = || self.parts.iter().map(Argument::shape).collect::<Vec<_>>();
        let content = match self.kind.as_str() {
            "pure-token" => String::new(),
            "block" => parts().join(" "),
            "oneof" => format!("< {} >", parts().join(" | ")),
            _ => self.category().to_owned(),
        };
        let token = self.token.as_deref().unwrap_or_default();
        let token = if token.is_empty() { String::new() } else { format!("{token} ") };
        let once = match self.multiple {
            true if self.multiple_token => format!("< {token}{content} >+"),
            true => format!("{token}< {content} >+"),
            false => format!("{token}{content}"),
        };
        if self.optional { format!("[ {} ]", once.trim()) } else { once.trim().to_owned() }
    }

    /// The pool that its words come from.
    fn category(&self) -> &str {
        match (self.kind.as_str(), self.name.as_str()) {
            ("key", _) => "key",
            ("pattern", _) => "pattern",
            ("double", "timeout") => "timeout",
            ("double", _) => "num",
            ("integer", "cursor") => "cursor",
            ("integer", "seconds") => "ttl",
            ("integer", "milliseconds") => "pttl",
            ("integer", "count" | "limit") => "cnt",
            ("integer", _) => "int",
            ("unix-time", "unix-time-seconds") => "at",
            ("unix-time", _) => "pat",
            (_, "field") => "field",
            (_, "member") => "member",
            (_, "value" | "element") => "val",
            (_, "channel" | "shardchannel") => "channel",
            _ => "any",
        }
    }
}

/// As redis.io writes it: `key value [NX | XX] [GET key [GET key ...]]`.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (token, content) = (self.token.as_deref(), self.content());
        // A choice that is not in brackets yet gets its own.
        let content = match self.kind.as_str() {
            "oneof" if !self.optional || token.is_some() || self.multiple => format!("<{content}>"),
            _ => content,
        };
        let with_token = |content: &str| match token {
            Some("") => "\"\"".to_owned(),
            Some(token) if content.is_empty() => token.to_owned(),
            Some(token) => format!("{token} {content}"),
            None => content.to_owned(),
        };
        let once = match self.multiple {
            true if self.multiple_token => format!("{0} [{0} ...]", with_token(&content)),
            true => with_token(&format!("{content} [{content} ...]")),
            false => with_token(&content),
        };
        if self.optional { write!(f, "[{once}]") } else { f.write_str(&once) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    fn argument(name: &str, kind: &str, flags: &[&str], more: &[(&str, Value)]) -> Value {
        let flags = Value::Array(flags.iter().map(|flag| bulk(flag)).collect());
        let facts = [("name", bulk(name)), ("type", bulk(kind)), ("flags", flags)];
        let facts = facts.iter().chain(more).flat_map(|(name, value)| [bulk(name), value.clone()]);
        Value::Array(facts.collect())
    }

    #[test]
    fn arguments_read_as_on_redis_io_and_have_shapes() {
        let token = |name: &str| argument(name, "pure-token", &[], &[("token", bulk(&name.to_uppercase()))]);
        let arguments = Value::Array(vec![
            argument("key", "key", &[], &[]),
            argument("field", "string", &["multiple"], &[]),
            argument(
                "condition",
                "oneof",
                &["optional"],
                &[("arguments", Value::Array(vec![token("nx"), token("xx")]))],
            ),
            argument(
                "get",
                "pattern",
                &["optional", "multiple", "multiple_token"],
                &[("token", bulk("GET"))],
            ),
        ]);
        let arguments = Argument::all_of(&arguments);
        let shown: Vec<_> = arguments.iter().map(Argument::to_string).collect();
        assert_eq!(shown.join(" "), "key field [field ...] [NX | XX] [GET get [GET get ...]]");
        let shapes: Vec<_> = arguments.iter().map(Argument::shape).collect();
        assert_eq!(shapes.join(" "), "key < field >+ [ < NX | XX > ] [ < GET pattern >+ ]");
    }
}
