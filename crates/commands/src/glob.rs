//! Redis's glob patterns.

/// Whether the whole text matches: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
///
/// Linear in memory; a `*` is retried from the last one only, so time is at most pattern times text.
pub(crate) fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    // As in Redis, `*` stands for something unless the rest of the text is used up by what is before it.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            if p == pattern.len() {
                return true;
            }
            continue;
        }
        if let Some(length) = matches_one(&pattern[p..], text[t], ignore_case) {
            p += length;
            t += 1;
        } else if let Some((after, from)) = star {
            p = after;
            t = from + 1;
            star = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The length of the pattern's first element if it matches the byte.
fn matches_one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |byte: u8| if ignore_case { byte.to_ascii_lowercase() } else { byte };
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let negated = pattern.get(1) == Some(&b'^');
            let mut at = 1 + usize::from(negated);
            let mut found = false;
            loop {
                match pattern.get(at) {
                    // Without its closing bracket the class ends with the pattern.
                    None => break,
                    Some(b']') => {
                        at += 1;
                        break;
                    }
                    Some(b'\\') if at + 1 < pattern.len() => {
                        found |= pattern[at + 1] == byte;
                        at += 2;
                    }
                    Some(&low) if pattern.len() >= at + 3 && pattern[at + 1] == b'-' => {
                        let (low, high) = (fold(low), fold(pattern[at + 2]));
                        let (low, high) = (low.min(high), low.max(high));
                        found |= (low..=high).contains(&fold(byte));
                        at += 3;
                    }
                    Some(&one) => {
                        found |= fold(one) == fold(byte);
                        at += 1;
                    }
                }
            }
            (found != negated).then_some(at)
        }
        b'\\' if pattern.len() >= 2 => (fold(pattern[1]) == fold(byte)).then_some(2),
        one => (fold(one) == fold(byte)).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn as_redis_documents_them() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "", false),
            ("", "", true),
            ("a*", "a", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            (r"h\*llo", "h*llo", true),
            (r"h\*llo", "hello", false),
            (r"[\]]", "]", true),
            ("[abc", "b", true),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXbYYbZ", false),
            ("**", "abc", true),
            ("abc", "ab", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), *expected, "{pattern} {text}");
        }
        assert!(matches(b"FOO*", b"foobar", true));
    }

    #[test]
    fn a_hostile_pattern_is_not_exponential() {
        let pattern = "a*".repeat(40) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(2_000).as_bytes(), false));
    }
}
