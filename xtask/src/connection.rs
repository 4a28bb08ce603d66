//! A blocking client connection that knows nothing about commands.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::value::{Value, decode};

/// How long a reply may take before it counts as missing.
pub(crate) const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// One socket and the bytes that were read ahead.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    consumed: usize,
}

/// What a read from a connection may bring besides a reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Reply(Value),
    Closed,
    Silent,
    Garbled(Vec<u8>),
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(REPLY_WITHIN))?;
        Ok(Self { stream, buffer: Vec::new(), consumed: 0 })
    }

    /// The address that the server sees.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    /// The socket alone.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends one request and reads one reply; anything else is an error.
    pub(crate) fn call<T: AsRef<[u8]>>(&mut self, request: &[T]) -> Result<Value> {
        self.send(request)?;
        self.expect_reply()
    }

    /// Reads one reply; anything else is an error.
    pub(crate) fn expect_reply(&mut self) -> Result<Value> {
        match self.read(REPLY_WITHIN) {
            Outcome::Reply(value) => Ok(value),
            other => bail!("no reply but {other:?}"),
        }
    }

    /// Sends one request.
    pub(crate) fn send<T: AsRef<[u8]>>(&mut self, request: &[T]) -> Result<()> {
        let mut bytes = Vec::new();
        encode(&mut bytes, request);
        self.send_raw(&bytes)
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("write")
    }

    /// Sends no more, but still reads.
    pub(crate) fn finish_sending(&mut self) {
        let _closed = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one reply.
    pub(crate) fn read(&mut self, within: Duration) -> Outcome {
        let _set = self.stream.set_read_timeout(Some(within.max(Duration::from_millis(1))));
        let mut chunk = [0u8; 65_536];
        loop {
            match decode(&self.buffer[self.consumed..]) {
                Ok(Some((value, used))) => {
                    self.consumed += used;
                    if self.consumed == self.buffer.len() {
                        self.buffer.clear();
                        self.consumed = 0;
                    }
                    return Outcome::Reply(value);
                }
                Ok(None) => {}
                Err(_) => return Outcome::Garbled(self.buffer[self.consumed..].to_vec()),
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Outcome::Closed,
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Outcome::Silent;
                }
                // So it is for a process that was stopped and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Outcome::Closed,
            }
        }
    }
}

/// Appends a request as an array of bulk strings.
pub(crate) fn encode<T: AsRef<[u8]>>(out: &mut Vec<u8>, request: &[T]) {
    out.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
    for argument in request {
        let argument = argument.as_ref();
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}
