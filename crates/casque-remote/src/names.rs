//! Names become addresses by the operating system, with failures that can be told from others.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

/// The operating system's resolver.
#[derive(Debug)]
pub(crate) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the connector's to set.
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(found) => {
                    let found: Vec<SocketAddr> = found.collect();
                    let addresses: Addrs = Box::new(found.into_iter());
                    Ok(addresses)
                }
                Err(_) => Err(NameUnresolved.into()),
            }
        })
    }
}

/// A name that has no address, or a name service that does not answer.
#[derive(Debug, Error)]
#[error("the name does not resolve")]
pub(crate) struct NameUnresolved;
