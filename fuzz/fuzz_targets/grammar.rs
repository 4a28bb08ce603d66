//! Lua programs over all that scripts can reach, chosen by bytes.
//!
//! Each list holds the forms of one kind of phrase; `{x}` in a form stands for a phrase of kind `x`. The first form of each list ends: it is
//! what is chosen when the bytes are used up.

/// A program; the same bytes give the same one.
pub(crate) fn program(data: &[u8]) -> String {
    let mut writer = Writer { data, output: String::new(), phrases: 0 };
    writer.output.push_str(HEAD);
    for _ in 0..STATEMENTS {
        if writer.data.is_empty() {
            break;
        }
        writer.write('b', 0);
        writer.output.push('\n');
    }
    writer.output
}

const STATEMENTS: usize = 24;
const PHRASES: usize = 600;
const DEEPEST: usize = 12;

struct Writer<'a> {
    data: &'a [u8],
    output: String,
    phrases: usize,
}

impl Writer<'_> {
    fn write(&mut self, kind: char, depth: usize) {
        let forms = forms(kind);
        self.phrases += 1;
        let ends = depth > DEEPEST || self.phrases > PHRASES;
        let form = if ends { forms[0] } else { forms[self.choose(forms.len())] };
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('{') {
            self.output.push_str(before);
            match after.as_bytes() {
                [kind, b'}', ..] => {
                    self.write(char::from(*kind), depth + 1);
                    rest = &after[2..];
                }
                _ => {
                    self.output.push('{');
                    rest = after;
                }
            }
        }
        self.output.push_str(rest);
    }

    fn choose(&mut self, count: usize) -> usize {
        let Some((&byte, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        usize::from(byte) % count
    }
}

const HEAD: &str = "local a, b, c, d, f, g = 1, 'text', {1, 2, 3}, {x = 1, y = {z = 'z'}}, tostring, function(...) return ... end\n";

fn forms(kind: char) -> &'static [&'static str] {
    match kind {
        'b' => BLOCKS,
        'e' => EXPRESSIONS,
        'n' => NUMBERS,
        's' => STRINGS,
        't' => TABLES,
        'f' => FUNCTIONS,
        'v' => VARIABLES,
        'k' => KEYS,
        'c' => CALLS,
        'r' => COMMANDS,
        'l' => LIBRARY,
        'p' => PATTERNS,
        'm' => FORMATS,
        'q' => METATABLES,
        other => panic!("no phrase is called {other}"),
    }
}

const BLOCKS: &[&str] = &[
    "a = 1",
    "{v} = {e}",
    "{v} = {c}",
    "{v} = {l}",
    "local {v} = {e}, {e}",
    "{v}[{e}] = {e}",
    "{v} = {c}",
    "{v} = {r}",
    "{r}",
    "{r} {r}",
    "{l}",
    "if {e} then {b} else {b} end",
    "for i = 1, 20 do {b} end",
    "for i = 1, 300 do {b} {b} end",
    "for i = {n}, {n}, {n} do {b} break end",
    "for k, v in pairs({t}) do {b} end",
    "for i, v in ipairs({t}) do {b} end",
    "for w in string.gmatch({s}, {p}) do {b} end",
    "while {e} do {b} if a == 1 then break end end",
    "repeat {b} until true",
    "while true do {b} end",
    "do local function f(x) {b} return f(x) end f({e}) end",
    "do local function f(x) {b} return 1 + f(x) end pcall(f, {e}) end",
    "pcall(function() {b} end)",
    "xpcall(function() {b} end, {f})",
    "xpcall(function() {b} end, function(m) {b} return m end)",
    "do local co = coroutine.create(function(...) {b} coroutine.yield({e}) {b} end) {v} = coroutine.resume(co, {e}) {b} coroutine.resume(co) end",
    "do local w = coroutine.wrap(function() for i = 1, 5 do {b} coroutine.yield(i) end end) for i = 1, 6 do {v} = w() end end",
    "setmetatable({v}, {q})",
    "{v} = setmetatable({t}, {q})",
    "do local f = loadstring({s}) if f then pcall(f) end end",
    "do local f = loadstring('return ' .. tostring({e})) if f then {v} = f() end end",
    "do local n = 0 local f = load(function() n = n + 1 if n < 4 then return {s} end end) if f then pcall(f) end end",
    "collectgarbage({s}, {n})",
    "collectgarbage()",
    "error({e})",
    "redis.abort({e})",
    "redis.setresp({n})",
    "redis.set_repl({n})",
    "return {e}",
    "x = {e}",
    "_G[{e}] = {e}",
    "string[{e}] = {e}",
    "{v} = {s}:rep({n})",
    "{v} = {v} .. {v} {v} = {v} .. {v}",
    "table.sort({t}, {f})",
    "table.sort({v}, function(x, y) {b} return x < y end)",
    "{v} = string.gsub({s}, {p}, function(...) {b} return ... end)",
    "{v} = string.gsub({s}, {p}, {e})",
    "table.insert({v}, {n}, {e})",
    "table.insert({v}, {e})",
    "table.remove({v}, {n})",
];

