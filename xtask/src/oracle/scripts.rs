//! Random scripts: calls of random commands between calls of the libraries and whatever else Lua offers, sent several times in a
//! row, since what runs often is compiled anew.
//!
//! A script is a text with `$` names in it, each of which stands for one of several texts (see `variants`). What must differ
//! stays away: `pairs`, objects of several fields, the VM's own wording of errors, times, chance.

use super::grammar;
use super::pair::Request;
use super::shapes::{Dice, word};

/// How often each script runs: Perigee's workers compile a text once more in its third run.
const RUNS: usize = 4;

/// A script with its arguments, as often as it is to run.
pub(super) fn series(dice: &mut Dice, table: &[(String, String)]) -> Vec<Request> {
    let mut writer = Writer { dice, table, keys: Vec::new(), arguments: Vec::new() };
    for _ in 0..writer.dice.below(4) {
        writer.keys.extend(word(writer.dice, "key"));
    }
    for _ in 0..writer.dice.below(3) {
        let argument = writer.fill("$plain").into_bytes();
        writer.arguments.push(argument);
    }
    let text = writer.script();
    let (keys, arguments) = (writer.keys, writer.arguments);
    let mut tail: Request = vec![keys.len().to_string().into_bytes()];
    tail.extend(keys.into_iter().chain(arguments));
    let call = |head: &[&[u8]]| {
        let mut call: Request = head.iter().map(|word| word.to_vec()).collect();
        call.extend(tail.iter().cloned());
        call
    };
    if dice.one_in(4) {
        let flags =
            *dice.pick(&["", "", ", flags = {'no-writes'}", ", flags = {'allow-oom', 'allow-stale'}"]);
        let (head, body) = text.split_once(REST).unwrap_or(("", &text));
        let library = format!(
            "#!lua name=lib0\n{head}local function run(KEYS, ARGV, ...)\n{body}\nend \
             redis.register_function{{function_name = 'random', callback = run{flags}}}"
        );
        let load = [&b"FUNCTION"[..], b"LOAD", b"REPLACE", library.as_bytes()];
        let name: &[u8] = if dice.one_in(5) { b"FCALL_RO" } else { b"FCALL" };
        // A library that does not load must not leave the one of an earlier series.
        let delete = [&b"FUNCTION"[..], b"DELETE", b"lib0"];
        let mut series = vec![delete.map(<[u8]>::to_vec).to_vec(), load.map(<[u8]>::to_vec).to_vec()];
        series.extend(std::iter::repeat_n(call(&[name, b"random"]), RUNS));
        return series;
    }
    let shebang = *dice.pick(&[
        "",
        "",
        "",
        "",
        "#!lua\n",
        "#!lua flags=no-writes\n",
        "#!lua flags=allow-oom,no-cluster\n",
    ]);
    let text = format!("{shebang}{}", text.replace(REST, ""));
    let name: &[u8] = if dice.one_in(8) { b"EVAL_RO" } else { b"EVAL" };
    vec![call(&[name, text.as_bytes()]); RUNS]
}

/// Whether a script's answers have an order that the servers are free to choose.
pub(super) fn has_free_order(request: &Request) -> bool {
    let text = String::from_utf8_lossy(&request.concat()).to_uppercase();
    let commands =
        ["SMEMBERS", "SUNION", "SDIFF", "SINTER", "HKEYS", "HVALS", "HGETALL", "KEYS", "SORT", "CONFIG"];
    text.contains("SETRESP") || commands.iter().any(|name| text.contains(&format!("'{name}'")))
}

/// Ends the leading functions of a script while it is written.
const REST: &str = "--[[rest]]";

