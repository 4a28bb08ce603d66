//! The words that random commands are made of: few keys and members, so that commands meet, and values at the edges.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Seeded chance.
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit.max(1))
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A word of a category, or `None` if there is no such category.
pub(super) fn word(dice: &mut Dice, category: &str) -> Option<Vec<u8>> {
    if let Some(prefix) = key_prefix(category) {
        return Some(key(dice, prefix));
    }
    if category == "payload" {
        return Some(payload(dice));
    }
    if let "lon" | "lat" = category
        && !dice.one_in(6)
    {
        return Some(degrees(dice, if category == "lon" { 180 } else { 85 }));
    }
    // Far from each other as well: the order of what is equally near is free.
    if category == "comp" && !dice.one_in(100) {
        return Some(degrees(dice, 90));
    }
    if category == "expr" && !dice.one_in(4) {
        let text = expression(dice, 3);
        return Some(damaged(dice, text));
    }
    let pool: &[&str] = match category {
        "val" => VALUES,
        "field" | "member" => MEMBERS,
        "int" => INTEGERS,
        "num" => NUMBERS,
        "score" => SCORES,
        "idx" => INDEXES,
        "cnt" => COUNTS,
        "draws" => DRAWS,
        "bound" => BOUNDS,
        "lex" => LEXES,
        "ttl" => TTLS,
        "pttl" => MILLIS,
        "at" => TIMES,
        "pat" => MILLI_TIMES,
        "later" => LATER_TIMES,
        "mlater" => LATER_MILLI_TIMES,
        "pattern" => PATTERNS,
        "by" => BY_PATTERNS,
        "get" => GET_PATTERNS,
        "cursor" => CURSORS,
        "timeout" => TIMEOUTS,
        "db" => DATABASES,
        "channel" => CHANNELS,
        "chpattern" => CHANNEL_PATTERNS,
        "bitoff" => BIT_OFFSETS,
        "bit" => BITS,
        "enc" => BIT_TYPES,
        "fieldoff" => FIELD_OFFSETS,
        "weight" => NUMBERS,
        "type" => TYPES,
        "newid" => NEW_IDS,
        "id" => IDS,
        "readid" => READ_IDS,
        "from" | "to" => ID_BOUNDS,
        "group" => GROUPS,
        "consumer" => CONSUMERS,
        "minidle" => MIN_IDLES,
        "idle" => IDLES,
        "moment" => MOMENTS,
        "lon" => LONGITUDES,
        "lat" => LATITUDES,
        "radius" => RADIUSES,
        "unit" => UNITS,
        "user" => USERS,
        "rule" => RULES,
        "parameter" => PARAMETERS,
        "setting" => PARAMETER_VALUES,
        "comp" => COMPONENTS,
        "attr" => ATTRIBUTES,
        "expr" => EXPRESSIONS,
        "any" => return Some(anything(dice)),
        _ => return None,
    };
    // The first half of a pool is its usual values; its edges come up less often.
    let usual = !dice.one_in(3);
    let word = if usual { dice.pick(&pool[..pool.len().div_ceil(2)]) } else { dice.pick(pool) };
    Some(expand(word))
}

/// A longitude or latitude. Far from each other: where distances are equal, the order of what is found is free.
pub(super) fn degrees(dice: &mut Dice, limit: usize) -> Vec<u8> {
    let degrees = dice.below(2 * limit) as f64 - limit as f64 + dice.below(10_000) as f64 / 10_000.0;
    degrees.to_string().into_bytes()
}

/// What VSIM filters by.
fn expression(dice: &mut Dice, depth: usize) -> String {
    const ATOMS: &[&str] = &[
        ".n", ".s", ".list", ".yes", ".none", "1", "0", "-2.5", "10", "'a'", "\"10\"", "''", "[1, 'a']", "[]",
    ];
    const OPERATORS: &[&str] =
        &["or", "||", "and", "&&", ">", ">=", "<", "<=", "==", "!=", "in", "+", "-", "*", "/", "%", "**"];
    if depth == 0 || dice.one_in(5) {
        return (*dice.pick(ATOMS)).to_owned();
    }
    match dice.below(7) {
        0 => format!("({})", expression(dice, depth - 1)),
        1 => format!("not {}", expression(dice, depth - 1)),
        2 => format!("!{}", expression(dice, depth - 1)),
        _ => {
            let left = expression(dice, depth - 1);
            format!("{left} {} {}", dice.pick(OPERATORS), expression(dice, depth - 1))
        }
    }
}

