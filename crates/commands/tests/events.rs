//! What subscribers hear of keys, and in which order.

use perigee_testkit::{Connection, Node};

#[test]
fn a_key_expires_before_it_is_given_a_new_value() {
    for (request, events) in [
        ("SET key new", &["expired key", "set key"][..]),
        ("APPEND key new", &["expired key", "append key"]),
        ("RENAME other key", &["expired key", "rename_from other", "rename_to key"]),
        ("DEL key", &["expired key"]),
        ("GET key", &["expired key"]),
        ("SCAN 0 COUNT 100", &["expired key"]),
        ("DBSIZE", &[]),
    ] {
        let node = node();
        let clients = Clients::of(&node);
        clients.events("SET other value");
        assert_eq!(clients.events("PSETEX key 10 old"), ["set key", "expire key"]);
        node.clock().advance_ms(10);
        assert_eq!(clients.events(request), events, "{request}");
    }
}

#[test]
fn what_changes_nothing_is_not_told() {
    let node = node();
    let clients = Clients::of(&node);
    clients.events("SET key value");
    for request in
        ["SETNX key other", "PERSIST key", "SETBIT key 0 0", "EXPIRE key 10 XX", "COPY key key DB 0"]
    {
        assert!(clients.events(request).is_empty(), "{request}");
    }
    assert_eq!(clients.events("SETBIT key 0 1"), ["setbit key"]);
    assert_eq!(clients.events("EXPIREAT key 1"), ["del key"]);
}

#[test]
fn fields_expire_before_the_command_that_finds_out() {
    for (request, events) in [
        ("HSET key a 1", &["hexpired key", "del key", "hset key"][..]),
        ("HGET key a", &["hexpired key", "del key"]),
        ("KEYS *", &["hexpired key", "del key"]),
        ("SET other 1", &["set other"]),
    ] {
        let node = node();
        let clients = Clients::of(&node);
        clients.events("HSET key a 1");
        assert_eq!(clients.events("HPEXPIRE key 10 FIELDS 1 a"), ["hexpire key"]);
        node.clock().advance_ms(10);
        assert_eq!(clients.events(request), events, "{request}");
    }
}

#[test]
fn fields_that_expired_are_told_of_even_if_the_client_leaves() {
    let node = node();
    let clients = Clients::of(&node);
    let fields: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    clients.events(&format!("HSET key stays 1 {} 1", fields.join(" 1 ")));
    clients.events(&format!("HPEXPIRE key 10 FIELDS 3000 {}", fields.join(" ")));
    node.clock().advance_ms(10);
    let leaving = node.connect();
    let mut pending = leaving.send(&["HLEN", "key"]);
    assert_eq!(pending.go_on(), None);
    assert_eq!(clients.heard(), ["hexpired key"], "1,024 of them");
    pending.leave();
    assert_eq!(node.connect().call(&["HLEN", "key"]), ":1\r\n");
    assert_eq!(clients.heard(), ["hexpired key", "hexpired key"]);
}

#[test]
fn commands_on_fields_tell_of_what_they_did() {
    let node = node();
    let clients = Clients::of(&node);
    for (request, events) in [
        ("HSETEX key EX 10 FIELDS 2 a 1 b 2", &["hset key", "hexpire key"][..]),
        ("HSETEX key FIELDS 1 c 3", &["hset key"]),
        ("HSETEX key FNX FIELDS 1 c 3", &[]),
        ("HPERSIST key FIELDS 2 a c", &["hpersist key"]),
        ("HPERSIST key FIELDS 2 a c", &[]),
        ("HGETEX key FIELDS 1 a", &[]),
        ("HGETEX key EX 10 FIELDS 1 a", &["hexpire key"]),
        ("HGETEX key PERSIST FIELDS 1 a", &["hpersist key"]),
        ("HGETEX key PXAT 1 FIELDS 1 a", &["hdel key"]),
        ("HEXPIRE key 10 GT FIELDS 1 c", &[]),
        ("HSETEX key PXAT 1 FIELDS 1 a 1", &["hset key", "hdel key"]),
        ("HEXPIREAT key 1 FIELDS 1 b", &["hdel key"]),
        ("HGETDEL key FIELDS 1 none", &[]),
        ("HGETDEL key FIELDS 1 c", &["hdel key", "del key"]),
        ("HSETEX key PXAT 1 FIELDS 1 a 1", &["hset key", "hdel key", "del key"]),
    ] {
        assert_eq!(clients.events(request), events, "{request}");
    }
}

fn node() -> Node {
    Node::new(&[("notify-keyspace-events", "EA")], |_| None)
}

/// One client acts, the other listens to all events.
struct Clients<'n> {
    actor: Connection<'n>,
    listener: Connection<'n>,
}

impl<'n> Clients<'n> {
    fn of(node: &'n Node) -> Self {
        let clients = Clients { actor: node.connect(), listener: node.connect() };
        clients.listener.ask("PSUBSCRIBE __keyevent@0__:*");
        clients
    }

    /// Runs a request and answers what was told meanwhile: event and key.
    fn events(&self, request: &str) -> Vec<String> {
        self.actor.ask(request);
        self.heard()
    }

    fn heard(&self) -> Vec<String> {
        self.listener.messages().iter().map(|message| event(message)).collect()
    }
}

fn event(message: &str) -> String {
    let mut lines = message.split("\r\n").filter_map(|line| line.strip_prefix("__keyevent@0__:"));
    let (_, key) = message.trim_end().rsplit_once("\r\n").unwrap();
    format!("{} {key}", lines.find(|event| *event != "*").expect("an event"))
}
