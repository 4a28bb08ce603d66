//! Argument shapes of the commands, and random requests made from them.
//!
//! A shape is words between blanks: UPPER CASE is itself (in any case), lower case a category of `shapes`, `n:kset` a count
//! and that many keys, `npairs:field` that many fields with values, `[a | b]` one of them or nothing, `<a | b>` one of them; a closing bracket may be followed by `*` (none to
//! three times) or `+` (one to three times).

use super::newer;
use super::pair::Request;
use super::peer::Peer;
use super::shapes::{Dice, anything, degrees, word};
use super::table::SHAPES;

/// A random request of a command's shape; about one in eight is deliberately misshapen.
pub(super) fn request(dice: &mut Dice, name: &str, shape: &str) -> Request {
    let mut request = shaped(dice, name, shape);
    let saturates = name == "BITFIELD" && request.iter().any(|word| word.eq_ignore_ascii_case(b"SAT"));
    if saturates {
        // Where a value lies near the least of all, C has no answer to what it saturates to: see COMPAT.md.
        let least = |word: &&mut Vec<u8>| **word == *b"-9223372036854775808";
        request.iter_mut().filter(least).for_each(|word| *word = b"-4611686018427387904".to_vec());
    }
    request
}

fn shaped(dice: &mut Dice, name: &str, shape: &str) -> Request {
    let mut request: Request = name.split(' ').map(|part| case(dice, part)).collect();
    // A script's text stays: the wording of the compiler's errors is its own.
    let own = request.len() + usize::from(name.starts_with("EVAL"));
    sequence(dice, &mut tokenize(shape), &mut request, true);
    // A misshapen timeout could be a long one, a misshapen rank has 7.2's option, KILL knows what to end, and a key of equal scores
    // stays one. Nor may the tool's own connections be killed.
    let stays = ["CLIENT", "WAIT", "ACL", "SLOWLOG", "DEBUG"];
    // Nor is a command of a module, which counts its arguments itself, in MULTI too late.
    let may_misshape = (!name.starts_with('B') || name.starts_with("BIT"))
        && !name.starts_with('V')
        && !name.ends_with("RANK")
        && !name.ends_with(" KILL")
        && !stays.iter().any(|first| name.split(' ').next() == Some(first));
    let lexical = request.get(own).is_some_and(|word| word.starts_with(b"y"));
    // Nor may a wait become a long one, or a time one that may pass meanwhile.
    let timed = request.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
        || ["XCLAIM", "XAUTOCLAIM", "XPENDING"].contains(&name);
    if dice.one_in(8) && may_misshape && !lexical && !timed {
        let well_shaped = request.clone();
        misshape(dice, &mut request, own);
        // SORT may store under the name STORE, where Redis asks for rights to the next word.
        let is_store = |word: &[u8]| word.eq_ignore_ascii_case(b"STORE");
        if request.windows(2).any(|words| words.iter().all(|word| is_store(word))) {
            return well_shaped;
        }
        // A misshapen XREAD may have the ID of 7.4.
        if is_hasty(&request) || (name == "XREAD" && request.iter().any(|word| word == b"+")) {
            return well_shaped;
        }
    }
    request
}

/// Whether a deadline may pass within the episode, when each server does it at its own time.
fn is_hasty(request: &Request) -> bool {
    let is =
        |word: &[u8], names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    let soon = |word: &[u8], limit: i64| {
        std::str::from_utf8(word)
            .ok()
            .and_then(|text| text.parse().ok())
            .is_some_and(|n: i64| 0 < n && n < limit)
    };
    let follows = |at: usize, limit: i64| request.get(at).is_some_and(|word| soon(word, limit));
    let (ms, s) = (60_000, 60);
    (is(&request[0], &["PEXPIRE", "PSETEX", "HPEXPIRE", "RESTORE", "RESTORE-ASKING"]) && follows(2, ms))
        || (is(&request[0], &["EXPIRE", "SETEX", "HEXPIRE"]) && follows(2, s))
        || request.iter().enumerate().any(|(at, word)| {
            (is(word, &["PX"]) && follows(at + 1, ms)) || (is(word, &["EX"]) && follows(at + 1, s))
        })
}

/// A random request of a shape, which begins with the command's name.
pub(super) fn written(dice: &mut Dice, shape: &str) -> Request {
    let mut request = Request::new();
    sequence(dice, &mut tokenize(shape), &mut request, true);
    request
}

/// A request that makes a collection large.
pub(super) fn many(dice: &mut Dice) -> Request {
    let (shape, numbered) = *dice.pick(&[
        ("RPUSH klist", "val"),
        ("SADD kset", ""),
        ("SADD kset", "int"),
        ("HSET khash", "val"),
        ("ZADD kzset", ""),
        ("PFADD khll", ""),
        ("GEOADD kgeo", ""),
    ]);
    let mut request = written(dice, shape);
    let score = shape.starts_with("ZADD");
    // Around the limits of the compact encodings, too.
    let count = match dice.below(4) {
        0 => 126 + dice.below(5),
        1 => 510 + dice.below(5),
        _ => 100 + dice.below(500),
    };
    for number in 0..count {
        if score {
            request.push(dice.below(40).to_string().into_bytes());
        } else if shape.starts_with("GEOADD") {
            request.extend([180, 85].map(|limit| degrees(dice, limit)));
        }
        let element = if numbered == "int" { number.to_string() } else { format!("m{number}") };
        request.push(element.into_bytes());
        if shape.starts_with("HSET") {
            request.extend(word(dice, numbered));
        }
    }
    request
}