/// A text, without one of its bytes now and then.
fn damaged(dice: &mut Dice, text: String) -> Vec<u8> {
    let mut text = text.into_bytes();
    if dice.one_in(8) {
        let at = dice.below(text.len());
        text.remove(at);
    }
    text
}

/// A word from any pool.
pub(super) fn anything(dice: &mut Dice) -> Vec<u8> {
    const POOLS: &[&[&str]] = &[VALUES, MEMBERS, NUMBERS, BOUNDS, LEXES, OPTIONS, KEYS, COUNTS];
    let pool = POOLS[dice.below(POOLS.len())];
    expand(dice.pick::<&str>(pool))
}

/// The first letter of the keys that usually hold a type.
fn key_prefix(category: &str) -> Option<char> {
    Some(match category {
        "key" => '*',
        "kstr" => 's',
        "klist" => 'l',
        "khash" => 'h',
        "kset" => 't',
        "kzset" => 'z',
        "klex" => 'y',
        "kstream" => 'x',
        "khll" => 'p',
        "kgeo" => 'g',
        "kvec" => 'v',
        _ => return None,
    })
}

fn key(dice: &mut Dice, prefix: char) -> Vec<u8> {
    if prefix != 'y' && dice.one_in(80) {
        return expand(dice.pick::<&str>(ODD_KEYS));
    }
    let prefix = if prefix == '*' || (prefix != 'y' && dice.one_in(12)) {
        *dice.pick(&['s', 'l', 'h', 't', 'z', 'x'])
    } else {
        prefix
    };
    format!("{prefix}{}", dice.below(3)).into_bytes()
}

/// What RESTORE takes; damaged now and then.
fn payload(dice: &mut Dice) -> Vec<u8> {
    let mut payload = dice.pick(PAYLOADS).to_vec();
    if dice.one_in(10) {
        let at = dice.below(payload.len());
        payload[at] ^= 1 << dice.below(8);
    }
    payload
}

/// `LONG` and `LONGER` stand for values beyond the limits of the compact encodings, `HUGE` for one that fills a list's node.
fn expand(word: &str) -> Vec<u8> {
    match word {
        "LONG" => vec![b'x'; 65],
        "LONGER" => vec![b'y'; 300],
        "HUGE" => (0..9_000).map(|at| b'a' + (at % 23) as u8).collect(),
        "BINARY" => b"\x00\xff\r\n\x80".to_vec(),
        _ => word.as_bytes().to_vec(),
    }
}

