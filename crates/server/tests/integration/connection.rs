//! Connections: how they begin, what they carry, how they end.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use redis::Value;

use crate::server::{
    Folder, Server, ask, change_port, expect, free_port, read_to_end, refusal, try_ask, wait_until, words,
};

#[test]
fn a_client_says_hello() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(ask::<String>(&mut client, "PING"), "PONG");
    assert_eq!(ask::<String>(&mut client, "ECHO text"), "text");
    ask::<()>(&mut client, "CLIENT SETNAME me");
    assert_eq!(ask::<String>(&mut client, "CLIENT GETNAME"), "me");
    let list: String = ask(&mut client, "CLIENT LIST");
    assert!(list.contains("name=me") && list.contains("cmd=client|list"), "{list}");
    ask::<()>(&mut client, "SELECT 3");
    ask::<()>(&mut client, "SET here 1");
    assert!(!ask::<bool>(&mut server.client(), "EXISTS here"));
    let info: String = ask(&mut client, "INFO server");
    assert!(info.contains("redis_version:7.2.4") && info.contains("perigee_version:"), "{info}");
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let server = Server::start();
    let mut pipeline = redis::pipe();
    for n in 0..10_000 {
        pipeline.cmd("ECHO").arg(n);
    }
    let answers: Vec<u32> = pipeline.query(&mut server.client()).unwrap();
    assert!(answers.iter().copied().eq(0..10_000));
}

#[test]
fn resp3_has_types_of_its_own() {
    let server = Server::start();
    let mut client = server.resp3_client();
    ask::<()>(&mut client, "HSET hash field value");
    let value: Value = ask(&mut client, "HGETALL hash");
    assert!(matches!(value, Value::Map(pairs) if pairs.len() == 1));
    ask::<()>(&mut client, "ZADD zset 1.5 member");
    assert_eq!(ask::<Value>(&mut client, "ZSCORE zset member"), Value::Double(1.5));
    assert_eq!(ask::<Value>(&mut client, "GET none"), Value::Nil);
}

#[test]
fn a_password_is_asked_for() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut socket = server.socket();
    socket.write_all(b"PING\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n").unwrap();
    expect(
        &mut socket,
        "-NOAUTH Authentication required.\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n+PONG\r\n",
    );
}

#[test]
fn quit_closes_after_its_answer() {
    let server = Server::start();
    assert_eq!(server.last_words(b"PING\r\nQUIT\r\nPING\r\n"), "+PONG\r\n+OK\r\n");
}

