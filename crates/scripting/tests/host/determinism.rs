//! `script-deterministic` and `flags=deterministic`: the same script on the same data gives the same bytes.

use crate::server::{Server, in_time};

const SCRIPT: &str = "
    for i = 1, 300 do redis.call('sadd', 's', 'm' .. i % 97) redis.call('hset', 'h', 'f' .. i % 89, i) end
    local out = {}
    local function add(...) for i = 1, select('#', ...) do out[#out + 1] = tostring((select(i, ...))) end end
    add(math.random(), math.random(1000), math.random(5, 50))
    for _, command in ipairs({'smembers', 'sunion', 'sinter', 'sdiff'}) do add(unpack(redis.call(command, 's'))) end
    add(unpack(redis.call('hkeys', 'h'))) add(unpack(redis.call('hvals', 'h'))) add(unpack(redis.call('keys', '*')))
    local t = {}
    for i = 1, 50 do t['key' .. i * 7 % 50] = i end t[true] = 1 t[1.5] = 2
    for k, v in pairs(t) do add(k, v) end
    local k = nil repeat k = next(t, k) add(k) until k == nil
    add(cjson.encode({a = 1, b = 2, c = {d = 3, e = 4}}))
    return out";

#[test]
fn deterministic_runs_give_the_same_bytes() {
    let declared = format!("#!lua flags=deterministic\n{SCRIPT}");
    let answers: Vec<String> = (0..3).map(|_| Server::new(&[]).eval(&declared)).collect();
    assert!(answers[0].starts_with('*'), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let server = Server::new(&[("script-deterministic", "yes")]);
    assert_eq!([server.eval(SCRIPT), server.eval(SCRIPT)], [answers[0].clone(), answers[0].clone()]);
}

#[test]
fn tables_of_maps_and_sets_are_answered_in_order() {
    let script = "redis.setresp(3) local map, set = {}, {}
                  for i = 1, 50 do map['k' .. i] = i set['m' .. i] = true end
                  return {{map = map}, {set = set}}";
    let answers: Vec<String> = (0..3).map(|_| Server::new(&[]).eval(script)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn by_default_chance_differs_from_run_to_run() {
    let server = Server::new(&[]);
    let script = "return tostring(math.random())";
    assert_ne!(server.eval(script), server.eval(script));
}

#[test]
fn others_in_between_change_nothing() {
    in_time(|| {
        let script = "#!lua flags=deterministic\n
            local t = {} for i = 1, 20 do t['k' .. i] = i end
            local first = math.random() for i = 1, 2e8 do end
            local out = {tostring(first), tostring(math.random())}
            for k in pairs(t) do out[#out + 1] = k end return out";
        let alone = Server::new(&[]).eval(script);
        let server = Server::new(&[]);
        let client = server.connect();
        let mut pending = client.send(&["EVAL", script, "0"]);
        pending.try_slices(2)?;
        server.eval("math.randomseed(7) return math.random()");
        assert_eq!(pending.finish(), alone);
        Some(())
    });
}
