//! The REST interface over TLS: every route, and every refusal by one bend.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(unreachable_pub, reason = "the modules are of this test alone")]

mod attest;
mod description;
mod exports;
mod metrics;
#[path = "../peer/mod.rs"]
mod peer;
mod policies;
mod uploads;
mod values;

use casque_secrets::IdentityKey;
use casque_server::Config;
use peer::{Answer, Running};
use tempfile::TempDir;

/// A server with an author.
struct World {
    server: Running,
    author: IdentityKey,
    _state: TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(bend: impl FnOnce(&mut Config)) -> Self {
        let state = tempfile::tempdir().unwrap();
        Self {
            server: Running::start(state.path(), bend),
            author: IdentityKey::generate().unwrap(),
            _state: state,
        }
    }

    /// Puts a policy as the author; its hash.
    fn put(&self, text: &str) -> String {
        let answer = self.try_put(text);
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["hash"].as_str().unwrap().to_owned()
    }

    fn try_put(&self, text: &str) -> Answer {
        let peer = self.server.connect(Some(&self.author));
        peer.post("/session", text.as_bytes())
    }

    /// Reads as the author.
    fn get(&self, path: &str) -> Answer {
        self.server.connect(Some(&self.author)).get(path)
    }

    /// Reads without any key.
    fn get_as_stranger(&self, path: &str) -> Answer {
        self.server.connect(None).get(path)
    }
}

/// A policy without services, with these further lines.
fn policy(name: &str, lines: &str) -> String {
    format!("name: {name}\nversion: \"0.3.12\"\n{lines}")
}

/// What SCONE's clients read, and our own code beside it.
fn refusal(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    let message = json["error"]["message"].as_str().unwrap();
    if let Some(msg) = json["msg"].as_array() {
        assert_eq!(msg[0], message, "{}", answer.body);
    }
    (answer.status, answer.code())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A refusal on a route of SCONE's.
fn scone_refusal(answer: &Answer) -> (u16, String) {
    assert!(answer.json()["msg"][0].is_string(), "{}", answer.body);
    assert!(
        answer.json()["error"]["hint"].is_string(),
        "{}",
        answer.body
    );
    refusal(answer)
}
