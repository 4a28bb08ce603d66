//! Users, as clients without sockets meet them: the log, and what reaches those who are already there.

use perigee_commands::ConfiguredUsers;
use perigee_testkit::{Connection, Node};

#[test]
fn the_log_tells_what_was_refused_and_how_often() {
    let node = node();
    let (operator, client) = (node.connect(), node.connect());
    operator.ask("ACL SETUSER u on nopass ~a* +get +multi +exec");
    client.ask("AUTH u x");
    client.ask("GET b");
    node.clock().advance_ms(1500);
    client.ask("GET b");
    client.ask("SET a 1");
    client.ask("MULTI");
    client.ask("GET c");
    let log = log(&operator);
    let expected = [
        "1 key multi c u 0 2 1000000001500 1000000001500",
        "1 command toplevel set u 0 1 1000000001500 1000000001500",
        "2 key toplevel b u 0 0 1000000000000 1000000001500",
    ];
    assert_eq!(log, expected);
    operator.ask("ACL LOG RESET");
    operator.ask("ACL SETUSER v on >right");
    operator.ask("AUTH v wrong");
    operator.ask("auth nobody x");
    node.clock().advance_ms(2500);
    assert_eq!(
        self::log(&operator),
        [
            "1 auth toplevel auth nobody 2.5 4 1000000001500 1000000001500",
            "1 auth toplevel AUTH v 2.5 3 1000000001500 1000000001500"
        ]
    );
}

#[test]
fn the_log_tells_which_database_was_refused() {
    let node = node();
    let (operator, client) = (node.connect(), node.connect());
    operator.ask("ACL SETUSER u on nopass ~* +@all db=1");
    client.ask("AUTH u x");
    client.ask("GET a");
    client.ask("SELECT 2");
    client.ask("SELECT 1");
    client.ask("COPY a b DB 3");
    client.ask("MULTI");
    client.ask("SELECT 0");
    client.ask("DISCARD");
    let reasons: Vec<_> = log(&operator)
        .iter()
        .map(|line| line.split(' ').skip(1).take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        reasons,
        ["database multi 0", "database toplevel 3", "database toplevel 2", "database toplevel get"]
    );
}

#[test]
fn info_counts_refusals_whatever_the_log_forgets() {
    let node = node();
    let client = node.connect();
    client.ask("CONFIG SET acllog-max-len 0");
    client.ask("ACL SETUSER u on nopass ~a &a +get +publish +select db=0");
    client.ask("AUTH nobody x");
    let user = node.connect();
    user.ask("AUTH u x");
    for request in ["PING", "PING", "PING", "GET b", "GET c", "PUBLISH b x", "PUBLISH b x", "SELECT 1"] {
        user.ask(request);
    }
    client.ask("ACL LOG RESET");
    client.ask("CONFIG RESETSTAT");
    let info = client.ask("INFO stats");
    let denied: Vec<_> = info.lines().filter_map(|line| line.strip_prefix("acl_access_denied_")).collect();
    assert_eq!(denied, ["auth:1", "cmd:3", "key:2", "channel:2", "db:1"]);
}

#[test]
fn the_log_has_a_length() {
    let node = node();
    let client = node.connect();
    client.ask("CONFIG SET acllog-max-len 2");
    for name in ["a", "b", "c"] {
        client.ask(&format!("AUTH {name} x"));
    }
    let names: Vec<_> = log(&client).iter().map(|line| line.split(' ').nth(4).unwrap().to_owned()).collect();
    assert_eq!(names, ["c", "b"]);
    client.ask("CONFIG SET acllog-max-len 0");
    client.ask("AUTH d x");
    assert!(log(&client).is_empty());
}

#[test]
fn a_change_reaches_those_who_are_connected() {
    let node = node();
    let (operator, client) = (node.connect(), node.connect());
    operator.ask("ACL SETUSER u on nopass ~* &* +@all");
    assert_eq!(client.ask("AUTH u x"), "+OK\r\n");
    assert_eq!(client.ask("SET k v"), "+OK\r\n");
    operator.ask("ACL SETUSER u -set");
    assert!(client.ask("SET k v").starts_with("-NOPERM"));
    operator.ask("ACL SETUSER u +set");
    assert_eq!(client.ask("SET k v"), "+OK\r\n");
    operator.ask("ACL DELUSER u");
    assert!(client.is_killed());
    assert!(client.ask("GET k").starts_with("-NOAUTH"), "until its connection has noticed");
    operator.ask("ACL SETUSER u on nopass ~* +@all");
    assert!(client.ask("GET k").starts_with("-NOAUTH"), "another user of the same name");
    assert!(!operator.is_killed());
}

