//! The port against servers that do one thing wrong at a time.

#[path = "../../casque-client/tests/fake_server/mod.rs"]
pub(crate) mod fake_server;

mod answers;
mod codes;
mod connections;
mod tls;

use std::time::Duration;

use casque_core::{ExportRequest, RemoteSource as _, SourceFailure, SourceKind};
use casque_types::{KeyHash, PolicyHash, Secret, Timestamp};

use self::fake_server::{FakeServer, TestIdentity};
use crate::Remote;
use crate::remote::Permitted;

/// A CAS that asks.
struct Asker {
    remote: Remote,
    key_hash: KeyHash,
}

impl Asker {
    fn new() -> Self {
        // So long that no machine is too slow.
        Self::with_timeout(Duration::from_secs(60))
    }

    fn with_timeout(timeout: Duration) -> Self {
        let own = TestIdentity::new();
        let key_hash = own.key_hash();
        let key = Secret::new(own.pkcs8);
        Self {
            remote: Remote::with_timeout(own.certificate, &key, Permitted::Any, timeout).unwrap(),
            key_hash,
        }
    }

    async fn ask(&self, server: &FakeServer) -> Result<Vec<u8>, SourceFailure> {
        self.ask_at(&server.address.to_string(), server.key_hash)
            .await
    }

    async fn ask_at(&self, address: &str, key: KeyHash) -> Result<Vec<u8>, SourceFailure> {
        let now = Timestamp::from_unix_s(1_800_000_000);
        let value = (self.remote).exported(address, &key, &request(), now).await;
        value.map(|value| value.expose().to_vec())
    }
}

fn request() -> ExportRequest {
    ExportRequest {
        session: "team/db".parse().unwrap(),
        session_hash: None,
        secret: "password".parse().unwrap(),
        importer: "app".parse().unwrap(),
        importer_hash: PolicyHash::from([7; 32]),
    }
}

/// What a failure says, `asked ADDRESS for ...: ` left out, and whether to ask again.
fn told(failure: &SourceFailure, server: &FakeServer) -> (&'static str, String, bool) {
    assert_eq!(failure.source_kind, SourceKind::Remote);
    let address = server.address;
    let asked = format!("asked `{address}` for secret `password` of policy `team/db`: ");
    let said = failure.what.strip_prefix(&asked).unwrap().to_owned();
    (failure.code, said, failure.retryable)
}
