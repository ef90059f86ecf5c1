//! Other CASes in memory.

use std::sync::{Arc, Mutex};

use casque_core::{ExportRequest, RemoteSource, SourceFailure, SourceKind};
use casque_types::{KeyHash, Secret, Timestamp};

use super::{Calls, lock};

/// CASes that export values; one is there once it exports something.
#[derive(Clone, Debug, Default)]
pub struct FakeRemote {
    /// What was asked, and failures to come.
    pub calls: Calls<RemoteCall>,
    exports: Arc<Mutex<Vec<Export>>>,
}

#[derive(Debug)]
struct Export {
    address: String,
    server: KeyHash,
    request: ExportRequest,
    value: Secret,
}

/// One request to another CAS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCall {
    /// Its address.
    pub address: String,
    /// The key that it had to have.
    pub server: KeyHash,
    /// What was asked.
    pub request: ExportRequest,
}

impl FakeRemote {
    /// Lets the CAS at `address`, whose key is `server`, answer `request` with this value, as
    /// `casque_secrets` writes stored values; in place of an earlier one.
    pub fn export(&self, address: &str, server: KeyHash, request: ExportRequest, value: Secret) {
        let mut exports = lock(&self.exports);
        exports.retain(|known| known.address != address || known.request != request);
        exports.push(Export {
            address: address.to_owned(),
            server,
            request,
            value,
        });
    }

    /// Lets the CAS at `address` export nothing more for `request`; it is still there if it exports
    /// something else.
    pub fn withdraw(&self, address: &str, request: &ExportRequest) {
        let mut exports = lock(&self.exports);
        exports.retain(|known| known.address != address || known.request != *request);
    }
}

impl RemoteSource for FakeRemote {
    async fn exported(
        &self,
        address: &str,
        server: &KeyHash,
        request: &ExportRequest,
        _now: Timestamp,
    ) -> Result<Secret, SourceFailure> {
        self.calls.record(RemoteCall {
            address: address.to_owned(),
            server: *server,
            request: request.clone(),
        })?;
        let exports = lock(&self.exports);
        let here = || exports.iter().filter(|known| known.address == address);
        if here().next().is_none() {
            return Err(failed(NO_SUCH_CAS, format!("no CAS is at `{address}`")));
        }
        let mut here = here().filter(|known| known.server == *server).peekable();
        if here.peek().is_none() {
            let what = format!("the CAS at `{address}` has another key than `{server}`");
            return Err(failed(OTHER_KEY, what));
        }
        let found = here.find(|known| known.request == *request);
        let found = found.ok_or_else(|| {
            let (secret, session) = (&request.secret, &request.session);
            let what = format!("`{address}` does not export `{secret}` of `{session}`");
            failed(NOT_EXPORTED, what)
        })?;
        // the other CAS keeps its own
        Ok(found.value.duplicate())
    }
}

fn failed(code: &'static str, what: String) -> SourceFailure {
    SourceFailure {
        source_kind: SourceKind::Remote,
        code,
        what,
        mend: "let it export the value, or correct the policy".to_owned(),
        retryable: code == NO_SUCH_CAS,
        retry_after: None,
    }
}

const NO_SUCH_CAS: &str = "remote-unreachable";
const OTHER_KEY: &str = "remote-other-key";
const NOT_EXPORTED: &str = "remote-not-exported";
