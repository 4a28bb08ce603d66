//! Whether a script does no more with KEYS and ARGV than read what is in them.

use super::text::{Assigned, Text};

/// Whether every mention of KEYS and ARGV is `KEYS[...]`, `#KEYS`, `unpack(KEYS)` or `in ipairs(KEYS)`, none of which lets the
/// table go anywhere or changes it.
pub(super) fn are_only_read(text: &Text<'_>, assigned: &Assigned<'_>) -> bool {
    let called_only = [b"unpack", b"ipairs"].map(|name| is_called_only(text, name));
    (0..text.tokens.len()).all(|index| match text.at(index) {
        name @ (b"KEYS" | b"ARGV") => {
            is_reading(text, index, called_only) && !assigned.elements_of.contains(name)
        }
        word => !WAYS_ROUND.contains(&word),
    })
}

/// Through these a name can be meant that is not in the text.
const WAYS_ROUND: [&[u8]; 3] = [b"_G", b"load", b"loadstring"];

fn is_reading(text: &Text<'_>, index: usize, [unpack, ipairs]: [bool; 2]) -> bool {
    let before = |distance: usize| index.checked_sub(distance).map_or(b"".as_slice(), |at| text.at(at));
    match (before(1), text.at(index + 1)) {
        (b"." | b":", _) => false,
        (_, b"[") | (b"#", _) => true,
        (b"(", b")") => match before(2) {
            b"unpack" => unpack,
            b"ipairs" => before(3) == b"in" && ipairs,
            _ => false,
        },
        _ => false,
    }
}

/// Whether the name means the sandbox's function wherever it stands: it is neither declared, nor assigned to, nor a field.
fn is_called_only(text: &Text<'_>, name: &[u8]) -> bool {
    (0..text.tokens.len()).filter(|&index| text.at(index) == name).all(|index| {
        let before = index.checked_sub(1).map_or(b"".as_slice(), |at| text.at(at));
        text.at(index + 1) == b"(" && !matches!(before, b"function" | b"." | b":")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunk: &str, wanted: bool) {
        let text = Text::new(chunk.as_bytes()).unwrap();
        assert_eq!(are_only_read(&text, &text.assigned()), wanted, "{chunk}");
    }

    #[test]
    fn reading() {
        check("return redis.call('get', KEYS[1], ARGV[#ARGV])", true);
        check("local a, b = KEYS[1], ARGV[2] return redis.call('mget', unpack(KEYS))", true);
        check("for i, key in ipairs(KEYS) do redis.call('del', key) end", true);
        check("local t = {} t[KEYS[1]] = ARGV[1] return #KEYS", true);
        check("return KEYS[1] == ARGV[1]", true);
        check("return 1 -- KEYS", true);
    }

    #[test]
    fn others() {
        for chunk in [
            "KEYS[1] = 'x'",
            "local t = {} t.x, KEYS[1] = 1, 2",
            "ARGV[#ARGV + 1] = 'x'",
            "local t = KEYS t[1] = 'x'",
            "return KEYS",
            "table.insert(ARGV, 'x')",
            "table.sort(KEYS)",
            "setmetatable(KEYS, {})",
            "local f, t = ipairs(KEYS) t[2] = 'x'",
            "local f, t = pairs(KEYS)",
            "loadstring('KEYS[1] = 1')()",
            "_G['KE' .. 'YS'][3] = 1",
            "return {KEYS, ARGV[1]}",
            "local function unpack(t) t[1] = 'x' end unpack(KEYS)",
            "local unpack = table.sort unpack(KEYS)",
            "local f = function(unpack) unpack(KEYS) end f(table.sort)",
            "local t = {unpack = table.sort} t.unpack(KEYS)",
        ] {
            check(chunk, false);
        }
    }
}
