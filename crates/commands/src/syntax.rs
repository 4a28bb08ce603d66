//! The grammar of a command's arguments, written in one line beside its handler.
//!
//! ```text
//! key value [condition<NX|XX>^2.6.12] [GET^6.2.0] [expiration<EX seconds:int^2.6.12|KEEPTTL^6.0.0>]
//! ```
//!
//! | | |
//! |---|---|
//! | `value` `offset:int` | a string; another type: `int`, `double`, `pattern`, `time`, `key` |
//! | `destination@0` | a key of the first key specification; `key` alone is `key@0` |
//! | `GET` `change=CH` `operator='~'` | a word that stands for itself, and its name where it is another |
//! | `EX seconds:int` | an argument after its word |
//! | `name(a b)` `name<a\|b>` | a block of arguments; one of several |
//! | `[a]` | may be left out |
//! | `a...` `WORD a+` | may be repeated; repeated with its word |
//! | `a^6.2.0` `a!7.0.0` | there since; deprecated since |
//!
//! The types and names are those of COMMAND DOCS.

use std::borrow::Cow;

/// One argument, or several that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    /// The word before it; of a pure token, the word itself.
    pub(crate) token: Option<&'static str>,
    /// The number of the key specification that finds it.
    pub(crate) key_spec: Option<i64>,
    pub(crate) since: Option<&'static str>,
    pub(crate) deprecated_since: Option<&'static str>,
    pub(crate) optional: bool,
    pub(crate) multiple: bool,
    /// Repeated with its token.
    pub(crate) multiple_token: bool,
    /// Of a block or a choice.
    pub(crate) parts: Vec<Argument>,
}

/// An argument's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl Kind {
    /// As COMMAND DOCS says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// By its name in a grammar.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Kind::String,
            "int" => Kind::Integer,
            "double" => Kind::Double,
            "key" => Kind::Key,
            "pattern" => Kind::Pattern,
            "time" => Kind::UnixTime,
            _ => return None,
        })
    }
}

/// The arguments that a grammar describes; `None` if it is malformed.
pub(crate) fn parse(text: &'static str) -> Option<Vec<Argument>> {
    let mut reader = Reader { rest: text };
    let arguments = reader.sequence()?;
    reader.rest.is_empty().then_some(arguments)
}

struct Reader {
    rest: &'static str,
}

impl Reader {
    /// Arguments up to a closing bracket or the end.
    fn sequence(&mut self) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with([')', '>', ']', '|']) {
                return Some(arguments);
            }
            arguments.push(self.argument()?);
        }
    }

    fn argument(&mut self) -> Option<Argument> {
        if self.take("[") {
            let mut argument = self.argument()?;
            argument.optional = true;
            return self.take("]").then_some(argument);
        }
        let mut argument = self.named()?;
        argument.multiple_token = self.take("+");
        argument.multiple = argument.multiple_token || self.take("...");
        if self.take("^") {
            argument.since = Some(self.version());
        }
        if self.take("!") {
            argument.deprecated_since = Some(self.version());
        }
        Some(argument)
    }

    /// A token, an argument with or without one, a block or a choice; what may follow it stays.
    fn named(&mut self) -> Option<Argument> {
        let mut word = self.word()?;
        let mut token = None;
        if is_token(word) {
            let follows =
                self.rest.strip_prefix(' ').filter(|rest| rest.starts_with(|c: char| c.is_lowercase()));
            let Some(rest) = follows else {
                return Some(Argument {
                    token: Some(word),
                    ..argument(word.to_lowercase(), Kind::PureToken)
                });
            };
            self.rest = rest;
            token = Some(word);
            word = self.word()?;
        }
        let named = if self.take("=") {
            Argument { token: Some(self.token()?), ..argument(word, Kind::PureToken) }
        } else if self.take("(") {
            let parts = self.sequence()?;
            self.take(")").then_some(Argument { parts, ..argument(word, Kind::Block) })?
        } else if self.take("<") {
            let mut parts = vec![self.argument()?];
            while self.take("|") {
                parts.push(self.argument()?);
            }
            self.take(">").then_some(Argument { parts, ..argument(word, Kind::OneOf) })?
        } else {
            self.typed(word)?
        };
        Some(Argument { token: named.token.or(token), ..named })
    }

    /// An argument whose name and perhaps type are this word.
    fn typed(&mut self, word: &'static str) -> Option<Argument> {
        let typed = word.rsplit_once(':').and_then(|(name, kind)| Some((name, Kind::named(kind)?)));
        let key_spec = match self.take("@") {
            true => Some(self.number()?),
            false => None,
        };
        let (name, kind) = match (typed, key_spec) {
            (Some(typed), _) => typed,
            (None, None) if word != "key" => (word, Kind::String),
            (None, _) => (word, Kind::Key),
        };
        let key_spec = key_spec.or((word == "key").then_some(0));
        Some(Argument { key_spec, ..argument(name, kind) })
    }

    fn take(&mut self, mark: &str) -> bool {
        self.rest.strip_prefix(mark).map(|rest| self.rest = rest).is_some()
    }

    fn word(&mut self) -> Option<&'static str> {
        let end =
            self.rest.find([' ', '<', '>', '(', ')', '[', ']', '|', '=', '^', '!', '@', '+', '.', '\'']);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The word that stands for itself, in quotes where it is made of signs.
    fn token(&mut self) -> Option<&'static str> {
        if !self.take("'") {
            return self.word();
        }
        let (token, rest) = self.rest.split_once('\'')?;
        self.rest = rest;
        Some(token)
    }

    fn number(&mut self) -> Option<i64> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().ok()
    }

    fn version(&mut self) -> &'static str {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (version, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        version
    }
}