/// A value of each type and encoding as redis-server 7.0.15 dumps it, two of older servers, then some with the right checksum
/// that are of no use.
const PAYLOADS: &[&[u8]] = &[
    b"\0\x05hello\x0a\0cr\xdfve4 \x0a",
    b"\0\xc190\x0a\0\x9d\x94\xea'\x93\xfc\x08\xb9",
    b"\0\xc3\x0a@P\x02aba\xe0B\x01\x01ab\x0a\0\x94\x9d_\x0e\xb1\xde\xa4E",
    b"\x12\x01\x02\x0f\x0f\0\0\0\x03\0\x81a\x02\x81b\x02\x03\x01\xff\x0a\0\xdc\xa1\xe6}P\x05PH",
    b"\x0b\x0e\x02\0\0\0\x03\0\0\0\x01\0\x02\0\xbc\x02\x0a\0@\xeex87\xfa\xc9X",
    b"\x02\x01\x01x\x0a\0\xff\xe8\x80\xbav\x0c/\x09",
    b"\x10\x15\x15\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x84LONG\x05\xff\x0a\0\xe3T/\xda-\xef\xbe\xed",
    b"\x11\x14\x14\0\0\0\x04\0\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\x0a\0\xd4Ln\xa4\xf6D\xd9\xd7",
    b"\x13\x01\x10\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x01\x1d\x1d\0\0\0\x0a\0\x01\x01\0\x01\x01\x01\x81a\x02\0\x01\x02\x01\0\x01\0\x01\x81b\x02\x04\x01\xff\x01\x03\x01\x03\x01\0\0\x01\x01\x02g0\0\0\x81\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x0a\0\xa0\xa2\xf7\xe6c\x1e\xbe?",
    b"\x01\x02\x01a\xc0\x05\x0a\0G\xa3w\x89\xf0\xcf\xbb\x97",
    b"\x03\x02\x01a\x031.5\x01b\xfe\x0a\0\x05\xed\x07o\xe4\xd5\x08\xea",
    b"\x02\0\x0a\0:\xce9\0\x9b\x899\xe8",
    b"\x06\x01a\x0a\0\xfb09\xc2\xb6kg\x0a",
    b"\x01\x03\x01a\x0a\0\xc9\x0a\x1f\xa4\x9a\x0b\xed\x08",
    b"\xff\x0a\0\xc9H\x85\x1cr'<\x17",
    b"\x02\x02\x01a\x01a\x0a\0W\xbev/\xc2\xd6R:",
    b"\x00\x01ac\x00.\xb6\xfbv5\xf9:\xeb",
    b"hello",
    b"\0",
];
const COMPONENTS: &[&str] = &["1", "0x10", "x", "nan"];
const ATTRIBUTES: &[&str] = &[
    r#"{"n": 1, "s": "a", "list": [1, "b"]}"#,
    r#"{"n": 2.5, "s": "b", "yes": true}"#,
    r#"{"s": "10", "n": null, "list": []}"#,
    "",
    r#"{"n": {"n": 1}}"#,
    r#"{"n": 1"#,
    "no json",
];
const EXPRESSIONS: &[&str] = &[
    ".n > 1",
    ".s == 'a' or .n == 1",
    ".s in ['a', '10']",
    "1 in .list",
    "not .n",
    ".yes and .n * 2 == 5",
    ".s + 1 == 11",
    "1",
    "",
    "(.n",
    ".n =",
    ".n = 1",
    ".none or 1",
];
const KEYS: &[&str] = &["s0", "s1", "l0", "l1", "h0", "t0", "z0", "z1", "x0", "x1"];
/// Names that are empty, no text, long, or might be taken for something else.
const ODD_KEYS: &[&str] = &["", "BINARY", "LONGER", "12", "s*", "{s}0", "STORE0"];
const VALUES: &[&str] = &[
    "a",
    "b",
    "hello",
    "10",
    "3",
    "-5",
    "Hello World",
    "1.5",
    "",
    "0",
    "007",
    " 1",
    "LONG",
    "LONGER",
    "HUGE",
    "BINARY",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e3",
    "inf",
    "nan",
    "0x10",
    "3.0",
    "-0",
];
const MEMBERS: &[&str] = &[
    "a", "b", "c", "d", "e", "1", "2", "3", "10", "-7", "aa", "ab", "", "LONG", "BINARY", "1.5", "70000", "A",
];
const INTEGERS: &[&str] = &[
    "1",
    "2",
    "3",
    "-1",
    "5",
    "10",
    "0",
    "-10",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "2147483648",
    "9223372036854775808",
    "abc",
    "",
    "1.5",
    " 1",
    "01",
    "+1",
    "-0",
];
const NUMBERS: &[&str] = &[
    "1",
    "2",
    "1.5",
    "-1",
    "0",
    "3.25",
    "-2.5",
    "10",
    "0.1",
    "1e3",
    "-0",
    "inf",
    "-inf",
    "nan",
    "1e308",
    "-1e308",
    "5e-324",
    "abc",
    "",
    "0x1p3",
    "1e400",
    "3.0e",
    " 1",
    "+2",
    "12345678901234567890",
    "0.30000000000000004",
];
const SCORES: &[&str] = &[
    "1",
    "2",
    "3",
    "1.5",
    "-1",
    "0",
    "10",
    "2",
    "5",
    "inf",
    "-inf",
    "nan",
    "1e300",
    "abc",
    "",
    "0.1",
    "-0",
    "1e-5",
    "123456789012",
    "1e17",
    "1e22",
    "3.0000000000000004",
];
const INDEXES: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-2",
    "3",
    "-3",
    "5",
    "-100",
    "100",
    "9223372036854775807",
    "-9223372036854775808",
    "abc",
    "",
    "1.5",
    "-0",
    "9223372036854775808",
];
const COUNTS: &[&str] =
    &["1", "2", "3", "5", "0", "-1", "-2", "10", "100", "-100", "9223372036854775808", "abc", ""];
/// How many members to draw; a huge negative count would have the server repeat members until its memory is full.
const DRAWS: &[&str] =
    &["1", "2", "3", "-1", "-3", "5", "0", "100", "-100", "9223372036854775808", "abc", ""];
