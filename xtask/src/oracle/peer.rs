//! A newer server in the reference's place.

use anyhow::{Context as _, Result};

use crate::server::Server;

/// Which family a newer server belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Peer {
    Redis,
    Valkey,
}

impl Peer {
    /// What a server says of itself.
    pub(super) fn of(server: &Server) -> Result<Self> {
        let info = server.connect()?.call(&[&b"INFO"[..], b"server"])?;
        let text =
            String::from_utf8_lossy(info.bytes().context("INFO does not answer with text")?).into_owned();
        Ok(if text.contains("valkey_version") { Self::Valkey } else { Self::Redis })
    }

    /// As transcripts and the accepted list name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}
