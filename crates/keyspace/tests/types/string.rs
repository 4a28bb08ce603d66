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
        log.into_iter().rev().for_each(|undo| _ = string.undo(undo));
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

/// Growth over gaps and across all the places where content can lie, and the way back.
#[test]
fn large_strings_grow_and_roll_back() {
    const MB: usize = 1 << 20;
    let (mut string, mut model) = (Str::from_bytes(b"small"), b"small".to_vec());
    let mut log = Vec::new();
    let mut states = Vec::new();
    for (offset, len, byte) in [
        (5, 100, 1),
        (MB, 10, 2),
        (3 * MB, 3, 3),
        (MB / 2, MB, 4),
        (3 * MB + 3, 9 * MB, 5),
        (40 * MB, 1, 6),
        (40 * MB + 1, 70_000, 7),
    ] {
        states.push(state(&string));
        apply(&mut string, &mut model, Op::SetRange(offset, vec![byte; len]), &mut log);
        assert!(state(&string).1 == model, "{len} bytes at {offset}");
        assert_eq!(string.view().encoding(), "raw");
        let copy = string.view().to_str();
        assert!(state(&copy).1 == model, "a copy of it");
    }
    for undo in log.into_iter().rev() {
        let _rest = string.undo(undo);
        assert!(states.pop() == Some(state(&string)), "a step back");
        // What was cut off has left nothing behind.
        let (_, mut model) = state(&string);
        let mut probe = Vec::new();
        let end = model.len() + 100_000;
        apply(&mut string, &mut model, Op::SetRange(end, vec![8]), &mut probe);
        assert!(state(&string).1 == model, "zeros beyond the end");
        probe.into_iter().rev().for_each(|undo| _ = string.undo(undo));
    }
    assert_eq!(state(&string), ("embstr", b"small".to_vec()));
}

/// Neither changes nor their way back reach what replies and copies refer to.
#[test]
fn what_is_shared_stays_as_it_was() {
    const MB: usize = 1 << 20;
    let (mut string, mut model) = (Str::from_bytes(&vec![1; 3 * MB]), vec![1; 3 * MB]);
    let (mut log, mut kept) = (Vec::new(), Vec::new());
    let mut keep = |string: &Str| {
        let all = string.view().share(..).expect("it is large");
        let part = string.view().share(MB + 1..2 * MB).expect("it is large");
        kept.push((all, part, string.clone(), state(string).1));
    };
    for (offset, byte) in [(2 * MB - 5, 2), (3 * MB, 3), (5 * MB, 4), (0, 5)] {
        keep(&string);
        apply(&mut string, &mut model, Op::SetRange(offset, vec![byte; MB]), &mut log);
        assert!(state(&string).1 == model, "{offset}");
    }
    keep(&string);
    for undo in log.into_iter().rev() {
        let _rest = string.undo(undo);
        keep(&string);
    }
    for (at, (all, part, copy, expected)) in kept.iter().enumerate() {
        assert!(all == expected && *part == expected[MB + 1..2 * MB] && state(copy).1 == *expected, "{at}");
        assert!(*expected == kept[kept.len() - 1 - at].3, "the way there and back");
    }
    assert!(
        Str::from_bytes(&vec![1; MB]).view().share(..).is_none() && Str::from(1).view().share(..).is_none()
    );
}

/// Pages that nothing was written to are not there.
#[test]
fn a_string_of_512_mb_takes_few_pages() {
    let mut string = Str::from_bytes(b"");
    string.set_range((512 << 20) - 1, b"x", &mut Vec::new());
    assert_eq!(string.len(), 512 << 20);
    string.append(b"y", &mut Vec::new());
    let bytes = string.view().heap_bytes();
    assert!((512 << 20..640 << 20).contains(&bytes), "{bytes}");
}