const BOUNDS: &[&str] = &[
    "-inf", "+inf", "1", "2", "(1", "(2", "0", "3", "(3", "5", "-1", "inf", "(inf", "(-inf", "1.5", "(1.5",
    "nan", "abc", "(", "", "((1", "[1",
];
const LEXES: &[&str] = &[
    "-", "+", "[a", "[c", "(a", "(c", "[b", "(b", "[", "(", "[aa", "a", "", "[-", "-a", "++", "[z", "(LONG",
];
const TTLS: &[&str] = &[
    "100",
    "1000",
    "5000",
    "200000",
    "-1",
    "0",
    "9223372036854775807",
    "9223372036854775",
    "9223372036854776",
    "-9223372036854775808",
    "abc",
    "",
    "1.5",
];
const MILLIS: &[&str] = &[
    "100000",
    "1000000",
    "5000000",
    "200000",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "abc",
    "",
    "1.5",
];
const TIMES: &[&str] = &[
    "4102444800",
    "4102444801",
    "4200000000",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854776",
    "abc",
];
const MILLI_TIMES: &[&str] =
    &["4102444800000", "4102444800123", "4200000000000", "1", "0", "-1", "9223372036854775807", "abc"];
/// SET keeps a key whose deadline has passed until somebody finds out, which is each server's own affair.
const LATER_TIMES: &[&str] =
    &["4102444800", "4102444801", "0", "-1", "9223372036854775807", "9223372036854776", "abc"];
const LATER_MILLI_TIMES: &[&str] =
    &["4102444800000", "4102444800123", "0", "-1", "9223372036854775807", "abc"];
const PATTERNS: &[&str] =
    &["*", "s*", "?0", "[sl]1", "[^s]*", "a*", "", "\\*", "[a-c]", "[", "*1", "nothing", "[^", "h\\"];
const BY_PATTERNS: &[&str] = &["nosort", "s*", "h0->*", "*", "none_*", "h*->a", "s*->x", "->*"];
const GET_PATTERNS: &[&str] = &["#", "s*", "h0->*", "none_*", "h*->a", "*", "x", "h0->"];
/// Also those of another time: where they lead is not compared, but that they lead somewhere.
const CURSORS: &[&str] = &[
    "0",
    "0",
    "0",
    "0",
    "0",
    "0",
    "1",
    "7",
    "1024",
    "65537",
    "9223372036854775808",
    "18446744073709551615",
    "abc",
    "-1",
    "",
    "18446744073709551616",
    "0x1",
];
const TIMEOUTS: &[&str] = &["0.01", "0.01", "0.001", "-1", "abc", "", "1e400", "-0.1", "9223372036854775807"];
const DATABASES: &[&str] = &["0", "1", "0", "1", "2", "9", "15", "16", "-1", "abc", "", "2147483648"];
const CHANNELS: &[&str] = &["c0", "c1", "c2", "s0", ""];
const CHANNEL_PATTERNS: &[&str] = &["c*", "c0", "[cs]?", "*", "\\c1", ""];
const BIT_OFFSETS: &[&str] = &["0", "1", "7", "8", "30", "100", "-1", "4294967296", "abc", ""];
const BITS: &[&str] = &["0", "1", "1", "0", "2", "-1", "abc"];
const BIT_TYPES: &[&str] = &["u8", "i8", "u4", "i16", "u63", "i64", "u1", "u64", "i65", "u0", "x8", "u", ""];
const FIELD_OFFSETS: &[&str] = &["0", "4", "#0", "#1", "#3", "100", "-1", "#-1", "abc", "#", "4294967296"];
const TYPES: &[&str] = &["string", "list", "set", "hash", "zset", "ZSET", "stream", "nothing", ""];
/// Those of the first half let a stream grow.
const NEW_IDS: &[&str] = &[
    "3-*", "5-*", "7-*", "20-*", "20-*", "20-*", "20-*", "20-*", "25-3", "1-1", "2-1", "3", "0-1", "0-0",
    "*-1", "30-2", "0-*", "abc", "",
];
const IDS: &[&str] = &[
    "3-0",
    "5-0",
    "5-1",
    "7-0",
    "20-0",
    "20-1",
    "20-2",
    "20-3",
    "1-1",
    "2-1",
    "0-0",
    "25-3",
    "30-2",
    "3",
    "99-0",
    "-",
    "+",
    "$",
    "5-*",
    "abc",
    "",
    "18446744073709551615-18446744073709551615",
    "20-18446744073709551615",
];
/// Without the one that came with 7.4.
const READ_IDS: &[&str] = &[
    "3-0",
    "5-0",
    "20-0",
    "20-2",
    "1-1",
    "0-0",
    "25-3",
    "99-0",
    "-",
    "5-*",
    "abc",
    "",
    ">",
    "18446744073709551615-18446744073709551615",
];
const ID_BOUNDS: &[&str] = &[
    "-",
    "+",
    "3-0",
    "(3-0",
    "5",
    "(5-1",
    "20-1",
    "(20-1",
    "20",
    "0",
    "7-0",
    "99",
    "(99",
    "(0-0",
    "(",
    "(-",
    "(18446744073709551615-18446744073709551615",
    "abc",
    "",
    "$",
];
const GROUPS: &[&str] = &["g0", "g1", "g0", "g2", ""];
const CONSUMERS: &[&str] = &["c0", "c1", "c2", "c3", "", "LONG"];
/// Far from every time that may have passed.
const MIN_IDLES: &[&str] = &["0", "0", "0", "1000000", "-1", "abc", "9223372036854775807"];
const IDLES: &[&str] =
    &["5000000", "0", "100000000", "-1", "9223372036854775807", "abc", "-9223372036854775808"];
