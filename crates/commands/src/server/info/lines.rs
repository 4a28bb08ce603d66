//! The form of INFO's answer.

use std::fmt::{Display, Write};

/// Lines `name:value` under section titles.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Begins a section.
    pub(super) fn section(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        self.push(format_args!("# {title}\r\n"));
    }

    /// Adds a line.
    pub(super) fn add(&mut self, name: impl Display, value: impl Display) {
        self.push(format_args!("{name}:{value}\r\n"));
    }

    /// Adds an amount of memory, also as people read it.
    pub(super) fn add_memory(&mut self, name: &str, bytes: usize) {
        self.add(name, bytes);
        self.add(format_args!("{name}_human"), human(bytes));
    }

    /// Adds lines for what this server does not do: tools look for them all the same.
    pub(super) fn add_none(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.add(name, 0));
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    fn push(&mut self, line: std::fmt::Arguments<'_>) {
        self.0.write_fmt(line).expect("a String takes everything");
    }
}

/// An amount of memory with a unit.
pub(super) fn human(bytes: usize) -> String {
    let value = bytes as f64;
    for (unit, bits) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] {
        if bytes >> bits > 0 {
            return format!("{:.2}{unit}", value / (1u64 << bits) as f64);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_for_people() {
        for (bytes, text) in
            [(0, "0B"), (1023, "1023B"), (1536, "1.50K"), (941_040, "918.98K"), (25_276_514_304, "23.54G")]
        {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn sections_are_apart() {
        let mut lines = Lines::default();
        lines.section("A");
        lines.add("x", 1);
        lines.section("B");
        assert_eq!(lines.text(), "# A\r\nx:1\r\n\r\n# B\r\n");
    }
}
