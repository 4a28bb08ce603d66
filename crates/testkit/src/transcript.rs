//! Transcripts: what clients send and what they are answered, as text.
//!
//! ```text
//! # A comment.
//! @faces direct resp2 resp3      run it through these alone; without it through all
//! @clock +1500                   time passes, in milliseconds
//! @client other                  what follows is sent by that client; at first it is `main`
//! > SET key "a value"            a request, quoted as for redis-cli
//! OK
//! > HGETALL hash                 where a face answers otherwise, that is said
//! ["field", "value"]
//! resp3| {"field" => "value"}
//! > PUBLISH channel text         what other clients receive follows with their names
//! 1
//! other: ["message", "channel", "text"]
//! ```
//!
//! A request without an answer waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use perigee_commands::Engine;
use perigee_commands::scripts::ScriptHost;
use perigee_resp::split_arguments;

use crate::node::{Face, Node, Peer};
use crate::show::show;

/// Makes the script host of a worker, if the test has scripts.
pub type MakeHost = fn(&Arc<Engine>, usize) -> Option<Box<dyn ScriptHost>>;

/// Runs a transcript through its faces and compares what it says with what happens. With `UPDATE=1` in the environment it
/// is rewritten instead.
///
/// # Panics
/// If something else happens than is written, or the file cannot be read or understood.
#[track_caller]
pub fn check(path: &Path, make_host: MakeHost) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let actual = play(&text, make_host);
    if actual == text {
        return;
    }
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, actual).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    panic!("{}", difference(path, &text, &actual));
}

/// The transcript as it really goes.
fn play(text: &str, make_host: MakeHost) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !is_recorded(line)).collect();
    let faces = faces(&lines);
    let played: Vec<Vec<Vec<String>>> =
        faces.iter().map(|&face| play_through(face, &lines, make_host)).collect();
    let mut actual = String::new();
    for (at, line) in lines.iter().enumerate() {
        push(&mut actual, "", line);
        let usual = &played[0][at];
        usual.iter().for_each(|reply| push(&mut actual, "", reply));
        for (face, replies) in faces.iter().zip(&played).skip(1) {
            if replies[at] != *usual {
                let mark = format!("{}| ", face.name());
                replies[at].iter().for_each(|reply| push(&mut actual, &mark, reply));
                if replies[at].is_empty() {
                    push(&mut actual, &mark, "(nothing)");
                }
            }
        }
    }
    actual
}

fn push(text: &mut String, mark: &str, line: &str) {
    text.extend([mark, line, "\n"]);
}

/// Whether a line says what happened, rather than what is to happen.
fn is_recorded(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '@', '>'])
}

fn faces(lines: &[&str]) -> Vec<Face> {
    let Some(names) = lines.iter().find_map(|line| line.strip_prefix("@faces ")) else {
        return Face::ALL.to_vec();
    };
    let find = |name| Face::ALL.into_iter().find(|face| face.name() == name);
    names.split(' ').map(|name| find(name).unwrap_or_else(|| panic!("no face is called {name}"))).collect()
}

/// What happens after each line.
fn play_through(face: Face, lines: &[&str], make_host: MakeHost) -> Vec<Vec<String>> {
    let node = Node::new(&[], |engine| make_host(engine, 0));
    let mut peers: BTreeMap<&str, Peer<'_>> = BTreeMap::new();
    let mut current = "main";
    let mut happened = Vec::new();
    for line in lines {
        let peer = peers.entry(current).or_insert_with(|| node.peer(face));
        if let Some(request) = line.strip_prefix('>') {
            let words = split_arguments(request.as_bytes());
            peer.send(words.unwrap_or_else(|| panic!("unbalanced quotes: {line}")));
        } else if let Some(name) = line.strip_prefix("@client ") {
            current = name;
        } else if let Some(ms) = line.strip_prefix("@clock +") {
            node.clock().advance_ms(ms.parse().unwrap_or_else(|_| panic!("not milliseconds: {line}")));
        } else if line.starts_with('@') && !line.starts_with("@faces ") {
            panic!("unknown directive: {line}");
        }
        node.settle(peers.values_mut());
        happened.push(received(&mut peers, current));
    }
    happened
}

fn received(peers: &mut BTreeMap<&str, Peer<'_>>, current: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, peer) in &*peers {
        let mark = if *name == current { String::new() } else { format!("{name}: ") };
        lines.extend(peer.receive().iter().map(|value| format!("{mark}{}", show(value))));
        if peer.is_closed() {
            lines.push(format!("{mark}(closed)"));
        }
    }
    peers.retain(|_, peer| !peer.is_closed());
    // The answer comes first, then what it brought about.
    lines.sort_by_key(|line| peers.keys().any(|name| line.starts_with(&format!("{name}: "))));
    lines
}

fn difference(path: &Path, expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let differs = |at: &usize| expected.get(*at) != actual.get(*at);
    let at = (0..expected.len().max(actual.len())).find(differs).unwrap_or(0);
    let context = expected[at.saturating_sub(4)..at.min(expected.len())].join("\n");
    let (written, happened) =
        (expected.get(at).unwrap_or(&"(the end)"), actual.get(at).unwrap_or(&"(the end)"));
    format!(
        "{}:{}: not as written. UPDATE=1 rewrites it.\n{context}\n- {written}\n+ {happened}",
        path.display(),
        at + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_follow_requests_and_say_where_faces_differ() {
        let text = "# one\n@faces direct resp2 resp3\n> HSET h f v\nwrong\n\n> HGETALL h\n";
        let played = "# one\n@faces direct resp2 resp3\n> HSET h f v\n1\n\n> HGETALL h\n[\"f\", \"v\"]\nresp3| {\"f\" => \"v\"}\n";
        assert_eq!(play(text, |_, _| None), played);
        assert_eq!(play(played, |_, _| None), played);
    }

    #[test]
    fn waiting_and_time() {
        let text = "@faces direct\n> BLPOP l 2\n@client other\n> SET k v PX 1500\n@clock +1000\n> TTL k\n@clock +1000\n> GET k\n";
        let played = "@faces direct\n> BLPOP l 2\n@client other\n> SET k v PX 1500\nOK\n@clock +1000\n> TTL k\n1\n@clock +1000\nmain: (nil list)\n> GET k\n(nil)\n";
        assert_eq!(play(text, |_, _| None), played);
    }

    #[test]
    fn a_difference_names_its_line() {
        let told = difference(Path::new("t.txt"), "> GET k\n\"a\"\n", "> GET k\n\"b\"\n");
        assert_eq!(told, "t.txt:2: not as written. UPDATE=1 rewrites it.\n> GET k\n- \"a\"\n+ \"b\"");
    }
}
