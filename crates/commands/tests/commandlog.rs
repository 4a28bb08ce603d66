//! COMMANDLOG, of Valkey 8.1 (<https://valkey.io/commands/commandlog-get/>, tests/unit/commandlog.tcl).

use perigee_testkit::Node;

fn node() -> Node {
    Node::new(&[("commandlog-request-larger-than", "60"), ("commandlog-reply-larger-than", "50")], |_| None)
}

#[test]
fn large_requests_and_replies_are_remembered_apart() {
    let node = node();
    let client = node.connect();
    let long = "x".repeat(48);
    client.ask(&format!("SET key {long}"));
    client.ask("GET key");
    client.ask("GET none");
    assert_eq!(client.ask("COMMANDLOG LEN large-request"), ":1\r\n");
    assert_eq!(client.ask("COMMANDLOG LEN LARGE-REPLY"), ":1\r\n");
    // `*3`, `$3`, `SET`, `$3`, `key`, `$48` and the value, with their line ends.
    let request = client.ask("COMMANDLOG GET -1 large-request");
    assert!(request.contains(":77\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$48\r\n"), "{request}");
    let reply = client.ask("COMMANDLOG GET -1 large-reply");
    assert!(reply.contains(":55\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), "{reply}");
    assert_eq!(client.ask("COMMANDLOG RESET large-request"), "+OK\r\n");
    assert_eq!(client.ask("COMMANDLOG GET -1 large-request"), "*0\r\n");
}

#[test]
fn commands_of_transactions_count_one_by_one() {
    let node = node();
    let client = node.connect();
    client.ask("CONFIG SET commandlog-request-larger-than -1 commandlog-large-reply-max-len 2");
    client.ask(&format!("SET key {}", "x".repeat(48)));
    for request in ["MULTI", "GET key", "PING", "GET key", "GETRANGE key 0 -1", "EXEC"] {
        client.ask(request);
    }
    let log = client.ask("COMMANDLOG GET 10 large-reply");
    assert!(log.starts_with("*2\r\n") && log.contains("GETRANGE") && !log.contains("exec"), "{log}");
    assert_eq!(client.ask("COMMANDLOG LEN large-request"), ":0\r\n");
}

#[test]
fn a_log_without_room_does_not_count() {
    let node = node();
    let client = node.connect();
    let long = format!("SET key {}", "x".repeat(48));
    client.ask("CONFIG SET commandlog-large-request-max-len 0");
    client.ask(&long);
    client.ask("CONFIG SET commandlog-large-request-max-len 128");
    client.ask("COMMANDLOG RESET large-request");
    client.ask(&long);
    let log = client.ask("COMMANDLOG GET -1 large-request");
    assert!(log.starts_with("*1\r\n*6\r\n:1\r\n"), "{log}");
}

#[test]
fn the_slow_log_is_one_of_the_logs_and_errors_are_valkeys() {
    let node = node();
    let client = node.connect();
    client.ask("CONFIG SET commandlog-execution-slower-than 0");
    client.ask("PING");
    client.ask("CONFIG SET slowlog-log-slower-than -1");
    assert_eq!(client.ask("COMMANDLOG LEN slow"), client.ask("SLOWLOG LEN"));
    assert_ne!(client.ask("COMMANDLOG LEN slow"), ":0\r\n");
    let unknown = "-ERR type should be one of the following: slow, large-request, large-reply\r\n";
    assert_eq!(client.ask("COMMANDLOG LEN fast"), unknown);
    assert_eq!(client.ask("COMMANDLOG GET 1 fast"), unknown);
    let count = "-ERR count should be greater than or equal to -1\r\n";
    assert_eq!(client.ask("COMMANDLOG GET -2 fast"), count);
    assert_eq!(
        client.ask("COMMANDLOG GET 1"),
        "-ERR wrong number of arguments for 'commandlog|get' command\r\n"
    );
}
