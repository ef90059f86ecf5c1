//! Real evidence of confidential containers (spec/evidence.md sections 2.2 and 2.3), found through `CASQUE_VECTORS`
//! (default `../shared/vectors` beside the repository); absent ones are skipped and said so.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the functions that tests call are tests"
)]

use std::fs;
use std::path::PathBuf;

use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_appraise::{
    AciAppraiseError, AciEvidence, AppraiseError, Appraiser, Endorsements, Evidence,
    EvidenceParseError, Identity, Scope, TrustAnchors, Verdict,
};
use casque_types::{AciIdentity, Timestamp};

/// A vector's bytes, or `None`, said aloud, when it is not there.
fn vector(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/vectors"
            ))
        },
        PathBuf::from,
    );
    let read = fs::read(root.join("evidence/aci-uvm").join(name)).ok();
    if read.is_none() {
        println!("skipped: no vector {name}");
    }
    read
}

/// The parts of a piece of evidence, to be bent.
#[derive(Clone)]
struct Parts {
    report: Vec<u8>,
    vek: Vec<u8>,
    policy: Vec<u8>,
    uvm: Vec<u8>,
}

fn parts() -> Option<Parts> {
    Some(Parts {
        report: vector("snp_report.bin")?,
        vek: vector("uvm_host_amd_certificate.pem")?,
        policy: vector("uvm_security_policy.base64")?,
        uvm: vector("body.uvm_reference_info.bin")?,
    })
}

impl Parts {
    fn parse(&self) -> Result<AciEvidence, EvidenceParseError> {
        AciEvidence::parse(&self.report, Some(&self.vek), &self.policy, &self.uvm)
    }

    fn verify(&self) -> Result<Verdict, AppraiseError> {
        let evidence = Evidence::Aci(self.parse()?);
        Appraiser::new(TrustAnchors::vendors()).verify(&evidence, &Endorsements::default(), NOW)
    }

    fn refusal(&self) -> AciAppraiseError {
        match self.verify().unwrap_err() {
            AppraiseError::Aci(refused) => refused,
            other => panic!("expected a refusal of the containers, found {other}"),
        }
    }
}

fn group(verdict: &Verdict) -> &AciIdentity {
    match verdict.identity() {
        Identity::Aci(group) => group,
        other => panic!("expected containers, found {other}"),
    }
}

/// In February 2023 the reference was signed; the leaf's life ended in January 2024.
const NOW: Timestamp = Timestamp::from_unix_s(1_750_000_000);
const ACI: &str =
    "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2";

#[test]
fn group_is_verified_with_its_policy_in_either_form() {
    let Some(parts) = parts() else {
        return;
    };
    let text = STANDARD.decode(parts.policy.trim_ascii()).unwrap();
    for policy in [parts.policy.clone(), text] {
        let parts = Parts {
            policy,
            ..parts.clone()
        };
        let verdict = parts.verify().unwrap();
        let group = group(&verdict);
        assert!(group.snp.measurement.to_string().starts_with("51068107"));
        assert!(group.snp.host_data.to_string().starts_with("cadd74f7"));
        assert_eq!(group.uvm.issuer, ACI);
        assert_eq!(group.uvm.feed, "ContainerPlat-AMD-UVM");
        assert_eq!(group.uvm.svn, 22);
        assert!(group.allows_all);
        assert_eq!(verdict.scope(), Scope::Pod);
    }
}

#[test]
fn group_states_its_claims() {
    let Some(parts) = parts() else {
        return;
    };
    let claims = parts.parse().unwrap().claims();
    let claim = |name: &str| {
        let claim = claims.iter().find(|claim| claim.name == name);
        claim
            .unwrap_or_else(|| panic!("no claim {name}"))
            .value
            .as_str()
    };
    assert_eq!(claim("uvm_svn"), "22");
    assert_eq!(claim("uvm_issuer"), ACI);
    assert_eq!(claim("policy_allows_all"), "true");
    assert!(claim("policy_digest").starts_with("cadd74f7"));
    assert_eq!(claim("policy_digest"), claim("host_data"));
    assert_eq!(claim("uvm_measurement"), claim("measurement"));
}

#[test]
fn group_with_microsofts_allow_all_policy_instead_of_its_own_is_refused() {
    let (Some(parts), Some(policy)) = (parts(), vector("security-policy-base64")) else {
        return;
    };
    let digest = "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10";
    let policy = STANDARD.decode(policy.trim_ascii()).unwrap();
    let refused = Parts { policy, ..parts }.refusal();
    assert_matches!(refused, AciAppraiseError::PolicyDigest { found, .. }
        if found.to_string() == digest);
}

