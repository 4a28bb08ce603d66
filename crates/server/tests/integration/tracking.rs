//! Client-side caching over real connections, on whichever worker they live.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::parallel::Random;
use crate::server::{PATIENCE, Server, ask, eval, try_ask, wait_until};

#[test]
fn readers_on_every_worker_hear_of_a_change() {
    let server = Server::start_with(&["--io-threads", "4"]);
    let mut readers: Vec<_> = (0..8).map(|_| server.wire()).collect();
    for reader in &mut readers {
        reader.ask("HELLO 3");
        assert_eq!(reader.ask("CLIENT TRACKING ON"), "+OK");
        assert_eq!(reader.ask("GET k"), "_");
    }
    let mut writer = server.client();
    ask::<()>(&mut writer, "SET k 1");
    ask::<()>(&mut writer, "SET k 2");
    for reader in &mut readers {
        assert_eq!(reader.read(), "> invalidate [k]");
        assert_eq!(reader.ask("GET k"), "2", "it is told once");
    }
}

#[test]
fn a_client_hears_of_its_own_change_after_its_reply() {
    let server = Server::start();
    let mut socket = server.socket();
    let pipeline = "HELLO 3\r\nCLIENT TRACKING ON\r\nGET k\r\nSET k 1\r\nGET k\r\nMULTI\r\nSET k 2\r\nSET j 1\r\nEXEC\r\nPING\r\n";
    socket.write_all(pipeline.as_bytes()).unwrap();
    let mut wire = Wire::new(socket);
    let heard: Vec<String> = (0..12).map(|_| wire.read()).collect();
    let pushed = "> invalidate [k]";
    let expected =
        ["+OK", "_", "+OK", pushed, "1", "+OK", "+QUEUED", "+QUEUED", "[+OK +OK]", pushed, "+PONG"];
    assert_eq!(heard[1..], expected);
}

#[test]
fn who_wants_no_loop_hears_only_of_others() {
    let server = Server::start();
    let (mut main, mut other) = (server.resp3_wire(), server.client());
    main.ask("CLIENT TRACKING ON NOLOOP");
    main.ask("GET k");
    assert_eq!(main.ask("SET k 1"), "+OK");
    assert_eq!(main.ask("GET k"), "1");
    ask::<()>(&mut other, "SET k 2");
    assert_eq!(main.read(), "> invalidate [k]");
    main.ask("CLIENT TRACKING OFF");
    main.ask("CLIENT TRACKING ON NOLOOP BCAST PREFIX a: PREFIX b:");
    assert_eq!(main.ask("MSET a:1 x b:1 x"), "+OK");
    ask::<()>(&mut other, "MSET b:2 x a:2 x a:1 x c:1 x");
    assert_eq!(main.read(), "> invalidate [a:1 a:2]");
    assert_eq!(main.read(), "> invalidate [b:2]");
    assert_eq!(main.ask("PING"), "+PONG");
}

#[test]
fn another_connection_hears_it_until_it_is_gone() {
    let server = Server::start_with(&["--io-threads", "4"]);
    let (mut main, mut writer, mut ear) = (server.resp3_wire(), server.client(), server.wire());
    let id = ear.ask("CLIENT ID");
    assert_eq!(ear.ask("SUBSCRIBE __redis__:invalidate"), "[subscribe __redis__:invalidate 1]");
    main.ask(&format!("CLIENT TRACKING ON REDIRECT {id}"));
    assert_eq!(main.ask("CLIENT GETREDIR"), id);
    main.ask("GET k");
    ask::<()>(&mut writer, "SET k 1");
    assert_eq!(ear.read(), "[message __redis__:invalidate [k]]");
    main.ask("GET k");
    let list = ask::<String>(&mut writer, "CLIENT LIST");
    assert!(list.contains(" flags=t ") && list.contains(&format!(" redir={id} ")), "{list}");
    drop(ear);
    wait_until("it is gone", || !ask::<String>(&mut writer, "CLIENT LIST").contains(&format!("id={id} ")));
    ask::<()>(&mut writer, "SET k 2");
    assert_eq!(main.read(), format!("> tracking-redir-broken {id}"));
    assert!(ask::<String>(&mut writer, "CLIENT LIST").contains(" flags=tR "));
}

