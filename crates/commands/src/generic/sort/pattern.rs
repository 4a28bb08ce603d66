//! The patterns of BY and GET: the element takes the place of the first `*`; `->` leads into a hash.

use perigee_keyspace::ValueRef;

use crate::call::Call;

/// Whether the pattern names a key for each element.
pub(super) fn names_keys(pattern: &[u8]) -> bool {
    pattern.contains(&b'*')
}

/// What the pattern leads to for an element: the element itself for `#`, otherwise a string or a field of a hash.
pub(super) fn look_up(call: &Call<'_, '_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let (key, field) = resolve(pattern, element)?;
    let value = call.txn.value(call.db, &key);
    call.env.count_lookup(call.txn, call.db, &key, value.is_some());
    match (value?, field) {
        (ValueRef::Str(text), None) => Some(text.as_bytes(&mut Default::default()).to_vec()),
        (ValueRef::Hash(hash), Some(field)) => hash.get(field).map(<[u8]>::to_vec),
        _ => None,
    }
}

/// The key, and the field if there is one, that the pattern makes of an element.
fn resolve<'p>(pattern: &'p [u8], element: &[u8]) -> Option<(Vec<u8>, Option<&'p [u8]>)> {
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
    let (suffix, field) = match arrow {
        Some(at) => (&rest[..at], Some(&rest[at + 2..])),
        None => (rest, None),
    };
    Some(([prefix, element, suffix].concat(), field))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn keys_and_fields() {
        for (pattern, expected) in [
            ("w_*", Some(("w_7", None))),
            ("*", Some(("7", None))),
            ("w_*_*", Some(("w_7_*", None))),
            ("h_*->f", Some(("h_7", Some("f")))),
            ("h_*x->f->g", Some(("h_7x", Some("f->g")))),
            ("h_*->", Some(("h_7->", None))),
            ("h->*", Some(("h->7", None))),
            ("fixed", None),
        ] {
            let resolved = resolve(pattern.as_bytes(), b"7");
            let expected = expected.map(|(key, field): (&str, Option<&str>)| {
                (key.as_bytes().to_vec(), field.map(str::as_bytes))
            });
            assert_eq!(resolved, expected, "{pattern}");
        }
    }
}