/// Commands whose answers depend on time or chance, or that empty everything, or that know more here.
fn is_fit(name: &str) -> bool {
    const UNFIT: &[&str] = &[
        "TIME",
        "SPOP",
        "RANDOMKEY",
        "DUMP",
        "DBSIZE",
        "XINFO",
        "XPENDING",
        "FLUSH",
        "OBJECT",
        "MEMORY",
        "TTL",
        "PTTL",
        "EXPIRETIME",
        "PEXPIRETIME",
        "INFO",
        "CLIENT",
        "LASTSAVE",
        "LATENCY",
        "ACL",
        "DEBUG",
        "FUNCTION",
        "SCRIPT",
        "SLOWLOG",
        "SORT",
        "PUBSUB",
        "SWAPDB",
        "HELLO",
        "ROLE",
        // Its end may be left out; what redis-server says then is accepted only of the command itself.
        "BITCOUNT",
    ];
    let unfit = |unfit: &&str| name.starts_with(*unfit);
    !UNFIT.iter().any(unfit) && !name.contains("RAND") && !name.ends_with("SCAN")
}

struct Writer<'a> {
    dice: &'a mut Dice,
    table: &'a [(String, String)],
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Writer<'_> {
    fn script(&mut self) -> String {
        let mut heads = vec![0];
        let mut uses = Vec::new();
        for _ in 0..self.dice.below(4) {
            let at = self.dice.below(HEADS.len());
            if !heads.contains(&at) {
                heads.push(at);
                uses.push(HEADS[at].1);
            }
        }
        let glue = *self.dice.pick(&["\n", " ", "\n\n"]);
        let mut parts: Vec<String> = heads.iter().map(|at| HEADS[*at].0.to_owned()).collect();
        if self.dice.one_in(4) {
            let last = parts.len() - 1;
            parts.swap(0, last);
        }
        parts.push(format!("{REST}local r = {{}}"));
        for _ in 0..2 + self.dice.below(7) {
            let template = if !uses.is_empty() && self.dice.one_in(3) {
                *self.dice.pick(&uses)
            } else {
                *self.dice.pick(STATEMENTS)
            };
            parts.push(self.fill(template));
        }
        let end = *self.dice.pick(RETURNS);
        parts.push(self.fill(end));
        parts.join(glue)
    }

    /// The template with something in place of its `$` names.
    fn fill(&mut self, template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
            let name = &after[..end];
            match name {
                "call" | "pcall" => out.push_str(&self.call(name)),
                "key" => out.push_str(&self.key()),
                _ => {
                    let chosen = *self.dice.pick(variants(name));
                    out.push_str(&self.fill(chosen));
                }
            }
            rest = &after[end..];
        }
        out.push_str(rest);
        out
    }

    fn call(&mut self, function: &str) -> String {
        let request = loop {
            let (name, shape) = self.dice.pick(self.table);
            if is_fit(name) {
                break grammar::request(self.dice, name, shape);
            }
        };
        let words: Vec<String> = request
            .iter()
            .enumerate()
            .map(|(at, word)| if at == 0 { quoted(&word.to_ascii_uppercase()) } else { self.operand(word) })
            .collect();
        format!("redis.{function}({})", words.join(", "))
    }

    /// A word of a request: from KEYS or ARGV, a number, or itself.
    fn operand(&mut self, word: &[u8]) -> String {
        if let Some(at) = self.keys.iter().position(|key| key == word)
            && !self.dice.one_in(3)
        {
            return format!("KEYS[{}]", at + 1);
        }
        if self.dice.one_in(4) && self.arguments.len() < 8 {
            self.arguments.push(word.to_vec());
            return format!("ARGV[{}]", self.arguments.len());
        }
        let number = std::str::from_utf8(word).ok().filter(|text| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
            // Lua 5.1 may hold -0 and 0 for the same constant.
            plain && text.len() < 18 && text.parse::<f64>().is_ok_and(|number| number != 0.0 || *text == "0")
        });
        match number {
            Some(number) if !self.dice.one_in(3) => number.to_owned(),
            _ => quoted(word),
        }
    }

    fn key(&mut self) -> String {
        if !self.keys.is_empty() && !self.dice.one_in(4) {
            return format!("KEYS[{}]", 1 + self.dice.below(self.keys.len()));
        }
        word(self.dice, "key").map_or_else(|| "'s0'".into(), |key| quoted(&key))
    }
}

/// A word as a Lua string.
fn quoted(word: &[u8]) -> String {
    let escaped = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        0x20..=0x7e => char::from(*byte).to_string(),
        _ => format!("\\{byte:03}"),
    };
    format!("'{}'", word.iter().map(escaped).collect::<String>())
}

