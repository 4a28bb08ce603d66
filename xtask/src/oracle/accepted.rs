//! The differences that are meant: `xtask/oracle/accepted.list`, and `accepted-newer.list` for newer servers.
//!
//! An entry is a paragraph of `field: value` lines. `why` says the reason, `request` is the request as a transcript or the
//! report shows it, `redis` and `subject` are the two answers as the report shows them (default: any answer). In all
//! three `*` stands for any text, and in the request case does not matter. `peer` is the family of newer servers that it is about (`redis`, `valkey`; default: both). What random commands leave behind is a request of the form `state WHAT`. An entry that no transcript
//! meets is an error, so that the list holds nothing that has been mended.

use std::cell::Cell;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use super::peer::Peer;
use crate::glob::glob;
use crate::programs;

/// The list, with how often each entry was met.
#[derive(Default)]
pub(super) struct Accepted {
    name: String,
    entries: Vec<Entry>,
}

#[derive(Default)]
struct Entry {
    line: usize,
    why: String,
    request: String,
    redis: String,
    subject: String,
    peer: Option<String>,
    met: Cell<u64>,
}

impl Accepted {
    /// Reads a list; of the entries that name a peer, those of this one.
    pub(super) fn read(name: &str, peer: Option<Peer>) -> Result<Self> {
        let path = programs::root().join("xtask/oracle").join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut list = Self::parse(&text).with_context(|| name.to_owned())?;
        list.name = name.to_owned();
        list.entries.retain(|entry| {
            entry.peer.as_deref().is_none_or(|of| peer.is_some_and(|peer| peer.name() == of))
        });
        Ok(list)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut inside = false;
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.trim(), index + 1);
            if line.is_empty() || line.starts_with('#') {
                inside = false;
                continue;
            }
            if !std::mem::replace(&mut inside, true) {
                entries.push(Entry {
                    line: number,
                    redis: "*".into(),
                    subject: "*".into(),
                    ..Entry::default()
                });
            }
            let entry = entries.last_mut().context("an entry has begun")?;
            let (field, value) = line.split_once(": ").with_context(|| format!("line {number}: no field"))?;
            let value = value.trim().to_owned();
            match field {
                "why" => entry.why = value,
                "request" => entry.request = value,
                "redis" => entry.redis = value,
                "subject" => entry.subject = value,
                "peer" => entry.peer = Some(value),
                _ => bail!("line {number}: unknown field {field}"),
            }
        }
        for entry in &entries {
            let complete = !entry.why.is_empty() && !entry.request.is_empty();
            ensure!(complete, "line {}: an entry needs why and request", entry.line);
        }
        Ok(Self { name: "accepted.list".into(), entries })
    }

    /// Whether a difference is meant.
    pub(super) fn accepts(&self, request: &str, redis: &str, subject: &str) -> bool {
        let meant = self.entries.iter().find(|entry| {
            glob(&entry.request.to_uppercase(), &request.to_uppercase())
                && glob(&entry.redis, redis)
                && glob(&entry.subject, subject)
        });
        if let Some(entry) = meant {
            entry.met.set(entry.met.get() + 1);
        }
        meant.is_some()
    }

    /// How many differences were accepted.
    pub(super) fn met(&self) -> u64 {
        self.entries.iter().map(|entry| entry.met.get()).sum()
    }

    /// The entries that nothing has met, but for those about data, which only random commands meet.
    pub(super) fn stale(&self) -> Vec<String> {
        let stale = |entry: &&Entry| entry.met.get() == 0 && !entry.request.starts_with("state ");
        let entries = self.entries.iter().filter(stale);
        entries.map(|entry| format!("{} line {}: {}", self.name, entry.line, entry.request)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_met_or_stale() {
        let list = "# head\n\nwhy: newer\nrequest: HELLO*\nredis: *7.0*\n\nwhy: x\nrequest: GONE\n";
        let accepted = Accepted::parse(list).expect("a valid list");
        assert!(accepted.accepts("HELLO 3", "7.0.15", "7.2.4"));
        assert!(!accepted.accepts("HELLO 3", "7.2.4", "7.0.15"));
        assert_eq!(accepted.met(), 1);
        assert_eq!(accepted.stale(), ["accepted.list line 7: GONE"]);
    }

    #[test]
    fn an_entry_without_its_reason_is_refused() {
        assert!(Accepted::parse("request: GET k\n").is_err());
        assert!(Accepted::parse("why: x\nrequests: GET k\n").is_err());
    }
}
