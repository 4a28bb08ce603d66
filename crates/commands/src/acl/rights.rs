//! What a user may do: its state, its passwords, its selectors.

use super::password::PasswordHash;
use super::rule::RuleError;
use super::selector::Selector;
use crate::parse::Word;
use crate::table::CommandTable;

/// A user but for its name.
#[derive(Clone)]
pub(crate) struct Rights {
    pub(super) on: bool,
    /// Any password will do.
    pub(super) nopass: bool,
    /// What was said of payloads to be restored.
    pub(super) payloads: Payloads,
    pub(super) passwords: Vec<PasswordHash>,
    pub(super) root: Selector,
    pub(super) selectors: Vec<Selector>,
    /// It may do everything, once it is authenticated.
    pub(super) unrestricted: bool,
}

/// Whether payloads that the user restores are to be looked through first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    Unsaid,
    Sanitized,
    Trusted,
}

/// What a user depends on beside its rules.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) table: &'a CommandTable,
    /// `acl-pubsub-default` is `allchannels`.
    pub(super) all_channels: bool,
}

impl Rights {
    /// Those of a new user: none, and it is off.
    pub(super) fn new(around: Surroundings<'_>) -> Self {
        Rights {
            on: false,
            nopass: false,
            payloads: Payloads::Unsaid,
            passwords: Vec::new(),
            root: Selector::new(around.all_channels),
            selectors: Vec::new(),
            unrestricted: false,
        }
    }

    /// Those of the default user of a new server.
    pub(super) fn everything(table: &CommandTable) -> Self {
        let mut rights = Rights::new(Surroundings { table, all_channels: true });
        (rights.on, rights.nopass) = (true, true);
        for rule in [&b"~*"[..], b"&*", b"+@all"] {
            let applied = rights.root.apply(table, rule);
            debug_assert!(applied.is_ok());
        }
        rights.unrestricted = true;
        rights
    }

    /// Changes them by rules, all or none.
    ///
    /// # Errors
    /// The rule that is wrong, and why.
    pub(super) fn changed<'a, R: AsRef<[u8]>>(
        &self,
        around: Surroundings<'_>,
        rules: &'a [R],
    ) -> Result<Self, (&'a [u8], RuleError)> {
        let mut rights = self.clone();
        for rule in rules {
            rights.apply(around, rule.as_ref()).map_err(|why| (rule.as_ref(), why))?;
        }
        rights.settle(around.table);
        Ok(rights)
    }

    /// To be called after rules were applied.
    pub(super) fn settle(&mut self, table: &CommandTable) {
        let everything = self.each_selector().any(|selector| selector.allows_everything(table));
        self.unrestricted = everything;
    }

    /// Changes them by one rule.
    pub(super) fn apply(&mut self, around: Surroundings<'_>, rule: &[u8]) -> Result<(), RuleError> {
        let word = Word(rule);
        match rule {
            [] => {}
            _ if word.is("on") => self.on = true,
            _ if word.is("off") => self.on = false,
            _ if word.is("skip-sanitize-payload") => self.payloads = Payloads::Trusted,
            _ if word.is("sanitize-payload") => self.payloads = Payloads::Sanitized,
            _ if word.is("nopass") => {
                self.nopass = true;
                self.passwords.clear();
            }
            _ if word.is("resetpass") => {
                self.nopass = false;
                self.passwords.clear();
            }
            _ if word.is("clearselectors") => self.selectors.clear(),
            _ if word.is("reset") => {
                *self = Rights { payloads: Payloads::Sanitized, ..Rights::new(around) };
            }
            [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
            [b'#', digits @ ..] => {
                self.add_password(PasswordHash::parse(digits).ok_or(RuleError::BadHash)?);
            }
            [b'<', password @ ..] => self.remove_password(PasswordHash::of(password))?,
            [b'!', digits @ ..] => {
                self.remove_password(PasswordHash::parse(digits).ok_or(RuleError::BadHash)?)?;
            }
            [b'(', rules @ .., b')'] => {
                self.selectors.push(Selector::parse(around.table, rules, around.all_channels)?);
            }
            _ => self.root.apply(around.table, rule)?,
        }
        Ok(())
    }

    fn add_password(&mut self, hash: PasswordHash) {
        self.nopass = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Leaves one password, or, if it is empty, the need for any.
    pub(super) fn require_password(&mut self, password: &[u8]) {
        self.nopass = password.is_empty();
        self.passwords.clear();
        if !password.is_empty() {
            self.add_password(PasswordHash::of(password));
        }
    }

    /// Whether the user is on and the password one of its own.
    pub(super) fn admits(&self, password: &[u8]) -> bool {
        let hash = PasswordHash::of(password);
        let known = self.passwords.iter().fold(false, |known, own| known | own.is(&hash));
        self.on && (self.nopass || known)
    }

    /// Whether it is on and no password is needed.
    pub(crate) fn is_open(&self) -> bool {
        self.on && self.nopass
    }

    /// Whether any password will do, should it be on.
    pub(crate) fn needs_no_password(&self) -> bool {
        self.nopass
    }

    /// All selectors, that of the rules outside parentheses first.
    pub(super) fn each_selector(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// The flags, as GETUSER lists them.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        if self.nopass {
            flags.push("nopass");
        }
        match self.payloads {
            Payloads::Unsaid => {}
            Payloads::Sanitized => flags.push("sanitize-payload"),
            Payloads::Trusted => flags.push("skip-sanitize-payload"),
        }
        flags
    }

    /// The user as a line of a configuration file.
    pub(crate) fn line(&self, name: &[u8]) -> Vec<u8> {
        let mut words = vec![b"user".to_vec(), name.to_vec()];
        words.extend(self.flags().iter().map(|flag| flag.as_bytes().to_vec()));
        words.extend(self.passwords.iter().map(|hash| [b"#", hash.digits()].concat()));
        words.push(self.root.show());
        words.extend(self.selectors.iter().map(|selector| [b"(", &*selector.show(), b")"].concat()));
        words.join(&b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &[&str], expected: &str) {
        let table = CommandTable::new();
        let around = Surroundings { table: &table, all_channels: false };
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        let line = match Rights::new(around).changed(around, &rules) {
            Ok(rights) => String::from_utf8(rights.line(b"u")).unwrap(),
            Err((_, why)) => why.text().to_owned(),
        };
        assert_eq!(line, expected);
    }

    #[test]
    fn lines() {
        check(&[], "user u off resetchannels -@all");
        check(&["on", "nopass", "allkeys"], "user u on nopass ~* resetchannels -@all");
        check(&["reset"], "user u off sanitize-payload resetchannels -@all");
        check(
            &["skip-sanitize-payload", "(~x +get)", "( &c )"],
            "user u off skip-sanitize-payload resetchannels -@all (~x resetchannels -@all +get) (resetchannels &c -@all)",
        );
        check(&["<x"], RuleError::NoSuchPassword.text());
        check(&["(on)"], RuleError::Syntax.text());
    }

    #[test]
    fn passwords_count_only_while_the_user_is_on() {
        let table = CommandTable::new();
        let around = Surroundings { table: &table, all_channels: false };
        let rights = Rights::new(around).changed(around, &[b">a", b">b"]).unwrap();
        assert!(!rights.admits(b"a"));
        let rights = rights.changed(around, &[b"on"]).unwrap();
        assert!(rights.admits(b"a") && rights.admits(b"b") && !rights.admits(b"c") && !rights.admits(b""));
        let rights = rights.changed(around, &[b"nopass"]).unwrap();
        assert!(rights.admits(b"c"));
    }
}
