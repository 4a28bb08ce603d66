//! The work list: each kind of mismatch once, with how to see it again.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::connection::Outcome;

/// The mismatches of a run, grouped.
pub(super) struct Report {
    at_most: usize,
    seen: BTreeMap<String, u64>,
    pub(super) compared: u64,
}

impl Report {
    pub(super) fn new(at_most: usize) -> Self {
        Self { at_most, seen: BTreeMap::new(), compared: 0 }
    }

    /// Whether enough distinct mismatches were collected.
    pub(super) fn full(&self) -> bool {
        self.seen.len() >= self.at_most
    }

    /// Counts a mismatch; `true` if its group is new and it should be printed.
    pub(super) fn is_new(&mut self, group: String) -> bool {
        let count = self.seen.entry(group).or_insert(0);
        *count += 1;
        *count == 1
    }

    /// Prints one mismatch: where, what led to it, both answers.
    pub(super) fn print(&self, place: &str, lines: &[String], reference: &str, subject: &str) {
        println!("MISMATCH {} {place}", self.seen.len());
        for line in lines {
            println!("    {line}");
        }
        println!("  redis:   {reference}\n  subject: {subject}\n");
    }

    /// Prints the summary; an error if anything differed.
    pub(super) fn finish(self) -> Result<()> {
        println!("oracle: {} replies compared, {} distinct mismatches", self.compared, self.seen.len());
        if self.seen.is_empty() {
            return Ok(());
        }
        for (group, count) in &self.seen {
            println!("  {count:>6}  {group}");
        }
        bail!("{} distinct mismatches", self.seen.len())
    }
}

/// The group of a mismatch: the command and the kinds of both answers.
pub(super) fn group(command: &[u8], reference: &Outcome, subject: &Outcome) -> String {
    let command = String::from_utf8_lossy(command).to_uppercase();
    format!("{command}: {} / {}", kind(reference), kind(subject))
}

/// An answer on one line, cut to a readable length.
pub(super) fn show(outcome: &Outcome) -> String {
    let text = match outcome {
        Outcome::Reply(value) => value.to_string(),
        Outcome::Closed => "(closed the connection)".into(),
        Outcome::Silent => "(no reply)".into(),
        Outcome::Garbled(bytes) => format!("(not a reply: {})", bytes.escape_ascii()),
    };
    match text.char_indices().nth(1_500) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reply(value) => value.kind(),
        Outcome::Closed => "closed".into(),
        Outcome::Silent => "silent".into(),
        Outcome::Garbled(_) => "garbled".into(),
    }
}
