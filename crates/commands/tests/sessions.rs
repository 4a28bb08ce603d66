//! Conversations: what a session keeps, what others see of it, and how one acts on another.

use std::sync::{Arc, Mutex};

use perigee_commands::config::PARAMETERS;
use perigee_testkit::Node;

#[test]
fn hello_changes_the_protocol_of_its_own_reply() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    assert!(one.ask("HELLO 3").starts_with("%7\r\n"));
    assert_eq!(one.ask("GET missing"), "_\r\n");
    assert_eq!(one.ask("RESET"), "+RESET\r\n");
    assert_eq!(one.ask("GET missing"), "$-1\r\n");
    assert_eq!(one.ask("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
}

#[test]
fn repeats_that_would_fill_the_memory_are_refused() {
    let server = Node::new(&[], |_| None);
    let one = server.connect();
    one.ask("SADD set member");
    one.ask("HSET hash field value");
    one.ask("ZADD zset 1 member");
    for request in ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"] {
        let many = one.ask(&format!("{request} -100000"));
        assert!(many.starts_with("*100000\r\n"), "{request}");
        for count in ["-100000000", "-4611686018427387903", "-9223372036854775807"] {
            let refused = one.ask(&format!("{request} {count}"));
            assert_eq!(refused, "-ERR value is out of range\r\n", "{request} {count}");
        }
    }
    let with_values = one.ask("HRANDFIELD hash -40000000 WITHVALUES");
    assert_eq!(with_values, "-ERR value is out of range\r\n");
}

