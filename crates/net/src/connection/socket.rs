//! Sockets: where they come from, how they are set up, and how they change their worker.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

/// Where a connection comes from.
pub(crate) struct Origin {
    pub(super) peer: String,
    pub(super) local: String,
    pub(super) fd: i32,
    pub(super) is_loopback: bool,
    pub(super) is_unix: bool,
}

impl Origin {
    pub(crate) fn of_tcp(stream: &std::net::TcpStream, peer: SocketAddr) -> Self {
        let is_loopback = match peer.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        };
        let local = stream.local_addr().map(|local| local.to_string()).unwrap_or_default();
        Origin { peer: peer.to_string(), local, fd: stream.as_raw_fd(), is_loopback, is_unix: false }
    }

    pub(crate) fn of_unix(stream: &std::os::unix::net::UnixStream, path: String) -> Self {
        let path = format!("{path}:0");
        Origin { peer: path.clone(), local: path, fd: stream.as_raw_fd(), is_loopback: true, is_unix: true }
    }
}

/// Sets a socket up: no delay of small packets, keep-alive probes after so many seconds (0: none).
pub(crate) fn tune(stream: &std::net::TcpStream, keepalive_s: i64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keepalive_s > 0 {
        let time = Duration::from_secs(keepalive_s as u64);
        let probe = socket2::TcpKeepalive::new()
            .with_time(time)
            .with_interval((time / 3).max(Duration::from_secs(1)));
        socket2::SockRef::from(stream).set_tcp_keepalive(&probe.with_retries(3))?;
    }
    Ok(())
}

/// A socket that can change its worker.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Sized + 'static {
    /// Leaves this worker's runtime.
    fn detach(self) -> io::Result<Detached>;
}

/// A socket between two workers.
pub(crate) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket for tokio::net::TcpStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Tcp)
    }
}

impl Socket for tokio::net::UnixStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Unix)
    }
}

/// A socket that has changed its worker.
pub(super) enum Attached {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}
