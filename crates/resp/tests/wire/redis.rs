//! A real redis-server to compare with.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use perigee_resp::{Decoder, Value, encode_request};

pub(crate) struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    pub(crate) fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--save", "", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is on the PATH");
        let redis = Self { process, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        redis
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Connection { stream, decoder: Decoder::new(), buffer: Vec::new() }
    }

    /// What the server sends from the first byte until it closes the connection.
    pub(crate) fn last_words(&self, input: &[u8]) -> Vec<u8> {
        let mut connection = self.connect();
        connection.stream.write_all(input).unwrap();
        let mut output = Vec::new();
        let end = connection.stream.read_to_end(&mut output);
        assert!(
            end.is_ok() || !output.is_empty(),
            "the server does not close after {}",
            input.escape_ascii()
        );
        output
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Connection {
    /// Sends all requests at once and reads as many replies.
    pub(crate) fn pipeline(&mut self, requests: &[Vec<Vec<u8>>]) -> Vec<Value> {
        let mut out = Vec::new();
        requests.iter().for_each(|request| encode_request(&mut out, request));
        self.stream.write_all(&out).unwrap();
        requests.iter().map(|_| self.reply()).collect()
    }

    fn reply(&mut self) -> Value {
        loop {
            if let Some((value, consumed)) = self.decoder.decode(&self.buffer).unwrap() {
                self.buffer.drain(..consumed);
                return value;
            }
            let mut chunk = [0; 65536];
            let len = self.stream.read(&mut chunk).unwrap();
            assert!(len > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&chunk[..len]);
        }
    }
}