#[test]
fn a_password_is_asked_of_those_who_come_after_it() {
    let node = Node::new(&[], |_| None);
    let early = node.connect();
    assert_eq!(early.ask("CONFIG SET requirepass secret"), "+OK\r\n");
    assert_eq!(early.ask("PING"), "+PONG\r\n");
    let late = node.connect();
    assert_eq!(late.ask("PING"), "-NOAUTH Authentication required.\r\n");
    assert!(late.ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(late.ask("AUTH wrong").starts_with("-WRONGPASS"));
    assert!(late.ask("HELLO 2 AUTH default secret SETNAME late").starts_with("*14\r\n"));
    assert_eq!(late.ask("CLIENT GETNAME"), "$4\r\nlate\r\n");
    late.ask("RESET");
    assert_eq!(late.ask("PING"), "-NOAUTH Authentication required.\r\n");
    early.ask("CONFIG SET requirepass ");
    assert_eq!(late.ask("PING"), "+PONG\r\n");
}

#[test]
fn unwanted_replies_are_withheld_refusals_too() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    assert_eq!(one.ask("CLIENT REPLY SKIP"), "");
    assert_eq!(one.ask("nosuch"), "");
    assert_eq!(one.ask("PING"), "+PONG\r\n");
    assert_eq!(one.ask("CLIENT REPLY OFF"), "");
    for request in ["GET", "PING", "MULTI", "PING", "EXEC", "CLIENT REPLY SKIP", "PING"] {
        assert_eq!(one.ask(request), "", "{request}");
    }
    assert_eq!(one.ask("CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(one.ask("PING"), "+PONG\r\n");
}

#[test]
fn a_refused_exec_gives_up_its_transaction() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    one.ask("MULTI");
    one.ask("SET key value");
    assert_eq!(
        one.ask("EXEC now"),
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    );
    assert_eq!(one.ask("EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(one.ask("GET key"), "$-1\r\n");
}

#[test]
fn a_pause_holds_writes_until_it_is_over() {
    let node = Node::new(&[], |_| None);
    let (operator, writer, queuer) = (node.connect(), node.connect(), node.connect());
    queuer.ask("MULTI");
    queuer.ask("INCR counter");
    assert_eq!(operator.ask("CLIENT PAUSE 1000 WRITE"), "+OK\r\n");
    assert_eq!(operator.ask("GET counter"), "$-1\r\n");
    let mut waiting = [writer.send(&["INCR", "counter"]), queuer.send(&["EXEC"])];
    assert!(waiting.iter_mut().all(|request| request.go_on().is_none()));
    assert!(operator.ask("CLIENT LIST").contains("flags=b "));
    node.clock().advance_ms(999);
    assert!(waiting.iter_mut().all(|request| request.go_on().is_none()));
    node.clock().advance_ms(1);
    let answers = waiting.map(|mut request| request.go_on());
    assert_eq!(answers, [":1\r\n", "*1\r\n:2\r\n"].map(|answer| Some(answer.to_owned())));
}

#[test]
fn a_pause_can_be_ended() {
    let node = Node::new(&[], |_| None);
    let (operator, writer) = (node.connect(), node.connect());
    operator.ask("CLIENT PAUSE 100000 WRITE");
    let mut waiting = writer.send(&["INCR", "counter"]);
    assert_eq!(waiting.go_on(), None);
    assert_eq!(operator.ask("CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(waiting.go_on(), Some(":1\r\n".to_owned()));
}

#[test]
fn killing() {
    let node = Node::new(&[], |_| None);
    let (one, two) = (node.connect(), node.connect());
    two.ask("SUBSCRIBE news");
    assert_eq!(one.ask("CLIENT KILL TYPE pubsub"), ":1\r\n");
    assert!(two.is_killed());
    assert_eq!(one.ask("CLIENT KILL ID 1 SKIPME yes"), ":0\r\n");
    assert_eq!(one.ask("CLIENT KILL MAXAGE 5 SKIPME no"), ":0\r\n");
    node.clock().advance_ms(5000);
    assert_eq!(one.ask("CLIENT KILL ID 1 MAXAGE 5 SKIPME no"), ":1\r\n");
    assert!(one.is_closing() && !one.is_killed());
}

#[test]
fn monitors_see_transactions_in_order_and_no_passwords() {
    let node = Node::new(&[], |_| None);
    let (watcher, one) = (node.connect(), node.connect());
    assert_eq!(watcher.ask("MONITOR"), "+OK\r\n");
    assert_eq!(watcher.ask("MONITOR"), "", "a second one is not answered");
    for request in ["MULTI", "SET key value", "EXEC", "AUTH default secret", "CONFIG SET hz 20"] {
        one.ask(request);
    }
    let lines = watcher.messages();
    let seen: Vec<&str> = lines.iter().map(|line| line.split_once("] ").unwrap().1.trim_end()).collect();
    let expected =
        [r#""MULTI""#, r#""SET" "key" "value""#, r#""exec""#, r#""AUTH" "(redacted)" "(redacted)""#];
    assert_eq!(seen, expected);
}

#[test]
fn a_client_that_touches_nothing_leaves_access_times() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    one.ask("SET key value");
    node.clock().advance_ms(60_000);
    one.ask("CLIENT NO-TOUCH ON");
    one.ask("GET key");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":60\r\n");
    one.ask("TOUCH key");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":0\r\n");
    node.clock().advance_ms(60_000);
    one.ask("MULTI");
    one.ask("GET key");
    one.ask("EXEC");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":60\r\n");
    one.ask("MULTI");
    one.ask("TOUCH key");
    one.ask("EXEC");
    assert_eq!(one.ask("OBJECT IDLETIME key"), ":0\r\n");
}

#[test]
fn configuration_takes_effect_or_stays() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    let heard: Arc<Mutex<Vec<&str>>> = Arc::default();
    let ears = heard.clone();
    node.engine().config.observe(move |_, at| ears.lock().unwrap().push(PARAMETERS[at].name));
    assert_eq!(one.ask("CONFIG SET hash-max-listpack-entries 1 loglevel debug"), "+OK\r\n");
    assert_eq!(*heard.lock().unwrap(), ["hash-max-listpack-entries", "loglevel"]);
    one.ask("HSET hash a 1 b 2");
    assert_eq!(one.ask("OBJECT ENCODING hash"), "$9\r\nhashtable\r\n");
    assert_eq!(
        one.ask("CONFIG SET hz 50 maxclients none"),
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be parsed into an integer\r\n"
    );
    assert_eq!(one.ask("CONFIG GET HZ"), "*2\r\n$2\r\nHZ\r\n$2\r\n10\r\n");
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[test]
fn info_counts_keys_and_commands() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    for request in ["SET a 1 PX 500", "SET b 1", "GET a", "GET none", "GET", "SELECT 3", "SET c 1"] {
        one.ask(request);
    }
    let info = one.ask("INFO all");
    for line in [
        "redis_version:7.2.4",
        "connected_clients:1",
        "keyspace_hits:1",
        "keyspace_misses:1",
        "errorstat_ERR:count=1",
        "db0:keys=2,expires=1,avg_ttl=500,subexpiry=0,keys_with_volatile_items=0",
        "db3:keys=1,expires=0,avg_ttl=0,subexpiry=0,keys_with_volatile_items=0",
    ] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "{line}\n{info}");
    }
    assert!(info.contains("cmdstat_get:calls=2,"));
    assert_eq!(one.ask("INFO nosuch"), "$0\r\n\r\n");
}

