//! The command line: `perigee [/path/to/redis.conf] [--option value ...] [-]`.

use std::io::Read;
use std::path::PathBuf;

use crate::config_file::{ConfigError, Directive, Sources, load, split_words};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Serve with this configuration.
    Serve { config_path: Option<PathBuf>, directives: Vec<Directive> },
    /// Print the version and leave with success.
    Version,
    /// Print the usage on standard error and leave with status 1, as redis-server does.
    Help,
    /// Print this on standard error and leave with status 1.
    Refuse(&'static str),
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: &[Vec<u8>], stdin: &mut dyn Read) -> Result<Invocation, ConfigError> {
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Ok(Invocation::Version),
        Some(b"-h" | b"--help") => return Ok(Invocation::Help),
        Some(b"--test-memory") => return Ok(Invocation::Refuse(TEST_MEMORY)),
        Some(b"--check-system") => return Ok(Invocation::Refuse(CHECK_SYSTEM)),
        _ => {}
    }
    if arguments.iter().any(|argument| argument.eq_ignore_ascii_case(b"--sentinel")) {
        return Ok(Invocation::Refuse(SENTINEL));
    }
    let (file, rest) = match arguments.split_first() {
        Some((first, rest)) if first.first().is_none_or(|byte| *byte != b'-') => {
            let path = PathBuf::from(String::from_utf8_lossy(first).into_owned());
            (Some(std::path::absolute(&path).unwrap_or(path)), rest)
        }
        _ => (None, arguments),
    };
    let (options, wants_stdin) = option_lines(rest, file.is_none());
    let stdin = if wants_stdin { Some(stdin) } else { None };
    let directives = load(Sources { file: file.clone(), stdin, options })?;
    Ok(Invocation::Serve { config_path: file, directives })
}

/// The options as the lines of a configuration file, and whether `-` was there: alone first or last.
///
/// A word with `--` names an option if the one before it has a value already; otherwise it is that value. `--save` alone
/// means `--save ""`.
fn option_lines(arguments: &[Vec<u8>], dash_may_lead: bool) -> (Vec<u8>, bool) {
    let mut lines = Vec::new();
    let mut stdin = false;
    let mut complete = true;
    for (index, argument) in arguments.iter().enumerate() {
        let last = index + 1 == arguments.len();
        if argument == b"-" && (last || (index == 0 && dash_may_lead)) {
            stdin = true;
            continue;
        }
        let Some(name) = argument.strip_prefix(b"--").filter(|_| complete) else {
            quote(&mut lines, argument);
            complete = true;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend_from_slice(name);
        lines.push(b' ');
        complete = split_words(argument).is_none_or(|words| words.len() != 1);
        let option_follows = arguments.get(index + 1).is_none_or(|next| next.starts_with(b"--"));
        if !complete && option_follows && argument.eq_ignore_ascii_case(b"--save") {
            lines.extend_from_slice(b"\"\"");
            complete = true;
        }
    }
    (lines, stdin)
}

fn quote(lines: &mut Vec<u8>, value: &[u8]) {
    lines.push(b'"');
    for &byte in value {
        match byte {
            b'\\' | b'"' => lines.extend_from_slice(&[b'\\', byte]),
            b'\n' => lines.extend_from_slice(b"\\n"),
            b'\r' => lines.extend_from_slice(b"\\r"),
            b'\t' => lines.extend_from_slice(b"\\t"),
            7 => lines.extend_from_slice(b"\\a"),
            8 => lines.extend_from_slice(b"\\b"),
            b' '..=b'~' => lines.push(byte),
            _ => lines.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    lines.extend_from_slice(b"\" ");
}

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Usage: perigee [/path/to/redis.conf] [options] [-]
       perigee - (read the configuration from standard input)
       perigee -v or --version
       perigee -h or --help

Examples:
       perigee (listen on 127.0.0.1:6379 with the default configuration)
       echo 'maxmemory 128mb' | perigee -
       perigee /etc/redis/6379.conf
       perigee --port 7777 --save \"\"
       perigee /etc/redis/6379.conf --loglevel verbose -";

const TEST_MEMORY: &str = "perigee has no memory test: --test-memory is refused; use memtester or memtest86+";
const CHECK_SYSTEM: &str = "perigee has no system check: --check-system is refused";
const SENTINEL: &str = "perigee is not a sentinel: --sentinel is refused; run redis-sentinel beside it";

#[cfg(test)]
mod tests {
    use super::*;

    fn served(arguments: &[&str], stdin: &str) -> Vec<String> {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|word| word.as_bytes().to_vec()).collect();
        match parse(&arguments, &mut stdin.as_bytes()) {
            Ok(Invocation::Serve { directives, .. }) => directives
                .iter()
                .map(|directive| {
                    format!(
                        "{}: {} = {:?}",
                        directive.origin.line_no,
                        directive.origin.text,
                        texts(directive)
                    )
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    fn texts(directive: &Directive) -> Vec<String> {
        directive.args.iter().map(|arg| arg.escape_ascii().to_string()).collect()
    }

    #[test]
    fn options_are_lines_after_the_file() {
        assert_eq!(
            served(&["--port", "1", "--save", "3600 1", "60", "--bind", "a", "b"], ""),
            [
                r#"2: port "1" = ["1"]"#,
                r#"3: save "3600 1" "60" = ["3600 1", "60"]"#,
                r#"4: bind "a" "b" = ["a", "b"]"#
            ]
        );
        assert_eq!(
            served(&["-", "--port", "2"], "port 1\n"),
            [r#"1: port 1 = ["1"]"#, r#"3: port "2" = ["2"]"#]
        );
        assert_eq!(
            served(&["--port", "2", "-"], "port 1"),
            [r#"1: port 1 = ["1"]"#, r#"2: port "2" = ["2"]"#]
        );
    }

    #[test]
    fn a_value_may_begin_with_dashes_and_save_may_stand_alone() {
        assert_eq!(served(&["--requirepass", "--x"], ""), [r#"2: requirepass "--x" = ["--x"]"#]);
        assert_eq!(
            served(&["--save", "--port", "1"], ""),
            [r#"2: save "" = [""]"#, r#"3: port "1" = ["1"]"#]
        );
        assert_eq!(served(&["--save"], ""), [r#"2: save "" = [""]"#]);
        assert_eq!(served(&["--save", ""], ""), [r#"2: save "" = [""]"#]);
        assert_eq!(
            served(&["--port 1", "--save '' x"], ""),
            [r#"2: port 1 = ["1"]"#, r#"3: save '' x = ["", "x"]"#]
        );
        assert_eq!(served(&["--port", "7\"9\n\u{1}"], ""), [r#"2: port "7\"9\n\x01" = ["7\\\"9\\n\\x01"]"#]);
        assert_eq!(served(&["-x"], ""), [r#"2: "-x" = []"#]);
    }

    #[test]
    fn what_is_not_a_server_is_said() {
        let parsed = |word: &str| parse(&[word.as_bytes().to_vec()], &mut std::io::empty());
        assert_eq!(parsed("-v"), Ok(Invocation::Version));
        assert_eq!(parsed("--help"), Ok(Invocation::Help));
        assert_eq!(parsed("--sentinel"), Ok(Invocation::Refuse(SENTINEL)));
        assert_eq!(parsed("--test-memory"), Ok(Invocation::Refuse(TEST_MEMORY)));
        assert!(matches!(parsed("/no/such/file"), Err(ConfigError::Unreadable { .. })));
    }
}
