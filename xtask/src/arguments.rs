//! The command line of one xtask command: flags may stand anywhere, every one must be understood.

use anyhow::{Context as _, Result, bail};

/// What is left of the command line; each reader takes away what it understood.
pub(crate) struct Arguments {
    rest: Vec<String>,
}

impl Arguments {
    pub(crate) fn from_process() -> Self {
        Self { rest: std::env::args().skip(1).collect() }
    }

    #[cfg(test)]
    pub(crate) fn new(words: &[&str]) -> Self {
        Self { rest: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// The first word, if it is not a flag. Read the flags that take values first.
    pub(crate) fn positional(&mut self) -> Option<String> {
        self.rest.first().filter(|word| !word.starts_with("--"))?;
        Some(self.rest.remove(0))
    }

    /// Whether a flag without a value is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|word| word != name);
        self.rest.len() < before
    }

    /// The value that follows a flag; the last one if it is repeated.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        Ok(self.values(name)?.pop())
    }

    /// All values of a flag that may be repeated.
    pub(crate) fn values(&mut self, name: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        while let Some(at) = self.rest.iter().position(|word| word == name) {
            if at + 1 == self.rest.len() {
                bail!("{name} needs a value");
            }
            found.push(self.rest.remove(at + 1));
            self.rest.remove(at);
        }
        Ok(found)
    }

    /// The number that follows a flag.
    pub(crate) fn number(&mut self, name: &str, default: u64) -> Result<u64> {
        self.value(name)?
            .map_or(Ok(default), |text| text.parse().with_context(|| format!("{name} {text}: not a number")))
    }

    /// Every word that is left; a flag among them is an error.
    pub(crate) fn finish(self) -> Result<Vec<String>> {
        if let Some(flag) = self.rest.iter().find(|word| word.starts_with("--")) {
            bail!("unknown option {flag}");
        }
        Ok(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_anywhere_and_must_be_known() {
        let mut arguments = Arguments::new(&[
            "bench", "--rounds", "3", "scripts", "--quick", "--peer", "a=b", "--peer", "c=d",
        ]);
        assert_eq!(arguments.positional().as_deref(), Some("bench"));
        assert_eq!(arguments.number("--rounds", 1).ok(), Some(3));
        assert!(arguments.flag("--quick"));
        assert_eq!(arguments.values("--peer").ok(), Some(vec!["a=b".to_owned(), "c=d".to_owned()]));
        assert_eq!(arguments.finish().ok(), Some(vec!["scripts".to_owned()]));
        assert!(Arguments::new(&["--other"]).finish().is_err());
        assert!(Arguments::new(&["--seed"]).number("--seed", 1).is_err());
    }
}