#[test]
fn errors_are_counted_for_whom_redis_counts_them() {
    let node = Node::new(&[("enable-debug-command", "yes")], |_| None);
    let one = node.connect();
    for request in ["CONFIG NOSUCH", "CONFIG SET one", "DEBUG ERROR CODE", "OBJECT ENCODING none"] {
        one.ask(request);
    }
    let info = one.ask("INFO all");
    assert!(!info.contains("cmdstat_config:"), "{info}");
    assert!(info.contains("\r\ncmdstat_config|set:calls=0,"), "{info}");
    assert!(!info.contains("errorstat_CODE"), "{info}");
    assert!(info.contains("\r\nkeyspace_misses:1\r\n"), "{info}");
}

#[test]
fn what_a_blocked_command_took_is_counted_when_it_is_over() {
    let node = Node::new(&[("slowlog-log-slower-than", "0")], |_| None);
    let (one, waiting) = (node.connect(), node.connect());
    let mut served = waiting.send(&["BLPOP", "list", "0"]);
    assert_eq!(served.go_on(), None);
    assert!(!one.ask("INFO commandstats").contains("cmdstat_blpop"));
    one.ask("RPUSH list a");
    assert!(served.go_on().is_some());
    let mut unblocked = waiting.send(&["BLPOP", "list", "0"]);
    assert_eq!(unblocked.go_on(), None);
    assert_eq!(one.ask("CLIENT UNBLOCK 2 ERROR"), ":1\r\n");
    assert!(unblocked.go_on().is_some());
    let info = one.ask("INFO all");
    assert!(
        info.contains("cmdstat_blpop:calls=2,") && info.contains("errorstat_UNBLOCKED:count=1"),
        "{info}"
    );
    assert!(info.contains("rejected_calls=0,failed_calls=1\r\n"), "{info}");
    assert!(info.contains("latency_percentiles_usec_blpop:"), "{info}");
    assert!(one.ask("SLOWLOG GET").contains("$5\r\nBLPOP\r\n$4\r\nlist\r\n"));
}

#[test]
fn a_transaction_that_was_spoiled_is_a_failed_exec() {
    let node = Node::new(&[], |_| None);
    let one = node.connect();
    for request in ["MULTI", "GET", "EXEC"] {
        one.ask(request);
    }
    let info = one.ask("INFO all");
    assert!(info.contains("errorstat_EXECABORT:count=1\r\n"), "{info}");
    assert!(info.contains("cmdstat_exec:calls=1,") && info.contains("failed_calls=1\r\n"), "{info}");
}

#[test]
fn those_that_a_pause_holds_are_blocked_clients() {
    let node = Node::new(&[], |_| None);
    let (operator, writer) = (node.connect(), node.connect());
    operator.ask("CLIENT PAUSE 1000 WRITE");
    let mut waiting = writer.send(&["INCR", "counter"]);
    assert_eq!(waiting.go_on(), None);
    assert!(operator.ask("INFO clients").contains("blocked_clients:1\r\n"));
    operator.ask("CLIENT UNPAUSE");
    assert!(waiting.go_on().is_some());
    assert!(operator.ask("INFO clients").contains("blocked_clients:0\r\n"));
}
