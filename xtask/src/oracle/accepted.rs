//! The differences that are meant: `xtask/oracle/accepted.list`, and `accepted-newer.list` for newer servers.
//!
//! An entry is a paragraph of `field: value` lines. `why` says the reason, `request` is the request as a transcript or the
//! report shows it, `redis` and `subject` are the two answers as the report shows them (default: any answer). In all
//! three `*` stands for any text, and in the request case does not matter. `peer` is the family of newer servers that it is about (`redis`, `valkey`; default: both). What random commands leave behind is a request of the form `state WHAT`. An entry that no transcript
//! meets is an error, so that the list holds nothing that has been mended.

use std::cell::Cell;

use anyhow::{Context as _, Result, bail, ensure};

use super::peer::Peer;
use crate::lists::{self, Paragraph, glob};

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
        let text = lists::read(&format!("xtask/oracle/{name}"))?;
        let mut list = Self::parse(&text).with_context(|| name.to_owned())?;
        list.name = name.to_owned();
        list.entries.retain(|entry| {
            entry.peer.as_deref().is_none_or(|of| peer.is_some_and(|peer| peer.name() == of))
        });
        Ok(list)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        for Paragraph { line, fields } in lists::paragraphs(text)? {
            let any = || "*".to_owned();
            let mut entry = Entry { line, redis: any(), subject: any(), ..Entry::default() };
            for (number, field, value) in fields {
                match &*field {
                    "why" => entry.why = value,
                    "request" => entry.request = value,
                    "redis" => entry.redis = value,
                    "subject" => entry.subject = value,
                    "peer" => entry.peer = Some(value),
                    _ => bail!("line {number}: unknown field {field}"),
                }
            }
            entries.push(entry);
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
