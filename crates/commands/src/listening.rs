//! Where the server listens, as far as CONFIG SET changes it. The sockets themselves are others' business.

use std::sync::OnceLock;

use crate::config::Config;

/// Whoever has the sockets.
#[derive(Default)]
pub struct Listening(OnceLock<Box<Exchange>>);

type Exchange = dyn Fn(&Config) -> bool + Send + Sync;

impl Listening {
    /// Has `exchange` called when `bind` or `port` have changed. It returns whether the server listens there now; if not,
    /// it listens where it did before.
    pub fn exchange_by(&self, exchange: impl Fn(&Config) -> bool + Send + Sync + 'static) {
        // Whoever came first has the sockets.
        drop(self.0.set(Box::new(exchange)));
    }

    pub(crate) fn exchange(&self, config: &Config) -> bool {
        self.0.get().is_none_or(|exchange| exchange(config))
    }
}
