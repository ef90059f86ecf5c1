use assert_matches::assert_matches;
use serde_json::{Value, json};

use super::*;

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
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_matches!(
        read(&json!({"amd": {"chain": no_certificate}})),
        Err(EndorsementsFileError::Member {
            member: "amd.chain",
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
