//! Requests with large arguments: received in pages that are not copied when more comes, and each argument that a command may
//! store copied while it arrives. Between two pieces the worker serves others.

use std::ops::Range;

use perigee_commands::offer::{Growing, offer, withdraw};
use perigee_commands::{Engine, Flags, Group};
use perigee_resp::RequestParser;

pub(crate) use perigee_commands::offer::LARGE;

/// So much of a request, or of replies, passes before others are served: some hundred microseconds.
pub(crate) const TURN: usize = 256 << 10;

/// A request with a large argument, as far as it has come.
pub(crate) struct Bulk {
    text: Growing,
    /// Where each large argument lies, and its copy.
    copies: Vec<(Range<usize>, Growing)>,
    is_stored: bool,
    /// What has come since others were served.
    turn: usize,
}

impl Bulk {
    /// Goes on with a request, as far as it has come, if the argument that is being received is large.
    pub(crate) fn begin(pending: &mut Vec<u8>, parser: &RequestParser, engine: &Engine) -> Option<Box<Self>> {
        if parser.receiving()?.len() < LARGE {
            return None;
        }
        let command = parser.first(pending).and_then(|name| engine.commands.find(name));
        let is_stored = command
            .is_some_and(|entry| entry.command.group == Group::String && entry.command.has(Flags::WRITE));
        let mut bulk = Box::new(Bulk { text: Growing::new(), copies: Vec::new(), is_stored, turn: 0 });
        bulk.push(&std::mem::take(pending), parser);
        Some(bulk)
    }

    /// The request from its first byte.
    pub(crate) fn text(&self) -> &Growing {
        &self.text
    }

    /// Bytes that it takes.
    pub(crate) fn capacity(&self) -> usize {
        self.text.capacity() + self.copies.iter().map(|(_, copy)| copy.capacity()).sum::<usize>()
    }

    /// More has come.
    pub(crate) fn push(&mut self, bytes: &[u8], parser: &RequestParser) {
        let before = self.text.len();
        self.turn += bytes.len();
        self.text.extend(bytes, parser.bytes_wanted(before));
        self.copy(before, parser);
    }

    /// Copies what has come, from `from` on, of the argument that is being received.
    fn copy(&mut self, from: usize, parser: &RequestParser) {
        let Some(range) = parser.receiving() else { return };
        if !self.is_stored || range.len() < LARGE {
            return;
        }
        if self.copies.last().is_none_or(|(last, _)| *last != range) {
            self.copies.push((range.clone(), Growing::new()));
        }
        let end = self.text.len().min(range.end);
        if let Some((_, copy)) = self.copies.last_mut()
            && range.start.max(from) < end
        {
            copy.extend(&self.text[range.start.max(from)..end], range.len());
        }
    }

    /// Whether it is others' turn.
    pub(crate) fn is_turn_over(&mut self) -> bool {
        let is_over = self.turn >= TURN;
        if is_over {
            self.turn = 0;
        }
        is_over
    }

    /// Runs what has come, for which `run` says how many bytes it took, with the copies on offer.
    pub(crate) fn run<T>(&mut self, run: impl FnOnce(&[u8]) -> (T, usize)) -> (T, usize) {
        let ranges: Vec<_> = self.copies.iter().map(|(range, _)| range.clone()).collect();
        for (range, copy) in self.copies.drain(..) {
            offer(self.text.get(range).unwrap_or_default(), copy);
        }
        let ran = run(&self.text);
        let left = withdraw();
        if ran.1 == 0 {
            // The request is not complete: nobody could take one.
            self.copies = ranges.into_iter().zip(left).collect();
        }
        ran
    }

    /// The request goes on after what was run: a further argument may be large.
    pub(crate) fn go_on(&mut self, parser: &RequestParser) {
        let Some(range) = parser.receiving() else { return };
        if self.copies.last().is_none_or(|(last, _)| *last != range) {
            self.copy(range.start, parser);
        }
    }
}