/// What a `$` name may stand for.
fn variants(name: &str) -> &'static [&'static str] {
    match name {
        "small" => &["1", "2", "3", "0", "5"],
        "int" => &["1", "2", "-7", "100", "255", "65536", "2147483647", "-1", "0", "12"],
        "plain" => &["a", "hello", "10", "3", "-5", "", "1.5", "a b", "m1"],
        "num" => &[
            "$int",
            "$int",
            "1.5",
            "-0.25",
            "1e15",
            "0.1",
            "3.0",
            "2^53",
            "$int / 4",
            "$int % 7",
            "#$str",
            "#r",
            "math.floor($int / 3)",
            "math.max($int, $int)",
            "tonumber('0x10')",
            "tonumber('12', 8)",
            "bit.band($int, $int)",
            "bit.bxor($int, $int)",
            "bit.lshift($int, $small)",
            "bit.arshift($int, $small)",
            "bit.bnot($int)",
            "math.abs($int)",
            "math.fmod($int, 7)",
            "#ARGV",
            "#KEYS",
            "select('#', $str, nil)",
            "string.byte('x')",
        ],
        "str" => &[
            "'$plain'",
            "'$plain'",
            "'x y'",
            "('$plain'):upper()",
            "('$plain'):rep($small)",
            "('abcdef'):sub($small, $int)",
            "('$plain'):reverse()",
            "tostring($num)",
            "tostring($bool)",
            "type($num)",
            "('$plain' .. $int)",
            "string.format('%d|%s|%5.2f|%x', $int, '$plain', $small, $small)",
            "(('$plain'):gsub('l', '%0%0'))",
            "(('$plain'):gsub('.', function(c) return c .. '-' end))",
            "table.concat({$int, $str, $int}, ',')",
            "cjson.encode($val)",
            "bit.tohex($int)",
            "redis.sha1hex($str)",
            "struct.pack('<I4', $small)",
            "struct.pack('>hs', $small, $str)",
            "cmsgpack.pack($val)",
            "(ARGV[$small] or 'none')",
            "(KEYS[$small] or 'none')",
            "('%s'):format('$plain')",
            "string.char(65, $small + 65)",
            "('k=v, x=y'):match('(%w+)=%w+', $small)",
            "cjson.encode(cjson.decode($json))",
        ],
        "bool" => &[
            "true",
            "false",
            "$int > $int",
            "$str == $str",
            "not ARGV[1]",
            "KEYS[1] == $key",
            "$int ~= $int",
            "(ARGV[1] or '') < 'b'",
        ],
        "val" => &[
            "$num",
            "$str",
            "$bool",
            "{}",
            "{$num, $str}",
            "{a = $num}",
            "{{$str}, $int}",
            "cjson.null",
            "{[$small] = $str}",
        ],
        "json" => &[
            "'[1, 2.5, \"x\", null, true]'",
            "'{\"a\": [1, {\"b\": -3}]}'",
            "'[]'",
            "'{}'",
            "'\"\\\\u00e9\"'",
            "'[1e3, 0.1, 12345678901234567890]'",
            "'[[[[]]]]'",
        ],
        "err" => &[
            "'$plain'",
            "{err = 'MY $plain'}",
            "{err = 'no-code'}",
            "$num",
            "'x', 0",
            "redis.error_reply('ERR $plain')",
            "'WRONG x', 2",
        ],
        "table" => &[
            "{ok = '$plain'}",
            "{err = 'ERR $plain'}",
            "{double = 3.5}",
            "{double = $int}",
            "{map = {a = $num}}",
            "{set = {a = true}}",
            "{big_number = '12345678901234567890'}",
            "{verbatim_string = {string = '$plain', format = 'txt'}}",
            "{$val, $val}",
            "{1, nil, 3}",
            "redis.status_reply('$plain')",
            "redis.error_reply('$plain')",
            "redis.error_reply('-CODE $plain')",
            "{$table, $num}",
            "cjson.decode($json)",
            "{ok = 5}",
            "{err = 5}",
            "{double = 'x'}",
        ],
        _ => &["nil"],
    }
}

