//! Lua 5.1's patterns, matched in steps: a match that backtracks for ever can be left at any step and taken up later.
//!
//! The matcher is a machine with an explicit stack of the places that it may come back to, in place of recursion. Each
//! item of a pattern puts at most one frame on it, so the stack is never deeper than the pattern is long. Semantics and
//! messages are those of Lua 5.1's `lstrlib.c`; so a pattern ends at its first NUL, and a malformed item is only complained of
//! when it is reached.

use super::class;

/// Captures of one pattern.
pub(crate) const MAX_CAPTURES: usize = 32;

/// A position capture.
const POSITION: usize = usize::MAX;
/// A capture that has begun and not ended.
const OPEN: usize = usize::MAX - 1;
/// Bytes that are looked through at one go.
const STRIDE: usize = 4096;

/// What is wrong with a pattern or a reference to its captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Counts work, and says now and then that it is time to stop.
pub(crate) trait Pace {
    /// Some work was done. True: leave the rest for later.
    fn spend(&mut self, work: u32) -> bool;
}

/// How far the matcher has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// A match from here to there.
    Found(usize, usize),
    /// There is none.
    Missing,
    /// To be called again.
    Unfinished,
}

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Captured {
    /// A part of the subject.
    Text(usize, usize),
    /// A position, counted from 1.
    Position(usize),
}

#[derive(Clone, Copy, Debug, Default)]
struct Capture {
    start: usize,
    length: usize,
}

/// A place to come back to when what follows does not match.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// `*` or `+`: `count` bytes from `start` match the item at `item`, and may be given back one by one.
    Longest { start: usize, count: usize, item: usize, end: usize },
    /// `-`: one byte more may be taken at `at`.
    Shortest { at: usize, item: usize, end: usize },
    /// `?`: without the item.
    Without { at: usize, next: usize },
    /// A capture has begun.
    Begun,
    /// This capture has ended.
    Ended(usize),
}

#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    /// Look for the next place where a match may begin.
    #[default]
    Start,
    /// Match the pattern's next item.
    Forward,
    /// Go back to the newest frame.
    Back,
    /// Lengthen the newest frame.
    Lengthen,
    /// `%b`: look for the closing byte.
    Balance { open: u8, close: u8, depth: usize },
}

/// The machine. Reused: it keeps its stack's memory.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    frames: Vec<Frame>,
    captures: Vec<Capture>,
    level: usize,
    mode: Mode,
    /// Where the present attempt begins.
    start: usize,
    /// Where it has come to, in the subject and in the pattern.
    at: usize,
    item: usize,
}

impl Matcher {
    /// Begins to look for a match at `start` or later.
    pub(crate) fn begin(&mut self, start: usize) {
        self.start = start;
        self.mode = Mode::Start;
    }

    /// Looks for the first match; with `anchored` only at the beginning. The pattern is without its `^`.
    pub(crate) fn search(
        &mut self,
        subject: &[u8],
        pattern: &[u8],
        anchored: bool,
        pace: &mut impl Pace,
    ) -> Result<Search, Malformed> {
        loop {
            if matches!(self.mode, Mode::Start) {
                if !anchored && let Some(first) = leading_literal(pattern) {
                    let end = subject.len().min(self.start + STRIDE * 16);
                    match memchr::memchr(first, &subject[self.start..end]) {
                        Some(offset) => self.start += offset,
                        None if end == subject.len() => return Ok(Search::Missing),
                        None => {
                            self.start = end;
                            if pace.spend(STRIDE as u32 / 4) {
                                return Ok(Search::Unfinished);
                            }
                            continue;
                        }
                    }
                }
                self.frames.clear();
                self.level = 0;
                (self.at, self.item) = (self.start, 0);
                self.mode = Mode::Forward;
            }
            match self.attempt(subject, pattern, pace)? {
                Search::Missing if anchored || self.start == subject.len() => return Ok(Search::Missing),
                Search::Missing => {
                    self.start += 1;
                    self.mode = Mode::Start;
                }
                other => return Ok(other),
            }
        }
    }

