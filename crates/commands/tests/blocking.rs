//! Blocked clients that cannot be served at once, since the command needs a shard that somebody else holds.

use perigee_testkit::{Node, Pending};

#[test]
fn nobody_overtakes_a_waiter_that_could_not_be_served_at_once() {
    let node = node();
    let mut mover = send(&node, "BLMOVE source destination LEFT RIGHT 0");
    let mut popper = send(&node, "BLPOP source 0");
    assert_eq!((mover.go_on(), popper.go_on()), (None, None));
    let taken = node.hold("destination");
    assert_eq!(node.connect().ask("RPUSH source a b"), ":2\r\n");
    assert_eq!((mover.go_on(), popper.go_on()), (None, None));
    drop(taken);
    assert_eq!(mover.go_on(), Some("$1\r\na\r\n".into()));
    assert_eq!(popper.go_on(), Some("*2\r\n$6\r\nsource\r\n$1\r\nb\r\n".into()));
}

#[test]
fn a_waiter_that_came_too_late_waits_on_until_its_first_deadline() {
    let node = node();
    let mut mover = send(&node, "BLMOVE source destination LEFT RIGHT 1");
    assert_eq!(mover.go_on(), None);
    let taken = node.hold("destination");
    node.connect().ask("RPUSH source a");
    node.connect().ask("LPOP source");
    node.clock().advance_ms(600);
    drop(taken);
    assert_eq!(mover.go_on(), None);
    node.clock().advance_ms(399);
    assert_eq!(mover.go_on(), None);
    node.clock().advance_ms(1);
    assert_eq!(mover.go_on(), Some("*-1\r\n".into()));
}

#[test]
fn a_waiter_whose_turn_it_is_may_leave() {
    let node = node();
    let mut mover = send(&node, "BLMOVE source destination LEFT RIGHT 0");
    let mut popper = send(&node, "BLPOP source 0");
    assert_eq!((mover.go_on(), popper.go_on()), (None, None));
    let taken = node.hold("destination");
    node.connect().ask("RPUSH source a");
    assert_eq!(popper.go_on(), None);
    mover.leave();
    assert_eq!(popper.go_on(), Some("*2\r\n$6\r\nsource\r\n$1\r\na\r\n".into()));
    drop(taken);
    assert_eq!(node.connect().ask("RPUSH source b"), ":1\r\n");
    assert_eq!(node.connect().ask("LLEN source"), ":1\r\n");
}

#[test]
fn a_waiter_on_several_keys_leaves_all_their_queues() {
    let node = node();
    let mut both = send(&node, "BLPOP source destination 0");
    assert_eq!(both.go_on(), None);
    let taken = node.hold("source");
    node.connect().ask("RPUSH destination a");
    assert_eq!(both.go_on(), None, "it is served, and waits to leave the other queue");
    drop(taken);
    assert_eq!(both.go_on(), Some("*2\r\n$11\r\ndestination\r\n$1\r\na\r\n".into()));
    node.connect().ask("RPUSH source b");
    assert_eq!(node.connect().ask("LLEN source"), ":1\r\n");
}

fn node() -> Node {
    let node = Node::new(&[], |_| None);
    let [source, destination] =
        ["source", "destination"].map(|key| node.engine().keyspace.shard_of(key.as_bytes()));
    assert_ne!(source, destination);
    node
}

/// A request of a new client. Its words are apart by single spaces.
fn send<'n>(node: &'n Node, request: &str) -> Pending<'n> {
    node.connect().send(&request.split(' ').collect::<Vec<_>>())
}