#[test]
fn group_with_the_reference_of_another_machine_is_refused() {
    let (Some(parts), Some(uvm)) = (parts(), vector("reference-info-base64")) else {
        return;
    };
    let uvm = STANDARD.decode(uvm.trim_ascii()).unwrap();
    let other = AciEvidence::parse(&parts.report, None, &parts.policy, &uvm).unwrap();
    assert_eq!(other.claimed_identity().uvm.svn, 100);
    let refused = Parts { uvm, ..parts }.refusal();
    assert_matches!(refused, AciAppraiseError::Measurement { reference, .. }
        if reference.to_string().starts_with("03fea028"));
}

#[test]
fn group_with_a_reference_of_a_feed_that_its_issuer_is_not_believed_for_is_refused() {
    let Some(mut parts) = parts() else {
        return;
    };
    let feed = b"ContainerPlat-AMD-UVM";
    let at = parts
        .uvm
        .windows(feed.len())
        .position(|window| window == feed);
    parts.uvm[at.unwrap() + 20] = b'X';
    let refused = parts.refusal();
    assert_matches!(refused, AciAppraiseError::Feed { found, expected: "ContainerPlat-AMD-UVM" }
        if found == "ContainerPlat-AMD-UVX");
}

/// What comes of bent evidence: a code, the kind that it is none of, or `verified`.
fn code_of(appraiser: &Appraiser, bent: &Parts) -> &'static str {
    let evidence = match bent.parse() {
        Ok(evidence) => Evidence::Aci(evidence),
        Err(
            EvidenceParseError::Malformed { kind, .. } | EvidenceParseError::TooLong { kind, .. },
        ) => return kind,
    };
    let verdict = appraiser.verify(&evidence, &Endorsements::default(), NOW);
    verdict.map_or_else(|refused| refused.code(), |_| "verified")
}

#[test]
fn every_byte_of_the_signed_reference_counts() {
    let Some(good) = parts() else {
        return;
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    assert_eq!(code_of(&appraiser, &good), "verified");
    // The time stamp is in the unprotected header, which nothing covers: 5213 bytes.
    let stamp = good
        .uvm
        .windows(10)
        .position(|window| window == b"itimestamp");
    let stamp = stamp.unwrap();
    let covered = (0..stamp).chain(stamp + 10 + 5213 + 3..good.uvm.len());
    let mut unreadable = 0;
    for at in covered {
        let mut bent = good.clone();
        bent.uvm[at] ^= 1 << (at % 8);
        let found = code_of(&appraiser, &bent);
        unreadable += usize::from(found == "UVM reference");
        let refused = found.starts_with("aci-") || found == "UVM reference";
        assert!(refused, "uvm {at}: {found}");
    }
    // What frames the parts: nothing of what is signed.
    assert!(unreadable <= 16, "{unreadable}");
    let mut bent = good;
    *bent.uvm.last_mut().unwrap() ^= 1;
    assert_matches!(bent.refusal(), AciAppraiseError::Signature);
}

#[test]
fn every_byte_of_the_policy_and_of_the_signed_report_counts() {
    let Some(good) = parts() else {
        return;
    };
    let appraiser = Appraiser::new(TrustAnchors::vendors());
    for at in 0..good.policy.trim_ascii().len() {
        let mut bent = good.clone();
        bent.policy[at] ^= 1 << (at % 8);
        let found = code_of(&appraiser, &bent);
        assert_eq!(found, "aci-policy-digest", "policy {at}");
    }
    for at in 0..0x2A0 {
        let mut bent = good.clone();
        bent.report[at] ^= 1 << (at % 8);
        let found = code_of(&appraiser, &bent);
        let refused = found.starts_with("snp-") || found == "SNP report";
        assert!(refused, "report {at}: {found}");
    }
}

#[test]
fn truncated_references_are_refused_and_never_a_panic() {
    let Some(good) = parts() else {
        return;
    };
    for length in (0..good.uvm.len()).step_by(97) {
        let mut bent = good.clone();
        bent.uvm.truncate(length);
        assert!(bent.parse().is_err(), "uvm {length}");
    }
    let mut long = good;
    long.uvm.resize(64 * 1024 + 1, 0);
    assert_matches!(
        long.parse(),
        Err(EvidenceParseError::TooLong {
            kind: "UVM reference",
            ..
        })
    );
}
