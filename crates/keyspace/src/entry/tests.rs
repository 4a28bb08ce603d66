//! Entries against what was put into them.

use super::*;
use proptest::prelude::*;

const MOMENT: u64 = 1_700_000_000_000;

/// Lengths around those at which the form changes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![0..40_usize, 250..260_usize].prop_map(|len| (0..len).map(|at| at as u8 ^ 0x5a).collect())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(|int| Value::Str(Str::from(int))),
        bytes().prop_map(|bytes| Value::Str(Str::from_text(&bytes))),
        bytes().prop_map(|bytes| Value::Str(Str::raw(bytes))),
        Just(Value::List(Box::default())),
        bytes().prop_map(|bytes| {
            let mut hash = Hash::default();
            hash.insert(&bytes, &bytes, &Default::default(), &mut crate::log::NoLog);
            Value::Hash(hash)
        }),
        Just(Value::Set(Box::default())),
        Just(Value::ZSet(Box::default())),
        Just(Value::Stream(Box::default())),
        Just(Value::VectorSet(Box::default())),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Value, bool),
    Text(Vec<u8>),
    Append(Vec<u8>),
    Rename(Vec<u8>),
    Deadline(Option<u64>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (value(), any::<bool>()).prop_map(|(value, keep)| Change::Replace(value, keep)),
        bytes().prop_map(Change::Text),
        bytes().prop_map(Change::Append),
        bytes().prop_map(Change::Rename),
        proptest::option::of(1..1000_u64).prop_map(Change::Deadline),
    ]
}

fn show(value: ValueRef<'_>) -> String {
    let content = match value {
        ValueRef::Str(string) => string.as_bytes(&mut Default::default()).escape_ascii().to_string(),
        other => format!("{other:?}"),
    };
    format!("{} {content}", value.encoding())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: if cfg!(miri) { 20 } else { 1000 },
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_entry_is_what_was_put_into_it(
        (mut key, first) in (bytes(), value()),
        mut deadline in proptest::option::of(1..1000_u64),
        changes in prop::collection::vec(change(), 0..12),
    ) {
        let mut expected = first.clone();
        let mut entry = Entry::new(&key, Content::Value(first), deadline, MOMENT);
        entry.set_frequency(77, MOMENT);
        for change in changes {
            match change {
                Change::Replace(value, keep) => {
                    let old = entry.replace(Content::Value(value.clone()), keep);
                    prop_assert!(old.is_some() || !keep);
                    if let Some(old) = old {
                        prop_assert_eq!(show(old.view()), show(expected.view()));
                    }
                    expected = value;
                }
                Change::Text(text) => {
                    entry.replace(Content::Text(&text), false);
                    expected = Value::Str(Str::from_text(&text));
                }
                Change::Append(more) => {
                    let append = |string: &mut Str| string.append(&more, &mut crate::log::NoLog);
                    let len = entry.change_string(append);
                    match &mut expected {
                        Value::Str(string) => prop_assert_eq!(len, Some(append(string))),
                        _ => prop_assert_eq!(len, None),
                    }
                }
                Change::Rename(name) => {
                    entry.rename(&name);
                    key = name;
                }
                Change::Deadline(moment) => {
                    prop_assert_eq!(entry.set_deadline(moment), deadline);
                    deadline = moment;
                }
            }
            prop_assert_eq!(entry.key(), &key);
            prop_assert_eq!(show(entry.value()), show(expected.view()));
            prop_assert_eq!((entry.deadline(), entry.frequency(MOMENT, Lfu { log_factor: 10, decay_minutes: 1 })), (deadline, 77));
        }
    }
}

#[test]
fn entries_are_as_small_as_decided() {
    let key = b"key:000000000012";
    let size = |content, deadline| Entry::new(key, content, deadline, MOMENT).allocated_bytes();
    assert_eq!(size(Content::Int(1_000_000), None), 32);
    assert_eq!(size(Content::Text(&[7; 32]), None), 64);
    assert_eq!(size(Content::Text(&[7; 32]), Some(MOMENT)), 64);
    assert_eq!(size(Content::Value(Value::Hash(Hash::default())), None), 48);
    assert_eq!(size(Content::Value(Value::List(Box::default())), None), 32);
}

#[test]
fn a_string_that_has_become_short_moves_in() {
    let mut entry = Entry::new(b"key", Content::Value(Value::Str(Str::raw(vec![7; 300]))), None, MOMENT);
    entry.change_string(|string| *string = Str::from_text(b"short"));
    assert_eq!((entry.allocated_bytes(), show(entry.value())), (16, "embstr short".to_owned()));
}

/// No allocation for a value that fits where the last one was.
#[test]
fn a_text_of_about_the_same_size_stays_in_place() {
    let mut entry = Entry::new(b"key", Content::Text(b"0123456789"), None, MOMENT);
    let at = entry.0;
    entry.replace(Content::Text(b"a longer one, up to 37 bytes"), false);
    assert_ne!(entry.0, at);
    let at = entry.0;
    entry.replace(Content::Text(b"a longer one, up to 37 bytes in all"), false);
    assert_eq!(entry.0, at);
}
