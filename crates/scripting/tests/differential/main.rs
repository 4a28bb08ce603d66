//! Random calls of the libraries and of `table.sort`, run here and in a real redis-server, whose answers must be the same to the byte.
//!
//! `PERIGEE_ORACLE=/usr/bin/redis-server PERIGEE_CASES=200000 PERIGEE_SEED=1 cargo test -p perigee-scripting --test
//! differential`. Without the first variable there is nothing to compare with, and nothing runs.

#[path = "../common/mod.rs"]
mod common;
mod patterns;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use common::Vm;

// Not compared, because the engines differ and not the libraries: the order of a table's fields, equal keys within one
// constructor, the constant -0 (Lua 5.1 merges it with 0), -0 as a key, and the texts of a negative NaN and of cjson.null.

/// Cases that travel in one script.
const BATCH: usize = 50;

const SHOW: &str = include_str!("../common/show.lua");

#[test]
fn libraries_answer_as_redis_does() {
    compare(20_000, expression);
}

#[test]
fn patterns_match_as_redis_has_them() {
    compare(20_000, patterns::call);
}

/// Compares the answers of `count` calls, unless a variable says how many.
fn compare(count: usize, expression: impl Fn(&mut Chance) -> String) {
    let Ok(binary) = std::env::var("PERIGEE_ORACLE") else { return };
    let cases: usize = variable("PERIGEE_CASES", count);
    let seed: u64 = variable("PERIGEE_SEED", 1);
    let mut oracle = Oracle::start(&binary);
    let vm = Vm::new();
    let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
    let mut different = Vec::new();
    for _ in 0..cases.div_ceil(BATCH) {
        let expressions: Vec<String> = (0..BATCH).map(|_| expression(&mut chance)).collect();
        let mut script = SHOW.to_owned();
        for text in &expressions {
            script.push_str("case(function() local r = list(");
            script.push_str(text);
            script.push_str(") return r end)\n");
        }
        script.push_str("return table.concat(out, '\\n')");
        let theirs = oracle.eval(&script);
        let ours = vm.text(&script);
        if ours == theirs {
            continue;
        }
        let (our_lines, their_lines): (Vec<_>, Vec<_>) =
            (ours.split('\n').collect(), theirs.split('\n').collect());
        for (index, text) in expressions.iter().enumerate() {
            let (our, their) = (our_lines.get(index), their_lines.get(index));
            if our != their {
                different.push(difference(text, our.unwrap_or(&""), their.unwrap_or(&"")));
            }
        }
        if different.len() > 40 {
            break;
        }
    }
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
}

/// The call and both answers, from a little before the place where they part.
fn difference(text: &str, ours: &str, theirs: &str) -> String {
    let common = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
    let near = |answer: &str| {
        let bytes = &answer.as_bytes()[common.saturating_sub(40).min(answer.len())..];
        String::from_utf8_lossy(&bytes[..bytes.len().min(160)]).into_owned()
    };
    format!("{text:.500}\n  ours   {}\n  theirs {}", near(ours), near(theirs))
}

fn variable<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A small generator: the seed is the failure's name.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, options: &[&'a str]) -> &'a str {
        options[self.below(options.len())]
    }
}

fn expression(chance: &mut Chance) -> String {
    match chance.below(17) {
        12 => sort_call(chance),
        13..=15 => patterns::call(chance),
        16 => build_call(chance),
        0 | 1 => bit_call(chance),
        2 => struct_pack(chance),
        3 => struct_unpack(chance),
        4 => cmsgpack_call(chance),
        5 => format!("cmsgpack.unpack(cmsgpack.pack({}))", values(chance, 3)),
        6 => cmsgpack_raw(chance),
        7 => format!("cjson.encode({})", value(chance, 3, true)),
        8 => match chance.below(5) {
            3 => format!("cjson.decode(cjson.encode({}))", mixed_table(chance, 2)),
            4 => format!("cmsgpack.unpack(cmsgpack.pack({}))", mixed_table(chance, 2)),
            0 => format!("cjson.decode(cjson.encode({}))", plain_object(chance)),
            1 => format!("cjson.encode({})", sparse(chance, 4)),
            _ => format!("cjson.decode(cjson.encode({}))", value(chance, 3, true)),
        },
        9 | 10 => format!("cjson.decode({})", quote(json(chance, 4).as_bytes())),
        _ => settings(chance),
    }
}