    /// Tries to match where the attempt begins.
    fn attempt(&mut self, subject: &[u8], pattern: &[u8], pace: &mut impl Pace) -> Result<Search, Malformed> {
        let (mut at, mut item, mut mode) = (self.at, self.item, self.mode);
        loop {
            if pace.spend(1) {
                (self.at, self.item, self.mode) = (at, item, mode);
                return Ok(Search::Unfinished);
            }
            match mode {
                Mode::Forward => {}
                Mode::Back => {
                    let Some(frame) = self.frames.last_mut() else { return Ok(Search::Missing) };
                    match frame {
                        Frame::Longest { count: 0, .. } => {
                            self.frames.pop();
                        }
                        Frame::Longest { start, count, end, .. } => {
                            *count -= 1;
                            (at, item, mode) = (*start + *count, *end + 1, Mode::Forward);
                        }
                        Frame::Shortest { at: taken, item: single, end } => {
                            if *taken < subject.len()
                                && matches_single(subject[*taken], pattern, *single, *end)
                            {
                                *taken += 1;
                                (at, item, mode) = (*taken, *end + 1, Mode::Forward);
                            } else {
                                self.frames.pop();
                            }
                        }
                        Frame::Without { at: before, next } => {
                            (at, item, mode) = (*before, *next, Mode::Forward);
                            self.frames.pop();
                        }
                        Frame::Begun => {
                            self.level -= 1;
                            self.frames.pop();
                        }
                        Frame::Ended(capture) => {
                            self.captures[*capture].length = OPEN;
                            self.frames.pop();
                        }
                    }
                    continue;
                }
                Mode::Lengthen => {
                    let Some(Frame::Longest { start, count, item: single, end }) = self.frames.last_mut()
                    else {
                        unreachable!("only the newest frame is lengthened")
                    };
                    let from = *start + *count;
                    let stride = &subject[from..subject.len().min(from + STRIDE)];
                    let more = span(stride, pattern, *single, *end);
                    *count += more;
                    if more < STRIDE {
                        (at, item, mode) = (from + more, *end + 1, Mode::Forward);
                    } else if pace.spend(STRIDE as u32 / 4) {
                        (self.at, self.item, self.mode) = (at, item, mode);
                        return Ok(Search::Unfinished);
                    }
                    continue;
                }
                Mode::Balance { open, close, ref mut depth } => {
                    let end = subject.len().min(at + STRIDE);
                    let mut closed = false;
                    while at < end && !closed {
                        let byte = subject[at];
                        at += 1;
                        if byte == close {
                            *depth -= 1;
                            closed = *depth == 0;
                        } else if byte == open {
                            *depth += 1;
                        }
                    }
                    if closed {
                        (item, mode) = (item + 4, Mode::Forward);
                    } else if at == subject.len() {
                        mode = Mode::Back;
                    } else if pace.spend(STRIDE as u32 / 2) {
                        (self.at, self.item, self.mode) = (at, item, mode);
                        return Ok(Search::Unfinished);
                    }
                    continue;
                }
                Mode::Start => unreachable!("an attempt has begun"),
            }
            match byte_at(pattern, item) {
                0 => {
                    // Where it has come to, should somebody ask for the captures.
                    self.at = at;
                    return Ok(Search::Found(self.start, at));
                }
                b'(' => {
                    if self.level == MAX_CAPTURES {
                        return Err(Malformed("too many captures"));
                    }
                    let is_position = byte_at(pattern, item + 1) == b')';
                    let length = if is_position { POSITION } else { OPEN };
                    self.captures.truncate(self.level);
                    self.captures.push(Capture { start: at, length });
                    self.level += 1;
                    self.frames.push(Frame::Begun);
                    item += if is_position { 2 } else { 1 };
                    continue;
                }
                b')' => {
                    let open = self.captures[..self.level].iter().rposition(|capture| capture.length == OPEN);
                    let capture = open.ok_or(Malformed("invalid pattern capture"))?;
                    self.captures[capture].length = at - self.captures[capture].start;
                    self.frames.push(Frame::Ended(capture));
                    item += 1;
                    continue;
                }
                b'$' if item + 1 >= pattern.len() => {
                    if at == subject.len() {
                        item += 1;
                    } else {
                        mode = Mode::Back;
                    }
                    continue;
                }
                b'%' => match byte_at(pattern, item + 1) {
                    b'b' => {
                        let (open, close) = (byte_at(pattern, item + 2), byte_at(pattern, item + 3));
                        if open == 0 || close == 0 {
                            return Err(Malformed("unbalanced pattern"));
                        }
                        if subject.get(at) == Some(&open) {
                            at += 1;
                            mode = Mode::Balance { open, close, depth: 1 };
                        } else {
                            mode = Mode::Back;
                        }
                        continue;
                    }
                    b'f' => {
                        item += 2;
                        if byte_at(pattern, item) != b'[' {
                            return Err(Malformed("missing '[' after '%f' in pattern"));
                        }
                        let end = item_end(pattern, item)?;
                        let before = if at == 0 { 0 } else { subject[at - 1] };
                        let here = subject.get(at).copied().unwrap_or(0);
                        if !in_set(before, pattern, item, end - 1) && in_set(here, pattern, item, end - 1) {
                            item = end;
                        } else {
                            mode = Mode::Back;
                        }
                        continue;
                    }
                    digit if digit.is_ascii_digit() => {
                        let Capture { start, length } = self.finished(digit)?;
                        let rest = &subject[at..];
                        if length <= rest.len() && subject[start..start + length] == rest[..length] {
                            at += length;
                            item += 2;
                        } else {
                            mode = Mode::Back;
                        }
                        continue;
                    }
                    _ => {}
                },
                _ => {}
            }
            let end = item_end(pattern, item)?;
            let matches = at < subject.len() && matches_single(subject[at], pattern, item, end);
            match byte_at(pattern, end) {
                b'?' if matches => {
                    self.frames.push(Frame::Without { at, next: end + 1 });
                    (at, item) = (at + 1, end + 1);
                }
                b'?' => item = end + 1,
                b'*' => {
                    self.frames.push(Frame::Longest { start: at, count: 0, item, end });
                    mode = Mode::Lengthen;
                }
                b'+' if matches => {
                    self.frames.push(Frame::Longest { start: at + 1, count: 0, item, end });
                    mode = Mode::Lengthen;
                }
                b'-' => {
                    self.frames.push(Frame::Shortest { at, item, end });
                    item = end + 1;
                }
                _ if matches && byte_at(pattern, end) != b'+' => (at, item) = (at + 1, end),
                _ => mode = Mode::Back,
            }
        }
    }

