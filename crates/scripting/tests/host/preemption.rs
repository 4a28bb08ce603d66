//! Long scripts take turns with everybody else on their worker, and nothing of them is visible before they end.

use crate::server::{Server, in_time};

/// A while, at full speed.
const LONG: &str = "local n = 0 for i = 1, 2e8 do n = n + i % 7 end ";

#[test]
fn others_are_served_while_a_script_runs() {
    in_time(|| {
        let server = Server::new(&[]);
        server.call(&["SET", "other", "here"]);
        let (slow, quick) = (server.connect(), server.connect());
        let mut script = slow.send(&["EVAL", &format!("{LONG} return n"), "1", "k"]);
        let mut turns = 0;
        let answer = loop {
            if let Some(answer) = script.go_on() {
                break answer;
            }
            turns += 1;
            assert_eq!(quick.call(&["GET", "other"]), "$4\r\nhere\r\n");
        };
        assert_eq!(answer, ":599999998\r\n");
        (turns > 2).then_some(())
    });
}

#[test]
fn scripts_take_turns_and_keep_their_own_arguments() {
    in_time(|| {
        let server = Server::new(&[]);
        let (first, second) = (server.connect(), server.connect());
        let script = format!("redis.setresp(3) local own = ARGV[1] {LONG} return {{own, ARGV[1], KEYS[1]}}");
        let mut a = first.send(&["EVAL", &script, "1", "a", "of a"]);
        let mut b = second.send(&["EVAL", &script, "1", "b", "of b"]);
        a.try_slices(2)?;
        b.try_slices(2)?;
        assert_eq!(
            server.call(&["EVAL", "return {KEYS[1], ARGV[1]}", "1", "c", "of c"]),
            "*2\r\n$1\r\nc\r\n$4\r\nof c\r\n"
        );
        a.try_slices(1)?;
        b.try_slices(1)?;
        assert_eq!(a.finish(), "*3\r\n$4\r\nof a\r\n$4\r\nof a\r\n$1\r\na\r\n");
        assert_eq!(b.finish(), "*3\r\n$4\r\nof b\r\n$4\r\nof b\r\n$1\r\nb\r\n");
        Some(())
    });
}

/// Runs a script whose loop is somewhere deep, and expects it to be suspended there and to end with this answer.
#[track_caller]
fn check(script: &str, expected: &str) {
    in_time(|| {
        let server = Server::new(&[]);
        let client = server.connect();
        let mut pending = client.send(&["EVAL", script, "0"]);
        let mut turns = 0;
        let answer = loop {
            if let Some(answer) = pending.go_on() {
                break answer;
            }
            turns += 1;
            assert_eq!(server.eval("return 'quick'"), "$5\r\nquick\r\n");
        };
        assert_eq!(answer, expected, "{script}");
        (turns > 2).then_some(())
    });
}

#[test]
fn a_slice_ends_anywhere_in_lua() {
    check(&format!("return pcall(function() {LONG} return n end)"), ":1\r\n");
    check(&format!("return select(2, pcall(function() {LONG} return n end))"), ":599999998\r\n");
    check(&format!("return (string.gsub('x', '.', function() {LONG} return n end))"), "$9\r\n599999998\r\n");
    check(
        &format!("local t = {{2, 1}} table.sort(t, function(a, b) {LONG} return a < b end) return t"),
        "*2\r\n:1\r\n:2\r\n",
    );
    check(
        &format!("return setmetatable({{}}, {{__index = function() {LONG} return n end}}).x"),
        ":599999998\r\n",
    );
}

#[test]
fn a_slice_ends_in_a_coroutine_of_the_script() {
    check(&format!("return coroutine.wrap(function() {LONG} return n end)()"), ":599999998\r\n");
    check(
        &format!("return {{coroutine.resume(coroutine.create(function(a) {LONG} return a, n end), 'a')}}"),
        "*3\r\n:1\r\n$1\r\na\r\n:599999998\r\n",
    );
    check(
        &format!(
            "local function deep(level)
                 if level == 0 then {LONG} coroutine.yield('inner') return n end
                 local inner = coroutine.create(deep)
                 local _, first = coroutine.resume(inner, level - 1)
                 coroutine.yield(first)
                 return select(2, coroutine.resume(inner))
             end
             local outer = coroutine.create(deep)
             local _, a = coroutine.resume(outer, 4)
             local ok, b = coroutine.resume(outer)
             return {{a, b, coroutine.status(outer)}}"
        ),
        "*3\r\n$5\r\ninner\r\n:599999998\r\n$4\r\ndead\r\n",
    );
    // Coroutines that yield nothing, or whose own yields and slices' ends alternate.
    check(
        "local c = coroutine.wrap(function() for i = 1, 2e6 do coroutine.yield() end return 'end' end)
         local count = -1
         repeat count = count + 1 local value = c() until value
         return count",
        ":2000000\r\n",
    );
    check(
        "local sum = 0
         for x in coroutine.wrap(function() for i = 1, 1e6 do coroutine.yield(i) end end) do sum = sum + x % 10 end
         return sum",
        ":4500000\r\n",
    );
}

