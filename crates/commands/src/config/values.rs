//! Kinds of configuration values: how they are written, kept and shown.

use super::Parameter;
use crate::effects::{ALL_EVENTS, EVENT_LETTERS, Event};

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "bounds explain themselves")]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// An integer.
    Number { min: i64, max: i64 },
    /// An integer; one that is out of bounds stands for the nearest in bounds.
    Clamped { min: i64, max: i64 },
    /// Bytes, with the units `k`, `kb`, `m`, `mb`, `g`, `gb`.
    Memory { min: i64, max: i64 },
    /// Bytes without a sign, with the same units.
    Size,
    /// Bytes, or `n%` of all memory.
    MemoryOrPercent,
    /// File permissions.
    Octal,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any of these words; the first stands for none.
    Flags(&'static [&'static str]),
    /// Any text.
    Text,
    /// The name of a file (or `what` it is) without the path to it.
    FileName { what: &'static str, may_be_empty: bool },
    /// The process's title, with `{variables}`.
    Title,
    /// Letters, digits, hyphens and dots, fewer than 256.
    Hostname,
    /// Any text, not to be logged.
    Secret,
    /// Addresses to listen on, 16 at most.
    Addresses,
    /// Three numbers from -2000 to 2000.
    OomScores,
    /// A host and a port; an empty text, or `no one`, for none.
    Master,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Letters of event classes.
    Events,
    /// Pairs of seconds and changes; an empty text for none.
    Save,
    /// `class hard soft seconds`, repeated. Classes that are not named stay as they are.
    OutputLimits,
}

/// A parsed value.
#[derive(Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

/// Why words are no value of a kind: Redis's explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError(pub String);

fn refuse(why: impl Into<String>) -> Result<Value, SetError> {
    Err(SetError(why.into()))
}

/// Reads a value from the words of a line or of CONFIG SET's argument. `current` is the text in force.
pub(crate) fn parse(parameter: &Parameter, words: &[&str], current: &str) -> Result<Value, SetError> {
    match parameter.kind {
        Kind::Addresses => return addresses(&split(words)),
        Kind::Master if words == [""] => return Ok(Value::Text(String::new())),
        Kind::Master => return master(&split(words)),
        Kind::Percentiles => return percentiles(&apart(words)),
        Kind::Save => return save(&apart(words)),
        Kind::OutputLimits => return output_limits(&apart(words), current),
        Kind::OomScores => return oom_scores(&apart(words)),
        Kind::Flags(known) => return flags(&apart(words), known),
        _ => {}
    }
    let &[word] = words else { return refuse("wrong number of arguments") };
    match parameter.kind {
        Kind::Bool => match word.to_ascii_lowercase().as_str() {
            "yes" => Ok(Value::Number(1)),
            "no" => Ok(Value::Number(0)),
            _ => refuse("argument must be 'yes' or 'no'"),
        },
        Kind::Number { min, max } => in_bounds(integer(word)?, min, max),
        Kind::Clamped { min, max } => {
            in_bounds(integer(word)?, 0, i32::MAX.into())?;
            Ok(Value::Number(integer(word)?.clamp(min, max)))
        }
        Kind::Memory { min, max } => match memory(word) {
            // The one number that has no sign in Redis.
            Some(bytes) if parameter.name == "maxmemory" => {
                Ok(Value::Number(i64::try_from(bytes).unwrap_or(i64::MAX)))
            }
            Some(bytes) => {
                let value = in_bounds(i64::try_from(bytes).unwrap_or(-1), min, max)?;
                Ok(if parameter.name == "repl-backlog-size" { at_least(value, LEAST_BACKLOG) } else { value })
            }
            None => refuse("argument must be a memory value"),
        },
        Kind::Size => match memory(word) {
            Some(bytes) => Ok(Value::Number(bytes.cast_signed())),
            None => refuse("argument must be a memory value"),
        },
        Kind::MemoryOrPercent => memory_or_percent(word),
        Kind::Hostname => hostname(word),
        Kind::FileName { what, may_be_empty } => file_name(parameter.name, what, may_be_empty, word),
        Kind::Title => title(word),
        Kind::Octal => match i64::from_str_radix(word, 8) {
            Ok(mode @ 0..=0o777) => Ok(Value::Number(mode)),
            Ok(_) => refuse("argument must be between 0 and 777 inclusive"),
            Err(_) => refuse("argument couldn't be parsed as an octal number"),
        },
        Kind::Choice(choices) => match choices.iter().position(|choice| choice.eq_ignore_ascii_case(word)) {
            Some(at) => Ok(Value::Number(at as i64)),
            None => one_of(choices),
        },
        Kind::Events => match events(word) {
            Some(bits) => Ok(Value::Number(bits)),
            None => refuse("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        },
        _ => Ok(Value::Text(word.to_owned())),
    }
}

fn addresses(words: &[&str]) -> Result<Value, SetError> {
    if words.len() > MOST_ADDRESSES {
        return refuse("Too many bind addresses specified.");
    }
    Ok(Value::Text(words.join(" ")))
}

/// Redis listens on no more.
const MOST_ADDRESSES: usize = 16;

fn master(words: &[&str]) -> Result<Value, SetError> {
    match words {
        [no, one] if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") => {
            Ok(Value::Text(String::new()))
        }
        [host, port] if port.parse::<u16>().is_ok() => Ok(Value::Text(format!("{host} {port}"))),
        [_, _] => refuse("Invalid master port"),
        _ => refuse("wrong number of arguments"),
    }
}

fn hostname(word: &str) -> Result<Value, SetError> {
    if word.len() >= 256 {
        return refuse("Hostnames must be less than 256 characters");
    }
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
        return refuse("Hostnames may only contain alphanumeric characters, hyphens or dots");
    }
    Ok(Value::Text(word.to_owned()))
}