    /// The capture that `%digit` refers to.
    fn finished(&self, digit: u8) -> Result<Capture, Malformed> {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let capture = self.captures[..self.level].get(index).filter(|capture| capture.length != OPEN);
        capture.copied().ok_or(Malformed("invalid capture index"))
    }

    /// How many values a match gives: its captures, or itself.
    pub(crate) fn captured(&self) -> usize {
        self.level
    }

    /// A capture of the match that was found; number 0 is the whole match where the pattern has no captures.
    pub(crate) fn capture(&self, index: usize, whole: (usize, usize)) -> Result<Captured, Malformed> {
        if index >= self.level {
            return match index {
                0 => Ok(Captured::Text(whole.0, whole.1)),
                _ => Err(Malformed("invalid capture index")),
            };
        }
        match self.captures[index] {
            Capture { start, length: POSITION } => Ok(Captured::Position(start + 1)),
            Capture { length: OPEN, .. } => Err(Malformed("unfinished capture")),
            Capture { start, length } => Ok(Captured::Text(start, start + length)),
        }
    }
}

/// The pattern up to its first NUL.
pub(crate) fn visible(pattern: &[u8]) -> &[u8] {
    &pattern[..memchr::memchr(0, pattern).unwrap_or(pattern.len())]
}

/// The longest subject on which even a pattern that tries all ways is done within about a millisecond, wherever it may match; none
/// if the engine's own functions would not find what these find, or complain of it in other words.
///
/// Every repetition may try as many ends as there are bytes, and so may the search its beginnings: n^k / k! ways for k of them.
pub(crate) fn reach(pattern: &[u8]) -> Option<usize> {
    const STEPS: f64 = 200_000.0;
    // The class `%g` is not in Lua 5.1, where it is the letter; in sets too.
    let has_other_class = pattern.windows(2).any(|pair| matches!(pair, b"%g" | b"%G"));
    if pattern.len() > 150 || pattern.contains(&0) || has_other_class {
        return None;
    }
    let (mut repetitions, mut ways) = (1, 1.0);
    let mut item = 0;
    while item < pattern.len() {
        match (pattern[item], byte_at(pattern, item + 1)) {
            (b'(' | b')', _) => {
                item += 1;
                continue;
            }
            (b'%', b'b') => {
                repetitions += 1;
                item += 4;
                continue;
            }
            (b'%', b'f') => {
                item += 2;
                continue;
            }
            (b'%', b'0'..=b'9') => repetitions += 1,
            _ => {}
        }
        let end = item_end(pattern, item).ok()?;
        item = end;
        match byte_at(pattern, end) {
            b'*' | b'+' | b'-' => (repetitions, item) = (repetitions + 1, end + 1),
            b'?' => (ways, item) = (ways * 2.0, end + 1),
            _ => {}
        }
    }
    let orders: f64 = (1..=repetitions).map(f64::from).product();
    let most = (STEPS / ways * orders / (pattern.len() + 1) as f64 * 4.0).min(STEPS * orders);
    Some(most.powf(1.0 / f64::from(repetitions)) as usize)
}

