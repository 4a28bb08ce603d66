//! Those of the server's own transcripts (`crates/server/tests/transcripts`) that are about what a newer server has.
//!
//! They are written for a clock that is moved by hand and begins long ago: moments are moved to the real one's time, and
//! what waits for long is left out with all that follows it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use super::pair::Pair;
use super::peer::Peer;
use super::report::Report;
use super::{transcript, words};
use crate::programs;

/// Plays all that this peer can answer, or the one named. Whether there was one of that name.
pub(super) fn replay_all(pair: &mut Pair, report: &mut Report, only: Option<&str>) -> Result<bool> {
    let folder = programs::root().join("crates/server/tests/transcripts");
    let mut found = false;
    for (name, text) in transcript::texts(&folder, only)? {
        found |= only.is_some();
        if only.is_none()
            && !of(&name).is_some_and(|peers| pair.peer().is_some_and(|peer| peers.contains(&peer)))
        {
            continue;
        }
        let text = translated(&text, now_s())?;
        transcript::play(pair, report, &name, &text)?;
    }
    Ok(found)
}

/// The peers that a transcript is about. The others are about several servers at once, or about Perigee alone.
fn of(name: &str) -> Option<&'static [Peer]> {
    PLAYED.iter().find(|(played, _)| *played == name).map(|(_, peers)| *peers)
}

const PLAYED: &[(&str, &[Peer])] = &[
    ("clients", &[Peer::Valkey]),
    ("geo", &[Peer::Valkey]),
    ("hash_fields", &[Peer::Redis, Peer::Valkey]),
    ("hashes", &[Peer::Redis, Peer::Valkey]),
];

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The transcript as one of the oracle's own.
fn translated(text: &str, now_s: u64) -> Result<String> {
    let mut clients = vec!["main"];
    let mut current = "main";
    let mut lines = vec![standing(text).to_owned(), "@guess".to_owned()];
    let all: Vec<&str> = text.lines().collect();
    for (at, line) in all.iter().enumerate().filter(|(_, line)| line.starts_with(['>', '@'])) {
        let recorded = all[at + 1..].iter().take_while(|line| is_recorded(line));
        let recorded: Vec<&str> = recorded.copied().filter(|line| !is_of_a_face(line)).collect();
        let own = recorded.iter().filter(|line| sender(line, &clients).is_none()).count();
        if let Some(request) = line.strip_prefix("> ") {
            lines.extend((own == 0).then(|| "@noreply".to_owned()));
            lines.push(moved(request, now_s)?);
            lines.extend((1..own).map(|_| "@read".to_owned()));
        } else if let Some(name) = line.strip_prefix("@client ") {
            current = name;
            if !clients.contains(&name) {
                clients.push(name);
            }
            lines.push(connection(&clients, name));
        } else if let Some(ms) = line.strip_prefix("@clock +") {
            let ms: u64 = ms.parse()?;
            if ms > LONGEST_MS {
                break;
            }
            lines.push(format!("@sleep {}", ms + LATE_MS));
            lines.extend((0..own).map(|_| "@read".to_owned()));
        }
        let heard = recorded.iter().filter_map(|line| sender(line, &clients));
        let heard: Vec<&str> = heard.collect();
        for name in &heard {
            lines.extend([connection(&clients, name), "@read".to_owned()]);
        }
        if !heard.is_empty() {
            lines.push(connection(&clients, current));
        }
    }
    Ok(lines.join("\n"))
}

/// Over which protocols it is played.
fn standing(text: &str) -> &'static str {
    let faces = text.lines().find_map(|line| line.strip_prefix("@faces "));
    let has = |wanted| faces.is_none_or(|faces| faces.split(' ').any(|face| face == wanted));
    match (has("resp2"), has("resp3")) {
        (true, true) => "@faces resp2 resp3",
        (false, true) => "@faces resp3",
        _ => "@plain",
    }
}

/// Whether a line says what happens.
fn is_recorded(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '@', '>'])
}

/// Whether it says so of one face, where that differs from the others.
fn is_of_a_face(line: &str) -> bool {
    ["direct| ", "resp2| ", "resp3| ", "script| "].iter().any(|mark| line.starts_with(mark))
}

/// The client that a recorded line is about, if it is not the one that sent the request.
fn sender<'a>(line: &str, clients: &[&'a str]) -> Option<&'a str> {
    clients.iter().copied().find(|name| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")))
}

fn connection(clients: &[&str], name: &str) -> String {
    let number = clients.iter().position(|client| *client == name).unwrap_or_default();
    format!("@conn {}", FIRST + number)
}

/// The request with its moments, in seconds or milliseconds, as far from now as they were from the beginning.
fn moved(request: &str, now_s: u64) -> Result<String> {
    let words = words::split(request)?.into_iter().map(|word| {
        let number = std::str::from_utf8(&word).ok().and_then(|text| text.parse::<u64>().ok());
        match number {
            Some(s) if BEGINNING.contains(&s) => (s - BEGINNING.start + now_s).to_string().into_bytes(),
            Some(ms) if BEGINNING.contains(&(ms / 1_000)) => {
                (ms - BEGINNING.start * 1_000 + now_s * 1_000).to_string().into_bytes()
            }
            _ => word,
        }
    });
    Ok(words::join(&words.collect::<Vec<_>>()))
}

/// Moments of the transcripts' clock, in seconds: it begins at the first of them.
const BEGINNING: std::ops::Range<u64> = 1_000_000_000..1_001_000_000;
const LONGEST_MS: u64 = 10_000;
/// A deadline that is reached by the transcript's clock has passed by the real one.
const LATE_MS: u64 = 20;
const FIRST: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_their_clients_waits_and_moments() {
        let text = "@faces direct resp2\n> BLPOP l 0\n@client other\n> PEXPIREAT k 1000000001500\n1\n@clock +5\n> LPUSH l a\n1\nmain: [\"l\", \"a\"]\n@clock +100000\n> GET k\n(nil)\n";
        let expected = "@plain\n@guess\n@noreply\nBLPOP l 0\n@conn 2\nPEXPIREAT k 2000000001500\n@sleep 25\nLPUSH l a\n@conn 1\n@read\n@conn 2";
        assert_eq!(translated(text, 2_000_000_000).ok().as_deref(), Some(expected));
    }
}
