//! DEBUG on data. The signatures are those that redis-server 7.0.15 computes.

use perigee_testkit::Node;

#[test]
fn signatures_are_those_of_redis() {
    let node = Node::new(&[("enable-debug-command", "yes")], |_| None);
    let client = node.connect();
    for request in [
        "SET text hello",
        "SET number 12",
        "RPUSH list a b",
        "SADD set a b 1",
        "ZADD zset 1.5 a inf b",
        "HSET hash f v g w",
        "XADD stream 1-2 f v",
        "SET mortal x EX 1000",
    ] {
        client.ask(request);
    }
    let expected = "*9\r\n\
        +36b23a1456b2dce2c3ed252c456761301dba8060\r\n\
        +655ac46b180ad2f61a3cee25f0b1780fa2ec879a\r\n\
        +62f55a532623cf6c3d81081db480b6fd8461eb3f\r\n\
        +e8f32bbb1ad9bf537c8867de4f19fec9e001296d\r\n\
        +e59228f0b3b4ebae6975e3449a12b75db333f555\r\n\
        +d127864ed50239662bf61bafc9bda63c17da5b37\r\n\
        +e447c781d6afa47d4b7e754569e4d422c853f851\r\n\
        +0745672cb1bf060476eedeb8a28f5ffe1ff5a2be\r\n\
        +0000000000000000000000000000000000000000\r\n";
    let found = client.ask("DEBUG DIGEST-VALUE text number list set zset hash stream mortal none");
    assert_eq!(found, expected);
    client.ask("SELECT 2");
    client.ask("SET other 1");
    assert_eq!(client.ask("DEBUG DIGEST"), "+f9e8d302f679b636bea102cde2ddf1ab4489bfea\r\n");
}

#[test]
fn populate_creates_what_is_missing() {
    let node = Node::new(&[("enable-debug-command", "yes")], |_| None);
    let client = node.connect();
    client.ask("SET key:1 old");
    assert_eq!(client.ask("DEBUG POPULATE 3"), "+OK\r\n");
    assert_eq!(client.ask("MGET key:0 key:1 key:2"), "*3\r\n$7\r\nvalue:0\r\n$3\r\nold\r\n$7\r\nvalue:2\r\n");
    assert_eq!(client.ask("DEBUG POPULATE 1 short 3"), "+OK\r\n");
    assert_eq!(client.ask("GET short:0"), "$3\r\nval\r\n");
}

#[test]
fn errors_and_types_are_as_asked_for() {
    let node = Node::new(&[("enable-debug-command", "yes")], |_| None);
    let client = node.connect();
    assert_eq!(client.ask("DEBUG ERROR CODE"), "-CODE\r\n");
    assert_eq!(client.ask("DEBUG PROTOCOL push"), "-ERR RESP2 is not supported by this command\r\n");
    client.ask("HELLO 3");
    assert_eq!(client.ask("DEBUG PROTOCOL double"), ",3.141\r\n");
    assert_eq!(client.ask("DEBUG PROTOCOL bignum"), "(1234567999999999999999999999999999999\r\n");
    assert_eq!(client.ask("DEBUG LOG x"), "+OK\r\n");
    let attribute = "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";
    let reply = "$39\r\nSome real reply following the attribute\r\n";
    assert_eq!(client.ask("DEBUG PROTOCOL attrib"), format!("{attribute}{reply}"));
    client.ask("HELLO 2");
    assert_eq!(client.ask("DEBUG PROTOCOL attrib"), reply);
}
