//! Every reply type through the encoder and back, in both protocols.

use perigee_resp::{Decoder, Encoder, Protocol, Recorder, Value, decode, format_double};
use proptest::prelude::*;

proptest! {
    #[test]
    fn replies_come_back(value in value(), protocol in protocol()) {
        let encoded = encode(&value, protocol);
        prop_assert_eq!(decode(&encoded), Ok(Some((received(value, protocol), encoded.len()))));
    }

    #[test]
    fn pieces_of_replies_give_the_same(values in prop::collection::vec(value(), 1..4), protocol in protocol()) {
        let encoded: Vec<u8> = values.iter().flat_map(|value| encode(value, protocol)).collect();
        let (mut decoder, mut start, mut decoded) = (Decoder::new(), 0, Vec::new());
        for end in 0..=encoded.len() {
            if let Some((value, consumed)) = decoder.decode(&encoded[start..end]).unwrap() {
                decoded.push(value);
                start += consumed;
            }
        }
        let expected: Vec<Value> = values.into_iter().map(|value| received(value, protocol)).collect();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn a_recorded_reply_is_the_reply(value in value(), protocol in protocol()) {
        let mut recorder = Recorder::new(protocol);
        value.reply_to(&mut recorder);
        prop_assert_eq!(recorder.into_value(), value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(input: Vec<u8>) {
        if let Ok(Some((_, consumed))) = decode(&input) {
            prop_assert!(consumed <= input.len());
        }
    }
}

fn encode(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut encoder = Encoder::new(protocol);
    value.reply_to(&mut encoder);
    encoder.take()
}

/// What a client receives of a reply: RESP2 has no types beyond the first five, RESP3 no missing list.
fn received(value: Value, protocol: Protocol) -> Value {
    let typed = protocol == Protocol::Resp3;
    let all = |items: Vec<Value>| items.into_iter().map(|item| received(item, protocol)).collect();
    match value {
        Value::NullArray if typed => Value::Null,
        Value::Double(value) if !typed => Value::Bulk(format_double(value).to_vec()),
        Value::Bool(value) if !typed => Value::Int(value.into()),
        Value::BigNumber(text) | Value::Verbatim(_, text) if !typed => Value::Bulk(text),
        Value::Simple(text) => Value::Simple(one_line(text)),
        Value::Error(text) => Value::Error(one_line(text)),
        Value::Array(items) => Value::Array(all(items)),
        Value::Set(items) if typed => Value::Set(all(items)),
        Value::Push(items) if typed => Value::Push(all(items)),
        Value::Set(items) | Value::Push(items) => Value::Array(all(items)),
        Value::Map(pairs) if typed => Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (received(key, protocol), received(value, protocol)))
                .collect(),
        ),
        Value::Map(pairs) => {
            Value::Array(all(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()))
        }
        other => other,
    }
}

fn one_line(mut text: Vec<u8>) -> Vec<u8> {
    text.iter_mut().filter(|byte| matches!(**byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    text
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Resp2), Just(Protocol::Resp3)]
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n')], 0..20);
    let number = any::<f64>().prop_filter("NaN is not equal to itself", |value| !value.is_nan());
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::NullArray),
        bytes().prop_map(Value::Simple),
        bytes().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Int),
        (-20..120i64).prop_map(Value::Int),
        bytes().prop_map(Value::Bulk),
        prop::collection::vec(any::<u8>(), 90..1100).prop_map(Value::Bulk),
        number.prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
        "-?[0-9]{1,30}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
        (any::<[u8; 3]>(), bytes()).prop_map(|(format, text)| Value::Verbatim(format, text)),
    ];
    leaf.prop_recursive(4, 40, 12, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..12);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Map),
        ]
    })
}