fn file_name(name: &str, what: &str, may_be_empty: bool, word: &str) -> Result<Value, SetError> {
    if word.is_empty() && !may_be_empty {
        return refuse(format!("{name} can't be empty"));
    }
    if word.contains(['/', '\\']) {
        return refuse(format!("{name} can't be a path, just a {what}"));
    }
    Ok(Value::Text(word.to_owned()))
}

/// A doubled `{` stands for itself; what is nothing but blanks is no title.
fn title(word: &str) -> Result<Value, SetError> {
    let (mut rest, mut blank) = (word, true);
    while let Some((before, after)) = rest.split_once('{') {
        blank &= before.trim_matches(' ').is_empty();
        rest = if let Some(after) = after.strip_prefix('{') {
            blank = false;
            after
        } else if let Some((variable, after)) = after.split_once('}')
            && let Some((_, may_be_empty)) = TITLE_VARIABLES.iter().find(|(known, _)| *known == variable)
        {
            blank &= may_be_empty;
            after
        } else {
            return refuse(NO_TITLE);
        };
    }
    if blank && rest.trim_matches(' ').is_empty() {
        refuse(NO_TITLE)
    } else {
        Ok(Value::Text(word.to_owned()))
    }
}

/// What a title may name, and whether it may be empty.
const TITLE_VARIABLES: &[(&str, bool)] = &[
    ("title", true),
    ("listen-addr", false),
    ("server-mode", true),
    ("port", false),
    ("tls-port", false),
    ("unixsocket", true),
    ("config-file", false),
];

const NO_TITLE: &str = "template format is invalid or contains unknown variables";

