//! `maxmemory-clients`: when clients together hold more than that, those that hold most are disconnected.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clients::{Client, Mark};
use crate::config::{Config, Param};
use crate::engine::Engine;

/// Disconnects clients until all that are left hold no more than `maxmemory-clients`. To be called several times a second.
pub fn evict_clients(engine: &Engine) {
    evict_until(engine, |_| false);
}

/// As [`evict_clients`], but only until it would be this client's turn: it is to have its reply first.
pub(crate) fn evict_other_clients(engine: &Engine, asking: &Client) {
    evict_until(engine, |client| client.id == asking.id);
}

fn evict_until(engine: &Engine, is_last: impl Fn(&Client) -> bool) {
    let Some(limit) = limit_bytes(&engine.config) else { return };
    let mut clients = engine.clients.all();
    clients.retain(|client| !client.has(Mark::NoEvict) && !client.is_killed());
    let mut total: usize = clients.iter().map(|client| client.memory_bytes()).sum();
    while total > limit {
        let Some(largest) = take_largest(&mut clients).filter(|client| !is_last(client)) else { return };
        total -= largest.memory_bytes().min(total);
        (engine.process.log)(3, &format!("Evicting client: id={} addr={}", largest.id, largest.address));
        largest.kill();
        engine.memory.evicted_clients.fetch_add(1, Ordering::Relaxed);
    }
}

/// Disconnects clients at once, as [`evict_clients`] does, if this one alone holds more than `maxmemory-clients`.
pub fn limit_client(engine: &Engine, client: &Client) {
    let config = &engine.config;
    if config.is_on(Param::MaxMemoryClients)
        && !client.has(Mark::NoEvict)
        && limit_bytes(config).is_some_and(|limit| client.memory_bytes() > limit)
    {
        evict_clients(engine);
    }
}

fn take_largest(clients: &mut Vec<Arc<Client>>) -> Option<Arc<Client>> {
    let (at, _) = clients.iter().enumerate().max_by_key(|(_, client)| client.memory_bytes())?;
    Some(clients.swap_remove(at))
}

/// The limit in force: a share of `maxmemory` is none if that is not set.
fn limit_bytes(config: &Config) -> Option<usize> {
    let limit = match config.number(Param::MaxMemoryClients) {
        percent @ ..0 => config.number(Param::MaxMemory) / 100 * -percent,
        bytes => bytes,
    };
    usize::try_from(limit).ok().filter(|&limit| limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_a_whole() {
        let config = Config::default();
        let set = |param: Param, value: &str| config.set(param as usize, &[value]).unwrap();
        assert_eq!(limit_bytes(&config), None);
        set(Param::MaxMemoryClients, "5%");
        assert_eq!(limit_bytes(&config), None);
        set(Param::MaxMemory, "1000");
        assert_eq!(limit_bytes(&config), Some(50));
        set(Param::MaxMemoryClients, "1k");
        assert_eq!(limit_bytes(&config), Some(1000));
    }
}
