//! How INFO counts the errors of scripts: once, by whoever has failed first.

use crate::server::Server;

/// The errors by code, and the failures of commands, that a request leaves behind.
#[track_caller]
fn check(request: &[&str], wanted: &str) {
    let server = Server::new(&[]);
    server.call(&["SET", "k", "text"]);
    let library =
        "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)";
    server.call(&["FUNCTION", "LOAD", library]);
    server.call(&["CONFIG", "RESETSTAT"]);
    server.call(request);
    let info = server.call(&["INFO", "everything"]);
    let errors = info.lines().filter_map(|line| line.strip_prefix("errorstat_"));
    let commands = info.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    let failed = commands.filter_map(|line| {
        let (name, figures) = line.split_once(':')?;
        let failed = figures.split(',').find_map(|figure| figure.strip_prefix("failed_calls="))?;
        (failed != "0").then(|| format!("{name}={failed}"))
    });
    let found: Vec<String> = errors.map(str::to_owned).chain(failed).collect();
    assert_eq!(found.join(" "), wanted, "{request:?}");
}

#[test]
fn an_error_is_counted_once() {
    let eval = |script: &str, wanted: &str| check(&["EVAL", script, "1", "k"], wanted);
    eval("return redis.call('incr', KEYS[1])", "ERR:count=1 eval=1 incr=1");
    eval("return redis.pcall('incr', KEYS[1])", "ERR:count=1 eval=1 incr=1");
    eval("return {redis.pcall('incr', KEYS[1])}", "ERR:count=1 eval=1 incr=1");
    eval("redis.pcall('incr', KEYS[1])", "ERR:count=1 incr=1");
    eval("error(redis.pcall('incr', KEYS[1]))", "ERR:count=1 eval=1 incr=1");
    eval("return redis.error_reply(redis.pcall('incr', KEYS[1]).err)", "ERR:count=2 eval=1 incr=1");
    eval("error('mine')", "ERR:count=1 eval=1");
    eval("return {err = 'MINE own'}", "MINE:count=1 eval=1");
    eval("return {err = 'MINE own', ignore_error_stats_update = true}", "eval=1");
    eval("return redis.call()", "ERR:count=1 eval=1");
    check(&["FCALL", "f", "1", "k"], "ERR:count=1 fcall=1 incr=1");
    check(&["FUNCTION", "LOAD", "#!lua name=x\nreturn 1"], "ERR:count=1 function|load=1");
}
