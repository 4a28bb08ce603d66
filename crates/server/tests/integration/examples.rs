//! The examples in docs/scripting.md and README.md, as a shell with redis-cli would run them.
//!
//! Understood are `redis-cli WORDS`, `redis-cli -x WORDS < FILE`, `redis-cli --eval FILE KEYS , ARGS` and `cat > FILE <<'LUA'`. Passed over
//! are those that run two clients at a time, or cargo.

use std::collections::HashMap;
use std::iter::Peekable;
use std::path::Path;

use perigee_resp::Value;
use perigee_scripting::LuaHost;
use perigee_testkit::{Face, Node, Peer};

#[test]
fn every_example_in_the_documentation_of_scripts_is_true() {
    let examples = check("docs/scripting.md");
    assert!(examples > 30, "{examples} examples were found");
}

#[test]
fn the_first_five_minutes_are_as_the_readme_says() {
    let examples = check("README.md");
    assert!(examples >= 9, "{examples} examples were found");
}

/// Runs a page's examples, and returns how many there are.
fn check(page: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let node = Node::new(&[], |engine| LuaHost::boxed(engine, 0));
    let mut shell = Shell { node: &node, peer: node.peer(Face::Direct), files: HashMap::new() };
    let mut examples = 0;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((_, line)) = lines.next() {
        if line != "```console" || lines.clone().take_while(|(_, line)| *line != "```").any(is_for_people) {
            continue;
        }
        while let Some((at, command)) = lines.next_if(|(_, line)| *line != "```") {
            let command = command.strip_prefix("$ ").unwrap_or_else(|| panic!("line {}: no command", at + 1));
            let shown = shell.run(command, &mut lines);
            let output = |(_, line): &(usize, &str)| !line.starts_with("$ ") && *line != "```";
            let expected: Vec<&str> =
                std::iter::from_fn(|| lines.next_if(output)).map(|(_, line)| line).collect();
            assert_eq!(shown, expected.join("\n"), "{page} line {}: {command}", at + 1);
            examples += 1;
        }
    }
    examples
}

fn is_for_people((_, line): (usize, &str)) -> bool {
    line.ends_with('&') || line.starts_with("$ cargo")
}

struct Shell<'n> {
    node: &'n Node,
    peer: Peer<'n>,
    files: HashMap<String, String>,
}

impl Shell<'_> {
    /// What a command shows. The lines of a file follow it.
    fn run<'t>(
        &mut self,
        command: &str,
        lines: &mut Peekable<impl Iterator<Item = (usize, &'t str)>>,
    ) -> String {
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["cat", ">", file, "<<LUA"] => {
                let content = lines.map(|(_, line)| line).take_while(|line| *line != "LUA");
                let content = content.map(|line| format!("{line}\n")).collect();
                self.files.insert(file.to_owned(), content);
                String::new()
            }
            ["redis-cli", "-x", ref request @ .., "<", file] => {
                self.ask(request.iter().copied().chain([&*self.files[file].clone()]))
            }
            ["redis-cli", "--eval", file, ref rest @ ..] => {
                let keys = rest.iter().position(|word| *word == ",").unwrap_or(rest.len());
                let (text, count) = (self.files[file].clone(), keys.to_string());
                let arguments = rest.iter().copied().filter(|word| *word != ",");
                self.ask(["eval", &text, &count].into_iter().chain(arguments))
            }
            ["redis-cli", ref request @ ..] => self.ask(request.iter().copied()),
            _ => panic!("not understood: {command}"),
        }
    }

    fn ask<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> String {
        self.peer.send(words.map(|word| word.as_bytes().to_vec()).collect());
        self.node.settle([&mut self.peer]);
        match &self.peer.receive()[..] {
            [value] => show(value, ""),
            values => panic!("one reply, not {values:?}"),
        }
    }
}

/// A shell's words: single and double quotes, backslashes, `$'` with `\n`.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, quote) {
            (' ', None) => words.extend(word.take()),
            ('$', None) if rest.next_if_eq(&'\'').is_some() => {
                quote = Some('$');
                word.get_or_insert_default();
            }
            ('\'', Some('$')) => quote = None,
            ('\\', Some('$')) if rest.next_if_eq(&'n').is_some() => word.get_or_insert_default().push('\n'),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, Some(open)) if character == open && open != '$' => quote = None,
            ('\\', Some('"')) => {
                let escaped = rest.next_if(|next| "\"\\$`".contains(*next));
                word.get_or_insert_default().push(escaped.unwrap_or('\\'));
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// A reply as redis-cli shows it on a terminal. The lines after the first are indented by `indent`.
fn show(value: &Value, indent: &str) -> String {
    match value {
        Value::Null | Value::NullArray => "(nil)".to_owned(),
        Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Error(text) => format!("(error) {}", String::from_utf8_lossy(text)),
        Value::Int(value) => format!("(integer) {value}"),
        Value::Bulk(bytes) => format!("\"{}\"", quoted(bytes)),
        Value::Array(items) if items.is_empty() => "(empty array)".to_owned(),
        Value::Array(items) => {
            let width = items.len().to_string().len();
            let deeper = format!("{indent}{}", " ".repeat(width + 2));
            let lines = items.iter().enumerate().map(|(at, item)| {
                let before = if at == 0 { "" } else { indent };
                format!("{before}{:>width$}) {}", at + 1, show(item, &deeper))
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        other => panic!("not a reply of RESP2: {other:?}"),
    }
}

fn quoted(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|&byte| match byte {
        b'\'' => "'".to_owned(),
        _ => byte.escape_ascii().to_string(),
    });
    escaped.collect()
}