const MOMENTS: &[&str] = &["1000", "0", "99999999999999", "-5", "abc"];
const LONGITUDES: &[&str] = &["13.361389", "0", "-180", "180", "180.0001", "inf", "nan", "abc", ""];
const LATITUDES: &[&str] = &["38.115556", "0", "85.05112878", "-85.05112878", "85.0512", "1e10", "abc", ""];
const RADIUSES: &[&str] = &[
    "1", "500", "2000", "5000.5", "20000", "100000", "1000000", "10000000", "0", "-1", "inf", "nan", "abc",
    "",
];
const UNITS: &[&str] = &["km", "mi", "km", "m", "ft", "KM", "parsec", ""];
const USERS: &[&str] = &["u0", "u1", "default", "nobody"];
const RULES: &[&str] = &[
    "on",
    "+@all",
    "~*",
    "allkeys",
    "+get",
    "-set",
    "+@read",
    "-@write",
    "~s*",
    "~?0",
    "%R~h*",
    "%W~l*",
    "&*",
    "&c*",
    "nopass",
    "+@all",
    "-@all",
    "(+@read ~x*)",
    "(+set %W~s1)",
    "off",
    "resetkeys",
    "resetchannels",
    "resetpass",
    "reset",
    "clearselectors",
    ">pass",
    "<pass",
    "#abc",
    "+config|get",
    "-config|set",
    "+select|0",
    "-client|kill",
    "+nosuch",
    "+@nosuch",
    "~",
    "%X~a",
    "%RW~t*",
    "allchannels",
    "allcommands",
    "nocommands",
    "sanitize-payload",
    "(",
    "()",
    "(on)",
    "+",
    "x",
    "",
    "+config|get|x",
    "-select|0",
    "+eval",
    "<none",
    "!abc",
];
const PARAMETERS: &[&str] = &[
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "set-max-intset-entries",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "hll-sparse-max-bytes",
    "list-max-listpack-size",
    "hash-max-ziplist-entries",
    "zset-max-ziplist-value",
    "list-max-ziplist-size",
    "nothing",
    "",
];
const PARAMETER_VALUES: &[&str] =
    &["3", "1", "0", "16", "100", "512", "4kb", "-1", "-3", "abc", "", "9223372036854775808", "1.5", "-5"];
const OPTIONS: &[&str] = &[
    "NX",
    "XX",
    "GT",
    "LT",
    "EX",
    "PX",
    "KEEPTTL",
    "GET",
    "WITHSCORES",
    "LIMIT",
    "COUNT",
    "MATCH",
    "BY",
    "STORE",
    "ASC",
    "DESC",
    "REV",
    "BYSCORE",
    "BYLEX",
    "WEIGHTS",
    "AGGREGATE",
    "REPLACE",
    "DB",
    "LEFT",
    "RIGHT",
    "WITHVALUES",
    "CH",
    "INCR",
    "PERSIST",
    "ALPHA",
    "TYPE",
    "RANK",
    "MAXLEN",
    "BEFORE",
    "AFTER",
    "BYTE",
    "BIT",
    "MIN",
    "MAX",
    "SUM",
];