/// The names with a written shape.
pub(super) fn shaped_names(peer: Option<Peer>) -> impl Iterator<Item = &'static str> {
    let newer = peer.into_iter().flat_map(newer::names);
    SHAPES.iter().map(|(name, _)| *name).chain(newer.filter(|name| written_shape(name).is_none()))
}

/// The written shape of a command, for the server that it is sent to.
pub(super) fn shape(peer: Option<Peer>, name: &str) -> Option<&'static str> {
    let newer = peer.and_then(|peer| newer::shape(peer, name));
    newer.or_else(|| written_shape(name))
}

fn written_shape(name: &str) -> Option<&'static str> {
    SHAPES.iter().find(|(command, _)| *command == name).map(|(_, shape)| *shape)
}

fn misshape(dice: &mut Dice, request: &mut Request, own: usize) {
    let at = own + dice.below(request.len().saturating_sub(own));
    match dice.below(5) {
        0 if at < request.len() => drop(request.remove(at)),
        1 if at < request.len() => request.insert(at, request[at].clone()),
        2 if at < request.len() => request[at] = anything(dice),
        3 if at + 1 < request.len() => request.swap(at, at + 1),
        _ => request.push(anything(dice)),
    }
}

fn case(dice: &mut Dice, text: &str) -> Vec<u8> {
    if dice.one_in(4) { text.to_lowercase().into_bytes() } else { text.as_bytes().to_vec() }
}

type Tokens<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn tokenize(shape: &str) -> Tokens<'_> {
    shape.split_ascii_whitespace().collect::<Vec<_>>().into_iter().peekable()
}

/// Writes a sequence up to its closing bracket or bar; `wanted` is false to read over it.
fn sequence(dice: &mut Dice, tokens: &mut Tokens<'_>, out: &mut Request, wanted: bool) {
    while let Some(token) = tokens.next_if(|token| !token.starts_with(['|', ']', '>'])) {
        match token {
            "[" | "<" => choice(dice, tokens, out, wanted, token == "["),
            _ if wanted => terminal(dice, token, out),
            _ => {}
        }
    }
}

fn choice(dice: &mut Dice, tokens: &mut Tokens<'_>, out: &mut Request, wanted: bool, optional: bool) {
    let start = tokens.clone();
    let mut branches = 1;
    let mut ignored = Vec::new();
    let end = loop {
        sequence(dice, tokens, &mut ignored, false);
        match tokens.next() {
            Some("|") => branches += 1,
            other => break other.unwrap_or("]"),
        }
    };
    if !wanted {
        return;
    }
    let times = match &end[1..] {
        "*" => dice.below(4),
        "+" => 1 + dice.below(3),
        _ if optional => usize::from(!dice.one_in(2)),
        _ => 1,
    };
    for _ in 0..times {
        let chosen = dice.below(branches);
        let mut again = start.clone();
        for branch in 0..=chosen {
            sequence(dice, &mut again, out, branch == chosen);
            again.next();
        }
    }
}

fn terminal(dice: &mut Dice, token: &str, out: &mut Request) {
    if let Some((category, each)) = counted(token) {
        let keys = 1 + dice.below(3);
        let count = match dice.below(20) {
            0 => dice.below(6).to_string(),
            1 => (*dice.pick(MISCOUNTS)).to_owned(),
            _ => keys.to_string(),
        };
        out.push(count.into_bytes());
        for _ in 0..keys {
            out.extend(word(dice, category));
            out.extend(word(dice, each));
        }
    } else if token == "GREATER" {
        // As itself it would close a choice.
        out.push(b">".to_vec());
    } else if let Some(word) = word(dice, token) {
        out.push(word);
    } else {
        out.push(case(dice, token));
    }
}

/// What is counted, and what follows each.
fn counted(token: &str) -> Option<(&str, &str)> {
    let pairs = token.strip_prefix("npairs:").map(|category| (category, "val"));
    pairs.or_else(|| token.strip_prefix("n:").map(|category| (category, "")))
}

/// Numbers of keys that are none, or that C reads otherwise.
const MISCOUNTS: &[&str] = &[
    "1.5",
    "01",
    "+2",
    " 1",
    "2x",
    "-1",
    "-0",
    "",
    "abc",
    "4294967297",
    "-4294967295",
    "9223372036854775808",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_well_formed_and_give_their_words() {
        for (name, shape) in SHAPES {
            let depth = shape.split_ascii_whitespace().fold(0i32, |depth, token| match token.as_bytes()[0] {
                b'[' | b'<' => depth + 1,
                b']' | b'>' => depth - 1,
                _ => depth,
            });
            assert_eq!(depth, 0, "{name}");
        }
        let mut dice = Dice::new(7);
        for _ in 0..200 {
            let mut out = Vec::new();
            sequence(&mut dice, &mut tokenize("A [ B | < C | D > E ]* F"), &mut out, true);
            assert!(out.first().is_some_and(|word| word.eq_ignore_ascii_case(b"A")));
            assert!(out.last().is_some_and(|word| word.eq_ignore_ascii_case(b"F")));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        const SET: &str = "kstr val [ NX | XX ]";
        let requests = |seed| (0..50).map(|_| request(&mut Dice::new(seed), "SET", SET)).collect::<Vec<_>>();
        assert_eq!(requests(5), requests(5));
        assert_ne!(requests(1), requests(2));
    }
}