#[test]
fn the_table_is_kept_small_and_clients_that_leave_are_forgotten() {
    let server = Server::start_with(&["--tracking-table-max-keys", "10"]);
    let (mut main, mut watcher) = (server.resp3_wire(), server.client());
    main.ask("CLIENT TRACKING ON");
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    main.ask(&format!("MGET {}", keys.join(" ")));
    let mut heard: Vec<String> = (0..20).map(|_| main.read()).collect();
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 20, "twenty keys are given up");
    let info = ask::<String>(&mut watcher, "INFO");
    assert!(
        info.contains("tracking_clients:1")
            && info.contains("tracking_total_keys:10\r\ntracking_total_items:10")
    );
    drop(main);
    wait_until("it is gone", || ask::<String>(&mut watcher, "INFO clients").contains("tracking_clients:0"));
    let mut broadcast = server.resp3_wire();
    broadcast.ask("CLIENT TRACKING ON BCAST PREFIX x PREFIX y");
    assert!(ask::<String>(&mut watcher, "INFO stats").contains("tracking_total_prefixes:2"));
    drop(broadcast);
    wait_until("it is gone", || {
        ask::<String>(&mut watcher, "INFO stats").contains("tracking_total_prefixes:0")
    });
}

const KEYS: u64 = 24;
const READERS: u64 = 6;
const WRITERS: u64 = 6;
const WRITES: u64 = 1000;

/// Writes twice with work in between, so that kills meet it when it has written.
const SLOW_WRITE: &str = "
redis.call('set', KEYS[1], 'never seen')
local n = 0
for i = 1, tonumber(ARGV[2]) do n = n + i % 7 end
redis.call('set', KEYS[1], ARGV[1])
redis.call('set', KEYS[2], ARGV[1])";

