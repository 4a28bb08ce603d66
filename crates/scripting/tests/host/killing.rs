//! SCRIPT KILL ends a script wherever it is, and undoes it.

use crate::server::{Server, in_time};

const KILLED: &str = "-ERR Script killed by user with SCRIPT KILL...";

/// Runs a script that never ends, kills it, and expects nothing of it to be left.
#[track_caller]
fn check(body: &str) {
    let server = Server::new(&[]);
    server.call(&["SET", "k", "before"]);
    let client = server.connect();
    let script = format!("redis.call('set', KEYS[1], 'during') redis.call('rpush', 'l', 1) {body}");
    let mut endless = client.send(&["EVAL", &script, "2", "k", "l"]);
    endless.slices(3);
    assert_eq!(server.call(&["SCRIPT", "KILL"]), "+OK\r\n");
    let answer = endless.finish();
    assert!(answer.starts_with(KILLED), "{body}: {answer}");
    assert_eq!(server.call(&["GET", "k"]), "$6\r\nbefore\r\n", "{body}");
    assert_eq!(server.call(&["EXISTS", "l"]), ":0\r\n", "{body}");
    assert!(server.call(&["SCRIPT", "KILL"]).starts_with("-NOTBUSY"), "{body}");
    // The connection and its VM are as good as new.
    assert_eq!(client.call(&["EVAL", "return redis.call('incr', 'n')", "1", "n"]), ":1\r\n");
}

#[test]
fn in_plain_loops() {
    check("while true do end");
    check("for i = 1, 1e15 do end");
    check("repeat local t = {} until false");
    check("while true do redis.call('get', 'k') end");
    check("local function f() return f() end f()");
}

#[test]
fn inside_pcall() {
    check("pcall(function() while true do end end)");
    check("while true do pcall(function() while true do end end) end");
    check("while true do pcall(error, 'x') end");
    check("while true do pcall(redis.call, 'incr', 'l') end");
    check("while true do xpcall(function() while true do end end, function() while true do end end) end");
    check("while true do redis.pcall('incr', 'l') end");
}

#[test]
fn inside_callbacks() {
    check("local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function(a, b) while true do end end)");
    check("local t = {3, 2, 1} while true do table.sort(t, function(a, b) return a < b end) end");
    check("string.gsub('aaa', 'a', function() while true do end end)");
    check("table.foreach({1}, function() while true do end end)");
    check("local t = setmetatable({}, {__index = function() while true do end end}) return t.x");
    check("load(function() while true do end end)");
    check("loadstring('while true do end')()");
    check("tostring(setmetatable({}, {__tostring = function() while true do end end}))");
    check("xpcall(error, function() while true do end end)");
    check(
        "string.format('%s', 1, setmetatable({}, {__tostring = function() while true do end end})) while true do end",
    );
    check("while true do pcall(table.foreachi, {1}, function() while true do end end) end");
}

#[test]
fn inside_coroutines_of_the_script() {
    check("coroutine.wrap(function() while true do end end)()");
    check("while true do coroutine.resume(coroutine.create(function() while true do end end)) end");
    check("while true do pcall(coroutine.wrap(function() pcall(function() while true do end end) end)) end");
    check(
        "local function deep(n) if n == 0 then while true do end end coroutine.wrap(deep)(n - 1) end deep(5)",
    );
    check("for x in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end");
    check(
        "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
    );
    check("while true do coroutine.wrap(function() redis.call('get', 'k') end)() end");
}

/// A pattern that tries about n^4 ways.
const BACKTRACKING: &str = "local s = string.rep('a', 20000) local p = '(.-)(.-)(.-)(.-)b'";

#[test]
fn inside_library_functions() {
    check(&format!("{BACKTRACKING} return string.find(s, p)"));
    check(&format!("{BACKTRACKING} return s:match(p)"));
    check(&format!("{BACKTRACKING} for x in s:gmatch(p) do end"));
    check(&format!("{BACKTRACKING} return (s:gsub(p, 'x'))"));
    check(&format!("{BACKTRACKING} return (s:gsub(p, {{}}))"));
    check(&format!("{BACKTRACKING} return (s:gsub(p, function() end))"));
    check("while true do local s = string.rep('abc', 3e7) end");
    check(
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 100 do t[i] = s end while true do table.concat(t, ',') end",
    );
    check("local s = string.rep('x', 5e7) while true do s:upper() s:lower() s:reverse() end");
    check(
        "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
    );
    check("local t = {} for i = 1, 1e6 do t[i] = {} end while true do collectgarbage() end");
    check("local s = string.rep('x=1 ', 1e6) while true do loadstring(s) end");
    check("local t = {} for i = 1, 1e5 do t[i] = i end while true do cjson.encode(t) end");
    check(&format!("{BACKTRACKING} while true do pcall(string.find, s, p) end"));
}

#[test]
fn inside_library_functions_within_coroutines_and_callbacks() {
    check(&format!("{BACKTRACKING} coroutine.wrap(function() string.find(s, p) end)()"));
    check(&format!(
        "{BACKTRACKING} while true do pcall(coroutine.wrap(function() pcall(string.find, s, p) end)) end"
    ));
    check(&format!("{BACKTRACKING} table.foreachi({{1}}, function() string.find(s, p) end)"));
    check(&format!(
        "{BACKTRACKING} while true do pcall(table.foreachi, {{1}}, function() string.find(s, p) end) end"
    ));
}

/// A C function between the loop and the coroutine that would have to be suspended.
#[test]
fn inside_coroutines_within_callbacks() {
    check("table.foreachi({1}, function() coroutine.wrap(function() while true do end end)() end)");
    check(
        "while true do pcall(table.foreachi, {1}, function()
             while true do pcall(coroutine.wrap(function() while true do end end)) end
         end) end",
    );
}

#[test]
fn a_script_that_has_ended_can_not_be_killed() {
    let server = Server::new(&[]);
    assert_eq!(server.eval("for i = 1, 1e7 do end return 1"), ":1\r\n");
    assert!(server.call(&["SCRIPT", "KILL"]).starts_with("-NOTBUSY"));
}

#[test]
fn strictly_as_redis_a_script_that_has_written_goes_on() {
    in_time(|| {
        let server = Server::new(&[("redis-strict", "yes")]);
        let client = server.connect();
        let writer = "redis.call('set', KEYS[1], 1) local n = 0 for i = 1, 2e8 do n = n + i % 7 end return n";
        let mut writes = client.send(&["EVAL", writer, "1", "k"]);
        writes.try_slices(2)?;
        assert!(server.call(&["SCRIPT", "KILL"]).starts_with("-UNKILLABLE"));
        assert!(writes.finish().starts_with(':'));
        Some(())
    });
}
