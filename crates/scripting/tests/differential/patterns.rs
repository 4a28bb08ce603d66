//! Calls of `find`, `match`, `gmatch` and `gsub`: patterns, well-formed and not, on subjects that they are likely to match.

use super::{Chance, quote};

/// What subjects are made of, and what patterns take literally.
const BYTES: &[u8] = b"aabbcA1(). %-]^[\0";

pub(super) fn call(chance: &mut Chance) -> String {
    let most = if chance.below(12) == 0 { 2 } else { 6 };
    let subject: Vec<u8> = match (most, chance.below(12)) {
        (2, length) => (0..length * 30).map(|_| BYTES[chance.below(BYTES.len())]).collect(),
        (_, length) => (0..length).map(|_| BYTES[chance.below(BYTES.len())]).collect(),
    };
    let pattern = pattern(chance, most);
    let subject = if chance.below(40) == 0 { "1121".to_owned() } else { quote(&subject) };
    let pattern = if chance.below(40) == 0 { "1".to_owned() } else { quote(&pattern) };
    match chance.below(9) {
        0 => format!("string.find({subject}, {pattern}{})", init(chance)),
        1 => format!("string.match({subject}, {pattern}{})", init(chance)),
        2 => format!("string.find({subject}, {pattern}, {}, true)", chance.pick(&["1", "nil", "-3", "2"])),
        3 => format!(
            "(function() local t = {{}} for a, b, c in string.gmatch({subject}, {pattern}) do \
             t[#t + 1] = tostring(a) .. tostring(b) .. tostring(c) end return unpack(t) end)()"
        ),
        4 => format!("({subject}):{}({pattern}{})", chance.pick(&["find", "match"]), init(chance)),
        5 => format!("({subject}):gsub({pattern}, {}{})", replacement(chance), limit(chance)),
        _ => format!("string.gsub({subject}, {pattern}, {}{})", replacement(chance), limit(chance)),
    }
}

fn init(chance: &mut Chance) -> &'static str {
    chance.pick(&["", "", ", 1", ", 3", ", -2", ", 0", ", 100", ", -100", ", '2'", ", nil", ", {}"])
}

fn limit(chance: &mut Chance) -> &'static str {
    chance.pick(&["", "", "", "", ", 1", ", 2", ", 0", ", -1", ", '1'", ", nil", ", 'x'", ", 1.9"])
}

fn replacement(chance: &mut Chance) -> String {
    if chance.below(4) == 0 {
        let pieces = ["%0", "%1", "%2", "%9", "%%", "%a", "%", "\0", "x", "(", ""];
        let text: String = (0..chance.below(4)).map(|_| chance.pick(&pieces)).collect();
        return quote(text.as_bytes());
    }
    let options = [
        "5",
        "{a = 'A', b = false, ab = 7}",
        "{a = {}}",
        "{1, 2, 3, [''] = 'empty'}",
        "nil",
        "true",
        "function(...) return select('#', ...) .. tostring((...)) end",
        "function(a, b) return b end",
        "function(a) return a == 'a' and 'X' end",
        "function() return {} end",
        "function() error('refused') end",
        "function(a) return (string.gsub(a, '%w', '<%0>')) end",
        "setmetatable({}, {__index = function(_, k) return '[' .. tostring(k) .. ']' end})",
    ];
    chance.pick(&options).to_owned()
}

fn pattern(chance: &mut Chance, most: usize) -> Vec<u8> {
    let mut pattern = if chance.below(5) == 0 { b"^".to_vec() } else { Vec::new() };
    let mut open = 0;
    for _ in 0..chance.below(most) {
        match chance.below(14) {
            0 | 1 => {
                pattern.push(b'(');
                open += 1;
            }
            2 => pattern.extend(b"()"),
            3 => pattern.extend([b'%', b'b', literal(chance), literal(chance)]),
            4 => {
                pattern.extend(b"%f");
                set(chance, &mut pattern);
            }
            5 => pattern.extend([b'%', b'0' + chance.below(4) as u8]),
            6 => pattern.extend(chance.pick(&["$", "^", "(a)", "(.-)", "(%w*)", "(.)%1"]).bytes()),
            7..=10 => {
                set(chance, &mut pattern);
                repetition(chance, &mut pattern);
            }
            11 => {
                pattern.extend([b'%', chance.below(256) as u8]);
                repetition(chance, &mut pattern);
            }
            12 => {
                class(chance, &mut pattern);
                repetition(chance, &mut pattern);
            }
            _ => {
                pattern.push(literal(chance));
                repetition(chance, &mut pattern);
            }
        }
        if open > 0 && chance.below(2) == 0 {
            pattern.push(b')');
            open -= 1;
        }
    }
    if chance.below(8) > 0 {
        pattern.extend(std::iter::repeat_n(b')', open));
    }
    if chance.below(8) == 0 {
        pattern.push(b'$');
    }
    if chance.below(200) == 0 {
        pattern.extend(b"()".repeat(28 + chance.below(6)));
    }
    spoil(chance, &mut pattern);
    pattern
}

/// Takes away or puts in a byte now and then.
fn spoil(chance: &mut Chance, pattern: &mut Vec<u8>) {
    let place = chance.below(pattern.len() + 1);
    match chance.below(16) {
        0 => pattern.truncate(place),
        1 if place < pattern.len() => drop(pattern.remove(place)),
        2 => pattern.insert(place, 0),
        3 => pattern.insert(place, b"%[]()^-"[chance.below(7)]),
        _ => {}
    }
}

fn literal(chance: &mut Chance) -> u8 {
    // The last of them, NUL, less often.
    let kinds = BYTES.len() - usize::from(chance.below(4) > 0);
    BYTES[chance.below(kinds)]
}

fn class(chance: &mut Chance, pattern: &mut Vec<u8>) {
    pattern.extend([b'%', b"acdglpsuwxzACDGLPSUWXZ.-]^%"[chance.below(27)]]);
}

fn repetition(chance: &mut Chance, pattern: &mut Vec<u8>) {
    pattern.extend(chance.pick(&["", "", "", "*", "+", "-", "?"]).bytes());
}

/// A set of anything, often with what has a meaning elsewhere, and sometimes without an end.
fn set(chance: &mut Chance, pattern: &mut Vec<u8>) {
    pattern.extend(chance.pick(&["[", "[", "[^", "[]", "[^]", "[^^"]).bytes());
    for _ in 0..chance.below(5) {
        match chance.below(8) {
            0 | 1 => class(chance, pattern),
            2 => {
                class(chance, pattern);
                pattern.push(b'-');
                class(chance, pattern);
            }
            3 => pattern.extend([literal(chance), b'-', literal(chance)]),
            4 => pattern.extend([b'-', literal(chance)]),
            5 => pattern.extend([b'%', chance.below(256) as u8]),
            _ => pattern.push(literal(chance)),
        }
    }
    if chance.below(20) > 0 {
        pattern.push(b']');
    }
}