/// Each reader keeps what it has read until it is told to forget it. When it has heard all there was to hear, what it still keeps
/// is what the server has.
#[test]
fn a_cache_whose_channel_is_drained_holds_nothing_stale() {
    let server = Arc::new(Server::start_with(&["--io-threads", "4"]));
    let over = Arc::new(AtomicBool::new(false));
    let killed = Arc::new(AtomicU64::new(0));
    let killer = {
        let (mut client, over, killed) = (server.client(), over.clone(), killed.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let has_killed = try_ask::<()>(&mut client, "SCRIPT KILL").is_ok();
                killed.fetch_add(u64::from(has_killed), Ordering::Relaxed);
                std::thread::yield_now();
            }
        })
    };
    let versions = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..READERS).map(|number| cache(server.clone(), number, over.clone())).collect();
    // Kills are left to chance: until one has met a script.
    for round in 0..20 {
        let writers: Vec<_> =
            (0..WRITERS).map(|number| write(&server, round * WRITERS + number, versions.clone())).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        if killed.load(Ordering::Relaxed) > 0 {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
    let hits: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert!(hits > 0, "nothing was ever in a cache");
    killer.join().unwrap();
    assert!(killed.load(Ordering::Relaxed) > 0, "no script was killed");
}

fn write(server: &Server, number: u64, versions: Arc<AtomicU64>) -> JoinHandle<()> {
    let mut client = server.client();
    std::thread::spawn(move || {
        let mut random = Random(number + 1);
        for _ in 0..WRITES {
            let version = versions.fetch_add(1, Ordering::Relaxed).to_string();
            let [first, second] = [random.below(KEYS), random.below(KEYS)].map(|key| format!("key:{key}"));
            match random.below(8) {
                0 => ask::<()>(&mut client, &format!("DEL {first}")),
                1 => ask::<()>(&mut client, &format!("SET {first} {version} PX 3")),
                2 => {
                    let mut pipe = redis::pipe();
                    pipe.atomic().set(&first, &version).get(&second).set(&second, &version);
                    pipe.exec(&mut client).unwrap();
                }
                3..5 => {
                    let work = random.below(300_000).to_string();
                    let run = eval(SLOW_WRITE, &[&first, &second], &[&version, &work]);
                    if let Err(error) = run.exec(&mut client) {
                        assert!(error.to_string().contains("Script killed by user"), "{error}");
                    }
                }
                5 if random.below(100) == 0 => ask::<()>(&mut client, "FLUSHALL"),
                _ => ask::<()>(&mut client, &format!("SET {first} {version}")),
            }
        }
    })
}

/// Reads keys as a caching client does; gives how often it found one in its cache.
fn cache(server: Arc<Server>, number: u64, over: Arc<AtomicBool>) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let (mut wire, mut random) = (server.resp3_wire(), Random(number + 100));
        let mode = [" NOLOOP", "", " BCAST PREFIX key:", " BCAST"][number as usize % 4];
        wire.ask(&format!("CLIENT TRACKING ON{mode}"));
        let (mut known, mut hits): (HashMap<String, String>, u64) = (HashMap::new(), 0);
        while !over.load(Ordering::Relaxed) {
            let key = format!("key:{}", random.below(KEYS));
            if known.contains_key(&key) {
                hits += 1;
                let text = wire.ask_while("PING", &mut known);
                assert_eq!(text, "+PONG");
            } else {
                let script = format!("EVAL \"return redis.call('get', KEYS[1])\" 1 {key}");
                let reads = [format!("GET {key}"), script];
                let value = wire.ask_while(&reads[random.below(2) as usize], &mut known);
                assert_ne!(value, "never seen", "a script was seen half done");
                // On a busy machine a reader's script may outlive a slice too, and be killed.
                if !value.starts_with("-ERR Script killed") {
                    known.insert(key, value);
                }
            }
        }
        // What a deadline is to end has ended after this.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut oracle = server.resp3_wire();
        let now: HashMap<String, String> = (0..KEYS)
            .map(|key| format!("key:{key}"))
            .map(|key| (key.clone(), oracle.ask(&format!("GET {key}"))))
            .collect();
        // What waited for the first is there before the second is answered.
        wire.ask_while("PING", &mut known);
        wire.ask_while("PING", &mut known);
        for (key, value) in known {
            assert_eq!(value, now[&key], "{key} is stale in the cache of reader {number}{mode}");
        }
        hits
    })
}

/// A connection whose replies are read as short texts.
struct Wire {
    input: BufReader<TcpStream>,
    output: TcpStream,
}

impl Server {
    fn wire(&self) -> Wire {
        Wire::new(self.socket())
    }

    fn resp3_wire(&self) -> Wire {
        let mut wire = self.wire();
        wire.ask("HELLO 3");
        wire
    }
}

impl Wire {
    fn new(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire { input: BufReader::new(socket.try_clone().unwrap()), output: socket }
    }

    /// Sends a request and reads what comes next.
    fn ask(&mut self, request: &str) -> String {
        self.output.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        self.read()
    }

    /// Sends a request and reads until its reply has come; forgets what pushes before it say.
    fn ask_while(&mut self, request: &str, known: &mut HashMap<String, String>) -> String {
        let mut reply = self.ask(request);
        while let Some(pushed) = reply.strip_prefix("> invalidate ") {
            match pushed.strip_prefix('[').and_then(|keys| keys.strip_suffix(']')) {
                Some(keys) => keys.split(' ').for_each(|key| drop(known.remove(key))),
                None => known.clear(),
            }
            reply = self.read();
        }
        reply
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.input.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        let mut items = |count: usize| (0..count).map(|_| self.read()).collect::<Vec<_>>().join(" ");
        match kind {
            "$" if rest == "-1" => "_".to_owned(),
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.input.read_exact(&mut text).unwrap();
                String::from_utf8(text).unwrap().trim_end().to_owned()
            }
            "*" => format!("[{}]", items(rest.parse().unwrap())),
            ">" => format!("> {}", items(rest.parse().unwrap())),
            "%" => items(2 * rest.parse::<usize>().unwrap()),
            ":" => rest.to_owned(),
            _ => format!("{kind}{rest}"),
        }
    }
}