/// Orders that leave elements equal or contradict themselves show every step of the algorithm.
fn sort_call(chance: &mut Chance) -> String {
    let count = chance.below(40);
    let items: Vec<String> = (0..count).map(|_| chance.below(50).to_string()).collect();
    let order = chance.pick(&[
        "",
        ", function(a, b) return a % 5 < b % 5 end",
        ", function(a, b) return a > b end",
        ", function(a, b) return a <= b end",
        ", function(a, b) return (a or 0) * 7 % 11 > (b or 0) * 3 % 5 end",
        ", function() return true end",
        ", 5",
        ", nil",
    ]);
    let odd = if count > 0 && chance.below(20) == 0 {
        format!(", {}", scalar(chance, true))
    } else {
        String::new()
    };
    format!(
        "(function() local t = {{{}{odd}}} table.sort(t{order}) \
         for i, v in ipairs(t) do t[i] = show(v, 0) end return table.concat(t, ' ') end)()",
        items.join(", ")
    )
}

fn build_call(chance: &mut Chance) -> String {
    let count = chance.below(9);
    let items: Vec<String> =
        (0..count).map(|_| chance.pick(&["1", "'two'", "3.25", "'four'", "-5", "{}"]).to_owned()).collect();
    // Where a table with holes ends is the engine's affair.
    let (items, position) = (items.join(", "), chance.below(count + 1) + 1);
    match chance.below(5) {
        0 => format!("string.rep({}, {})", string(chance), chance.below(20) as i64 - 3),
        1 => format!(
            "table.concat({{{items}}}{})",
            chance.pick(&["", ", ','", ", 5", ", nil, 2", ", '', 2, 3", ", '', 3, 1", ", {}"])
        ),
        2 => format!(
            "(function() local t = {{{items}}} table.insert(t, {position}, 'new') return unpack(t) end)()"
        ),
        3 => format!(
            "(function() local t = {{{items}}} return table.remove(t, {position}), #t, unpack(t) end)()"
        ),
        _ => {
            format!("string.{}({})", chance.pick(&["upper", "lower", "reverse", "len"]), string(chance))
        }
    }
}

fn bit_call(chance: &mut Chance) -> String {
    let name = chance.pick(&[
        "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap", "tohex",
    ]);
    let count = chance.below(4);
    let arguments: Vec<String> = (0..count).map(|_| scalar(chance, true)).collect();
    format!("bit.{name}({})", arguments.join(", "))
}

fn number(chance: &mut Chance) -> String {
    match chance.below(14) {
        12 => format!("1e{}+{}", 12 + chance.below(7), chance.below(9) as i64 - 4).replace("+-", "-"),
        13 => format!("{}/1e{}", chance.next() >> chance.below(48), chance.below(12)),
        0 => format!("{}", chance.below(300) as i64 - 150),
        1 => format!("{}", chance.next() as u32),
        2 => format!("-{}", chance.next() as u32),
        3 => format!("2^{}", chance.below(70)),
        4 => format!("-2^{}", chance.below(70)),
        5 => format!("2^{}-1", chance.below(66)),
        6 => format!("{}.{}", chance.below(1000), chance.below(100_000)),
        7 => format!("{}e{}", chance.below(1000), chance.below(600) as i64 - 300),
        8 => chance
            .pick(&[
                "0",
                "tonumber('-0')",
                "1/0",
                "-1/0",
                "0/0",
                "0.5",
                "1.5",
                "-0.1",
                "0.1",
                "1e15",
                "1e14",
                "99999999999999",
            ])
            .to_owned(),
        9 => format!("{}/{}", chance.below(100_000), chance.below(1000) + 1),
        10 => format!("{}", chance.next() >> chance.below(48)),
        _ => format!("{}", chance.below(20)),
    }
}

fn string(chance: &mut Chance) -> String {
    match chance.below(10) {
        8 | 9 => {
            let mut bytes = vec![b'a'; chance.below(50)];
            bytes.push(chance.next() as u8);
            bytes.resize(bytes.len() + chance.below(50), b'z');
            quote(&bytes)
        }
        0 => format!("string.rep({}, {})", quote(b"ab/\"\x01"), chance.below(400)),
        1 => format!("'{}'", number(chance).replace(['^', '/'], "e").replace('\'', "")),
        2 => "'0x10'".to_owned(),
        3 => format!("string.rep('x', {})", [31, 32, 255, 256, 65535, 65536][chance.below(6)]),
        _ => {
            let length = chance.below(12);
            let bytes: Vec<u8> =
                (0..length)
                    .map(|_| {
                        if chance.below(3) == 0 { chance.next() as u8 } else { b'a' + chance.below(26) as u8 }
                    })
                    .collect();
            quote(&bytes)
        }
    }
}

fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b" {}[]:,.+-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\{byte:03}"));
        }
    }
    text.push('"');
    text
}

fn scalar(chance: &mut Chance, odd: bool) -> String {
    match chance.below(if odd { 12 } else { 9 }) {
        0..=3 => number(chance),
        4..=6 => string(chance),
        7 => "true".to_owned(),
        8 => "false".to_owned(),
        9 => "nil".to_owned(),
        10 => "cjson.null".to_owned(),
        _ => chance.pick(&["{}", "print_not", "tostring", "function() end"]).replace("print_not", "nil"),
    }
}

/// With `single`, tables have at most one key that is not an array's, since their order is not compared.
fn value(chance: &mut Chance, depth: usize, single: bool) -> String {
    if depth == 0 || chance.below(3) == 0 {
        return scalar(chance, chance.0 & 0x100 != 0);
    }
    match chance.below(6) {
        0 | 1 => {
            let count = chance.below(20);
            let items: Vec<String> = (0..count).map(|_| value(chance, depth - 1, single)).collect();
            format!("{{{}}}", items.join(", "))
        }
        2 => format!("{{[{}] = {}}}", table_key(chance), value(chance, depth - 1, single)),
        3 => {
            let count = if single { 1 } else { 1 + chance.below(3) };
            sparse(chance, count)
        }
        4 if !single => plain_object(chance),
        5 if chance.below(4) == 0 => {
            let levels = 1 + chance.below(20);
            let bottom = scalar(chance, false);
            format!("{}{bottom}{}", "{".repeat(levels), "}".repeat(levels))
        }
        _ => scalar(chance, false),
    }
}

/// A table with some positive indexes, all different: what two constructors make of equal keys is not compared.
fn sparse(chance: &mut Chance, count: usize) -> String {
    let mut index = 0;
    let items: Vec<String> = (0..count)
        .map(|_| {
            index += 1 + chance.below(12);
            format!("[{index}] = {}", scalar(chance, false))
        })
        .collect();
    format!("{{{}}}", items.join(", "))
}

/// An object of which no part can be refused.
fn plain_object(chance: &mut Chance) -> String {
    let count = chance.below(12);
    let items: Vec<String> =
        (0..count).map(|index| format!("[{}..'{index}'] = {}", string(chance), string(chance))).collect();
    format!("{{{}}}", items.join(", "))
}

/// Names and numbers as keys, sometimes more than wait on the stack. No value that is refused: which of several is met first depends
/// on the order of the fields.
fn mixed_table(chance: &mut Chance, depth: usize) -> String {
    let most = if depth == 2 { [90, 8, 8, 8, 8, 8][chance.below(6)] } else { 6 };
    let count = chance.below(most);
    let items: Vec<String> = (0..count)
        .map(|index| {
            let key = match chance.below(3) {
                0 => format!("[{index}.5]"),
                1 => format!("['{}{index}']", &"a key of a table, long"[..chance.below(22)]),
                _ => format!("field_{index}"),
            };
            let value = match chance.below(6) {
                0 if depth > 0 => mixed_table(chance, depth - 1),
                1 if depth > 0 => {
                    let items: Vec<String> = (0..chance.below(6)).map(|_| mixed_table(chance, 0)).collect();
                    format!("{{{}}}", items.join(", "))
                }
                0..=2 => string(chance),
                3 => chance.pick(&["true", "false", "cjson.null"]).to_owned(),
                4 => format!("{}", chance.next() >> chance.below(48)),
                _ => format!("-{}/{}", 1 + (chance.next() >> chance.below(48)), chance.below(1000) + 1),
            };
            format!("{key} = {value}")
        })
        .collect();
    format!("{{{}}}", items.join(", "))
}

fn table_key(chance: &mut Chance) -> String {
    let key = scalar(chance, false);
    if key.contains("tonumber") || key.contains("0/0") { "1".to_owned() } else { key }
}

