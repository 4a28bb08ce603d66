//! Doubles printed and accepted as by the real server.

use perigee_resp::{Value, format_double, parse_f64};
use proptest::prelude::*;

use crate::redis::Redis;

proptest! {
    #[test]
    fn a_printed_double_parses_back(bits: u64) {
        let value = f64::from_bits(bits);
        let back = parse_f64(&format_double(value));
        prop_assert_eq!(back, (!value.is_nan()).then_some(value));
    }

    #[test]
    fn digits_agree_with_the_standard_library(value: f64) {
        let text = format_double(value);
        let text = std::str::from_utf8(&text).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap(), value);
    }

    #[test]
    fn a_hexadecimal_double_is_read_exactly(mantissa in 1u64..1 << 53, exponent in -1074i64..=971) {
        let power = |exponent: i64| 2f64.powi(i32::try_from(exponent).unwrap());
        let expected = mantissa as f64 * power(exponent.max(-1022)) * power((exponent + 1022).min(0));
        let text = format!("0x{mantissa:x}p{exponent}");
        prop_assert_eq!(parse_f64(text.as_bytes()), expected.is_finite().then_some(expected));
    }

    #[test]
    fn any_bytes_are_read_or_refused(text: Vec<u8>) {
        prop_assert!(!parse_f64(&text).is_some_and(f64::is_nan));
    }
}

/// Scores set and read back in pipelines; every printed and every refused text must agree.
#[test]
#[ignore = "needs redis-server on the PATH"]
fn scores_agree_with_redis() {
    let redis = Redis::start(&["--zset-max-listpack-entries", "0"]);
    let mut connection = redis.connect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..400 {
        let texts: Vec<Vec<u8>> = (0..500).map(|_| score(&mut random)).collect();
        let requests: Vec<Vec<Vec<u8>>> = texts
            .iter()
            .flat_map(|text| {
                let add = vec![b"ZADD".to_vec(), b"z".to_vec(), text.clone(), b"m".to_vec()];
                let ask = vec![b"ZSCORE".to_vec(), b"z".to_vec(), b"m".to_vec()];
                [add, ask, vec![b"DEL".to_vec(), b"z".to_vec()]]
            })
            .collect();
        let replies = connection.pipeline(&requests);
        for (text, replies) in texts.iter().zip(replies.chunks(3)) {
            let expected =
                parse_f64(text).map_or(Value::Null, |value| Value::Bulk(format_double(value).to_vec()));
            assert_eq!(replies[1], expected, "{}", text.escape_ascii());
        }
    }
}

/// A text that is a double, or nearly one.
fn score(random: &mut impl FnMut() -> u64) -> Vec<u8> {
    let value = f64::from_bits(random());
    let small = random() as i32;
    match random() % 8 {
        0 => format!("{value:e}").into_bytes(),
        1 => format!("{}", f64::from(small) / 1000.0).into_bytes(),
        2 => format!("{}", f64::from(small) / 1024.0 / 65536.0 / 1024.0).into_bytes(),
        3 => format!("{}e{}", small, random() as i8).into_bytes(),
        4 => format!(
            "0x{:x}.{:x}p{}",
            random() >> (random() % 64),
            random() >> (random() % 64),
            random() % 2400
        )
        .into_bytes(),
        5 => format!("-0X{:x}.{:x}p-{}", random() >> (random() % 64), random(), random() % 1300).into_bytes(),
        6 => format!("{}", random() as i64 >> (random() % 64)).into_bytes(),
        _ => {
            const ALPHABET: &[u8] = b"0123456789+-.eExXpPaifnINFty ";
            (0..random() % 6).map(|_| ALPHABET[random() as usize % ALPHABET.len()]).collect()
        }
    }
}