const EXPRESSIONS: &[&str] = &[
    "1",
    "{v}",
    "{n}",
    "{s}",
    "{t}",
    "{f}",
    "{c}",
    "{l}",
    "nil",
    "true",
    "false",
    "cjson.null",
    "{v}[{e}]",
    "{v}.x",
    "({e} + {e})",
    "({e} - {e})",
    "({e} * {e})",
    "({e} / {e})",
    "({e} % {e})",
    "({e} ^ {e})",
    "({e} .. {e})",
    "({e} == {e})",
    "({e} < {e})",
    "({e} <= {e})",
    "({e} and {e} or {e})",
    "(-{e})",
    "(not {e})",
    "(#{e})",
    "select({n}, {e}, {e})",
    "(function(...) return select('#', ...) end)(unpack({t}))",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3.5",
    "7",
    "16",
    "100",
    "1000",
    "70000",
    "1e6",
    "2^31",
    "-2^31",
    "2^31 - 1",
    "2^32",
    "2^53",
    "-2^53",
    "2^63",
    "-2^63",
    "1e15",
    "1e308",
    "-1e308",
    "1/0",
    "-1/0",
    "0/0",
    "0.1",
    "-0.0",
    "5e-324",
    "{v}",
    "#{e}",
    "tonumber({s})",
    "math.random(1, 100)",
];

const STRINGS: &[&str] = &[
    "'text'",
    "''",
    "'a'",
    "'1'",
    "'0x10'",
    "'return 1'",
    "'a b c d e'",
    "'\\0\\1\\255'",
    "'{\"x\":[1,2,{\"y\":null}],\"z\":1e5}'",
    "'[[[[[[1]]]]]]'",
    "'[1,2.5,-3,\"\\\\u00e4\\\\ud83d\\\\ude00\"]'",
    "'\\147\\1\\2\\3'",
    "'\\223\\255\\255\\255\\255'",
    "'\\221\\0\\0\\0\\2\\192\\193'",
    "'\\27Lua'",
    "'while true do end'",
    "'return [=[x]=]'",
    "string.rep('a', {n})",
    "string.rep({s}, 100)",
    "string.rep('[', 2000)",
    "string.rep('ab ', 30000)",
    "tostring({e})",
    "{s}:sub({n}, {n})",
    "{s} .. {s}",
    "cjson.encode({e})",
    "cmsgpack.pack({e})",
    "struct.pack({m}, {e}, {e})",
    "string.format({m}, {e}, {e})",
    "string.char({n}, {n})",
    "redis.sha1hex({e})",
    "KEYS[1]",
    "ARGV[1]",
    "{v}",
];

const TABLES: &[&str] = &[
    "c",
    "d",
    "{}",
    "{{e}}",
    "{{e}, {e}, {e}}",
    "{x = {e}, [1] = {e}, [{s}] = {e}}",
    "{[{e}] = {e}}",
    "{[{n}] = {e}, [{n}] = {e}}",
    "{1, 2, nil, 4}",
    "{err = {e}}",
    "{ok = {e}}",
    "{double = {e}}",
    "{map = {t}}",
    "{set = {t}}",
    "{big_number = {s}}",
    "{verbatim_string = {t}}",
    "{string = {s}, format = {s}}",
    "(function() local t = {} for i = 1, 5000 do t[i] = i end return t end)()",
    "(function() local t = {} for i = 1, 3000 do t['k' .. i] = { i } end return t end)()",
    "(function() local t = {} for i = 1, 1200 do t = { t } end return t end)()",
    "(function() local t = {} t.t = t t[1] = t return t end)()",
    "setmetatable({t}, {q})",
    "cjson.decode({s})",
    "KEYS",
    "ARGV",
    "_G",
    "string",
    "getmetatable('')",
];