/// What may lead a script, and how it is used.
const HEADS: &[(&str, &str)] = &[
    ("local function add(t, v) t[#t + 1] = v end", "add(r, $val)"),
    ("local function twice(n) return n * 2 end", "add(r, twice($num))"),
    ("local function fact(n) if n < 2 then return 1 end return n * fact(n - 1) end", "add(r, fact($small))"),
    ("local sep = ':'", "add(r, $str .. sep .. $str)"),
    ("local limit = 3", "for i = 1, limit do add(r, i) end limit = $small"),
    ("local floor = math.floor", "add(r, floor($int / 3))"),
    ("local call = redis.call", "add(r, call('EXISTS', $key)) call('DEL', $key)"),
    (
        "local rcall, rpcall = redis.call, redis.pcall",
        "add(r, rpcall('LLEN', $key)) add(r, rcall('TYPE', $key))",
    ),
    (
        "local fetch = function(key) return redis.call('GET', key) end",
        "local ok, v = pcall(fetch, $key) add(r, ok) add(r, ok and v or v.err)",
    ),
    (
        "local function store(key, v)\nredis.call('SET', key, v)\nreturn redis.call('STRLEN', key)\nend",
        "add(r, store($key, $str))",
    ),
    (
        "local state = {} local function remember(v) state[#state + 1] = v return #state end",
        "add(r, remember($str)) add(r, #state)",
    ),
    (
        "local count = 0 local function bump() count = count + 1 return count end",
        "add(r, bump()) add(r, count)",
    ),
    ("local function keyed(i) return KEYS[i] end", "add(r, keyed($small) or 'none')"),
    (
        "local function sum(...) local s = 0 for i = 1, select('#', ...) do s = s + (select(i, ...)) end return s end",
        "add(r, sum($num, $num, $num))",
    ),
    (
        "local odd local function even(n) if n == 0 then return true end return odd(n - 1) end odd = function(n) if n == 0 then return false end return even(n - 1) end",
        "add(r, tostring(even($small)))",
    ),
    (
        "local function push(key, ...) for _, v in ipairs({...}) do redis.call('RPUSH', key, v) end return redis.call('LRANGE', key, 0, -1) end",
        "add(r, push($key, $str, $num))",
    ),
    (
        "local function fail(m) error(m) end",
        "local ok, e = pcall(fail, $err) add(r, ok) add(r, type(e) == 'table' and e.err or e)",
    ),
    (
        "local function shadow(redis, KEYS) return redis, KEYS end",
        "local a, b = shadow($num, $str) add(r, a) add(r, b)",
    ),
];