fn oom_scores(words: &[&str]) -> Result<Value, SetError> {
    if words.len() != 3 {
        return refuse("wrong number of arguments");
    }
    match numbers(words) {
        Some(scores) if scores.iter().all(|score| (-2000..=2000).contains(score)) => Ok(joined(&scores)),
        _ => refuse("Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
    }
}

/// Numbers as C reads them: an empty word is 0.
fn numbers(words: &[&str]) -> Option<Vec<i64>> {
    words.iter().map(|word| if word.is_empty() { Some(0) } else { word.parse().ok() }).collect()
}

fn joined(numbers: &[i64]) -> Value {
    Value::Text(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
}

fn percentiles(words: &[&str]) -> Result<Value, SetError> {
    let mut kept = Vec::with_capacity(words.len());
    for word in words {
        let Some(percentile) = perigee_resp::parse_f64(word.as_bytes()) else {
            return refuse("Invalid latency-tracking-info-percentiles parameters");
        };
        if !(0.0..=100.0).contains(&percentile) {
            return refuse("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
        }
        kept.push(percentile.to_string());
    }
    Ok(Value::Text(kept.join(" ")))
}

fn split<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().flat_map(|word| word.split_ascii_whitespace()).collect()
}

/// Words between single blanks; two blanks have an empty word between them.
fn apart<'a>(words: &[&'a str]) -> Vec<&'a str> {
    match words {
        [""] => Vec::new(),
        _ => words.iter().flat_map(|word| word.split(' ')).collect(),
    }
}

fn one_of(choices: &[&str]) -> Result<Value, SetError> {
    refuse(format!("argument(s) must be one of the following: {}", choices.join(", ")))
}

fn integer(word: &str) -> Result<i64, SetError> {
    crate::parse::integer(word.as_bytes())
        .ok_or_else(|| SetError("argument couldn't be parsed into an integer".to_owned()))
}