const FUNCTIONS: &[&str] = &[
    "f",
    "g",
    "print",
    "tostring",
    "pcall",
    "error",
    "redis.call",
    "redis.pcall",
    "cjson.encode",
    "coroutine.yield",
    "string.rep",
    "rawset",
    "function() end",
    "function(...) return ... end",
    "function(x, y) return x < y end",
    "function(x) {b} end",
    "function(x) return {e} end",
    "coroutine.wrap(function(...) {b} end)",
];

const VARIABLES: &[&str] = &["a", "b", "c", "d", "f", "g"];

const KEYS: &[&str] =
    &["KEYS[1]", "KEYS[2]", "'string'", "'list'", "'hash'", "'set'", "'zset'", "'stream'", "'other'", "{s}"];

const CALLS: &[&str] = &[
    "f({e})",
    "g({e}, {e})",
    "({f})({e})",
    "select(2, pcall({f}, {e}, {e}))",
    "pcall({f}, {e})",
    "tostring({e})",
    "tonumber({e}, {n})",
    "type({e})",
    "next({t}, {e})",
    "rawget({t}, {e})",
    "rawset({t}, {e}, {e})",
    "rawequal({e}, {e})",
    "getmetatable({e})",
    "unpack({t})",
    "unpack({t}, {n}, {n})",
    "select({n}, unpack({t}))",
    "loadstring({s}, {s})",
    "coroutine.running()",
    "coroutine.status(coroutine.create({f}))",
    "os.clock()",
    "getfenv",
    "{r}",
];

const COMMANDS: &[&str] = &[
    "redis.call('get', 'string')",
    "redis.call('set', {k}, {s})",
    "redis.pcall('set', {k}, {e}, 'PX', {n})",
    "redis.call('incr', {k})",
    "redis.pcall('incrbyfloat', {k}, {n})",
    "redis.pcall('append', {k}, {s})",
    "redis.pcall('setrange', {k}, {n}, {s})",
    "redis.pcall('del', {k}, {k})",
    "redis.pcall('rename', {k}, {k})",
    "redis.pcall('copy', {k}, {k}, 'REPLACE')",
    "redis.pcall('expire', {k}, {n})",
    "redis.pcall('persist', {k})",
    "redis.pcall('rpush', {k}, {s}, {s})",
    "redis.pcall('lpush', {k}, unpack({t}))",
    "redis.pcall('lrange', {k}, 0, -1)",
    "redis.pcall('lpop', {k}, {n})",
    "redis.pcall('ltrim', {k}, {n}, {n})",
    "redis.pcall('hset', {k}, {s}, {s})",
    "redis.pcall('hgetall', {k})",
    "redis.pcall('hdel', {k}, 'x')",
    "redis.pcall('sadd', {k}, {s}, {n})",
    "redis.pcall('smembers', {k})",
    "redis.pcall('spop', {k}, {n})",
    "redis.pcall('sunionstore', {k}, {k}, {k})",
    "redis.pcall('zadd', {k}, {n}, {s})",
    "redis.pcall('zrange', {k}, 0, -1, 'WITHSCORES')",
    "redis.pcall('zpopmin', {k})",
    "redis.pcall('xadd', {k}, '*', {s}, {s})",
    "redis.pcall('xrange', {k}, '-', '+')",
    "redis.pcall('xgroup', 'CREATE', {k}, 'g', '$', 'MKSTREAM')",
    "redis.pcall('pfadd', {k}, {s})",
    "redis.pcall('geoadd', {k}, {n}, {n}, {s})",
    "redis.pcall('sort', {k}, 'BY', 'nosort', 'STORE', {k})",
    "redis.pcall('dump', {k})",
    "redis.pcall('restore', {k}, 0, redis.pcall('dump', {k}), 'REPLACE')",
    "redis.pcall('flushdb')",
    "redis.pcall('select', {n})",
    "redis.pcall('swapdb', 0, 1)",
    "redis.pcall('scan', 0, 'COUNT', 100)",
    "redis.pcall('keys', {s})",
    "redis.pcall('publish', {s}, {s})",
    "redis.pcall('object', 'encoding', {k})",
    "redis.pcall('bitfield', {k}, 'SET', 'u8', {n}, {n})",
    "redis.pcall('eval', 'return 1', 0)",
    "redis.pcall('config', 'get', '*')",
    "redis.pcall('blpop', {k}, 0)",
    "redis.pcall({s}, {e}, {e})",
    "redis.pcall({t})",
    "redis.call({e})",
    "redis.pcall(unpack({t}))",
    "redis.log(redis.LOG_DEBUG, {e})",
    "redis.status_reply({e})",
    "redis.error_reply({e})",
    "redis.acl_check_cmd({s}, {e})",
    "redis.replicate_commands()",
    "redis.breakpoint()",
    "redis.debug({e})",
];

