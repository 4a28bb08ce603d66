//! The work list: each kind of mismatch once, with how to see it again.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Result, bail};

use super::accepted::Accepted;
use crate::connection::Outcome;

/// The mismatches of a run, grouped.
pub(super) struct Report {
    at_most: usize,
    seen: BTreeMap<String, u64>,
    accepted: Rc<Accepted>,
    pub(super) compared: u64,
}

impl Report {
    pub(super) fn new(at_most: usize, accepted: Accepted) -> Self {
        Self { at_most, seen: BTreeMap::new(), accepted: Rc::new(accepted), compared: 0 }
    }

    /// A report for playing something again: it accepts the same, and nobody reads it.
    pub(super) fn aside(&self) -> Self {
        Self { at_most: 1, seen: BTreeMap::new(), accepted: self.accepted.clone(), compared: 0 }
    }

    /// Whether a difference is meant. The request is on one line.
    pub(super) fn accepts(&self, request: &str, reference: &Outcome, subject: &Outcome) -> bool {
        self.accepted.accepts(request, &show_all(reference), &show_all(subject))
    }

    /// As [`Report::accepts`], for data that differs.
    pub(super) fn accepts_state(&self, what: &str) -> bool {
        self.accepted.accepts(&format!("state {what}"), "", "")
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

    /// Prints the summary; an error if anything differed that is not accepted, or if, after all transcripts were played, nothing differed
    /// where it should have.
    pub(super) fn finish(self, all_played: bool) -> Result<()> {
        let (distinct, met) = (self.seen.len(), self.accepted.met());
        println!(
            "oracle: {} replies compared, {distinct} distinct mismatches, {met} accepted",
            self.compared
        );
        for (group, count) in &self.seen {
            println!("  {count:>6}  {group}");
        }
        let stale = if all_played && !self.full() { self.accepted.stale() } else { Vec::new() };
        for entry in &stale {
            println!("nothing differs any more: {entry}");
        }
        if distinct > 0 || !stale.is_empty() {
            bail!("{distinct} distinct mismatches, {} stale entries of accepted.list", stale.len());
        }
        Ok(())
    }
}

/// The group of a mismatch: the command and the kinds of both answers.
pub(super) fn group(command: &[u8], reference: &Outcome, subject: &Outcome) -> String {
    let command = String::from_utf8_lossy(command).to_uppercase();
    format!("{command}: {} / {}", kind(reference), kind(subject))
}

/// An answer on one line, cut to a readable length.
pub(super) fn show(outcome: &Outcome) -> String {
    let text = show_all(outcome);
    match text.char_indices().nth(1_500) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

fn show_all(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reply(value) => value.to_string(),
        Outcome::Closed => "(closed the connection)".into(),
        Outcome::Silent => "(no reply)".into(),
        Outcome::Garbled(bytes) => format!("(not a reply: {})", bytes.escape_ascii()),
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
