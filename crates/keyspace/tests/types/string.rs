use super::{Bytes, content};
use perigee_keyspace::types::{Str, StrUndo, canonical_int};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Set(Bytes),
    Append(Bytes),
    SetRange(usize, Bytes),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => content().prop_map(Op::Set),
        3 => content().prop_map(Op::Append),
        3 => (0..150_usize, content()).prop_map(|(offset, bytes)| Op::SetRange(offset, bytes)),
    ]
}

fn apply(string: &mut Str, model: &mut Bytes, op: Op, log: &mut Vec<StrUndo>) {
    match op {
        Op::Set(bytes) => {
            string.set(Str::from_bytes(&bytes), log);
            *model = bytes;
        }
        Op::Append(bytes) => {
            model.extend(&bytes);
            assert_eq!(string.append(&bytes, log), model.len());
            assert_eq!(string.view().encoding(), "raw");
        }
        Op::SetRange(offset, bytes) => {
            if !bytes.is_empty() {
                model.resize(model.len().max(offset + bytes.len()), 0);
                model[offset..offset + bytes.len()].copy_from_slice(&bytes);
            }
            assert_eq!(string.set_range(offset, &bytes, log), model.len());
        }
    }
}

fn state(string: &Str) -> (&'static str, Bytes) {
    (string.view().encoding(), string.as_bytes(&mut itoa::Buffer::new()).to_vec())
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(), 0..3),
        second in prop::collection::vec(op(), 0..20),
    ) {
        let (mut string, mut model) = (Str::from_bytes(b""), Bytes::new());
        for op in first {
            apply(&mut string, &mut model, op, &mut Vec::new());
        }
        let before = state(&string);
        let mut log = Vec::new();
        for op in second {
            apply(&mut string, &mut model, op, &mut log);
            prop_assert_eq!(&state(&string).1, &model);
            prop_assert_eq!(string.len(), model.len());
        }
        log.into_iter().rev().for_each(|undo| string.undo(undo));
        prop_assert_eq!(state(&string), before);
    }

    #[test]
    fn an_int_is_what_prints_the_same(text in "-?[0-9]{0,20}") {
        let printed = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        prop_assert_eq!(canonical_int(text.as_bytes()), printed);
    }
}

#[test]
fn encodings_are_those_of_redis() {
    for (bytes, encoding) in [
        (&b"9223372036854775807"[..], "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"-0", "embstr"),
        (b"", "embstr"),
        (&[b'x'; 44], "embstr"),
        (&[b'x'; 45], "raw"),
    ] {
        assert_eq!(Str::from_bytes(bytes).view().encoding(), encoding, "{}", bytes.escape_ascii());
    }
}