const STATEMENTS: &[&str] = &[
    "add(r, $call)",
    "add(r, $call)",
    "add(r, $pcall)",
    "add(r, $pcall)",
    "add(r, $pcall) add(r, $pcall) add(r, $pcall)",
    "local v = $pcall add(r, type(v)) if type(v) == 'table' then add(r, #v) add(r, v.ok or v.err or v.double or 0) end",
    "local ok, e = pcall(function() return $call end) add(r, ok) add(r, type(e) == 'table' and e.err or e)",
    "local ok, e = pcall(redis.call, 'GET') add(r, ok) add(r, type(e) == 'table' and e.err or e)",
    "for i, key in ipairs(KEYS) do add(r, redis.call('TYPE', key)) add(r, i) end",
    "for i = 1, #ARGV do add(r, ARGV[i]) end",
    "for i = 1, $small do add(r, redis.pcall('RPUSH', $key, i)) end",
    "for i = 1, $small do redis.pcall('HSET', $key, 'f' .. i, i * 1.5) end",
    "for i = $small, $small do add(r, redis.pcall('ZADD', $key, i, $str)) end",
    "for i = 1, 200 do redis.pcall('SADD', $key, i) end",
    "if ARGV[2] then ARGV[2] = $str end",
    "if ARGV[1] then ARGV[1] = $str end",
    "if KEYS[2] then KEYS[1] = KEYS[2] end",
    "table.insert(ARGV, $str)",
    "ARGV[#ARGV + 1] = $str add(r, #ARGV)",
    "local k, a = KEYS, ARGV a[1] = 'changed' add(r, a[1]) add(r, k[1])",
    "table.remove(ARGV) table.remove(KEYS, 1)",
    "add(r, {unpack(KEYS)}) add(r, {unpack(ARGV)})",
    "add(r, KEYS) add(r, ARGV)",
    "ARGV.extra = 1 add(r, ARGV.extra) KEYS.n = nil",
    "add(r, ARGV.extra or 'fresh')",
    "add(r, redis.pcall('MGET', $key, unpack(KEYS)))",
    "add(r, redis.pcall('SET', $key, $num)) add(r, redis.pcall('GET', $key))",
    "add(r, redis.pcall('SET', $key, $bool))",
    "add(r, $str)",
    "add(r, $num)",
    "add(r, $bool)",
    "add(r, $table)",
    "add(r, $table)",
    "if $bool then add(r, $str) else add(r, $num) end",
    "add(r, (pcall(function() KEYS = {} end)))",
    "add(r, (pcall(function() x = 1 end)))",
    "add(r, (pcall(function() return nosuch end)))",
    "add(r, (pcall(function() redis.call = nil end)))",
    "add(r, (pcall(function() return r.x.y end)))",
    "redis.setresp(3)",
    "redis.setresp(2)",
    "add(r, redis.pcall('EVAL', 'return 1', 0))",
    "add(r, redis.acl_check_cmd('get', $key))",
    "add(r, select('#', ...))",
    "local f = coroutine.wrap(function() coroutine.yield($num) coroutine.yield($str) end) add(r, f()) add(r, f())",
    "local f = coroutine.wrap(function() coroutine.yield(redis.pcall('TYPE', $key)) end) add(r, f())",
    "local t = {$int, $int, $int} table.sort(t, function(x, y) return x > y end) for _, n in ipairs(t) do add(r, n) end",
    "local t = {'b', 'a', '$plain'} table.sort(t) add(r, table.concat(t, ','))",
    "add(r, cmsgpack.unpack(cmsgpack.pack($val)))",
    "add(r, struct.unpack('>i2', struct.pack('>i2', $small)))",
    "while #r > 12 do table.remove(r) end",
    "r = {r, #r}",
    "if $int == $int and $int == $int then error($err) end",
    "if $int == $int then return redis.error_reply('$plain') end",
    "if $int == $int then return $table end",
    "if $int == $int then return $call end",
    "redis.replicate_commands()",
    "redis.log(redis.LOG_DEBUG, $str)",
    "redis.set_repl(redis.REPL_ALL)",
    "local redis = redis add(r, redis.call('EXISTS', $key))",
    "local t = {call = redis.call} add(r, t.call('EXISTS', $key))",
    "add(r, redis['call']('EXISTS', $key))",
    "setmetatable(r, {__index = function(_, i) return nil end})",
    "do local a, b = redis.call('SELECT', '1'), redis.pcall('DEL', $key) add(r, b) end redis.call('SELECT', '0')",
];

const RETURNS: &[&str] = &[
    "return r",
    "return r",
    "return r",
    "return r",
    "return {r, #r}",
    "return #r",
    "return r[1]",
    "return unpack(r)",
    "return nil",
    "return false",
    "return ($num)",
    "return ($str)",
    "return $table",
    "return $call",
    "",
    "return {r, nil, 1}",
    "return r, 1",
    "return cjson.encode(#r)",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lua_strings() {
        assert_eq!(quoted(b"it's\\\n\xff"), r"'it\'s\\\010\255'");
    }

    #[test]
    fn a_series_is_one_script_several_times() {
        let table = [("SET".to_owned(), "key val".to_owned())];
        for seed in 0..200 {
            let series = series(&mut Dice::new(seed), &table);
            let runs = &series[series.len() - RUNS..];
            assert!(runs.iter().all(|run| *run == runs[0]), "{seed}");
            let text = String::from_utf8_lossy(&series[0][1..].concat()).into_owned();
            assert!(!text.contains('$') && !text.contains(REST), "{text}");
        }
    }
}