#[test]
fn a_unix_socket_serves_and_is_removed_at_the_end() {
    let folder = Folder::new();
    let path = folder.path("socket");
    let url = format!("redis+unix://{}", path.display());
    let server = Server::start_with(&["--unixsocket", path.to_str().unwrap(), "--unixsocketperm", "700"]);
    let mut client = redis::Client::open(url).unwrap().get_connection().unwrap();
    assert_eq!(ask::<String>(&mut client, "PING"), "PONG");
    let list: String = ask(&mut client, "CLIENT LIST");
    assert!(list.contains("flags=U"), "{list}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let _ = words("SHUTDOWN NOSAVE").query::<()>(&mut client);
    assert_eq!(server.exit_code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn several_addresses() {
    let server = Server::start_with(&["--bind", "127.0.0.1 127.0.0.2 -::1 -192.0.2.1"]);
    for host in ["127.0.0.1", "127.0.0.2"] {
        let url = format!("redis://{host}:{}/", server.port);
        let mut client = redis::Client::open(url).unwrap().get_connection().unwrap();
        assert_eq!(ask::<String>(&mut client, "PING"), "PONG");
    }
}

#[test]
fn those_beyond_maxclients_are_turned_away() {
    let server = Server::start_with(&["--maxclients", "2"]);
    let (mut first, second) = (server.client(), server.client());
    assert_eq!(read_to_end(&mut server.socket()), "-ERR max number of clients reached\r\n");
    drop(second);
    wait_until("there is room again", || ask::<String>(&mut first, "CLIENT LIST").lines().count() == 1);
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
    assert!(ask::<String>(&mut first, "INFO stats").contains("rejected_connections:1"));
}

#[test]
fn the_idle_are_closed_after_the_timeout() {
    let server = Server::start();
    let mut client = server.client();
    let (mut idle, mut blocked) = (server.socket(), server.socket());
    blocked.write_all(b"BLPOP list 0\r\n").unwrap();
    wait_until("it waits", || ask::<String>(&mut client, "INFO clients").contains("blocked_clients:1"));
    ask::<()>(&mut client, "CONFIG SET timeout 1");
    assert_eq!(read_to_end(&mut idle), "");
    // The one that has set the timeout is idle, too.
    wait_until("it is taken back", || try_ask::<()>(&mut server.client(), "CONFIG SET timeout 0").is_ok());
    ask::<()>(&mut server.client(), "RPUSH list x");
    expect(&mut blocked, "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
}

#[test]
fn client_kill_reaches_the_blocked_and_the_listening() {
    let server = Server::start();
    let mut client = server.client();
    for request in [&b"BLPOP list 0\r\n"[..], b"SUBSCRIBE channel\r\n", b"MONITOR\r\n", b"SET half"] {
        let mut victim = server.socket();
        victim.write_all(b"CLIENT ID\r\n").unwrap();
        let mut reader = std::io::BufReader::new(victim.try_clone().unwrap());
        let mut id = String::new();
        std::io::BufRead::read_line(&mut reader, &mut id).unwrap();
        victim.write_all(request).unwrap();
        let id = id.trim_start_matches(':').trim().to_owned();
        assert_eq!(ask::<i64>(&mut client, &format!("CLIENT KILL ID {id}")), 1);
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut reader, &mut rest);
        wait_until("it is gone", || {
            !ask::<String>(&mut client, "CLIENT LIST").contains(&format!("id={id} "))
        });
    }
    ask::<()>(&mut client, "RPUSH list x");
    assert_eq!(ask::<i64>(&mut client, "LLEN list"), 1);
    let nobody = refusal(&mut client, &words("CLIENT KILL 127.0.0.1:1"));
    assert_eq!(nobody, "ERR No such client");
}

#[test]
fn two_thousand_idle_connections() {
    let server = Server::start();
    let idle: Vec<_> = (0..2000).map(|_| server.socket()).collect();
    let mut client = server.client();
    wait_until("all are counted", || {
        ask::<String>(&mut client, "INFO clients").contains("connected_clients:2001\r\n")
    });
    drop(idle);
    wait_until("all are gone", || {
        ask::<String>(&mut client, "INFO clients").contains("connected_clients:1\r\n")
    });
}

#[test]
fn a_taken_port_is_named() {
    let server = Server::start();
    let output = crate::server::refused(&["--port", &server.port.to_string(), "--bind", "127.0.0.1"]);
    let log = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(log.contains(&format!("Failed listening on port {}", server.port)), "{log}");
    assert_ne!(free_port(), server.port);
}

#[test]
fn port_and_addresses_change_while_it_runs() {
    let mut server = Server::start_with(&["--bind", "127.0.0.1"]);
    let mut client = server.client();
    let (before, after) = (server.port, change_port(&mut client));
    assert!(TcpStream::connect(("127.0.0.1", before)).is_err(), "it listens there no more");
    server.port = after;
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = format!("CONFIG SET timeout 7 port {}", taken.local_addr().unwrap().port());
    assert_eq!(
        refusal(&mut client, &words(&request)),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
    );
    assert_eq!(ask::<[String; 2]>(&mut client, "CONFIG GET port")[1], after.to_string());
    assert_eq!(ask::<[String; 2]>(&mut client, "CONFIG GET timeout")[1], "0");
    assert_eq!(
        refusal(&mut client, &words("CONFIG SET bind 999.999.999.999")),
        "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    );
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");

    // One address covers the other.
    ask::<()>(&mut client, "CONFIG SET bind *");
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
    // The second one is nobody's: what had made room for the first one is listened on again.
    let set_bind = |addresses: &str| words("CONFIG SET bind").arg(addresses).clone();
    let half = refusal(&mut client, &set_bind("127.0.0.1 192.0.2.1"));
    assert!(half.contains("Failed to bind to specified addresses."), "{half}");
    assert_eq!(ask::<[String; 2]>(&mut client, "CONFIG GET bind")[1], "*");
    assert!(TcpStream::connect(("127.0.0.2", after)).is_ok(), "it listens on all of them again");
    set_bind("127.0.0.1 -192.0.2.1").exec(&mut client).unwrap();
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
    ask::<()>(&mut client, "CONFIG SET bind 127.0.0.1");
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
    set_bind("").exec(&mut client).unwrap();
    assert!(TcpStream::connect(("127.0.0.1", after)).is_err(), "it listens nowhere");
    ask::<()>(&mut client, "CONFIG SET bind 127.0.0.1");
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
}

#[test]
fn by_default_it_listens_on_all_addresses_of_both_kinds() {
    let server = Server::start();
    assert!(TcpStream::connect(("127.0.0.2", server.port)).is_ok());
    if TcpListener::bind("[::1]:0").is_ok() {
        assert!(TcpStream::connect(("::1", server.port)).is_ok());
    }
}

#[test]
fn descriptors_are_given_back_by_sockets_that_are_listened_on_no_more() {
    let mut server = Server::start_with(&["--bind", "127.0.0.1"]);
    let mut client = server.client();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();
    for _ in 0..20 {
        change_port(&mut client);
    }
    wait_until("they are closed", || descriptors() <= before);
    server.port = ask::<[String; 2]>(&mut client, "CONFIG GET port")[1].parse().unwrap();
    assert_eq!(ask::<String>(&mut server.client(), "PING"), "PONG");
}

#[test]
fn whoever_comes_back_after_shutdown_is_refused() {
    for _ in 0..20 {
        let server = Server::start();
        assert_eq!(server.last_words(b"SHUTDOWN NOSAVE\r\n"), "");
        assert!(TcpStream::connect(("127.0.0.1", server.port)).is_err());
        assert_eq!(server.exit_code(), Some(0));
    }
}
