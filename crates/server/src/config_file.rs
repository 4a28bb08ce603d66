//! redis.conf as redis-server 7.0 reads it: lines of words, quoting, `include`.
//!
//! Directives keep their order and repetitions; what they mean, and the units of their values, is decided elsewhere. That
//! place reports a refused directive with [`Origin::refuse`], so that every error names its line.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perigee_commands::system_reason;

/// The version whose messages the parser imitates.
pub(crate) const REFERENCE_VERSION: &str = "7.0.15";

/// One directive of a configuration file or of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// Its name in lower case.
    pub(crate) name: String,
    /// Its values, unquoted.
    pub(crate) args: Vec<Vec<u8>>,
    /// Where it stands.
    pub(crate) origin: Origin,
}

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file, or `None` for standard input and the command line alone.
    pub(crate) file: Option<Arc<Path>>,
    /// The line, from 1. Command-line options count on after the file's lines.
    pub(crate) line_no: usize,
    /// The line as written, without the blanks around it.
    pub(crate) text: String,
}

impl Origin {
    /// The error that refuses the directive, in redis-server's form.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError::Line { origin: self.clone(), reason: reason.into() }
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigError {
    /// A line that is malformed or refused; belongs on standard error.
    Line { origin: Origin, reason: String },
    /// A file that cannot be read; redis-server logs it.
    Unreadable { path: PathBuf, reason: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { origin, reason } => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR (Redis {REFERENCE_VERSION}) ***\n\
                 Reading the configuration file, at line {}\n>>> '{}'\n{reason}",
                origin.line_no, origin.text
            ),
            Self::Unreadable { path, reason } => {
                write!(f, "Fatal error, can't open config file '{}': {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// What the configuration is made of; the parts follow each other as if they were one file.
#[derive(Default)]
pub(crate) struct Sources<'a> {
    /// The file named on the command line.
    pub(crate) file: Option<PathBuf>,
    /// Standard input, if it was asked for.
    pub(crate) stdin: Option<&'a mut dyn Read>,
    /// The command line's options, as lines.
    pub(crate) options: Vec<u8>,
}

/// Reads all sources into directives; `include` is followed where it stands.
pub(crate) fn load(sources: Sources<'_>) -> Result<Vec<Directive>, ConfigError> {
    let mut text = match &sources.file {
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    if let Some(stdin) = sources.stdin {
        let unreadable = |error: std::io::Error| unreadable(Path::new("-"), &error);
        stdin.read_to_end(&mut text).map_err(unreadable)?;
    }
    if !sources.options.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(&sources.options);
    }
    let mut directives = Vec::new();
    parse(&text, sources.file.as_deref(), 0, &mut directives)?;
    Ok(directives)
}

fn parse(
    text: &[u8],
    file: Option<&Path>,
    depth: usize,
    out: &mut Vec<Directive>,
) -> Result<(), ConfigError> {
    let file: Option<Arc<Path>> = file.map(Arc::from);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = trim(line);
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        let origin = Origin { file: file.clone(), line_no: index + 1, text };
        let words =
            split_words(line).ok_or_else(|| origin.refuse("Unbalanced quotes in configuration line"))?;
        let Some((name, args)) = words.split_first() else { continue };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match (name.as_str(), args) {
            ("include", [path]) => include(path, depth, out)?,
            ("include" | "", _) => return Err(origin.refuse(BAD_DIRECTIVE)),
            _ => out.push(Directive { name, args: args.to_vec(), origin }),
        }
    }
    Ok(())
}

fn include(path: &[u8], depth: usize, out: &mut Vec<Directive>) -> Result<(), ConfigError> {
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    if depth == INCLUDE_DEPTH {
        return Err(ConfigError::Unreadable { path, reason: "Too many levels of include".into() });
    }
    for path in expand(path) {
        parse(&read(&path)?, Some(&path), depth + 1, out)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), reason: system_reason(error) }
}

/// The words of a line; `None` if a quote is not closed, or closes in the middle of a word.
///
/// `"..."` knows `\xHH \n \r \t \b \a` and takes any other escaped byte as it is; `'...'` knows only `\'`.
pub(crate) fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = trim(line);
    while !rest.is_empty() {
        let mut word = Vec::new();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' | b'\'' => {
                    rest = quoted(rest, byte, &mut word)?;
                    if rest.first().is_some_and(|next| !is_blank(*next)) {
                        return None;
                    }
                    break;
                }
                byte if is_blank(byte) => break,
                byte => word.push(byte),
            }
        }
        words.push(word);
        rest = trim(rest);
    }
    Some(words)
}

fn quoted<'a>(mut rest: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, after) = match (quote, rest) {
            (_, []) => return None,
            (_, [first, after @ ..]) if *first == quote => return Some(after),
            (b'"', [b'\\', b'x', high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |digit: u8| (digit as char).to_digit(16).map_or(0, |value| value as u8);
                (digit(*high) << 4 | digit(*low), after)
            }
            (b'"', [b'\\', escaped, after @ ..]) => (unescape(*escaped), after),
            (b'\'', [b'\\', b'\'', after @ ..]) => (b'\'', after),
            (_, [first, after @ ..]) => (*first, after),
        };
        word.push(byte);
        rest = after;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line
        && is_blank(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_blank(*last)
    {
        line = rest;
    }
    line
}