fn is_token(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase()) && !word.contains(|c: char| c.is_lowercase())
}

fn argument(name: impl Into<Cow<'static, str>>, kind: Kind) -> Argument {
    Argument {
        name: name.into(),
        kind,
        token: None,
        key_spec: None,
        since: None,
        deprecated_since: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        parts: Vec::new(),
    }
}

#[cfg(test)]
impl Argument {
    /// How few words it takes, and whether it may take more.
    pub(crate) fn words(&self) -> (usize, bool) {
        let (least, more) = match self.kind {
            Kind::PureToken => (0, false),
            Kind::Block => words(&self.parts),
            Kind::OneOf => {
                let counts: Vec<_> = self.parts.iter().map(Argument::words).collect();
                let least = counts.iter().map(|count| count.0).min().unwrap_or(0);
                (least, counts.iter().any(|&count| count != (least, false)))
            }
            _ => (1, false),
        };
        let least = least + usize::from(self.token.is_some());
        if self.optional { (0, true) } else { (least, more || self.multiple) }
    }
}

/// The same of several.
#[cfg(test)]
pub(crate) fn words(arguments: &[Argument]) -> (usize, bool) {
    let add = |(least, more), argument: &Argument| {
        let (its_least, its_more) = argument.words();
        (least + its_least, more || its_more)
    };
    arguments.iter().fold((0, false), add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &'static str) -> Argument {
        let mut arguments = parse(text).unwrap_or_else(|| panic!("{text} is malformed"));
        assert_eq!(arguments.len(), 1, "{text}");
        arguments.remove(0)
    }

    #[test]
    fn an_argument_has_a_type_a_word_and_a_number_of_times() {
        assert_eq!(one("value"), argument("value", Kind::String));
        assert_eq!(
            one("ip:port!2.8.12"),
            Argument { deprecated_since: Some("2.8.12"), ..argument("ip:port", Kind::String) }
        );
        assert_eq!(one("key"), Argument { key_spec: Some(0), ..argument("key", Kind::Key) });
        assert_eq!(one("key:string"), argument("key", Kind::String));
        assert_eq!(
            one("[GET pattern:pattern@1+^2.0.0]"),
            Argument {
                token: Some("GET"),
                key_spec: Some(1),
                optional: true,
                multiple: true,
                multiple_token: true,
                since: Some("2.0.0"),
                ..argument("pattern", Kind::Pattern)
            }
        );
        let source = one("source@1...");
        assert_eq!((source.kind, source.key_spec, source.multiple), (Kind::Key, Some(1), true));
    }

    #[test]
    fn a_word_alone_stands_for_itself() {
        let pure =
            |name: &'static str, token| Argument { token: Some(token), ..argument(name, Kind::PureToken) };
        assert_eq!(one("NX"), pure("nx", "NX"));
        assert_eq!(one("change=CH"), pure("change", "CH"));
        assert_eq!(one("id='*'"), pure("id", "*"));
        assert_eq!(parse("NO ONE"), Some(vec![pure("no", "NO"), pure("one", "ONE")]));
    }

    #[test]
    fn blocks_and_choices_hold_arguments() {
        let limit = one("[LIMIT offset_count(offset:int count:int)]");
        assert_eq!((limit.kind, limit.token, limit.parts.len()), (Kind::Block, Some("LIMIT"), 2));
        let choice = one("by<circle(BYRADIUS radius:double)|[ANY]>");
        assert_eq!(
            (choice.kind, choice.parts[0].kind, choice.parts[1].optional),
            (Kind::OneOf, Kind::Block, true)
        );
        assert_eq!(words(&[choice]), (0, true));
        assert_eq!(words(&[one("where<LEFT|RIGHT>"), one("EX seconds:int")]), (3, false));
    }

    #[test]
    fn malformed_grammars_are_refused() {
        for text in ["[key", "a<b|c", "a(b", "key]", "a b)", "|", "a@x", "a='b"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
