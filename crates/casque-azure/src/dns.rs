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
                Err(error) => Err(NameUnresolved::of(&error).into()),
            }
        })
    }
}

/// A name that has no address.
#[derive(Debug, Error)]
#[error("the name does not resolve")]
pub(crate) struct NameUnresolved {
    /// Whether the resolver said that it failed for the moment only (`EAI_AGAIN`).
    pub(crate) temporary: bool,
}

impl NameUnresolved {
    /// The standard library hides the resolver's code, so that its text must tell.
    fn of(error: &std::io::Error) -> Self {
        Self {
            temporary: error.to_string().contains("Temporary failure"),
        }
    }
}
