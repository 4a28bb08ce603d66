//! The tests that are not for Perigee: `xtask/suite/skipped.list`.
//!
//! An entry is a paragraph of `field: value` lines: `why` says the reason, `unit` the suite's file, each `test` a test's
//! name, each `block` how the text begins that start_server is given, each `fails` a test that is run all the same, for
//! those behind it need what it does first. `mode: default` and `mode: strict` confine an entry to runs without and with
//! `redis-strict yes`, `tag: slow` to those with the tests that take long. In names `*` stands for any text. An entry that a
//! run does not meet is an error, so that the list
//! holds nothing that has been mended. The suites of newer servers have lists of their own beside it; what of the first list they
//! do not meet is none.

use anyhow::{Context as _, Result, bail, ensure};

use super::Mode;
use crate::lists::{self, Paragraph, glob};

/// The list.
pub(super) struct Skipped {
    entries: Vec<Entry>,
}

#[derive(Default)]
struct Entry {
    line: usize,
    /// Whether every run must meet it.
    must_be_met: bool,
    why: String,
    units: Vec<String>,
    mode: Option<Mode>,
    is_slow: bool,
    tests: Vec<String>,
    blocks: Vec<String>,
    fails: Vec<String>,
}

impl Skipped {
    /// Reads the list, for a run with or without slow tests, and that of the suite of a newer server.
    pub(super) fn read(slow: bool, newer: Option<&str>) -> Result<Self> {
        let mut skipped =
            Self::parse(&lists::read("xtask/suite/skipped.list")?, slow).context("skipped.list")?;
        if let Some(path) = newer {
            skipped.entries.iter_mut().for_each(|entry| entry.must_be_met = false);
            skipped.entries.extend(Self::parse(&lists::read(path)?, slow).context(path.to_owned())?.entries);
        }
        Ok(skipped)
    }

    pub(super) fn parse(text: &str, slow: bool) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        for Paragraph { line, fields } in lists::paragraphs(text)? {
            let mut entry = Entry { line, must_be_met: true, ..Entry::default() };
            for (number, field, value) in fields {
                match (&*field, &*value) {
                    ("why", _) => entry.why = value,
                    ("unit", _) => entry.units.push(value),
                    ("test", _) => entry.tests.push(value),
                    ("block", _) => entry.blocks.push(value),
                    ("fails", _) => entry.fails.push(value),
                    ("mode", "default") => entry.mode = Some(Mode::Default),
                    ("mode", "strict") => entry.mode = Some(Mode::Strict),
                    ("tag", "slow") => entry.is_slow = true,
                    _ => bail!("line {number}: unknown field {field}: {value}"),
                }
            }
            entries.push(entry);
        }
        for entry in &entries {
            let named = entry.tests.len() + entry.blocks.len() + entry.fails.len();
            let complete = !entry.why.is_empty() && !entry.units.is_empty() && named > 0;
            ensure!(complete, "line {}: an entry needs why, unit, and test, block or fails", entry.line);
        }
        entries.retain(|entry| slow || !entry.is_slow);
        Ok(Self { entries })
    }

    /// The lines of the suite's skip file: a regular expression each.
    pub(super) fn skip_file(&self, unit: &str, mode: Mode) -> String {
        let tests = self.of(unit, mode).flat_map(|entry| &entry.tests);
        tests.map(|test| format!("/^{}$\n", expression(test))).collect()
    }

    /// The beginnings of blocks, a line each.
    pub(super) fn blocks(&self, unit: &str, mode: Mode) -> String {
        self.of(unit, mode).flat_map(|entry| &entry.blocks).map(|block| format!("{block}\n")).collect()
    }

    /// Whether the test may fail.
    pub(super) fn may_fail(&self, unit: &str, mode: Mode, test: &str) -> bool {
        self.of(unit, mode).flat_map(|entry| &entry.fails).any(|name| glob(name, test))
    }

    /// What was to be skipped, or to fail, but was not there or did not. `skipped`: the names of what was, and of tests that
    /// were to fail and did.
    pub(super) fn stale(&self, unit: &str, mode: Mode, skipped: &[String]) -> Vec<String> {
        let blocks =
            |entry: &Entry| entry.blocks.iter().map(|block| format!("block: {block}")).collect::<Vec<_>>();
        let mut stale = Vec::new();
        for entry in self.of(unit, mode).filter(|entry| entry.must_be_met) {
            for name in entry.tests.iter().chain(&entry.fails).cloned().chain(blocks(entry)) {
                if !skipped.iter().any(|skipped| glob(&name, skipped)) {
                    stale.push(format!("the list's line {}: not there, or not needed: {name}", entry.line));
                }
            }
        }
        stale
    }

    fn of(&self, unit: &str, mode: Mode) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            let is_meant = entry.mode.is_none_or(|only| only.stands_for(mode));
            is_meant && entry.units.iter().any(|name| name == unit)
        })
    }
}

/// The pattern as a regular expression of Tcl's.
fn expression(pattern: &str) -> String {
    let escaped = pattern.chars().map(|letter| match letter {
        '*' => ".*".to_owned(),
        letter if letter.is_ascii_punctuation() => format!("\\{letter}"),
        letter => letter.to_string(),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_for_units_and_modes() {
        let list = "# head\n\nwhy: x\nunit: a\nunit: b\ntest: one (1.5)\nblock: set x\n\n\
                    why: y\nunit: a\nmode: strict\ntest: t*\n\n\
                    why: z\nunit: c\ntag: slow\ntest: x\n";
        let skipped = Skipped::parse(list, false).expect("a valid list");
        assert_eq!(skipped.skip_file("a", Mode::Default), "/^one \\(1\\.5\\)$\n");
        assert_eq!(skipped.skip_file("a", Mode::Strict), "/^one \\(1\\.5\\)$\n/^t.*$\n");
        assert_eq!(skipped.blocks("b", Mode::Default), "set x\n");
        assert_eq!(skipped.blocks("c", Mode::Default), "");
        assert_eq!(skipped.skip_file("c", Mode::Strict), "");
        let slow = Skipped::parse(list, true).expect("a valid list");
        assert_eq!(slow.skip_file("c", Mode::Strict), "/^x$\n");
        let met = ["one (1.5)".to_owned(), "block: set x".to_owned()];
        assert_eq!(skipped.stale("a", Mode::Default, &met), [""; 0]);
        assert_eq!(
            skipped.stale("a", Mode::Strict, &met),
            ["the list's line 9: not there, or not needed: t*"]
        );
    }

    #[test]
    fn a_newer_suite_need_not_meet_the_first_list() {
        let must_be_met = |list: &str| -> Vec<bool> {
            let skipped = Skipped::read(false, Some(list)).expect("valid lists");
            skipped.entries.iter().map(|entry| entry.must_be_met).collect()
        };
        for list in ["xtask/suite/skipped-redis-8.0.list", "xtask/suite/skipped-valkey-9.1.list"] {
            let must = must_be_met(list);
            assert!(!must[0] && *must.last().expect("entries"));
        }
        let default =
            Skipped::parse("why: x\nunit: a\nmode: default\ntest: t\n", false).expect("a valid list");
        assert_eq!(default.skip_file("a", Mode::Newer), "/^t$\n");
    }

    #[test]
    fn an_entry_without_its_reason_is_refused() {
        assert!(Skipped::parse("unit: a\ntest: b\n", true).is_err());
        assert!(Skipped::parse("why: x\nunit: a\n", true).is_err());
        assert!(Skipped::parse("why: x\nunit: a\ntests: b\n", true).is_err());
    }
}
