//! Why a rule of a user is refused, and how several words make one rule.

use crate::error::Error;

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleError {
    Syntax,
    Unknown,
    FirstArgOfSubcommand,
    KeysAfterAll,
    ChannelsAfterAll,
    NoSuchPassword,
    BadHash,
    DatabaseOutOfRange,
}

impl RuleError {
    pub(super) const fn text(self) -> &'static str {
        match self {
            RuleError::Syntax => "Syntax error",
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
            RuleError::KeysAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::DatabaseOutOfRange => "The provided database ID is out of range",
        }
    }

    /// SETUSER's refusal.
    pub(super) fn of_setuser(self, rule: &[u8]) -> Error {
        Error::quoting("ERR Error in ACL SETUSER modifier '", rule, &format!("': {}", self.text()))
    }
}

/// Puts the words of a selector, from `(` to `)`, together.
///
/// # Errors
/// The word whose parenthesis is not closed.
pub(super) fn merge<'a>(words: &[&'a [u8]]) -> Result<Vec<Vec<u8>>, &'a [u8]> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<&[u8]> = None;
    for &word in words {
        match rules.last_mut().filter(|_| open.is_some()) {
            Some(selector) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
            }
            None => {
                open = word.starts_with(b"(").then_some(word);
                rules.push(word.to_vec());
            }
        }
        if word.ends_with(b")") {
            open = None;
        }
    }
    match open {
        Some(word) => Err(word),
        None => Ok(rules),
    }
}

/// Whether a name or pattern has what separates words in a file.
pub(super) fn has_blanks(word: &[u8]) -> bool {
    word.iter().any(|&byte| byte == 0 || byte.is_ascii_whitespace() || byte == 0x0b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, expected: Result<&[&str], &str>) {
        let words: Vec<&[u8]> = words.split('_').map(str::as_bytes).collect();
        let expected = expected.map(|rules| rules.iter().map(|rule| rule.as_bytes().to_vec()).collect());
        assert_eq!(merge(&words), expected.map_err(str::as_bytes));
    }

    #[test]
    fn selectors_are_one_rule() {
        check("on_+get", Ok(&["on", "+get"]));
        check("(+get_~x)_on", Ok(&["(+get ~x)", "on"]));
        check("(_+get_)_(~x)", Ok(&["( +get )", "(~x)"]));
        check("+get)", Ok(&["+get)"]));
        check("on_(+get_~x", Err("(+get"));
        check("(~x_(y)_)", Ok(&["(~x (y)", ")"]));
    }
}
