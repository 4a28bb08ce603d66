//! Sockets: where they come from, how they are set up, and how they change their worker.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::Interest;

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

/// A socket that can change its worker. What is read and written goes straight to the system: the C library's calls are
/// points where a thread may be cancelled, which costs them more than it does to parse a request.
pub(crate) trait Socket: AsFd + Sized + 'static {
    /// Leaves this worker's runtime.
    fn detach(self) -> io::Result<Detached>;

    /// Ready once there seems to be something to read; wakes whoever asked last.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready once there seems to be room; wakes whoever asked last.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Has the runtime know it if `io` would have to wait.
    fn try_io(&self, interest: Interest, io: impl FnOnce() -> io::Result<()>) -> io::Result<()>;

    /// Reads, and answers how many bytes; 0 at the end.
    fn poll_receive(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        poll_io(self, Interest::READABLE, context, room, || {
            recv(self, &mut *buffer, RecvFlags::empty()).map(|(count, _)| count)
        })
    }

    /// Reads as much as there is room for behind what the buffer holds.
    fn poll_receive_more(&self, context: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let room = buffer.capacity() - buffer.len();
        poll_io(self, Interest::READABLE, context, room, || {
            recv(self, spare_capacity(buffer), RecvFlags::empty()).map(|(count, _)| count)
        })
    }

    /// Writes, and answers how many bytes.
    fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_io(self, Interest::WRITABLE, context, bytes.len(), || send(self, bytes, SendFlags::NOSIGNAL))
    }

    /// Writes, from the first part on, and answers how many bytes.
    fn poll_send_parts(&self, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let [part] = parts {
            return self.poll_send(context, part);
        }
        let wanted = parts.iter().map(|part| part.len()).sum();
        poll_io(self, Interest::WRITABLE, context, wanted, || {
            sendmsg(self, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        })
    }
}

/// Moves up to `wanted` bytes once the socket is ready.
#[inline]
fn poll_io(
    socket: &impl Socket,
    interest: Interest,
    context: &mut Context<'_>,
    wanted: usize,
    mut transfer: impl FnMut() -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        let readiness = match interest {
            Interest::READABLE => socket.poll_readable(context),
            _ => socket.poll_writable(context),
        };
        if let Err(error) = ready!(readiness) {
            return Poll::Ready(Err(error));
        }
        let mut moved = None;
        let outcome = socket.try_io(interest, || {
            let count = transfer()?;
            moved = Some(count);
            // The rest would have to wait: to be told so spares the next attempt.
            if (1..wanted).contains(&count) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (moved, outcome) {
            (Some(count), _) => return Poll::Ready(Ok(count)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => {}
        }
    }
}

/// A socket between two workers.
pub(crate) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

macro_rules! socket {
    ($stream:ty, $detached:path) => {
        impl Socket for $stream {
            fn detach(self) -> io::Result<Detached> {
                self.into_std().map($detached)
            }

            fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(context)
            }

            fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(context)
            }

            fn try_io(&self, interest: Interest, io: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
                Self::try_io(self, interest, io)
            }
        }
    };
}

socket!(tokio::net::TcpStream, Detached::Tcp);
socket!(tokio::net::UnixStream, Detached::Unix);

/// A socket that has changed its worker.
pub(super) enum Attached {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}
