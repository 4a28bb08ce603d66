//! The published holes of Lua in Redis, each by the name under which it is known, with the scripts that showed it.

mod common;

use common::Vm;

/// What each script answers, or how its error begins; the VM stands either way.
#[track_caller]
fn check(scripts: &[(&str, &str)]) {
    let vm = Vm::new();
    for (script, expected) in scripts {
        let answer = vm.text(script);
        assert!(answer.contains(expected), "{script}: {answer}");
    }
    assert_eq!(vm.text("return 'alive'"), "alive");
}

#[test]
fn cve_2015_4335_bytecode() {
    check(&[
        ("return tostring(loadstring(string.dump(function() end)))", "nil"),
        ("return tostring(load(coroutine.wrap(function() coroutine.yield('\\27LJ') end)))", "nil"),
        ("return tostring(loadstring('\\27Lua'))", "nil"),
        ("return tostring(loadstring('\\27LJ\\2'))", "nil"),
    ]);
}

#[test]
fn cve_2018_11218_cmsgpack() {
    check(&[
        ("return cmsgpack.pack(unpack({1, 2, 3}))", ""),
        ("local t = {} for i = 1, 60 do t = {t} end return type(cmsgpack.unpack(cmsgpack.pack(t)))", "table"),
        ("return cmsgpack.unpack('\\223\\255\\255\\255\\255')", "Missing bytes in input"),
        ("return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "Missing bytes in input"),
        ("return cmsgpack.unpack_limit('\\147\\1\\2\\3', 1, -1)", ""),
        ("return cmsgpack.unpack_one('\\1', 2147483648)", ""),
    ]);
}

#[test]
fn cve_2018_11219_and_2020_14147_struct() {
    check(&[
        ("return struct.pack('>I2147483648', 10)", "integral size"),
        ("return struct.pack('>I99999999999999999', 10)", ""),
        ("return struct.unpack('c2147483647', 'a')", "too short"),
        ("return struct.unpack('i', 'aaaa', 2147483648)", ""),
        ("return struct.unpack('i', 'aaaa', -2147483648)", ""),
        ("return struct.size('c2147483647c2147483647')", ""),
        ("return struct.pack('!2147483648i', 1)", ""),
    ]);
}

#[test]
fn cve_2022_0543_package() {
    check(&[
        ("return type(rawget(_G, 'package'))", "nil"),
        ("return package.loadlib('x', 'luaopen_io')", "nonexistent global variable 'package'"),
        ("return io.popen('id')", "nonexistent global variable 'io'"),
        ("return os.execute('id')", ""),
        ("return type(os.execute)", "nil"),
        ("return require('ffi')", ""),
        ("return jit.version", "nonexistent global variable 'jit'"),
        ("return debug.getregistry()", "nonexistent global variable 'debug'"),
        ("return dofile('/etc/passwd')", "nonexistent global variable 'dofile'"),
    ]);
}

#[test]
fn cve_2022_24735_and_2025_46818_metatables() {
    check(&[
        ("getmetatable('').__index = function() return 'stolen' end", "readonly"),
        ("getmetatable('').__tostring = 1", "readonly"),
        ("string.format = 1", "readonly"),
        ("rawset(string, 'format', 1)", "readonly"),
        ("setmetatable(string, {})", "readonly"),
        ("setmetatable(_G, {})", "readonly"),
        ("_G.print = 1", "readonly"),
        (
            "return tostring(getmetatable(1)) .. tostring(getmetatable(nil)) .. tostring(getmetatable(true))",
            "nilnilnil",
        ),
        ("getmetatable(cjson.encode)", ""),
    ]);
}

#[test]
fn cve_2022_24736_null_and_2022_24834_cjson() {
    check(&[
        ("return cjson.encode({[1e9] = 1})", ""),
        ("return #cjson.encode(string.rep('\\1', 1000000))", "6000002"),
        ("return cjson.decode(string.rep('[', 5000))", "nested"),
        ("local t = {} t.t = t return cjson.encode(t)", "excessive nesting"),
    ]);
}

#[test]
fn cve_2024_31449_tohex() {
    check(&[
        ("return bit.tohex(65535, -2147483648)", "0000FFFF"),
        ("return bit.tohex(1, 2147483647)", "00000001"),
        ("return bit.tohex(65535, -2^31 - 1)", "0000ffff"),
    ]);
}

#[test]
fn cve_2024_46981_collector() {
    check(&[
        (
            "collectgarbage('collect') collectgarbage('stop') local t = {} for i = 1, 1e5 do t[i] = {} end
          collectgarbage('restart') collectgarbage('step', 100) return 'done'",
            "done",
        ),
        (
            "local ok = pcall(setmetatable, {}, {__gc = function() error('x') end}) collectgarbage() return 'done'",
            "done",
        ),
        ("return tostring(pcall(function() return newproxy(true) end))", "false"),
        (
            "local k = setmetatable({}, {__mode = 'k'}) for i = 1, 1000 do k[{}] = {} end collectgarbage()
          local n = 0 for _ in pairs(k) do n = n + 1 end return n < 1000 and 'collected'",
            "collected",
        ),
    ]);
}

#[test]
fn cve_2025_46817_unpack() {
    check(&[
        ("return unpack({1, 2, 3}, -2, 2147483647)", "too many results to unpack"),
        ("return unpack({1, 2, 3}, 0, 2147483647)", "too many results to unpack"),
        ("return unpack({1, 2, 3}, -2147483648, 2147483647)", "too many results to unpack"),
        ("return unpack({1, 2, 3}, 2147483647, -2147483648)", ""),
        ("return select('#', unpack({}, 1, 1e308))", ""),
        ("return string.rep('x', 10, 5)", "xxxxxxxxxx"),
        ("return table.concat({}, 'x', 1, 2^31)", ""),
        ("return table.concat({}, 'x', -2147483648, 2147483647)", "invalid value (nil) at index -2147483648"),
        ("return string.byte('abc', -2147483648, 2147483647)", "97"),
    ]);
}

#[test]
fn cve_2025_46819_long_brackets() {
    check(&[
        ("return [=======[text]=======]", "text"),
        ("return loadstring('return [' .. string.rep('=', 100000) .. '[x') == nil and 'refused'", "refused"),
        ("return tostring(loadstring('x = [' .. string.rep('=', 70000)))", "nil"),
        ("return tostring(loadstring('--[' .. string.rep('=', 70000) .. '[ a'))", "nil"),
    ]);
}

#[test]
fn cve_2025_49844_chunk_names_while_collecting() {
    check(&[(
        "for i = 1, 200 do loadstring('return ' .. i, string.rep('n', 10000) .. i) collectgarbage() end
         local f = loadstring('error(1)', '=' .. string.rep('n', 100000)) pcall(f) collectgarbage() return 'done'",
        "done",
    )]);
}

/// Patterns that crashed or hung matchers: nesting, captures out of range, anchors in odd places.
#[test]
fn patterns_that_are_wrong_are_errors() {
    check(&[
        ("return string.find('a', string.rep('(', 33))", "too many captures"),
        ("return string.find('a', '%')", "malformed pattern (ends with '%')"),
        ("return string.find('a', '[a')", "malformed pattern (missing ']')"),
        ("return string.find('a', '%1')", "invalid capture index"),
        ("return string.match('a', 'a)')", "invalid pattern capture"),
        ("return string.find('a', '(a')", "unfinished capture"),
        ("return string.gsub('a', 'a', '%2')", "invalid capture index"),
        ("return string.find(string.rep('a', 30000), string.rep('a?', 30000)) == 1 and 'found'", "found"),
        ("return string.find(string.rep('(', 3000), '%b()') == nil and 'none'", "none"),
    ]);
}
