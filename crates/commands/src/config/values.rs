//! Kinds of configuration values: how they are written, kept and shown.

use crate::config::Parameter;
use crate::effects::{ALL_EVENTS, EVENT_LETTERS};

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// An integer.
    Number { min: i64, max: i64 },
    /// Bytes, with the units `k`, `kb`, `m`, `mb`, `g`, `gb`.
    Memory { min: i64, max: i64 },
    /// File permissions.
    Octal,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// Any text, not logged.
    Secret,
    /// Several words.
    List,
    /// Letters of event classes.
    Events,
    /// Pairs of seconds and changes; an empty text for none.
    Save,
    /// `class hard soft seconds`, repeated.
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

pub(crate) fn parse(parameter: &Parameter, words: &[&str]) -> Result<Value, SetError> {
    let refuse = |why: &str| Err(SetError(why.to_owned()));
    if let Kind::List | Kind::Save | Kind::OutputLimits = parameter.kind {
        return parse_several(parameter.kind, words);
    }
    let &[word] = words else { return refuse("wrong number of arguments") };
    match parameter.kind {
        Kind::Bool => match word.to_ascii_lowercase().as_str() {
            "yes" => Ok(Value::Number(1)),
            "no" => Ok(Value::Number(0)),
            _ => refuse("argument must be 'yes' or 'no'"),
        },
        Kind::Number { min, max } => {
            let Some(number) = crate::parse::integer(word.as_bytes()) else {
                return refuse("argument couldn't be parsed into an integer");
            };
            in_bounds(number, min, max)
        }
        Kind::Memory { min, max } => {
            let Some(bytes) = memory(word) else { return refuse("argument must be a memory value") };
            in_bounds(bytes, min, max)
        }
        Kind::Octal => match i64::from_str_radix(word, 8) {
            Ok(mode) if (0..=0o777).contains(&mode) => Ok(Value::Number(mode)),
            _ => refuse("argument couldn't be parsed into an integer"),
        },
        Kind::Choice(choices) => match choices.iter().position(|choice| choice.eq_ignore_ascii_case(word)) {
            Some(at) => Ok(Value::Number(at as i64)),
            None => {
                Err(SetError(format!("argument(s) must be one of the following: {}", choices.join(", "))))
            }
        },
        Kind::Events => match events(word) {
            Some(bits) => Ok(Value::Number(bits)),
            None => refuse("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        },
        _ => Ok(Value::Text(word.to_owned())),
    }
}

fn in_bounds(number: i64, min: i64, max: i64) -> Result<Value, SetError> {
    if (min..=max).contains(&number) {
        Ok(Value::Number(number))
    } else {
        Err(SetError(format!("argument must be between {min} and {max} inclusive")))
    }
}

fn parse_several(kind: Kind, words: &[&str]) -> Result<Value, SetError> {
    let words: Vec<&str> = words.iter().flat_map(|word| word.split_ascii_whitespace()).collect();
    let refuse = |why: &str| Err(SetError(why.to_owned()));
    match kind {
        Kind::Save => {
            let valid = words.len() % 2 == 0
                && words.chunks(2).all(|pair| {
                    let number = |word: &str| crate::parse::integer(word.as_bytes()).unwrap_or(-1);
                    number(pair[0]) >= 1 && number(pair[1]) >= 0
                });
            if !valid {
                return refuse("Invalid save parameters");
            }
            Ok(Value::Text(words.join(" ")))
        }
        Kind::OutputLimits => {
            if words.len() % 4 != 0 {
                return refuse("Wrong number of arguments in buffer limit configuration.");
            }
            let mut shown = Vec::new();
            for group in words.chunks(4) {
                let class = match group[0].to_ascii_lowercase().as_str() {
                    "normal" => "normal",
                    "slave" | "replica" => "slave",
                    "pubsub" => "pubsub",
                    _ => return refuse("Invalid client class specified in buffer limit configuration."),
                };
                let limits = (memory(group[1]), memory(group[2]), crate::parse::integer(group[3].as_bytes()));
                let (Some(hard), Some(soft), Some(seconds @ 0..)) = limits else {
                    return refuse(
                        "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
                    );
                };
                shown.push(format!("{class} {hard} {soft} {seconds}"));
            }
            Ok(Value::Text(shown.join(" ")))
        }
        _ => Ok(Value::Text(words.join(" "))),
    }
}

pub(crate) fn show(parameter: &Parameter, number: i64, text: &str) -> String {
    match parameter.kind {
        Kind::Bool => if number != 0 { "yes" } else { "no" }.to_owned(),
        Kind::Number { .. } | Kind::Memory { .. } => number.to_string(),
        Kind::Octal => format!("{number:o}"),
        Kind::Choice(choices) => choices[number as usize].to_owned(),
        Kind::Events => event_letters(number as u32),
        _ => text.to_owned(),
    }
}

/// Bytes from a number with a unit.
pub(crate) fn memory(word: &str) -> Option<i64> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').len();
    let number: i64 = word[..digits].parse().ok()?;
    let factor: i64 = match word[digits..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
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
        if bits & bit != 0 && !(all && ALL_EVENTS & bit != 0) {
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
        assert_eq!(memory("1tb"), None);
        assert_eq!(memory("x"), None);
    }

    #[test]
    fn event_classes_there_and_back() {
        for letters in ["", "AKE", "g$KE", "xE"] {
            assert_eq!(event_letters(events(letters).unwrap() as u32), letters);
        }
        assert_eq!(events("q"), None);
    }
}