/// A subject and a pattern with some million ways to match in vain before there is a match at the end.
const SEARCH: &str = "local s, p = string.rep('a', 60) .. 'cab', '(a-)(a-)(a-)(a-)(a)b()'";

#[test]
fn a_slice_ends_in_a_search() {
    let captures = "*6\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$1\r\na\r\n:64\r\n";
    check(&format!("{SEARCH} return {{s:match(p)}}"), captures);
    check(&format!("{SEARCH} return {{select(3, s:find(p))}}"), captures);
    check(&format!("{SEARCH} return s:find(p)"), ":62\r\n");
    check(&format!("{SEARCH} return s:find(p .. 'x')"), "$-1\r\n");
    check(
        &format!(
            "{SEARCH} local all = {{}} for a, b, c, d, e, f in s:gmatch(p) do all = {{a, b, c, d, e, f}} end return all"
        ),
        captures,
    );
    check(
        &format!("{SEARCH} return {{select(2, s:gsub(p, '')), #s:gsub(p, '%6%5')}}"),
        "*2\r\n:1\r\n:64\r\n",
    );
    check(&format!("{SEARCH} return {{#s:gsub(p, {{[''] = 'some'}})}}"), "*1\r\n:65\r\n");
    check(
        &format!("{SEARCH} return {{#s:gsub(p, function(...) return select('#', ...) .. (...) end)}}"),
        "*1\r\n:62\r\n",
    );
    check("local s = ('a'):rep(2e8) return s:find('b', 1, true)", "$-1\r\n");
}

