//! One HTTP client with its idle connections for each CAS, which is an address and a key.
//!
//! A connection has proved one key, and serves requests that demand this key alone; clients of different
//! keys share nothing, even at the same address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use casque_types::KeyHash;
use reqwest::Client;
use thiserror::Error;

use crate::address::RemoteAddress;
use crate::names::SystemNames;
use crate::tls::OwnTls;

/// The clients of the CASes that were asked last.
pub(crate) struct Clients {
    own: OwnTls,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// With the turn at which each was taken last.
    by_cas: HashMap<(RemoteAddress, KeyHash), (Client, u64)>,
    turn: u64,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
}

impl Clients {
    pub(crate) fn new(own: OwnTls) -> Self {
        Self {
            own,
            used: Mutex::default(),
        }
    }

    /// The hash of the key that is shown to others.
    pub(crate) const fn own_key_hash(&self) -> &KeyHash {
        self.own.key_hash()
    }

    /// The client for the CAS at `address` with the key `server`.
    pub(crate) fn client(
        &self,
        address: &RemoteAddress,
        server: KeyHash,
    ) -> Result<Client, ClientError> {
        // It is whole between two statements, so that a panic elsewhere does not spoil it.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.turn = used.turn.saturating_add(1);
        let turn = used.turn;
        let cas = (address.clone(), server);
        if let Some((client, last)) = used.by_cas.get_mut(&cas) {
            *last = turn;
            return Ok(client.clone());
        }
        let client = new_client(&self.own, server)?;
        used.make_room();
        used.by_cas.insert(cas, (client.clone(), turn));
        Ok(client)
    }
}

impl Used {
    /// Gives up the client that was taken longest ago, and with it its idle connections.
    fn make_room(&mut self) {
        if self.by_cas.len() < MOST_CLIENTS {
            return;
        }
        let oldest = self.by_cas.iter().min_by_key(|(_, (_, last))| *last);
        if let Some(oldest) = oldest.map(|(cas, _)| cas.clone()) {
            self.by_cas.remove(&oldest);
        }
    }
}

fn new_client(own: &OwnTls, server: KeyHash) -> Result<Client, ClientError> {
    let client = Client::builder()
        .tls_backend_preconfigured(own.towards(server)?)
        .dns_resolver(Arc::new(SystemNames))
        .https_only(true)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(MOST_IDLE)
        .user_agent(concat!("casque/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// How many CASes are remembered; one more costs a handshake, no more.
const MOST_CLIENTS: usize = 64;
/// Idle connections to one CAS.
const MOST_IDLE: usize = 2;
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use casque_types::Secret;

    use crate::tests::fake_server::TestIdentity;

    use super::*;

    fn own_tls() -> OwnTls {
        let own = TestIdentity::new();
        OwnTls::new(own.certificate, &Secret::new(own.pkcs8)).unwrap()
    }

    fn address(port: usize) -> RemoteAddress {
        format!("cas.invalid:{port}").parse().unwrap()
    }

    #[test]
    fn clients_full_give_up_the_one_taken_longest_ago() {
        let clients = Clients::new(own_tls());
        let key = KeyHash::of_spki(b"a key");
        for port in 1..=MOST_CLIENTS {
            clients.client(&address(port), key).unwrap();
        }
        clients.client(&address(1), key).unwrap();
        clients.client(&address(MOST_CLIENTS + 1), key).unwrap();
        let used = clients.used.lock().unwrap();
        let has = |port| used.by_cas.contains_key(&(address(port), key));
        assert_eq!(used.by_cas.len(), MOST_CLIENTS);
        assert_eq!((has(1), has(2), has(3)), (true, false, true));
    }
}
