//! MULTI, EXEC and WATCH between connections.

use crate::server::{Server, ask, try_ask, words};

#[test]
fn watch_sees_what_others_write() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    ask::<()>(&mut client, "SET key 1");
    ask::<()>(&mut client, "WATCH key");
    ask::<()>(&mut other, "SET key 2");
    ask::<()>(&mut client, "MULTI");
    ask::<()>(&mut client, "SET key 3");
    assert_eq!(ask::<Option<Vec<String>>>(&mut client, "EXEC"), None);
    assert_eq!(ask::<i64>(&mut client, "GET key"), 2);
}

#[test]
fn those_that_compete_with_watch_lose_nothing() {
    const CLIENTS: i64 = 8;
    const EACH: i64 = 50;
    let server = Server::start();
    let threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let mut done = 0;
                while done < EACH {
                    ask::<()>(&mut client, "WATCH count");
                    let count: i64 = ask::<Option<i64>>(&mut client, "GET count").unwrap_or(0);
                    ask::<()>(&mut client, "MULTI");
                    words("SET count").arg(count + 1).exec(&mut client).unwrap();
                    done += i64::from(ask::<Option<Vec<String>>>(&mut client, "EXEC").is_some());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(ask::<i64>(&mut server.client(), "GET count"), CLIENTS * EACH);
}

#[test]
fn nobody_sees_half_of_a_transaction() {
    let server = Server::start();
    let mut writer = server.client();
    let writing = std::thread::spawn(move || {
        for n in 0..500 {
            let _: () = redis::pipe()
                .atomic()
                .cmd("SET")
                .arg("a")
                .arg(n)
                .cmd("SET")
                .arg("b")
                .arg(n)
                .query(&mut writer)
                .unwrap();
        }
    });
    let mut reader = server.client();
    while !writing.is_finished() {
        let both: Vec<Option<i64>> = ask(&mut reader, "MGET a b");
        assert_eq!(both[0], both[1]);
    }
    writing.join().unwrap();
}

#[test]
fn a_client_that_leaves_abandons_its_transaction() {
    let server = Server::start();
    let mut client = server.client();
    ask::<()>(&mut client, "MULTI");
    ask::<()>(&mut client, "SET never 1");
    drop(client);
    let mut other = server.client();
    assert!(!ask::<bool>(&mut other, "EXISTS never"));
    assert!(try_ask::<()>(&mut other, "EXEC").is_err());
}
