//! `casque-dev serve`: a casqued under another root, in a process of its own, for measurements.

use std::io::{self, Write as _};
use std::path::PathBuf;

use casque_appraise::TrustAnchors;
use casque_server::{Config, ConfigError, Server};
use clap::Args;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

/// What to serve.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration of casqued.
    config: PathBuf,
    /// Root of the software TEE, DER.
    root: PathBuf,
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
    let anchors = TrustAnchors::vendors().dangerous_with_sgx_root(std::fs::read(&args.root)?);
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