const LIBRARY: &[&str] = &[
    "cjson.encode({e})",
    "pcall(cjson.encode, {e})",
    "pcall(cjson.decode, {s})",
    "pcall(cjson.decode, cjson.encode({t}))",
    "cjson.encode_sparse_array({e}, {n}, {n})",
    "pcall(cjson.encode_max_depth, {n})",
    "pcall(cjson.decode_max_depth, {n})",
    "pcall(cjson.encode_number_precision, {n})",
    "cjson.encode_invalid_numbers({e})",
    "cjson.new().encode({e})",
    "cjson.exact_integers(true)",
    "pcall(cmsgpack.pack, {e}, {e})",
    "pcall(cmsgpack.unpack, {s})",
    "pcall(cmsgpack.unpack, cmsgpack.pack({t}))",
    "pcall(cmsgpack.unpack_limit, {s}, {n}, {n})",
    "pcall(cmsgpack.unpack_one, {s}, {n})",
    "pcall(struct.pack, {m}, {e}, {e}, {e})",
    "pcall(struct.unpack, {m}, {s}, {n})",
    "pcall(struct.size, {m})",
    "bit.band({n}, {n})",
    "bit.lshift({n}, {n})",
    "bit.tohex({n}, {n})",
    "bit.bswap({n})",
    "string.byte({s}, {n}, {n})",
    "string.find({s}, {p}, {n}, {e})",
    "string.match({s}, {p})",
    "string.gsub({s}, {p}, {s}, {n})",
    "string.gsub({s}, {p}, {t})",
    "string.format({m}, {e}, {e}, {e})",
    "string.upper({s}):lower():reverse()",
    "string.dump({f})",
    "#string.rep({s}, {n})",
    "table.concat({t}, {s}, {n}, {n})",
    "table.concat({t}, {s})",
    "table.maxn({t})",
    "table.foreach({t}, {f})",
    "table.foreachi({t}, {f})",
    "table.getn({t})",
    "math.floor({n})",
    "math.random({n}, {n})",
    "math.randomseed({n})",
    "math.frexp({n})",
    "math.fmod({n}, {n})",
    "tostring({n})",
    "redis.sha1hex({s})",
];

const PATTERNS: &[&str] = &[
    "'a'",
    "'.'",
    "'%w+'",
    "'(a*)(.-)b'",
    "'.-.-.-b'",
    "'^a'",
    "'()'",
    "'%b()'",
    "'%f[%w]%w+'",
    "'[^a-c]*'",
    "'(a)(b)%1'",
    "'%'",
    "'[a'",
    "'(a'",
    "'%1'",
    "'a?a?a?a?a?aaaaa'",
    "{s}",
];

const FORMATS: &[&str] = &[
    "'%s'",
    "'%d'",
    "'%5.2f'",
    "'%q'",
    "'%c%x'",
    "'%99.99f'",
    "'%-20s|'",
    "'%i%'",
    "'>i4i8'",
    "'<I2s'",
    "'!8bhld'",
    "'c0'",
    "'i4c0'",
    "'c10'",
    "'I32'",
    "'x!3'",
    "'>I99999999999'",
    "'%s%s%s%s'",
    "'%100s'",
    "{s}",
];

const METATABLES: &[&str] = &[
    "{}",
    "{__index = {t}}",
    "{__index = function(t, k) {b} return k end}",
    "{__newindex = function(t, k, v) {b} rawset(t, k, v) end}",
    "{__call = function(...) {b} return ... end}",
    "{__lt = function(x, y) {b} return true end, __le = function() return false end, __eq = function() return true end}",
    "{__add = function(x, y) {b} return 1 end, __concat = function() return 'joined' end, __unm = {f}, __len = {f}}",
    "{__tostring = function() {b} return {e} end}",
    "{__metatable = {e}}",
    "{__mode = 'k'}",
    "{__mode = 'v'}",
    "{__mode = 'kv'}",
    "{__gc = function() {b} end}",
    "{__index = function(t, k) return t[k] end}",
];
