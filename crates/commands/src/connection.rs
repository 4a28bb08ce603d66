//! Commands on the connection itself.

mod client;
mod filter;
mod handshake;
mod kill;
mod list;
mod ping;
mod replies;
mod tracking;

pub(crate) use list::client_info;

use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] = &[
    ping::PING,
    ping::ECHO,
    handshake::HELLO,
    handshake::AUTH,
    handshake::SELECT,
    handshake::RESET,
    handshake::QUIT,
    client::CLIENT,
];
