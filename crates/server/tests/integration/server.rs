//! A started server and ways to talk to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue, ToRedisArgs};

/// Nothing takes so long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// No server is needed for so long.
const LIFETIME: Duration = Duration::from_secs(600);

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) folder: Folder,
    child: Arc<Mutex<Child>>,
    /// Dropped with the server, and with it whoever waits for the end of its time.
    _alive: Sender<()>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with more options.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::launch(command, &[], options)
    }

    /// Starts in a shell that has set limits.
    pub(crate) fn start_limited(limits: &str, options: &[&str]) -> Self {
        let in_shell = || {
            let mut shell = Command::new("sh");
            let program = env!("CARGO_BIN_EXE_perigee");
            shell.stdin(Stdio::null()).args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), program]);
            shell
        };
        Self::launch(in_shell, &[], options)
    }

    /// Starts with a configuration file; the port is another than there.
    pub(crate) fn start_file(path: &str) -> Self {
        Self::launch(command, &[path], &[])
    }

    /// Tries another port if somebody has taken the first one meanwhile.
    fn launch(command: impl Fn() -> Command, file: &[&str], options: &[&str]) -> Self {
        for _ in 0..10 {
            let (port, folder) = (free_port(), Folder::new());
            let log = fs::File::create(folder.path("log")).unwrap();
            let child = command()
                .args(file)
                .args([
                    "--port",
                    &port.to_string(),
                    "--save",
                    "",
                    "--io-threads",
                    "2",
                    "--io-threads-placement",
                    "roam",
                ])
                .args(options)
                .current_dir(&folder.0)
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            let child = Arc::new(Mutex::new(child));
            let server = Server { port, folder, _alive: end_in_time(child.clone()), child };
            if server.is_ready() {
                return server;
            }
        }
        panic!("the server does not start");
    }

    fn is_ready(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !self.has_ended() {
            if self.log().contains("Ready to accept connections") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(self.log().contains("Failed listening"), "{}", self.log());
        false
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Waits until the process has ended; its exit code.
    pub(crate) fn exit_code(self) -> Option<i32> {
        wait_until("the server ends", || self.has_ended());
        self.child.lock().unwrap().wait().unwrap().code()
    }

    fn has_ended(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_some()
    }

    pub(crate) fn client(&self) -> Connection {
        self.client_by("")
    }

    pub(crate) fn resp3_client(&self) -> Connection {
        self.client_by("?protocol=resp3")
    }

    /// It has no timeout: a process that is stopped and goes on is told that what has one was interrupted, and the client gives its
    /// connection up then. Servers that hang are ended.
    fn client_by(&self, parameters: &str) -> Connection {
        let url = format!("redis://127.0.0.1:{}/{parameters}", self.port);
        Client::open(url).unwrap().get_connection().unwrap()
    }

    /// A bare socket.
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Sends these bytes, and reads until the server closes.
    pub(crate) fn last_words(&self, bytes: &[u8]) -> String {
        let mut socket = self.socket();
        socket.write_all(bytes).unwrap();
        read_to_end(&mut socket)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        let panics = self.log().contains("panicked at");
        assert!(!panics || std::thread::panicking(), "a server has panicked:\n{}", self.log());
    }
}

/// Kills a server that hangs, so that those who wait for it hear of it.
fn end_in_time(child: Arc<Mutex<Child>>) -> Sender<()> {
    let (alive, ended) = channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(LIFETIME) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a server is killed after {LIFETIME:?}");
            let _ = child.lock().unwrap().kill();
        }
    });
    alive
}

/// Runs a server that is to refuse its start.
pub(crate) fn refused(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perigee"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Has the client's server listen on another port; somebody else may be quicker to take a free one.
#[track_caller]
pub(crate) fn change_port(client: &mut Connection) -> u16 {
    let changed = (0..10).find_map(|_| {
        let port = free_port();
        try_ask::<()>(client, &format!("CONFIG SET port {port}")).ok().map(|()| port)
    });
    changed.expect("a free port")
}

/// A directory of its own, removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("perigee-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sends one command, words separated by blanks.
#[track_caller]
pub(crate) fn ask<T: FromRedisValue>(connection: &mut Connection, line: &str) -> T {
    try_ask(connection, line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The same with further arguments, and perhaps an error.
pub(crate) fn try_ask<T: FromRedisValue>(connection: &mut Connection, line: &str) -> redis::RedisResult<T> {
    words(line).query(connection)
}

pub(crate) fn words(line: &str) -> redis::Cmd {
    let mut command = redis::Cmd::new();
    line.split(' ').for_each(|word| word.write_redis_args(&mut command));
    command
}

/// The text of a refusal, as the server sent it.
#[track_caller]
pub(crate) fn refusal(connection: &mut Connection, command: &redis::Cmd) -> String {
    match command.query::<redis::Value>(connection) {
        Ok(value) => panic!("not refused: {value:?}"),
        Err(error) => {
            format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
    }
}

pub(crate) fn eval(script: &str, keys: &[&str], args: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads as many bytes as `expected` has, and compares.
#[track_caller]
pub(crate) fn expect(socket: &mut TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    let read = socket.read_exact(&mut bytes);
    assert!(read.is_ok(), "{read:?}, expected {expected:?}");
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

/// Everything until the server closes; a reset counts as that.
pub(crate) fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = socket.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
