//! A few connections that read, on threads where blocking is allowed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use casque_core::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::{Failure, unavailable};
use crate::sql::{Purpose, connect};

/// Connections that read.
pub(crate) struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Readers of this database; connections are opened when they are needed, and kept.
    pub(crate) fn new(database: PathBuf) -> Self {
        Self {
            database,
            idle: Mutex::new(Vec::new()),
            free: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }

    /// Runs `read` on a connection.
    pub(crate) async fn read<T, E, F>(self: &Arc<Self>, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    {
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.map_err(unavailable)?;
        let readers = Arc::clone(self);
        let work = move || {
            let mut connection = readers.take().map_err(StoreError::from)?;
            let result = read(&mut connection);
            readers.give_back(connection);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(unavailable)?
    }

    fn take(&self) -> Result<Connection, Failure> {
        let idle = self.lock().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Ok(connect(&self.database, Purpose::Read)?),
        }
    }

    fn give_back(&self, connection: Connection) {
        self.lock().push(connection);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_CONNECTIONS: usize = 4;