fn values(chance: &mut Chance, most: usize) -> String {
    let count = 1 + chance.below(most);
    let items: Vec<String> = (0..count).map(|_| value(chance, 3, false)).collect();
    items.join(", ")
}

fn format_text(chance: &mut Chance) -> String {
    let count = 1 + chance.below(6);
    let mut text = String::new();
    for _ in 0..count {
        match chance.below(12) {
            0 => text.push_str(chance.pick(&["<", ">", "!", " ", "!4", "!2", "!16", "!1", "!3"])),
            1 => text.push_str(&format!("c{}", chance.below(6))),
            2 => text.push_str(&format!("{}{}", chance.pick(&["i", "I"]), chance.below(18))),
            3 if chance.below(10) == 0 => {
                text.push_str(chance.pick(&["z", "%", "i40", "i99999999999", "c", "\\0", "q"]))
            }
            _ => {
                text.push_str(chance.pick(&["b", "B", "h", "H", "l", "L", "T", "i", "I", "f", "d", "x", "s"]))
            }
        }
    }
    text
}

fn struct_pack(chance: &mut Chance) -> String {
    let format = format_text(chance);
    if chance.below(6) == 0 {
        return format!("struct.size('{format}')");
    }
    let mut arguments = String::new();
    for letter in format.bytes().filter(u8::is_ascii_alphabetic) {
        let argument = match letter {
            _ if chance.below(40) == 0 => scalar(chance, true).replace("0/0", "nil"),
            b'c' | b's' => string(chance),
            b'x' => continue,
            _ => number(chance),
        };
        arguments.push_str(", ");
        arguments.push_str(&argument);
    }
    format!("struct.pack('{format}'{arguments})")
}

fn struct_unpack(chance: &mut Chance) -> String {
    let length = chance.below(40);
    let bytes: Vec<u8> = (0..length).map(|_| chance.next() as u8 >> chance.below(8)).collect();
    let position = match chance.below(4) {
        0 => format!(", {}", number(chance)),
        1 => format!(", {}", chance.below(10)),
        _ => String::new(),
    };
    format!("struct.unpack('{}', {}{position})", format_text(chance), quote(&bytes))
}

fn cmsgpack_call(chance: &mut Chance) -> String {
    match chance.below(3) {
        0 => format!("cmsgpack.pack({})", value(chance, 3, true)),
        1 => format!("cmsgpack.pack({}, {})", value(chance, 2, true), value(chance, 2, true)),
        _ => format!(
            "cmsgpack.{}(cmsgpack.pack({}), {})",
            chance.pick(&["unpack_one", "unpack_limit"]),
            value(chance, 3, true),
            if chance.below(3) == 0 { scalar(chance, true) } else { chance.below(4).to_string() }
        ),
    }
}

fn cmsgpack_raw(chance: &mut Chance) -> String {
    let length = 1 + chance.below(12);
    let bytes: Vec<u8> = (0..length)
        .map(|_| match chance.below(4) {
            0 => 0xc0 + chance.below(32) as u8,
            1 => 0x80 + chance.below(40) as u8,
            2 => chance.below(5) as u8,
            _ => chance.next() as u8,
        })
        .collect();
    match chance.below(4) {
        0 => format!("cmsgpack.unpack_one({}, {})", quote(&bytes), chance.below(14)),
        1 => format!("cmsgpack.unpack_limit({}, {}, {})", quote(&bytes), chance.below(5), chance.below(14)),
        _ => format!("cmsgpack.unpack({})", quote(&bytes)),
    }
}

