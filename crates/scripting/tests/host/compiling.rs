//! Texts that would keep the compiler busy for long are refused.

use crate::server::Server;

#[track_caller]
fn check(server: &Server, request: &[&str], expected: &str) {
    let answer = server.call(request);
    assert!(answer.starts_with(expected), "{} {:.60}: {answer}", request[0], request[1]);
}

#[test]
fn a_text_may_be_as_long_as_the_limit() {
    let server = Server::new(&[("script-max-length", "100")]);
    let long = format!("#!lua name=long\nreturn 1 {}", "-".repeat(100));
    let too_long = "-ERR Script is too long: it has 125 bytes, and may have 100 (see script-max-length)";
    for request in [
        ["EVAL", &long, "0"].as_slice(),
        &["EVAL_RO", &long, "0"],
        &["SCRIPT", "LOAD", &long],
        &["FUNCTION", "LOAD", &long],
    ] {
        check(&server, request, too_long);
    }
    check(&server, &["EVAL", &long[..100], "0"], ":1\r\n");
    let dynamic = "local f, message = loadstring('return 1' .. (' '):rep(ARGV[1] - 8)) return message or f()";
    check(&server, &["EVAL", dynamic, "0", "101"], "$40\r\ntext is too long (see script-max-length)");
    check(&server, &["EVAL", dynamic, "0", "100"], ":1\r\n");
    server.call(&["CONFIG", "SET", "script-max-length", "0"]);
    check(&server, &["EVAL", &long, "0"], ":1\r\n");
    check(&server, &["EVAL", dynamic, "0", "10000"], ":1\r\n");
}

#[test]
fn a_cached_text_is_refused_when_the_limit_is_lowered() {
    let server = Server::new(&[]);
    let text = format!("return 1 {}", "-".repeat(200));
    check(&server, &["EVAL", &text, "0"], ":1\r\n");
    server.call(&["CONFIG", "SET", "script-max-length", "100"]);
    check(&server, &["EVAL", &text, "0"], "-ERR Script is too long");
}

/// For these the compiler takes a time that grows with the square of the length: seconds, and minutes for a megabyte.
#[test]
fn a_text_that_takes_too_long_is_given_up() {
    let server = Server::new(&[]);
    for text in [
        format!("return a {}", "and a ".repeat(60_000)),
        format!("if a then {} end", "elseif a then ".repeat(30_000)),
    ] {
        check(
            &server,
            &["EVAL", &text, "0"],
            "-ERR Error compiling script (new function): text takes too long to compile",
        );
        check(
            &server,
            &["FUNCTION", "LOAD", &format!("#!lua name=lib\n{text}")],
            "-ERR Error compiling function: text takes too long to compile",
        );
        let dynamic = "local f, message = loadstring(ARGV[1]) return message";
        check(&server, &["EVAL", dynamic, "0", &text], "$30\r\ntext takes too long to compile");
    }
    assert_eq!(server.eval("return 1"), ":1\r\n");
}