#[test]
fn a_slice_ends_while_a_string_is_built() {
    check(
        "local s = ('ab'):rep(1e8) return {#s, s:sub(1, 3), s:sub(-3)}",
        "*3\r\n:200000000\r\n$3\r\naba\r\n$3\r\nbab\r\n",
    );
    check(
        "local s = ('x'):rep(1e6) local t = {} for i = 1, 99 do t[i] = s end t[100] = 'end!'
         s = table.concat(t, '--') return {#s, s:sub(-6)}",
        "*2\r\n:99000202\r\n$6\r\n--end!\r\n",
    );
    check("local s = ('x'):rep(1e8) .. '' return #s:upper():reverse():lower()", ":100000000\r\n");
    check(
        "local s, n = ('xyz '):rep(1e6):gsub('%w+', 'long') return {#s, s:sub(-6), n}",
        "*3\r\n:5000000\r\n$6\r\n long \r\n:1000000\r\n",
    );
}

/// Texts of all lengths modulo the VM's word, built and found equal to one built in another way.
#[test]
fn strings_that_are_built_in_pieces_are_strings_like_others() {
    let server = Server::new(&[]);
    for length in 2_000_000..2_000_005 {
        let script = format!(
            "local built = ('ab'):rep(1e6) .. ('c'):rep({length} - 2e6)
             local again = built:reverse():reverse()
             local upper = ('AB'):rep(1e6) .. ('C'):rep({length} - 2e6)
             local t = {{}} t[upper] = 'found'
             return {{#built, built == again and 1 or 0, t[built:upper()], again:sub(-4), table.concat({{built, ''}}) == again and 1 or 0}}"
        );
        let tail = ("abab".to_owned() + &"c".repeat(length - 2_000_000)).split_off(length - 2_000_000);
        assert_eq!(
            server.eval(&script),
            format!("*5\r\n:{length}\r\n:1\r\n$5\r\nfound\r\n$4\r\n{tail}\r\n:1\r\n")
        );
    }
}

/// Elements and separators that end before, at and behind what is copied at one go; a number among them.
#[test]
fn a_table_is_joined_whatever_its_elements() {
    let server = Server::new(&[]);
    for separator in ["", "-", "a longer one"] {
        let script = format!(
            "local t, sum = {{12.5}}, '12.5'
             for _, length in ipairs({{0, 1, 65535, 65536, 65537, 0, 200000, 7, 131072}}) do
               local text = ('abcdefg'):rep(length / 7 + 1):sub(1, length)
               t[#t + 1], sum = text, sum .. '{separator}' .. text
             end
             for i = 1, 1000 do t[#t + 1], sum = '', sum .. '{separator}' end
             local last = table.concat(t, '{separator}', 2, #t)
             return {{table.concat(t, '{separator}') == sum and 1 or 0, '12.5{separator}' .. last == sum and 1 or 0}}"
        );
        assert_eq!(server.eval(&script), "*2\r\n:1\r\n:1\r\n", "{separator}");
    }
}

#[test]
fn a_slice_ends_while_a_table_is_shifted_or_garbage_collected() {
    check(
        "local t = {} for i = 1, 5e5 do t[i] = i end for i = 1, 9 do table.insert(t, 2, -i) end
         return {#t, table.remove(t, 3), t[1], t[2], t[3], t[9], t[10], t[11], #t, t[#t]}",
        "*10\r\n:500009\r\n:-8\r\n:1\r\n:-9\r\n:-7\r\n:-1\r\n:2\r\n:3\r\n:500008\r\n:500000\r\n",
    );
    check(
        "local t = {} for i = 1, 1e6 do t[i] = {} end return collectgarbage() + collectgarbage('collect')",
        ":0\r\n",
    );
}

#[test]
fn a_library_function_is_taken_up_in_a_coroutine() {
    check(&format!("{SEARCH} return coroutine.wrap(function() return (s:find(p)) end)()"), ":62\r\n");
    check(
        &format!(
            "{SEARCH}
             local c = coroutine.create(function()
                 coroutine.yield('first')
                 return pcall(coroutine.wrap(function() return s:find(p .. 'x') == nil, (s:find(p)) end))
             end)
             local _, a = coroutine.resume(c)
             local _, ok, b, d = coroutine.resume(c)
             return {{a, ok, b, d, coroutine.status(c)}}"
        ),
        "*5\r\n$5\r\nfirst\r\n:1\r\n:1\r\n:62\r\n$4\r\ndead\r\n",
    );
}

/// The error is raised where the function was called, and can be caught there.
#[test]
fn a_library_function_fails_late() {
    let late = "s:find(p .. '%')";
    let message = "malformed pattern (ends with '%')";
    check(
        &format!("{SEARCH} return select(2, pcall(function()\n {late} end))"),
        &format!("$48\r\nuser_script:2: {message}\r\n"),
    );
    check(
        &format!("{SEARCH} return {{pcall(coroutine.wrap(function()\n return 1, {late} end))}}"),
        &format!("*2\r\n$-1\r\n$48\r\nuser_script:2: {message}\r\n"),
    );
}

/// Nothing of the script's own runs after the function.
#[test]
fn errors_of_suspended_functions_that_are_called_last_are_raised() {
    let server = Server::new(&[]);
    let tail = format!("{SEARCH} local function f() return s:find(p .. '%') end return (f())");
    assert!(server.eval(&tail).contains("malformed pattern"));
    let whole = format!("{SEARCH} return coroutine.wrap(string.find)(s, p .. '%')");
    assert!(server.eval(&whole).contains("malformed pattern"));
}

/// A slice that ends in a coroutine behind a C function is put off; the script goes on all the same.
#[test]
fn a_coroutine_within_a_callback_goes_on() {
    let server = Server::new(&[]);
    let script = format!(
        "local result table.foreachi({{1}}, function()
             result = coroutine.wrap(function() {LONG} return n end)()
         end) return result"
    );
    assert_eq!(server.eval(&script), ":599999998\r\n");
}

#[test]
fn nothing_is_visible_before_the_end() {
    in_time(|| {
        let server = Server::new(&[]);
        let (writer, subscriber, popper) = (server.connect(), server.connect(), server.connect());
        subscriber.call(&["SUBSCRIBE", "news"]);
        subscriber.messages();
        let mut popped = popper.send(&["BLPOP", "list", "0"]);
        assert_eq!(popped.go_on(), None);
        let script = format!(
            "redis.call('set', KEYS[1], 'new') redis.call('publish', 'news', 'told') redis.call('rpush', KEYS[2], 'x')
             {LONG} return redis.call('get', KEYS[1])"
        );
        let mut written = writer.send(&["EVAL", &script, "2", "k", "list"]);
        written.try_slices(2)?;
        let reader = server.connect();
        let mut read = reader.send(&["GET", "k"]);
        assert_eq!(read.go_on(), None, "the reader waits for the script's key");
        assert_eq!(popped.go_on(), None);
        assert!(subscriber.messages().is_empty());
        assert_eq!(written.finish(), "$3\r\nnew\r\n");
        assert_eq!(read.finish(), "$3\r\nnew\r\n");
        assert_eq!(popped.finish(), "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
        assert_eq!(subscriber.messages(), ["*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\ntold\r\n"]);
        Some(())
    });
}

#[test]
fn time_stands_still_within_a_script() {
    in_time(|| {
        let server = Server::new(&[]);
        let client = server.connect();
        let script =
            format!("local a = redis.call('time') {LONG} local b = redis.call('time') return a[1] == b[1]");
        let mut pending = client.send(&["EVAL", &script, "0"]);
        pending.try_slices(1)?;
        server.clock().advance_ms(5_000);
        assert_eq!(pending.finish(), ":1\r\n");
        Some(())
    });
}

/// What is long is made by one call of a library, and used by the next.
const LONG_VALUES: &str = r#"#!lua name=long
local value, json, packed
redis.register_function('prepare', function()
  value = {list = {}, fields = {}, text = string.rep('x"', 300000)}
  local keys, parts = {}, {}
  for i = 1, 50000 do
    value.list[i], value.fields['k' .. i], keys[i] = i, {i}, 'k' .. i
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = '"' .. key .. '":[' .. key:sub(2) .. ']'
  end
  json = '{"fields":{' .. table.concat(parts, ',') .. '},"list":[' .. table.concat(value.list, ',')
    .. '],"text":"' .. string.rep('x\\"', 300000) .. '"}'
  packed = cmsgpack.pack(value)
end)
local function is_whole(copy)
  for i = 1, 50000 do
    if copy.list[i] ~= i or copy.fields['k' .. i][1] ~= i then return false end
  end
  return copy.text == value.text
end
redis.register_function('encode', function() return cjson.encode(value) == json end)
redis.register_function('decode', function() value = cjson.decode(json) end)
redis.register_function('pack', function() return cmsgpack.pack(value) == packed end)
redis.register_function('unpack', function() value = cmsgpack.unpack(packed) end)
redis.register_function('whole', function() return is_whole(value) end)
redis.register_function('wrong_json', function() return cjson.decode(json .. '!') end)
redis.register_function('wrong_value', function() value.list[50001] = function() end return cjson.encode(value) end)
redis.register_function('wrong_pack', function() return cmsgpack.unpack(packed:sub(1, -2)) end)
"#;

#[test]
fn inside_cjson_and_cmsgpack() {
    in_time(|| {
        let server = Server::new(&[]);
        assert_eq!(server.call(&["FUNCTION", "LOAD", LONG_VALUES]), "$4\r\nlong\r\n");
        let call = |name: &str| {
            let client = server.connect();
            let mut pending = client.send(&["FCALL", name, "0"]);
            let mut turns = 0;
            loop {
                if let Some(answer) = pending.go_on() {
                    return (answer, turns);
                }
                turns += 1;
                assert_eq!(
                    server.eval("return cjson.encode(cjson.decode('[[1],{}]'))"),
                    "$8\r\n[[1],{}]\r\n"
                );
            }
        };
        call("prepare");
        for (name, expected) in [
            ("encode", ":1\r\n"),
            ("decode", "$-1\r\n"),
            ("pack", ":1\r\n"),
            ("unpack", "$-1\r\n"),
            ("encode", ":1\r\n"),
        ] {
            let (answer, turns) = call(name);
            assert_eq!(answer, expected, "{name}");
            if turns <= 2 {
                return None;
            }
            assert_eq!(call("whole").0, ":1\r\n", "{name}");
        }
        for (name, expected) in [
            ("wrong_json", "Expected the end but found invalid token at character"),
            ("wrong_pack", "Missing bytes in input."),
            ("wrong_value", "Cannot serialise function: type not supported"),
        ] {
            let (answer, turns) = call(name);
            assert!(answer.contains(expected), "{name}: {answer}");
            if turns == 0 {
                return None;
            }
        }
        Some(())
    });
}

/// A weak table may lose its fields to a collection while others run.
#[test]
fn weak_tables_are_written_as_they_were() {
    check(
        "local t = setmetatable({}, {__mode = 'v'})
         for i = 1, 100000 do t['k' .. i] = {} end
         local before = collectgarbage('count')
         local s = cjson.encode(t) local n = 0
         for k in s:gmatch('k%d+') do n = n + 1 end
         for i = 1, 3 do collectgarbage() end
         return #cjson.decode(s) == 0 and n > 0",
        ":1\r\n",
    );
}
