use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_testkit::snp::SoftwareSnp;
use casque_types::{SnpProduct, SnpSigner, Timestamp};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_795_500_000);

fn intel() -> Value {
    json!({
        "pck_crl_issuer_chain": "a", "root_ca_crl": "01", "pck_crl": "02",
        "tcb_info_issuer_chain": "b", "tcb_info": "{}", "tcb_info_signature": "03",
        "qe_identity_issuer_chain": "c", "qe_identity": "{}", "qe_identity_signature": "04",
        "pck_certificate_chain": null,
    })
}

fn read(file: &Value) -> Result<EndorsementsFile, EndorsementsFileError> {
    read_endorsements(file.to_string().as_bytes())
}

#[test]
fn endorsements_of_each_vendor_are_read_where_they_are() {
    let file = read(&json!({ "intel": intel() })).unwrap();
    let found = file.endorsements.intel.unwrap();
    assert_eq!(
        (found.pck_crl.as_slice(), found.root_ca_crl.as_slice()),
        (&[2][..], &[1][..])
    );
    assert_matches!((file.endorsements.amd, file.maa), (None, None));

    let file = read(&json!({"amd": {"crl": "AQI="}})).unwrap();
    let found = file.endorsements.amd.unwrap();
    assert_eq!(
        (found.crl.as_deref(), found.chain.len()),
        (Some(&[1, 2][..]), 0)
    );

    let maa = json!({"issuer": "https://a.eus.attest.azure.net/", "jwks": {"keys": []}});
    let file = read(&json!({ "maa": maa })).unwrap();
    assert_eq!(
        file.maa.unwrap().issuer.as_str(),
        "https://a.eus.attest.azure.net"
    );
    assert_matches!(read(&json!({})), Ok(_));
}

#[test]
fn endorsements_that_are_none_are_refused_by_their_member() {
    assert_matches!(read(&json!([])), Err(EndorsementsFileError::Json(_)));
    assert_matches!(
        read(&json!({"intl": {}})),
        Err(EndorsementsFileError::Json(_))
    );
    let mut bent = intel();
    bent["pck_crl"] = json!("0");
    assert_matches!(
        read(&json!({ "intel": bent })),
        Err(EndorsementsFileError::Member {
            member: "intel.pck_crl",
            ..
        })
    );
    assert_matches!(
        read(&json!({"amd": {"crl": "*"}})),
        Err(EndorsementsFileError::Member {
            member: "amd.crl",
            ..
        })
    );
    assert_matches!(
        read(&json!({"maa": {"issuer": "ftp://a", "jwks": {"keys": []}}})),
        Err(EndorsementsFileError::Issuer(_))
    );
    assert_matches!(
        read(&json!({"maa": {"issuer": "https://a.attest.azure.net", "jwks": {}}})),
        Err(EndorsementsFileError::Keys(_))
    );
    assert_matches!(
        read_endorsements(&vec![b' '; MAX_BYTES + 1]),
        Err(EndorsementsFileError::TooLong { .. })
    );
}

/// What is left out is built in; what is stated is taken at its word.
#[test]
fn certificates_of_amd_are_there_where_they_are_stated() {
    let amd = SoftwareSnp::generate(SnpProduct::Milan, NOW).unwrap();
    let anchor = amd.anchor();
    let vcek = amd.certificate(SnpSigner::Vcek);
    let chain = amd.chain_pem(SnpSigner::Vcek);
    let (_, authorities) = chain.split_once("-----END CERTIFICATE-----\n").unwrap();
    let of = |amd: Value| {
        let file = read(&json!({ "amd": amd })).unwrap();
        AmdEndorsements::clone(&file.endorsements.amd.unwrap())
    };
    let found = of(json!({"chain": authorities, "vcek": STANDARD.encode(vcek)}));
    assert_eq!(found.chain, [anchor.ask, anchor.ark]);
    assert_eq!(found.vcek.as_deref(), Some(vcek));
    // In one text with its authorities, whatever the order.
    for vcek_of in [chain.clone(), format!("{authorities}{chain}")] {
        assert_eq!(of(json!({"vcek": vcek_of})).vcek.as_deref(), Some(vcek));
    }
    assert_eq!(of(json!({})), AmdEndorsements::default());
    assert_eq!(
        of(json!({"chain": null, "vcek": null, "crl": null})),
        AmdEndorsements::default()
    );
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "\n", "garbage", "AAAA", no_certificate] {
        for (name, path) in [("chain", "amd.chain"), ("vcek", "amd.vcek")] {
            assert_matches!(
                read(&json!({"amd": {name: text}})),
                Err(EndorsementsFileError::Member { member, .. }) if member == path
            );
        }
    }
}

#[test]
fn white_space_in_digits_and_addresses_counts_nothing() {
    let mut spread = intel();
    spread["root_ca_crl"] = json!("0\n1\n");
    let maa = json!({"issuer": "https://a.eus.attest.azure.net/\n", "jwks": {"keys": []}});
    let file = read(&json!({"intel": spread, "maa": maa})).unwrap();
    assert_eq!(file.endorsements.intel.unwrap().root_ca_crl, [1]);
    let issuer = file.maa.unwrap().issuer;
    assert_eq!(issuer.as_str(), "https://a.eus.attest.azure.net");
}
