//! `casque-dev serve`: a casqued under other roots, in a process of its own, for measurements.

use std::io::{self, Write as _};
use std::path::PathBuf;

use casque_server::{Config, ConfigError, Server};
use casque_types::SnpProductParseError;
use clap::Args;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::roots::SoftwareRoots;

/// What to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration of casqued.
    config: PathBuf,
    /// Roots of the software TEEs, JSON: see [`SoftwareRoots`].
    roots: PathBuf,
}

/// Why it does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server.
    #[error(transparent)]
    Start(#[from] casque_server::StartError),
    /// The roots.
    #[error("the file of the roots is none")]
    Roots(#[from] serde_json::Error),
    /// The roots are of another generation of processors.
    #[error("the file of the roots")]
    Generation(#[from] SnpProductParseError),
    /// Files, signals, standard output.
    #[error("the operating system")]
    System(#[from] io::Error),
}

/// Prints `<port> <key hash>` and serves until SIGTERM.
///
/// # Errors
/// [`ServeError`].
pub fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let config = Config::read(&args.config)?;
    let roots: SoftwareRoots = serde_json::from_slice(&std::fs::read(&args.roots)?)?;
    let anchors = roots.anchors()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let server = Server::start(&config, anchors).await?;
        let port = server.address().port();
        writeln!(io::stdout(), "{port} {}", server.key_hash())?;
        server
            .serve(async move {
                let _told = terminated.recv().await;
            })
            .await;
        Ok(())
    })
}
