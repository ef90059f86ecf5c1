//! casqued: the Casque server, as a library so that a program can start it inside itself.
//!
//! It composes the use cases of `casque-core` with their adapters, and speaks HTTP/1.1 over TLS 1.3. What
//! it deliberately is not: a place for decisions (those are the policy's) or for trust anchors in
//! configuration (they are an argument of [`Server::start`]).

mod answer;
mod attempts;
mod body;
mod caller;
mod code;
mod confidential;
mod config;
mod evidence;
mod identity;
mod limits;
mod listener;
mod metrics;
mod openapi;
mod ports;
mod routes;
mod server;
mod tls;
mod upload;

pub use config::{
    AzureSection, Config, ConfigError, EndorsementsSection, KubernetesSection, LimitsSection,
    LogFormat, LogSection,
};
pub use identity::IdentityFileError;
pub use ports::{ServerPorts, SystemClock, SystemRng};
pub use server::{Server, StartError, openapi_json};
