//! What a script sees and what it cannot do, against what redis-server 7.0.15 showed on the same text.

mod common;

use common::Vm;

/// Every global and library field of redis-server 7.0.15, without `redis`, `KEYS`, `ARGV` and its internal error
/// handler; `os.clock` is of 7.2, `cjson.exact_integers` ours.
const GLOBALS: &str = "\
_G:table _VERSION:string assert:function bit:table bit.arshift:function bit.band:function bit.bnot:function \
bit.bor:function bit.bswap:function bit.bxor:function bit.lshift:function bit.rol:function bit.ror:function \
bit.rshift:function bit.tobit:function bit.tohex:function cjson:table cjson._NAME:string cjson._VERSION:string \
cjson.decode:function cjson.decode_invalid_numbers:function cjson.decode_max_depth:function cjson.encode:function \
cjson.encode_invalid_numbers:function cjson.encode_keep_buffer:function cjson.encode_max_depth:function \
cjson.encode_number_precision:function cjson.encode_sparse_array:function cjson.exact_integers:function cjson.new:function cjson.null:userdata \
cmsgpack:table cmsgpack._COPYRIGHT:string cmsgpack._DESCRIPTION:string cmsgpack._NAME:string cmsgpack._VERSION:string \
cmsgpack.pack:function cmsgpack.unpack:function cmsgpack.unpack_limit:function cmsgpack.unpack_one:function \
collectgarbage:function coroutine:table coroutine.create:function coroutine.resume:function coroutine.running:function \
coroutine.status:function coroutine.wrap:function coroutine.yield:function error:function gcinfo:function \
getmetatable:function ipairs:function load:function loadstring:function math:table math.abs:function \
math.acos:function math.asin:function math.atan:function math.atan2:function math.ceil:function math.cos:function \
math.cosh:function math.deg:function math.exp:function math.floor:function math.fmod:function math.frexp:function \
math.huge:number math.ldexp:function math.log:function math.log10:function math.max:function math.min:function \
math.mod:function math.modf:function math.pi:number math.pow:function math.rad:function math.random:function \
math.randomseed:function math.sin:function math.sinh:function math.sqrt:function math.tan:function math.tanh:function \
next:function os:table os.clock:function pairs:function pcall:function rawequal:function rawget:function \
rawset:function select:function setmetatable:function string:table string.byte:function string.char:function \
string.dump:function string.find:function string.format:function string.gfind:function string.gmatch:function \
string.gsub:function string.len:function string.lower:function string.match:function string.rep:function \
string.reverse:function string.sub:function string.upper:function struct:table struct.pack:function \
struct.size:function struct.unpack:function table:table table.concat:function table.foreach:function \
table.foreachi:function table.getn:function table.insert:function table.maxn:function table.remove:function \
table.setn:function table.sort:function tonumber:function tostring:function type:function unpack:function \
xpcall:function";

