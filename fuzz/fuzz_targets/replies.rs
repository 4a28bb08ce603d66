//! Arbitrary bytes as replies: what decodes can be encoded, and decodes to the same again, in both protocols; in pieces
//! it decodes to the same as in one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perigee_resp::{Decoder, Encoder, Protocol, Recorder, Value, decode};

fuzz_target!(|data: &[u8]| {
    let whole = decode(data);
    let mut decoder = Decoder::new();
    let pieces =
        (0..=data.len()).map(|end| decoder.decode(&data[..end])).find(|result| !matches!(result, Ok(None)));
    assert_eq!(format!("{:?}", pieces.unwrap_or(Ok(None))), format!("{whole:?}"));

    let Ok(Some((value, consumed))) = whole else { return };
    assert!(0 < consumed && consumed <= data.len());

    let mut recorder = Recorder::new(Protocol::Resp3);
    value.reply_to(&mut recorder);
    same(&value, &recorder.into_value());

    // Each protocol forgets something once (types, or the difference of the nulls), and nothing more after that.
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let encoded = encode(&value, protocol);
        let (again, length) = decode(&encoded).expect("our own encoding").expect("a complete reply");
        assert_eq!(length, encoded.len());
        assert_eq!(encode(&again, protocol), encoded);
        if protocol == Protocol::Resp3 && !holds_null_array(&value) {
            same(&value, &again);
        }
    }
});

/// Compares as text, where NaN is NaN and -0 is not 0.
fn same(left: &Value, right: &Value) {
    assert_eq!(format!("{left:?}"), format!("{right:?}"));
}

fn encode(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut encoder = Encoder::new(protocol);
    value.reply_to(&mut encoder);
    encoder.take()
}

fn holds_null_array(value: &Value) -> bool {
    match value {
        Value::NullArray => true,
        Value::Array(items) | Value::Set(items) | Value::Push(items) => items.iter().any(holds_null_array),
        Value::Map(pairs) => {
            pairs.iter().any(|(key, value)| holds_null_array(key) || holds_null_array(value))
        }
        _ => false,
    }
}