fn json(chance: &mut Chance, depth: usize) -> String {
    let mut text = match chance.below(if depth == 0 { 6 } else { 9 }) {
        0 => chance
            .pick(&[
                "true", "false", "null", "nan", "NaN", "inf", "-inf", "Infinity", "-nan", "+1", "0x1F",
                "-0x1p3", "01", "1.", ".5", "1e", "1e+", "-", "--1", "tru", "nul", "1e400", "1e-400", "-0",
                "0xg", "infinit", "nan(1)",
            ])
            .to_owned(),
        1 | 2 => format!("{}{}", chance.pick(&["", "-"]), chance.next() >> chance.below(60)),
        3 => format!(
            "{}.{}e{}",
            chance.below(100),
            chance.next() >> chance.below(60),
            chance.below(40) as i64 - 20
        ),
        4 | 5 => json_string(chance),
        6 | 7 => {
            let count = chance.below(5);
            let items: Vec<String> = (0..count).map(|_| json(chance, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let count = chance.below(4);
            let items: Vec<String> = (0..count)
                .map(|_| format!("{} : {}", json_string(chance), json(chance, depth - 1)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
    };
    if chance.below(25) == 0 {
        let noise =
            chance.pick(&["}", "]", ",", ":", "\"", "\\", " ", "\t\n", "x", "\0", "[", "{", "/", "é"]);
        let mut place = chance.below(text.len() + 1);
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        text.insert_str(place, noise);
    }
    if chance.below(40) == 0 {
        text.pop();
    }
    text
}

fn json_string(chance: &mut Chance) -> String {
    if chance.below(3) == 0 {
        let odd =
            chance.pick(&["", "", "\\n", "\\/", "\\\"", "\\u00e4", "\\ud83d\\ude00", "\\q", "é", "\u{7f}"]);
        return format!("\"{}{odd}{}\"", "a".repeat(chance.below(80)), "b".repeat(chance.below(40)));
    }
    let count = chance.below(6);
    let mut text = String::from("\"");
    for _ in 0..count {
        match chance.below(8) {
            0 => text.push_str(&format!("\\u{:04x}", chance.next() as u16)),
            1 => text.push_str(&format!("\\ud8{:02X}\\udc{:02x}", chance.next() as u8, chance.next() as u8)),
            2 => text.push_str(
                chance.pick(&["\\n", "\\t", "\\/", "\\\\", "\\\"", "\\b", "\\f", "\\r", "\\x", "\\u12g4"]),
            ),
            3 if chance.below(10) == 0 => text.push(char::from(chance.below(32) as u8)),
            _ => text.push_str(chance.pick(&["a", "key", "é", "€", "0", " "])),
        }
    }
    text.push('"');
    text
}

/// A setting on a table of its own, so that the two servers' global settings stay as they are.
fn settings(chance: &mut Chance) -> String {
    let name = chance.pick(&[
        "encode_sparse_array",
        "encode_max_depth",
        "decode_max_depth",
        "encode_number_precision",
        "encode_keep_buffer",
        "encode_invalid_numbers",
        "decode_invalid_numbers",
    ]);
    let count = chance.below(4);
    let arguments: Vec<String> = (0..count)
        .map(|_| match chance.below(6) {
            0 => "'on'".to_owned(),
            1 => chance.pick(&["'off'", "'null'", "'x'"]).to_owned(),
            2 => "nil".to_owned(),
            3 => chance.below(20).to_string(),
            _ => scalar(chance, true).replace("0/0", "nil"),
        })
        .collect();
    let call = format!("local s = list(pcall(j.{name}, {}))", arguments.join(", ")).replace(", ))", "))");
    let subject = value(chance, 2, true);
    let text = quote(json(chance, 3).as_bytes());
    format!(
        "(function() local j = cjson.new() {call} \
         return list(s, list(pcall(j.encode, {subject})), list(pcall(j.decode, {text}))) end)()"
    )
}

/// A redis-server on a port of its own, ended with the test.
struct Oracle {
    server: Child,
    stream: BufReader<TcpStream>,
}

impl Oracle {
    fn start(binary: &str) -> Oracle {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .port();
        let mut server = Command::new(binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle starts");
        let log = BufReader::new(server.stdout.take().expect("its log"));
        let mut log = log.lines();
        log.find(|line| line.as_ref().is_ok_and(|line| line.contains("Ready to accept")))
            .expect("it gets ready")
            .ok();
        std::thread::spawn(move || log.for_each(drop));
        let stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).expect("it listens"));
        Oracle { server, stream }
    }

    /// The answer of a script that returns a string, or the text of its error.
    fn eval(&mut self, script: &str) -> String {
        let request = format!("*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n", script.len());
        self.stream.get_mut().write_all(request.as_bytes()).expect("the oracle reads");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the oracle answers");
        let Some(length) = line.strip_prefix('$') else { return line };
        let mut body = vec![0; length.trim().parse::<usize>().expect("a length") + 2];
        self.stream.read_exact(&mut body).expect("the oracle answers");
        body.truncate(body.len() - 2);
        String::from_utf8_lossy(&body).into_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The test is over either way.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