#[test]
fn globals_are_those_of_redis() {
    let script = "
        local out = {}
        for name, value in pairs(_G) do
          out[#out + 1] = name .. ':' .. type(value)
          if type(value) == 'table' and value ~= _G then
            for field, inner in pairs(value) do
              out[#out + 1] = name .. '.' .. field .. ':' .. type(inner)
            end
          end
        end
        table.sort(out)
        return table.concat(out, ' ')";
    let mut wanted: Vec<&str> = GLOBALS.split(' ').collect();
    wanted.sort_unstable();
    assert_eq!(Vm::new().text(script).split(' ').collect::<Vec<_>>(), wanted);
}

/// Script, and what it answers or the error that ends it.
const CASES: &[(&str, &str)] = &[
    ("return nosuch", "user_script:1: Script attempted to access nonexistent global variable 'nosuch'"),
    ("x = 1", "user_script:1: Attempt to modify a readonly table"),
    ("string = 1", "user_script:1: Attempt to modify a readonly table"),
    ("function f() end", "user_script:1: Attempt to modify a readonly table"),
    ("local f = function() y = 2 end f()", "user_script:1: Attempt to modify a readonly table"),
    ("string.format = nil", "user_script:1: Attempt to modify a readonly table"),
    ("string.foo = 1", "user_script:1: Attempt to modify a readonly table"),
    ("cjson.null = 1", "user_script:1: Attempt to modify a readonly table"),
    ("_G.x = 1", "user_script:1: Attempt to modify a readonly table"),
    ("_G.string = nil", "user_script:1: Attempt to modify a readonly table"),
    ("return _G.xx", "user_script:1: Script attempted to access nonexistent global variable 'xx'"),
    ("return _G[1]", "user_script:1: Script attempted to access nonexistent global variable '1'"),
    ("return _G[{}]", "user_script:1: Second argument to luaProtectedTableError must be a string or number"),
    (
        "local t = setmetatable({}, {__index = _G}) return t.foo",
        "user_script:1: Script attempted to access nonexistent global variable 'foo'",
    ),
    ("rawset(_G, 'x', 1)", "Attempt to modify a readonly table"),
    ("rawset(string, 'x', 1)", "Attempt to modify a readonly table"),
    ("table.insert(string, 1)", "Attempt to modify a readonly table"),
    ("table.insert(string, 1, 2)", "Attempt to modify a readonly table"),
    ("table.remove(string) table.sort(string) return 'ok'", "ok"),
    ("table.setn({}, 1)", "user_script:1: 'setn' is obsolete"),
    ("setmetatable(string, {})", "Attempt to modify a readonly table"),
    ("setmetatable(_G, {})", "Attempt to modify a readonly table"),
    ("setmetatable(_G, nil)", "Attempt to modify a readonly table"),
    ("return tostring(getmetatable(string))", "nil"),
    ("getmetatable('').__index = 1", "user_script:1: Attempt to modify a readonly table"),
    ("rawset(getmetatable(''), '__index', 1)", "Attempt to modify a readonly table"),
    ("setmetatable(getmetatable(''), {})", "Attempt to modify a readonly table"),
    ("return tostring(getmetatable('').__index == string)", "true"),
    ("getmetatable(_G).__index = nil", "user_script:1: Attempt to modify a readonly table"),
    ("return tostring(getmetatable(_G).__newindex)", "nil"),
    (
        "return type(rawget(_G, 'string')) .. type(rawget(string, 'len')) .. tostring(rawget(_G, 'zz'))",
        "tablefunctionnil",
    ),
    ("return type(next(string))", "string"),
    ("local n = 0 for k in next, string do n = n + 1 end return tostring(n)", "15"),
    ("local f, t = pairs(string) t.len = 1 return ('x'):len() .. type(string.len)", "1function"),
    ("table.foreach(string, function(k) return k end) return 'ok'", "ok"),
    ("return type(loadstring(string.dump(function() end)))", "nil"),
    ("return (select(2, loadstring('\\27LJ\\2', '=x')))", "x:1: unexpected symbol near 'char(27)'"),
    ("return (select(2, loadstring('#\\n\\27LJ', '=x')))", "x:1: unexpected symbol near '#'"),
    ("return (select(2, load(function() return nil end))) or 'none'", "none"),
    ("return (select(2, pcall(load, 'return 1')))", "bad argument #1 to '?' (function expected, got string)"),
    ("return (select(2, loadstring('x x')))", "[string \"x x\"]:1: '=' expected near 'x'"),
    ("return (select(2, loadstring('x x', '@foo')))", "foo:1: '=' expected near 'x'"),
    ("return loadstring('y = 2')()", "[string \"y = 2\"]:1: Attempt to modify a readonly table"),
    (
        "return loadstring('return nosuch')()",
        "[string \"return nosuch\"]:1: Script attempted to access nonexistent global variable 'nosuch'",
    ),
    ("return 1LL", "user_script:1: malformed number"),
    ("return 2i", "user_script:1: malformed number"),
    ("return loadstring('return 7ULL') and 'loaded' or 'refused'", "refused"),
    ("return (select(2, pcall(collectgarbage, 'x')))", "bad argument #1 to '?' (invalid option 'x')"),
    ("return collectgarbage('stop') .. collectgarbage('setpause', 1) .. collectgarbage()", "02000"),
    ("return (select(2, pcall(math.random, 0)))", "bad argument #1 to '?' (interval is empty)"),
    ("return (select(2, pcall(math.random, 2, 1)))", "bad argument #2 to '?' (interval is empty)"),
    ("return (select(2, pcall(math.random, 1, 2, 3)))", "wrong number of arguments"),
    (
        "local r = math.random(2 ^ 40) return r",
        "user_script:1: bad argument #1 to 'random' (interval is empty)",
    ),
    (
        "math.randomseed(5) return math.random(1000000) .. ' ' .. math.random(1000000) .. ' ' .. math.random(1000000)",
        "524840 272855 788600",
    ),
    ("return (select(2, pcall(math.randomseed)))", "bad argument #1 to '?' (number expected, got no value)"),
    ("return tostring(table.new) .. tostring(string.buffer) .. tostring(table.move)", "nilnilnil"),
    ("local a = select('#', xpcall(function(...) return ... end, error, 1)) return tostring(a)", "1"),
    (
        "table.sort({3, 2, 1, 5, 4}, function() return true end)",
        "user_script:1: invalid order function for sorting",
    ),
    ("table.sort({1, 'x'})", "attempt to compare string with number"),
    ("local t = {5, 2, 8, 1, 9, 3} table.sort(t) return table.concat(t, ' ')", "1 2 3 5 8 9"),
];

#[test]
fn scripts_meet_the_texts_of_redis() {
    check_all(Vm::new);
}

#[test]
fn library_tables_stay_empty_of_what_scripts_wrote() {
    let vm = Vm::new();
    for (script, _) in CASES {
        vm.text(script);
    }
    check_all(|| &vm);
}

/// Compares every case with what the VM answers, and shows all that differ.
fn check_all<V: std::borrow::Borrow<Vm>>(vm: impl Fn() -> V) {
    let different: Vec<String> = CASES
        .iter()
        .map(|(script, wanted)| (script, wanted, vm().borrow().text(script)))
        .filter(|(_, wanted, answer)| answer != *wanted)
        .map(|(script, wanted, answer)| format!("{script}\n  wanted {wanted}\n  answer {answer}"))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn a_run_does_not_see_the_settings_of_another() {
    let vm = Vm::new();
    assert_eq!(
        vm.text("cjson.encode_max_depth(1) return (pcall(cjson.encode, {{}})) and 'deep' or 'flat'"),
        "flat"
    );
    let mut run = perigee_scripting::library::RunState::new(7);
    vm.exchange(&mut run);
    assert_eq!(vm.text("return cjson.encode({{}})"), "[{}]");
    vm.exchange(&mut run);
    assert_eq!(vm.text("return (pcall(cjson.encode, {{}})) and 'deep' or 'flat'"), "flat");
}

/// Memory errors unwind through every library function at every allocation it makes.
#[test]
fn memory_errors_in_libraries_leave_the_vm_usable() {
    let vm = Vm::new();
    let script = "
        local doc = {}
        for i = 1, 200 do doc[i] = {name = 'n' .. i, list = {i, i + 1, tostring(i)}} end
        local json, pack = cjson.encode(doc), cmsgpack.pack(doc)
        cjson.decode(json) cmsgpack.unpack(pack)
        struct.unpack('s', struct.pack('s', string.rep('x', 20000)))
        cjson.new() bit.tohex(#json) loadstring('return {' .. string.rep('1,', 2000) .. '}')
        return 'done'";
    assert_eq!(vm.text(script), "done");
    let used = vm.used_memory();
    let mut finished = 0;
    for room in (0..600_000).step_by(1_500) {
        vm.set_memory_limit(used + room);
        let answer = vm.text(script);
        finished += usize::from(answer == "done");
        assert!(answer == "done" || answer.contains("not enough memory"), "{answer}");
        vm.set_memory_limit(0);
        vm.text("collectgarbage() return 'clean'");
    }
    assert!(finished > 0, "the largest limit is enough");
    assert_eq!(vm.text(script), "done");
}

#[test]
fn output_limit_stops_an_encoder() {
    let vm = Vm::new();
    vm.set_output_limit(10_000);
    let many = "local t = {} for i = 1, 5000 do t[i] = 'item' end ";
    assert_eq!(vm.text(&format!("{many} return cjson.encode(t)")), "not enough memory");
    assert_eq!(vm.text(&format!("{many} return (select(2, pcall(cmsgpack.pack, t)))")), "not enough memory");
    assert_eq!(vm.text("return cjson.encode({1})"), "[1]");
}

/// CVE-2022-24834's kind of trouble: what nests without end must not end the process, whatever the settings.
#[test]
fn endless_nesting_is_an_error() {
    let vm = Vm::new();
    let raise = "cjson.decode_max_depth(2 ^ 31 - 1) cjson.encode_max_depth(2 ^ 31 - 1) ";
    assert_eq!(
        vm.text(&format!("{raise} return cjson.decode(string.rep('[', 5000))")),
        "user_script:1: Found too many nested data structures (2001) at character 2001"
    );
    assert_eq!(
        vm.text(&format!("{raise} return cjson.decode(string.rep('{{\"a\":', 5000))")),
        "user_script:1: Found too many nested data structures (2001) at character 10001"
    );
    assert_eq!(
        vm.text(&format!("{raise} local t = {{}} t.t = t return cjson.encode(t)")),
        "user_script:1: Cannot serialise, excessive nesting (2001)"
    );
    assert_eq!(vm.text("local t = {} t[1] = t return (cmsgpack.pack(t):byte(-1))"), "192");
}

#[test]
fn comparator_of_sort_can_yield() {
    let script = "
        local thread = coroutine.create(function()
          local t = {3, 1, 2}
          table.sort(t, function(a, b) coroutine.yield() return a < b end)
          return table.concat(t, ' ')
        end)
        local answer
        repeat local _, value = coroutine.resume(thread) answer = value until coroutine.status(thread) == 'dead'
        return answer";
    assert_eq!(Vm::new().text(script), "1 2 3");
}

#[test]
fn function_of_gsub_can_yield() {
    let script = "
        local thread = coroutine.wrap(function()
          return (string.gsub('abc', '%w', function(c) coroutine.yield() return c .. '.' end))
        end)
        return (thread() or thread() or thread() or thread())";
    assert_eq!(Vm::new().text(script), "a.b.c.");
}

/// Our `gsub` with a function against the engine's, on all patterns of up to three of these pieces.
#[test]
fn gsub_with_a_function_is_that_of_the_engine() {
    let pieces =
        ["^", "a", ".", "%w*", "b-", "(x?)", "()", "%f[%w]", "[^a]+", "$", "%", "(", "%1", "%b()", "c?"];
    let mut patterns: Vec<String> = vec![String::new()];
    for _ in 0..3 {
        let longer: Vec<String> = patterns
            .iter()
            .flat_map(|start| pieces.iter().map(move |piece| format!("{start}{piece}")))
            .collect();
        patterns.extend(longer);
    }
    patterns.sort();
    patterns.dedup();
    let list: Vec<String> = patterns.iter().map(|pattern| format!("'{pattern}'")).collect();
    let script = format!(
        "local out = {{}}
         local function call(a, b, c)
           if a == 'x' then return false end
           return '<' .. tostring(a) .. tostring(b) .. tostring(c) .. '>'
         end
         for _, pattern in ipairs({{{}}}) do
           for _, text in ipairs({{'', 'abc', 'x ab(c)ba xx', 'aaa'}}) do
             for _, limit in ipairs({{100, 2, 0, -1, '1', 1.9}}) do
               local ok, result, count = pcall(function()
                 local r, n = string.gsub(text, pattern, call, limit) return r, n
               end)
               out[#out + 1] = pattern .. '|' .. text .. '|' .. limit .. '|' .. tostring(result) .. tostring(count)
             end
           end
         end
         return table.concat(out, '\\n')",
        list.join(", ")
    );
    let engine: String =
        mlua::Lua::new().load(&script).set_name("@user_script").eval().expect("the script runs");
    let ours = Vm::new().text(&script);
    let different: Vec<_> = ours.lines().zip(engine.lines()).filter(|(a, b)| a != b).take(5).collect();
    assert!(different.is_empty() && ours.len() == engine.len(), "{different:#?}");
}

#[test]
fn ordered_runs_walk_tables_in_one_order() {
    let vm = Vm::new();
    vm.set_ordered(true);
    let script = "
        local t = {zeta = 1, alpha = 2, [10] = 3, [-1.5] = 4, [true] = 5, [false] = 6, 'first', beta = 7}
        local out = {}
        for k in pairs(t) do out[#out + 1] = tostring(k) end
        local k = next(t)
        while k ~= nil do out[#out + 1] = tostring(k) k = next(t, k) end
        table.foreach(t, function(key) out[#out + 1] = tostring(key) end)
        for key in pairs(t) do t[key] = nil end
        return table.concat(out, ' ') .. tostring(next(t)) .. (next(string))";
    let once = "-1.5 1 10 alpha beta zeta false true";
    assert_eq!(vm.text(script), format!("{once} {once} {once}nilbyte"));
    vm.set_ordered(false);
    assert_eq!(vm.text("local n = 0 for k in pairs({a = 1, b = 2}) do n = n + 1 end return n"), "2");
}

#[test]
fn unpack_has_no_limit_that_a_script_meets() {
    let vm = Vm::new();
    let counts = "local out = {}
        for _, count in ipairs({7899, 7900, 7901, 8100, 8101, 20000, 60000}) do
            local t = {} for i = 1, count do t[i] = i end
            local all, part = {unpack(t)}, {unpack(t, 3, count - 2)}
            for i = 1, count do assert(all[i] == i) end
            for i = 3, count - 2 do assert(part[i - 2] == i) end
            out[#out + 1] = #all .. ':' .. #part .. ':' .. select('#', unpack(t))
        end return table.concat(out, ' ')";
    let wanted = [7899, 7900, 7901, 8100, 8101, 20000, 60000].map(|n| format!("{n}:{}:{n}", n - 4)).join(" ");
    assert_eq!(vm.text(counts), wanted);
    assert_eq!(vm.text("return (select('#', unpack({[5] = 1}, 1, 9000)))"), "9000");
    let raw = "local t = setmetatable({}, {__index = function() return 7 end}) return tostring((unpack(t, 1, 9000)))";
    assert_eq!(vm.text(raw), "nil", "as in Lua, no metamethod is asked");
    for text in [
        "unpack({}, 1, 60001)",
        "unpack({}, -2, 2147483647)",
        "unpack({}, -1e308, 1e308)",
        "unpack({}, 1, 0/0)",
    ] {
        let answer = vm.text(&format!("return tostring(select('#', {text}))"));
        assert!(
            answer.contains("too many results to unpack") || answer == "0" || answer == "1",
            "{text}: {answer}"
        );
    }
}