/// Whether it has no byte with a meaning of its own.
pub(crate) fn is_plain(pattern: &[u8]) -> bool {
    !visible(pattern).iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

/// The byte that every match begins with, if that can be seen at once.
fn leading_literal(pattern: &[u8]) -> Option<u8> {
    let (&first, rest) = pattern.split_first()?;
    let optional = matches!(rest.first(), Some(b'*' | b'?' | b'-'));
    (!optional && !matches!(first, b'(' | b')' | b'[' | b'%' | b'.' | b'$')).then_some(first)
}

fn byte_at(pattern: &[u8], index: usize) -> u8 {
    pattern.get(index).copied().unwrap_or(0)
}

/// Where the single item that begins at `item` ends.
fn item_end(pattern: &[u8], item: usize) -> Result<usize, Malformed> {
    match byte_at(pattern, item) {
        b'%' if byte_at(pattern, item + 1) == 0 => Err(Malformed("malformed pattern (ends with '%')")),
        b'%' => Ok(item + 2),
        b'[' => {
            let mut at = item + 1;
            if byte_at(pattern, at) == b'^' {
                at += 1;
            }
            loop {
                let byte = byte_at(pattern, at);
                if byte == 0 {
                    return Err(Malformed("malformed pattern (missing ']')"));
                }
                at += 1;
                if byte == b'%' && byte_at(pattern, at) != 0 {
                    at += 1;
                }
                if byte_at(pattern, at) == b']' {
                    return Ok(at + 1);
                }
            }
        }
        _ => Ok(item + 1),
    }
}

/// How many bytes of the beginning match the item.
fn span(bytes: &[u8], pattern: &[u8], item: usize, end: usize) -> usize {
    let other = match pattern[item] {
        b'.' => None,
        b'%' => {
            let class = pattern[item + 1];
            bytes.iter().position(|&byte| !class::holds(class, byte))
        }
        b'[' => bytes.iter().position(|&byte| !in_set(byte, pattern, item, end - 1)),
        literal => bytes.iter().position(|&byte| byte != literal),
    };
    other.unwrap_or(bytes.len())
}

#[inline]
fn matches_single(byte: u8, pattern: &[u8], item: usize, end: usize) -> bool {
    match pattern[item] {
        b'.' => true,
        b'%' => class::holds(pattern[item + 1], byte),
        b'[' => in_set(byte, pattern, item, end - 1),
        literal => literal == byte,
    }
}

/// Whether the set from `[` at `item` to `]` at `close` holds the byte.
fn in_set(byte: u8, pattern: &[u8], item: usize, close: usize) -> bool {
    let mut at = item + 1;
    let wanted = byte_at(pattern, at) != b'^';
    if !wanted {
        at += 1;
    }
    while at < close {
        if pattern[at] == b'%' {
            at += 1;
            if class::holds(byte_at(pattern, at), byte) {
                return wanted;
            }
        } else if byte_at(pattern, at + 1) == b'-' && at + 2 < close {
            if (pattern[at]..=pattern[at + 2]).contains(&byte) {
                return wanted;
            }
            at += 2;
        } else if pattern[at] == byte {
            return wanted;
        }
        at += 1;
    }
    !wanted
}