/// The files that a path with `*`, `?` or `[...]` stands for, in order; a plain path stands for itself.
fn expand(path: PathBuf) -> Vec<PathBuf> {
    let is_pattern = |part: &str| part.contains(['*', '?', '[']);
    if !is_pattern(&path.to_string_lossy()) {
        return vec![path];
    }
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let part = part.as_os_str().to_string_lossy().into_owned();
        if !is_pattern(&part) {
            found.iter_mut().for_each(|path| path.push(&part));
            continue;
        }
        found = found.iter().flat_map(|folder| matching_entries(folder, &part)).collect();
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

fn matching_entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here).into_iter().flatten().flatten();
    names
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (pattern.starts_with('.') || !name.starts_with('.'))
                && matches(pattern.as_bytes(), name.as_bytes())
        })
        .map(|entry| folder.join(entry.file_name()))
        .collect()
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([b'[', class @ ..], [byte, name @ ..]) => {
            match class.iter().skip(1).position(|byte| *byte == b']') {
                Some(end) => in_class(&class[..=end], *byte) && matches(&class[end + 2..], name),
                None => *byte == b'[' && matches(class, name),
            }
        }
        ([b'\\', byte, rest @ ..] | [byte, rest @ ..], [first, name @ ..]) => {
            byte == first && matches(rest, name)
        }
        _ => false,
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let (negated, mut class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    while let [first, rest @ ..] = class {
        (found, class) = match rest {
            [b'-', last, rest @ ..] => (found || (*first..=*last).contains(&byte), rest),
            _ => (found || *first == byte, rest),
        };
    }
    found != negated
}

/// What redis-server says of a directive it does not know.
pub(crate) const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";
const INCLUDE_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn directives(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let mut text = text.as_bytes();
        let parsed =
            load(Sources { stdin: Some(&mut text), ..Sources::default() }).map_err(|e| e.to_string())?;
        let strings = |args: &[Vec<u8>]| args.iter().map(|arg| arg.escape_ascii().to_string()).collect();
        Ok(parsed.iter().map(|directive| (directive.name.clone(), strings(&directive.args))).collect())
    }

    #[test]
    fn reads_comments_quotes_and_repetitions() {
        let read = directives(
            "# c\n\n  PORT  1  \r\nsave 1 2\nsave \"\"\nrequirepass \"\\x41 \\n\\\"\" 'it\\'s \\n'\n \t# x\n",
        );
        let own =
            |name: &str, args: &[&str]| (name.to_owned(), args.iter().map(|arg| (*arg).to_owned()).collect());
        let expected = vec![
            own("port", &["1"]),
            own("save", &["1", "2"]),
            own("save", &[""]),
            own("requirepass", &["A \\n\\\"", "it\\'s \\\\n"]),
        ];
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_comment_after_values_is_values() {
        assert_eq!(directives("port 1 # x").map(|all| all[0].1.len()), Ok(3));
    }

    #[test]
    fn errors_are_redis_servers_block() {
        let block = |line_no: usize, text: &str, reason: &str| {
            Err(format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line {line_no}\n\
                 >>> '{text}'\n{reason}"
            ))
        };
        let quotes = "Unbalanced quotes in configuration line";
        assert_eq!(directives("port 1\nsave \"abc\n"), block(2, "save \"abc", quotes));
        assert_eq!(directives("\n  bind \"a\"x \n"), block(2, "bind \"a\"x", quotes));
        assert_eq!(directives("\"\""), block(1, "\"\"", BAD_DIRECTIVE));
        assert_eq!(directives("include"), block(1, "include", BAD_DIRECTIVE));
        assert_eq!(directives("include a b"), block(1, "include a b", BAD_DIRECTIVE));
    }

    #[test]
    fn includes_are_followed_where_they_stand() {
        let folder = std::env::temp_dir().join(format!("perigee-include-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
        write("b1.conf", "port 2\n".into());
        write("b0.conf", "port 1\n\"open\n".replace("\"open", "timeout 5"));
        write("loop.conf", format!("include {}", folder.join("loop.conf").display()));
        let included = |pattern: &str| {
            directives(&format!("port 0\ninclude {}\nport 9", folder.join(pattern).display()))
        };
        let values = |all: Vec<(String, Vec<String>)>| {
            all.into_iter().map(|(_, args)| args.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(
            included("b[0-9].c?n*").map(values),
            Ok(["0", "1", "5", "2", "9"].map(str::to_owned).into())
        );
        assert_eq!(included("none*").map(values), Ok(["0", "9"].map(str::to_owned).into()));
        let missing = included("none.conf").expect_err("no such file");
        assert!(missing.ends_with("none.conf': No such file or directory"), "{missing}");
        assert!(included("loop.conf").is_err());
        fs::remove_dir_all(&folder).expect("our own folder");
    }

    #[test]
    fn origins_name_file_line_and_text() {
        let mut text: &[u8] = b"port 1\n";
        let options = b"save \"\"".to_vec();
        let read = load(Sources { file: None, stdin: Some(&mut text), options }).expect("well-formed");
        assert_eq!((read[1].origin.line_no, read[1].origin.text.as_str()), (3, "save \"\""));
    }
}
