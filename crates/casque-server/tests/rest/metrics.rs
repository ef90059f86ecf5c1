//! What is counted of endorsements.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casque_types::RuntimeData;
use serde_json::json;

use crate::attest::Attester;
use crate::{World, policy, refusal, refused};

/// A report of a processor of Milan that nobody signed, bound to the request.
fn report(runtime: &RuntimeData) -> Vec<u8> {
    let mut report = vec![0; 1184];
    report[0x00] = 3;
    report[0x34] = 1;
    report[0x50..0x90].copy_from_slice(runtime.report_data().as_bytes());
    report[0x90..0xC0].fill(0xab);
    report[0x188..0x18A].copy_from_slice(&[0x19, 0x01]);
    report[0x1A0..0x1E0].fill(0xee);
    report
}

#[test]
fn endorsements_that_cannot_be_had_are_counted_by_vendor_and_outcome_alone() {
    // A port of this machine that nothing listens on.
    let world = World::with(|config| {
        config.endorsements.amd = vec!["https://127.0.0.1:1".to_owned()];
        config.endorsements.amd_spacing_ms = 0;
    });
    let measured = "ab".repeat(48);
    let entry = format!("{{snp: {{measurement: {measured}, tcb: {{milan: {{snp: 1}}}}}}}}");
    let service = format!("services:\n  - {{name: web, command: run, attestation: {entry}}}\n");
    world.put(&policy("app", &service));
    let before = world.get_as_stranger("/metrics").body;
    for vendor in ["intel", "amd"] {
        for outcome in ["fetched", "unknown-platform", "busy", "failed"] {
            let line = format!(
                "casque_endorsement_fetches_total{{vendor=\"{vendor}\",outcome=\"{outcome}\"}} 0\n"
            );
            assert!(before.contains(&line), "{line}{before}");
        }
    }
    let attester = Attester::new(&world, "app/web");
    let report = URL_SAFE_NO_PAD.encode(report(&attester.runtime));
    let answer = attester.attest(&world, |request| {
        request["evidence"] = json!({"type": "snp", "report": report});
    });
    assert_eq!(refusal(&answer), refused(503, "endorser-unreachable"));
    let after = world.get_as_stranger("/metrics").body;
    // The chain and the list; the certificate is asked for once there is a list.
    for line in [
        "casque_endorsement_fetches_total{vendor=\"amd\",outcome=\"failed\"} 2\n",
        "casque_endorsement_fetches_total{vendor=\"intel\",outcome=\"failed\"} 0\n",
        "casque_endorsements{vendor=\"amd\",state=\"kept\"} 0\n",
    ] {
        assert!(after.contains(line), "{line}{after}");
    }
    assert!(
        !after.contains("eeee") && !after.contains("milan"),
        "{after}"
    );
}
