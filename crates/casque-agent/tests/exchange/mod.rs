//! One exchange of the agent with stand-ins for its server.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by the test files, each of which uses its own part"
)]

use casque_agent::{
    AgentSettings, Challenge, EvidenceKind, HostEnvironment, SecondFactors, Timeouts,
};
use casque_types::{ConfigId, Kem, KemPublicKey, KeyHash, Nonce, RuntimeData, Timestamp};

/// The agent of `app/web`, told nothing more than it must be.
pub fn settings() -> AgentSettings {
    AgentSettings {
        address: "localhost".parse().unwrap(),
        config: "app/web".parse().unwrap(),
        server_key: KeyHash::from([0; 32]),
        authorities_pem: None,
        program: None,
        arguments: Vec::new(),
        search_path: "/usr/bin:/bin".into(),
        host: HostEnvironment::default(),
        factors: SecondFactors::default(),
        volumes: None,
        timeouts: Timeouts::default(),
    }
}

/// The challenge of a server that takes these kinds of evidence, and runtime data that answer it.
pub fn challenge(config: ConfigId, evidence: &[EvidenceKind]) -> (RuntimeData, Challenge) {
    let server = KeyHash::from([0; 32]);
    let nonce = Nonce::from_bytes(vec![7; 32]).unwrap();
    let key = KemPublicKey::from_bytes(Kem::XWing, vec![0; 1216]).unwrap();
    let challenge = Challenge {
        nonce: nonce.clone(),
        expires: Timestamp::from_unix_s(0),
        server,
        evidence: evidence.to_vec(),
    };
    (RuntimeData::new(server, config, nonce, key), challenge)
}