fn in_bounds(number: i64, min: i64, max: i64) -> Result<Value, SetError> {
    if (min..=max).contains(&number) {
        Ok(Value::Number(number))
    } else {
        refuse(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn at_least(value: Value, least: i64) -> Value {
    match value {
        Value::Number(number) => Value::Number(number.max(least)),
        text => text,
    }
}

/// Redis keeps no smaller one, whatever it is told.
const LEAST_BACKLOG: i64 = 16 << 10;

/// A percentage is kept as its negative.
fn memory_or_percent(word: &str) -> Result<Value, SetError> {
    if let Some(percent) = word.strip_suffix('%').and_then(|digits| crate::parse::integer(digits.as_bytes()))
    {
        return match percent {
            0..=100 => Ok(Value::Number(-percent)),
            101.. => refuse("percentage argument must be less or equal to 100"),
            _ => refuse("argument must be a memory or percent value"),
        };
    }
    match memory(word) {
        Some(bytes) => Ok(Value::Number(i64::try_from(bytes).unwrap_or(i64::MAX))),
        None => refuse("argument must be a memory or percent value"),
    }
}

fn flags(words: &[&str], known: &[&str]) -> Result<Value, SetError> {
    let mut bits = 0;
    for word in words {
        let Some(at) = known.iter().position(|flag| flag.eq_ignore_ascii_case(word)) else {
            return one_of(known);
        };
        bits |= (1 << at) >> 1;
    }
    if words.is_empty() { one_of(known) } else { Ok(Value::Number(bits)) }
}

fn save(words: &[&str]) -> Result<Value, SetError> {
    let valid = |numbers: &[i64]| {
        numbers.len().is_multiple_of(2) && numbers.chunks(2).all(|pair| pair[0] >= 1 && pair[1] >= 0)
    };
    match numbers(words) {
        Some(numbers) if valid(&numbers) => Ok(joined(&numbers)),
        _ => refuse("Invalid save parameters"),
    }
}

fn output_limits(words: &[&str], current: &str) -> Result<Value, SetError> {
    if !words.len().is_multiple_of(4) {
        return refuse("Wrong number of arguments in buffer limit configuration.");
    }
    let current: Vec<&str> = current.split(' ').collect();
    let mut limits: Vec<String> = current.chunks(4).map(|group| group.join(" ")).collect();
    for group in words.chunks(4) {
        let (at, class) = match group[0].to_ascii_lowercase().as_str() {
            "normal" => (0, "normal"),
            "slave" | "replica" => (1, "slave"),
            "pubsub" => (2, "pubsub"),
            _ => return refuse("Invalid client class specified in buffer limit configuration."),
        };
        let parsed = (memory(group[1]), memory(group[2]), crate::parse::integer(group[3].as_bytes()));
        let (Some(hard), Some(soft), Some(seconds @ 0..)) = parsed else {
            return refuse("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        };
        // The default is the one value that nothing precedes; it names all classes.
        limits.resize(limits.len().max(at + 1), String::new());
        limits[at] = format!("{class} {hard} {soft} {seconds}");
    }
    Ok(Value::Text(limits.join(" ")))
}

pub(crate) fn show(parameter: &Parameter, number: i64, text: &str) -> String {
    match parameter.kind {
        Kind::Bool => if number != 0 { "yes" } else { "no" }.to_owned(),
        Kind::Number { .. } | Kind::Clamped { .. } | Kind::Memory { .. } => number.to_string(),
        Kind::Size => number.cast_unsigned().to_string(),
        Kind::MemoryOrPercent if number < 0 => format!("{}%", -number),
        Kind::MemoryOrPercent => number.to_string(),
        Kind::Octal => format!("{number:o}"),
        Kind::Choice(choices) => choices[number as usize].to_owned(),
        Kind::Flags(known) if number == 0 => known[0].to_owned(),
        Kind::Flags(known) => {
            let set = known.iter().enumerate().filter(|(at, _)| number & ((1 << at) >> 1) != 0);
            set.map(|(_, flag)| *flag).collect::<Vec<_>>().join(" ")
        }
        Kind::Events => event_letters(number as u32),
        Kind::Text
        | Kind::FileName { .. }
        | Kind::Title
        | Kind::Hostname
        | Kind::Secret
        | Kind::Addresses
        | Kind::OomScores
        | Kind::Master
        | Kind::Percentiles
        | Kind::Save
        | Kind::OutputLimits => text.to_owned(),
    }
}

/// Bytes from a number with a unit, up to the first NUL. The largest that can be kept stands for more, a missing number for 0.
pub(crate) fn memory(word: &str) -> Option<u64> {
    let word = word.split('\0').next().unwrap_or_default();
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = if digits == 0 { 0 } else { word[..digits].parse().unwrap_or(u64::MAX) };
    let factor: u64 = match word[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    Some(number.saturating_mul(factor))
}

fn events(letters: &str) -> Option<i64> {
    let mut bits = 0;
    for letter in letters.bytes() {
        bits |= match letter {
            b'A' => ALL_EVENTS,
            _ => EVENT_LETTERS.iter().find(|(known, _)| *known == letter)?.1,
        };
    }
    Some(i64::from(bits))
}

fn event_letters(bits: u32) -> String {
    let mut letters = String::new();
    let all = bits & ALL_EVENTS == ALL_EVENTS;
    if all {
        letters.push('A');
    }
    for (letter, bit) in EVENT_LETTERS {
        // Redis shows no `n` beside an `A`.
        if bits & bit != 0 && !(all && (ALL_EVENTS | Event::New as u32) & bit != 0) {
            letters.push(letter as char);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_units() {
        for (word, bytes) in [("1", 1), ("1k", 1000), ("1KB", 1024), ("2mb", 2 << 20), ("1gb", 1 << 30)] {
            assert_eq!(memory(word), Some(bytes), "{word}");
        }
        assert_eq!(memory("12kb\0x"), Some(12 << 10));
        for word in ["", "kb", "\0x"] {
            assert_eq!(memory(word), Some(0), "{word}");
        }
        for word in ["1tb", "x", "-1", "1.5mb", " 1mb"] {
            assert_eq!(memory(word), None, "{word}");
        }
        assert_eq!(memory("99999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn event_classes_there_and_back() {
        for letters in ["", "AKE", "AKEm", "g$KE", "xE", "xnK"] {
            assert_eq!(event_letters(events(letters).unwrap() as u32), letters);
        }
        assert_eq!(events("q"), None);
    }

    #[track_caller]
    fn check(name: &str, words: &[&str], expected: Result<&str, &str>) {
        let parameter = &super::super::PARAMETERS[super::super::find(name).unwrap()];
        let current = "normal 0 0 0 slave 1 2 3 pubsub 4 5 6";
        let shown = parse(parameter, words, current).map(|value| match value {
            Value::Number(number) => show(parameter, number, ""),
            Value::Text(text) => show(parameter, 0, &text),
        });
        let expected = expected.map(str::to_owned).map_err(|why| SetError(why.to_owned()));
        assert_eq!(shown, expected, "{name} {words:?}");
    }

    #[test]
    fn values_as_redis_shows_and_refuses_them() {
        check("hz", &["1000"], Ok("500"));
        check("hz", &["0"], Ok("1"));
        check("hz", &["-1"], Err("argument must be between 0 and 2147483647 inclusive"));
        check("maxclients", &["05"], Err("argument couldn't be parsed into an integer"));
        check("maxclients", &["0"], Err("argument must be between 1 and 4294967295 inclusive"));
        check("maxmemory-clients", &["5%"], Ok("5%"));
        check("maxmemory-clients", &["5mb"], Ok("5242880"));
        check("maxmemory-clients", &["101%"], Err("percentage argument must be less or equal to 100"));
        check("maxmemory-clients", &["-5"], Err("argument must be a memory or percent value"));
        check("shutdown-on-sigint", &["force nosave"], Ok("nosave force"));
        check("shutdown-on-sigint", &["default", "save"], Ok("save"));
        check("shutdown-on-sigint", &["default"], Ok("default"));
        check("appendfsync", &["ALWAYS"], Ok("always"));
        check("save", &["900", "1"], Ok("900 1"));
        check("save", &[""], Ok(""));
        check("save", &["900 1 300"], Err("Invalid save parameters"));
        check("save", &["0 1"], Err("Invalid save parameters"));
        check("unixsocketperm", &["700"], Ok("700"));
        check("dir", &["a", "b"], Err("wrong number of arguments"));
        check("replicaof", &["::1", "6379"], Ok("::1 6379"));
        check("replicaof", &["NO", "one"], Ok(""));
        check("replicaof", &["host", "65536"], Err("Invalid master port"));
        check("replicaof", &["host"], Err("wrong number of arguments"));
        check("replicaof", &[], Err("wrong number of arguments"));
        check("bind", &["a", "b c"], Ok("a b c"));
        check("bind", &["a "].repeat(17), Err("Too many bind addresses specified."));
        check("save", &["007", "+1"], Ok("7 1"));
        check("save", &["5 "], Ok("5 0"));
        check("oom-score-adj-values", &["-1 +2 003"], Ok("-1 2 3"));
        check("oom-score-adj-values", &["1", "2"], Err("wrong number of arguments"));
        for values in ["a 1 2", "0 0 2001"] {
            let why = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
            check("oom-score-adj-values", &[values], Err(why));
        }
    }

    #[test]
    fn names_of_files_and_titles() {
        check("dbfilename", &[""], Ok(""));
        check("dbfilename", &["a/b"], Err("dbfilename can't be a path, just a filename"));
        check("appendfilename", &[""], Err("appendfilename can't be empty"));
        check("appenddirname", &["a\\b"], Err("appenddirname can't be a path, just a dirname"));
        for title in ["{title} {port}", "{{", "}", "a", "\t", "{config-file}"] {
            check("proc-title-template", &[title], Ok(title));
        }
        for none in ["", " ", "{title} ", "{server-mode}{unixsocket}", "{", "{port", "{}", "{Port}"] {
            check("proc-title-template", &[none], Err(NO_TITLE));
        }
    }

    #[test]
    fn output_limits_change_only_the_classes_that_are_named() {
        let name = "client-output-buffer-limit";
        check(name, &["replica", "1mb", "1kb", "60"], Ok("normal 0 0 0 slave 1048576 1024 60 pubsub 4 5 6"));
        check(name, &[""], Ok("normal 0 0 0 slave 1 2 3 pubsub 4 5 6"));
        check(name, &["normal 1 2"], Err("Wrong number of arguments in buffer limit configuration."));
        check(name, &["foo 1 2 3"], Err("Invalid client class specified in buffer limit configuration."));
    }
}
