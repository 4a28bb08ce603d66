//! A library: its text, and what came of loading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use perigee_resp::split_arguments;

use crate::error::Error;
use crate::scripts::{Script, ScriptFlags, Scripts};

/// A library's text with its name.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Letters, digits and underscores.
    pub name: Box<str>,
    /// The text, with its first line.
    pub code: Box<[u8]>,
    body_at: usize,
}

/// Libraries' texts by name: what a library that is being loaded may `require`.
pub type Sources = BTreeMap<Box<str>, Arc<Source>>;

impl Source {
    /// Reads the first line: `#!lua name=NAME`.
    ///
    /// # Errors
    /// Redis's texts.
    pub fn parse(code: &[u8]) -> Result<Self, Error> {
        if !code.starts_with(b"#!") {
            return Err(Error::Text("ERR Missing library metadata"));
        }
        const INVALID: Error = Error::Text("ERR Invalid library metadata");
        let body_at = memchr::memchr2(b'\n', 0, code).filter(|&end| code[end] == b'\n').ok_or(INVALID)?;
        let words = split_arguments(&code[..body_at]).filter(|words| !words.is_empty()).ok_or(INVALID)?;
        let mut name = None;
        for word in &words[1..] {
            let option = word.split_at_checked(5).filter(|(key, _)| key.eq_ignore_ascii_case(b"name="));
            let (_, given) =
                option.ok_or_else(|| Error::quoting("ERR Invalid metadata value given: ", word, ""))?;
            if name.replace(given).is_some() {
                return Err(Error::Text(
                    "ERR Invalid metadata value, name argument was given multiple times",
                ));
            }
        }
        let name = verified_name(name.ok_or(Error::Text("ERR Library name was not given"))?)?;
        let engine = &words[0][2..];
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(Error::quoting("ERR Engine '", engine, "' not found"));
        }
        Ok(Source { name: name.into(), code: code.into(), body_at })
    }

    /// The Lua text, from the end of the first line on, so that line numbers stay right.
    pub fn body(&self) -> &[u8] {
        &self.code[self.body_at..]
    }
}

/// The name of a library or function, if it may be one.
///
/// # Errors
/// Redis's text, which speaks of libraries in either case.
pub(crate) fn verified_name(name: &[u8]) -> Result<&str, Error> {
    let is_word = name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    std::str::from_utf8(name).ok().filter(|name| is_word && !name.is_empty()).ok_or(Error::Text(
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
    ))
}

/// A function as a library's text has registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name as it was given.
    pub name: Box<[u8]>,
    /// For people.
    pub description: Option<Box<[u8]>>,
    /// What it declares of itself, by name.
    pub flags: Vec<Box<[u8]>>,
}

/// A function that can be called.
#[derive(Clone)]
pub struct Function {
    /// What is known of it when it runs: name, flags, footprint.
    pub script: Arc<Script>,
    /// For people.
    pub description: Option<Box<[u8]>>,
}

/// A library that was loaded.
pub struct Library {
    /// Unique in the life of the server: the key of what VMs keep of it.
    pub id: u64,
    /// Its text.
    pub source: Arc<Source>,
    /// In the order in which they were registered.
    pub functions: Vec<Function>,
    /// The libraries that it required, directly or not, as they were then.
    pub requires: Arc<Sources>,
}

impl Library {
    /// What came of loading a text, not in force yet. The numbers of the library and its functions come from `scripts`.
    ///
    /// # Errors
    /// An unknown flag of a function.
    pub(crate) fn new(
        scripts: &Scripts,
        source: Arc<Source>,
        functions: Vec<Registered>,
        requires: Sources,
    ) -> Result<Self, Error> {
        let function = |registered: Registered| {
            let name = String::from_utf8_lossy(&registered.name);
            let script = Script::function(scripts.next_id(), &name, registered.script_flags()?);
            Ok(Function { script: Arc::new(script), description: registered.description })
        };
        let functions = functions.into_iter().map(function).collect::<Result<_, Error>>()?;
        Ok(Library { id: scripts.next_id(), source, functions, requires: Arc::new(requires) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.source.name
    }
}

impl Registered {
    /// Its flags.
    ///
    /// # Errors
    /// Redis's text for a flag that is unknown.
    pub fn script_flags(&self) -> Result<ScriptFlags, Error> {
        let mut flags = ScriptFlags { declared: true, ..ScriptFlags::default() };
        for name in &self.flags {
            let lower = name.to_ascii_lowercase();
            let flag = std::str::from_utf8(&lower).ok().and_then(|name| flags.by_name(name));
            *flag.ok_or(Error::Text("ERR Error registering functions: ERR unknown flag given"))? = true;
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(code: &[u8], text: &str) {
        let error = Source::parse(code).expect_err("a refusal");
        assert_eq!(String::from_utf8_lossy(&error.text()), text);
    }

    #[test]
    fn the_first_line_names_the_library() {
        let source = Source::parse(b"#!LUA  \"NAME=a_1\"\nreturn 1").unwrap();
        assert_eq!((&*source.name, source.body()), ("a_1", &b"\nreturn 1"[..]));
    }

    #[test]
    fn refusals_are_those_of_redis() {
        refused(b"return 1", "ERR Missing library metadata");
        refused(b"#!lua name=a", "ERR Invalid library metadata");
        refused(b"#!lua name=a\0\n", "ERR Invalid library metadata");
        refused(b"#!lua 'name=a\n", "ERR Invalid library metadata");
        refused(b"#!lua\n", "ERR Library name was not given");
        refused(b"#! lua name=a\n", "ERR Invalid metadata value given: lua");
        refused(b"#!lua name=a flags=b\n", "ERR Invalid metadata value given: flags=b");
        refused(
            b"#!lua name=a name=b\n",
            "ERR Invalid metadata value, name argument was given multiple times",
        );
        refused(b"#!js name=a\n", "ERR Engine 'js' not found");
        for name in ["", "a-b", "\u{e9}", "a.b"] {
            let text = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
            refused(format!("#!js name={name}\n").as_bytes(), text);
        }
    }
}