#[test]
fn the_default_user_is_nobody_special() {
    let node = node();
    let (operator, early) = (node.connect(), node.connect());
    operator.ask("ACL SETUSER admin on >a ~* &* +@all");
    operator.ask("AUTH admin a");
    operator.ask("ACL SETUSER default -get");
    assert!(early.ask("GET k").starts_with("-NOPERM"));
    assert_eq!(operator.ask("GET k"), "$-1\r\n");
    operator.ask("ACL SETUSER default +get off");
    assert_eq!(early.ask("GET k"), "$-1\r\n", "it came in while that was possible");
    assert!(node.connect().ask("GET k").starts_with("-NOAUTH"));
    operator.ask("ACL SETUSER default on >pw");
    let late = node.connect();
    assert!(late.ask("GET k").starts_with("-NOAUTH"));
    operator.ask("ACL SETUSER default nopass");
    assert_eq!(late.ask("GET k"), "$-1\r\n");
}

#[test]
fn listeners_lose_what_they_may_not_hear_any_more() {
    let node = node();
    let (operator, channel, pattern, other) =
        (node.connect(), node.connect(), node.connect(), node.connect());
    operator.ask("ACL SETUSER u on nopass +@all &a &b*");
    operator.ask("ACL SETUSER other on nopass +@all &a");
    for (client, user, request) in
        [(&channel, "u", "SUBSCRIBE a"), (&pattern, "u", "PSUBSCRIBE b*"), (&other, "other", "SUBSCRIBE a")]
    {
        client.ask(&format!("AUTH {user} x"));
        assert!(!client.ask(request).starts_with('-'));
    }
    operator.ask("ACL SETUSER u &c");
    assert!(!channel.is_killed() && !pattern.is_killed());
    operator.ask("ACL SETUSER u resetchannels &a");
    assert!(!channel.is_killed() && pattern.is_killed() && !other.is_killed());
}

#[test]
fn a_renamed_command_keeps_its_name_in_rules() {
    let config = perigee_commands::config::Config::default();
    let renamed = [(b"get".to_vec(), b"fetch".to_vec()), (b"set".to_vec(), Vec::new())];
    let engine = perigee_commands::Engine::new(config, perigee_commands::Process::default(), &renamed);
    let mut users = ConfiguredUsers::default();
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    users.add(&words("u on nopass +get +set ~a")).unwrap();
    assert!(users.add(&words("w +fetch")).is_err());
    engine.load_users(&users).unwrap();
    let node = Node::with_engine(engine);
    let client = node.connect();
    client.ask("AUTH u x");
    assert_eq!(client.ask("FETCH a"), "$-1\r\n");
    assert!(client.ask("FETCH b").starts_with("-NOPERM"));
    assert!(client.ask("GET a").starts_with("-ERR unknown command"));
}

#[test]
fn generated_passwords_have_so_many_bits() {
    let node = node();
    let client = node.connect();
    for (request, digits) in
        [("ACL GENPASS", 64), ("ACL GENPASS 1", 1), ("ACL GENPASS 5", 2), ("ACL GENPASS 4096", 1024)]
    {
        let reply = client.ask(request);
        let password = reply.lines().nth(1).unwrap();
        assert_eq!(password.len(), digits, "{request}");
        assert!(password.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{password}");
    }
    assert_ne!(client.ask("ACL GENPASS"), client.ask("ACL GENPASS"));
}

/// The entries of ACL LOG, their values without `client-info`, which must say who it was.
fn log(client: &Connection<'_>) -> Vec<String> {
    let reply = client.ask("ACL LOG");
    let lines: Vec<&str> = reply.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
    let entries = lines.chunks(20).map(|entry| {
        let pairs: Vec<_> = entry.chunks(2).map(|pair| (pair[0], pair[1].trim_start_matches(':'))).collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names.join(" "),
            "count reason context object username age-seconds client-info entry-id timestamp-created timestamp-last-updated"
        );
        assert!(pairs[6].1.starts_with("id=") && pairs[6].1.contains(" cmd="), "{}", pairs[6].1);
        let values = pairs.iter().filter(|(name, _)| *name != "client-info").map(|(_, value)| *value);
        values.collect::<Vec<_>>().join(" ")
    });
    entries.collect()
}

fn node() -> Node {
    Node::new(&[], |_| None)
}
