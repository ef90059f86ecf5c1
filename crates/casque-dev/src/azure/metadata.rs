//! The metadata service of one machine over plain HTTP, as the one at 169.254.169.254 is: what it says of the processor
//! (module `thim`). Tokens of identities are the local world's alone.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::thim;
use crate::tees::SoftwareTees;

/// A running service; ended when it is dropped.
#[derive(Debug)]
pub struct MetadataService {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl MetadataService {
    /// Serves what vouches for these TEEs on a free port of the loopback interface.
    ///
    /// # Errors
    /// The operating system's: no port, no thread.
    pub fn start(tees: &SoftwareTees) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = thim::router(Arc::new(thim::Machine {
            tee: tees.intel.clone(),
            snp: tees.snp.clone(),
        }));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serve = move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let serving = axum::serve(listener, router);
                tokio::select! {
                    served = serving => served,
                    _ = stopped => Ok(()),
                }
            })
        };
        let thread = std::thread::Builder::new().spawn(serve)?;
        Ok(Self {
            url,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for MetadataService {
    fn drop(&mut self) {
        // It may have ended by itself.
        if let Some(stop) = self.stop.take() {
            let _told = stop.send(());
        }
        drop(self.thread.take().map(JoinHandle::join));
    }
}
