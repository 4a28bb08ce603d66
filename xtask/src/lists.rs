//! The lists of what is meant: paragraphs of `field: value` lines, in whose values `*` stands for any text.

use std::fs;

use anyhow::{Context as _, Result};

use crate::programs;

/// An entry of a list.
pub(crate) struct Paragraph {
    /// The line that it begins in.
    pub(crate) line: usize,
    /// Lines with their fields and values.
    pub(crate) fields: Vec<(usize, String, String)>,
}

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> Result<String> {
    let path = programs::root().join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The paragraphs of a list, between empty lines and those that begin with `#`.
pub(crate) fn paragraphs(text: &str) -> Result<Vec<Paragraph>> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            inside = false;
            continue;
        }
        let (field, value) = line.split_once(": ").with_context(|| format!("line {number}: no field"))?;
        let field = (number, field.to_owned(), value.trim().to_owned());
        match paragraphs.last_mut() {
            Some(last) if inside => last.fields.push(field),
            _ => paragraphs.push(Paragraph { line: number, fields: vec![field] }),
        }
        inside = true;
    }
    Ok(paragraphs)
}

/// Whether the text is the pattern's, `*` standing for any text.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    while let Some((piece, rest)) = pattern.split_once('*') {
        let Some(at) = text.find(piece) else { return false };
        (text, pattern) = (&text[at + piece.len()..], rest);
    }
    text.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text) in [("a", "a"), ("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*b*c", "a1b2b3c")] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*", "ba"), ("*c", "cd"), ("ab*ba", "aba"), ("a*b*c", "acb")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn paragraphs_end_at_empty_lines_and_remarks() {
        let lines = |text: &str| {
            let paragraphs = paragraphs(text).expect("a valid list").into_iter();
            let fields = |paragraph: Paragraph| (paragraph.line, paragraph.fields.len());
            paragraphs.map(fields).collect::<Vec<_>>()
        };
        assert_eq!(lines("# head\n\na: b\n c: d: e \n\n\na: b\n# remark\nc: d"), [(3, 2), (7, 1), (9, 1)]);
        assert!(paragraphs("a: b\nnothing").is_err());
    }
}
