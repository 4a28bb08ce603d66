//! The TCP sockets that a running server listens on, and their exchange by CONFIG SET.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use perigee_commands::config::{Config, Param};
use socket2::SockRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::listen::{self, BindError, Listener};

/// A second handle to each socket that is listened on. The first one is with the task that accepts, which ends when the
/// socket is shut.
pub(crate) struct Doors {
    open: Mutex<Vec<TcpListener>>,
    opened: UnboundedSender<TcpListener>,
}

impl Doors {
    /// Those of `listeners` that are TCP sockets, and where those come that are opened later.
    pub(crate) fn new(listeners: &[Listener]) -> io::Result<(Arc<Self>, UnboundedReceiver<TcpListener>)> {
        let tcp = listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp(listener) => Some(listener.try_clone()),
            Listener::Unix(..) => None,
        });
        let open = Mutex::new(tcp.collect::<io::Result<_>>()?);
        let (opened, receiver) = unbounded_channel();
        Ok((Arc::new(Doors { open, opened }), receiver))
    }

    /// Listens where the configuration says, and nowhere else.
    ///
    /// # Errors
    /// If that is not possible: then everything stays as it was.
    pub(crate) fn exchange(&self, config: &Config) -> Result<(), BindError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two who change the configuration at once, the last one here reads what both have left.
        let wanted = wanted(config)?;
        let is_wanted = |listener: &TcpListener| {
            listener.local_addr().is_ok_and(|address| wanted.iter().any(|(wanted, _)| *wanted == address))
        };
        let (mut kept, gone): (Vec<_>, Vec<_>) = open.drain(..).partition(is_wanted);
        let missing: Vec<_> = wanted.iter().filter(|(address, _)| !is_open(&kept, *address)).collect();
        // One address may cover another, as 0.0.0.0 does all: where the port stays, those that go make room first.
        let clash = |listener: &TcpListener| {
            missing.iter().any(|(address, _)| Some(address.port()) == port(listener))
        };
        let (first, later): (Vec<_>, Vec<_>) = gone.into_iter().partition(clash);
        first.iter().for_each(shut);
        let mut opened = Vec::new();
        for &&(address, optional) in &missing {
            match self.open(config, address) {
                Ok(listener) => opened.push(listener),
                Err(_) if optional => {}
                Err(error) => {
                    opened.iter().for_each(shut);
                    kept.extend(first.iter().filter_map(|listener| self.reopen(config, listener)));
                    kept.extend(later);
                    *open = kept;
                    return Err(BindError { address: address.to_string(), error, optional });
                }
            }
        }
        later.iter().for_each(shut);
        kept.extend(opened);
        *open = kept;
        Ok(())
    }

    /// Listens no more: from now on connections are refused.
    pub(crate) fn shut(&self) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .for_each(|listener| shut(&listener));
    }

    fn open(&self, config: &Config, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = listen::listen(address, config.number(Param::TcpBacklog) as i32)?;
        let handle = listener.try_clone()?;
        // The receiver lives as long as the server.
        drop(self.opened.send(listener));
        Ok(handle)
    }

    fn reopen(&self, config: &Config, shut: &TcpListener) -> Option<TcpListener> {
        let reopened = shut.local_addr().and_then(|address| self.open(config, address));
        reopened.inspect_err(|error| tracing::warn!("Could not listen again where it was shut: {error}")).ok()
    }
}

/// The configured addresses, and whether the server does without them if need be.
fn wanted(config: &Config) -> Result<Vec<(SocketAddr, bool)>, BindError> {
    let port = config.number(Param::Port) as u16;
    if port == 0 {
        return Ok(Vec::new());
    }
    let mut wanted = Vec::new();
    for word in config.text(Param::Bind).split_ascii_whitespace() {
        match listen::resolve(word, port) {
            Ok(address) => wanted.push((address, word.starts_with('-'))),
            Err(BindError { optional: true, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted)
}

fn is_open(listeners: &[TcpListener], address: SocketAddr) -> bool {
    listeners.iter().any(|listener| listener.local_addr().is_ok_and(|other| other == address))
}

fn port(listener: &TcpListener) -> Option<u16> {
    listener.local_addr().ok().map(|address| address.port())
}

fn shut(listener: &TcpListener) {
    // It fails where the socket is no longer listened on, which is as well.
    drop(SockRef::from(listener).shutdown(Shutdown::Both));
}
