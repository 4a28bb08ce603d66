//! Listening sockets.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

/// A socket that accepts connections.
pub enum Listener {
    /// On an address.
    Tcp(std::net::TcpListener),
    /// On a path, which is removed at the end.
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

/// An address that could not be listened on.
#[derive(Debug)]
pub struct BindError {
    /// As it was configured.
    pub address: String,
    /// What the system said.
    pub error: io::Error,
    /// Whether the server may start without it: it was marked with `-`.
    pub optional: bool,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl std::error::Error for BindError {}

/// Listens on a `bind` word: an address, a name, `*` for all of IPv4, `::*` for all of IPv6; a leading `-` makes it optional.
///
/// # Errors
/// See [`BindError`].
pub fn bind(word: &str, port: u16, backlog: i32) -> Result<Listener, BindError> {
    let address = resolve(word, port)?;
    let fail = |error| BindError { address: address.to_string(), error, optional: word.starts_with('-') };
    listen(address, backlog).map(Listener::Tcp).map_err(fail)
}

/// The address that a `bind` word means.
pub(crate) fn resolve(word: &str, port: u16) -> Result<SocketAddr, BindError> {
    let optional = word.starts_with('-');
    let host = word.trim_start_matches('-');
    let host = match host {
        "*" => "0.0.0.0",
        "::*" => "::",
        host => host,
    };
    let fail = |error| BindError { address: format!("{host}:{port}"), error, optional };
    let mut addresses = (host, port).to_socket_addrs().map_err(fail)?;
    addresses.next().ok_or_else(|| fail(io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

pub(crate) fn listen(address: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Listens on a path, replacing a socket that is there. `mode` 0 leaves the permissions as they are.
///
/// # Errors
/// See [`BindError`].
pub fn bind_unix(path: &Path, mode: u32) -> Result<Listener, BindError> {
    let fail = |error| BindError { address: path.display().to_string(), error, optional: false };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(fail)?;
    }
    Ok(Listener::Unix(listener, path.to_owned()))
}
