//! Which of the reference's commands and options the random requests of a run contain.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::pair::{Pair, Request};
use crate::syntax::Argument;
use crate::value::Value;

/// The commands and subcommands of both servers by their names in upper case, and how often each was sent with which options.
pub(super) struct Coverage(BTreeMap<String, Sent>);

#[derive(Default)]
struct Sent {
    times: u64,
    options_missing: BTreeSet<String>,
}

impl Coverage {
    /// What there is to cover.
    pub(super) fn of_common(pair: &mut Pair) -> Result<Self> {
        let [reference, subject] = [0, 1].map(|which| options(pair, which));
        let (reference, subject) = (reference?, subject?);
        let common = reference.into_iter().filter(|(name, _)| subject.contains_key(name));
        let unsent = |options_missing| Sent { times: 0, options_missing };
        Ok(Self(common.map(|(name, options)| (name, unsent(options))).collect()))
    }

    /// Counts a request.
    pub(super) fn count(&mut self, request: &Request) {
        let words: Vec<String> =
            request.iter().map(|word| String::from_utf8_lossy(word).to_uppercase()).collect();
        let name = match &words[..] {
            [first, second, ..] if self.0.contains_key(&format!("{first} {second}")) => {
                format!("{first} {second}")
            }
            words => words[0].clone(),
        };
        if let Some(sent) = self.0.get_mut(&name) {
            sent.times += 1;
            for word in &words[1..] {
                sent.options_missing.remove(word);
            }
        }
    }

    /// Prints what was never sent.
    pub(super) fn print(&self) {
        let never: Vec<_> =
            self.0.iter().filter(|(_, sent)| sent.times == 0).map(|(name, _)| &**name).collect();
        println!("never sent: {}", never.join(", "));
        let options = self.0.iter().filter(|(_, sent)| sent.times > 0 && !sent.options_missing.is_empty());
        let options: Vec<_> = options
            .map(|(name, sent)| {
                let missing: Vec<_> = sent.options_missing.iter().map(String::as_str).collect();
                format!("{name} {}", missing.join(" "))
            })
            .collect();
        println!("options never sent: {}", options.join(", "));
    }
}

/// The names of a server's commands, of their subcommands where they have some, with their options.
fn options(pair: &mut Pair, which: usize) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let docs = pair.ask(which, &[b"COMMAND", b"DOCS"])?;
    let mut found = BTreeMap::new();
    collect(&docs, &mut found).context("COMMAND DOCS does not answer with a list")?;
    Ok(found)
}

fn collect(docs: &Value, found: &mut BTreeMap<String, BTreeSet<String>>) -> Option<()> {
    for entry in docs.items()?.chunks_exact(2) {
        let name = String::from_utf8_lossy(entry[0].bytes()?).to_uppercase().replace('|', " ");
        let fact = |name: &[u8]| {
            let mut facts = entry[1].items()?.chunks_exact(2);
            facts.find(|fact| fact[0].bytes() == Some(name)).map(|fact| &fact[1])
        };
        match fact(b"subcommands") {
            Some(subcommands) => collect(subcommands, found)?,
            None => {
                let arguments = fact(b"arguments").map(Argument::all_of).unwrap_or_default();
                found.insert(name, arguments.iter().flat_map(Argument::tokens).collect());
            }
        }
    }
    Some(())
}
