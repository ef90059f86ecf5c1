use assert_matches::assert_matches;

use super::*;

fn sample() -> RuntimeData {
    RuntimeData::new(
        KeyHash::of_spki(b"server"),
        "ns/app/web".parse().unwrap(),
        Nonce::from_bytes(vec![7; 32]).unwrap(),
        KemPublicKey::from_bytes(Kem::XWing, vec![9; 1216]).unwrap(),
    )
}

fn bent(from: &str, to: &str) -> RuntimeDataError {
    let text = String::from_utf8(sample().as_bytes().to_vec()).unwrap();
    let bent = text.replacen(from, to, 1);
    assert_ne!(text, bent, "the sample holds `{from}`");
    RuntimeData::parse(bent.as_bytes()).unwrap_err()
}

#[test]
fn runtime_data_written_is_read_back() {
    let written = sample();
    let read = RuntimeData::parse(written.as_bytes()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.binding(), sha256(written.as_bytes()));
}

#[test]
fn runtime_data_report_data_is_the_binding_and_zeros() {
    let report_data = sample().report_data();
    assert_eq!(
        report_data.as_bytes()[..32],
        sample().binding().as_bytes()[..]
    );
    assert_eq!(report_data.as_bytes()[32..], [0; 32]);
}

#[test]
fn runtime_data_other_version_is_refused() {
    assert_matches!(
        bent("casque-attest-1", "casque-attest-2"),
        RuntimeDataError::Version
    );
}

#[test]
fn runtime_data_unknown_member_is_refused() {
    assert_matches!(
        bent(r#"{"v""#, r#"{"x":1,"v""#),
        RuntimeDataError::NotJson { .. }
    );
}

#[test]
fn runtime_data_duplicate_member_is_refused() {
    let twice = r#""config":"ns/app/web","config":"ns/app/web""#;
    assert_matches!(
        bent(r#""config":"ns/app/web""#, twice),
        RuntimeDataError::NotJson { .. }
    );
}

#[test]
fn runtime_data_trailing_bytes_are_refused() {
    let mut bytes = sample().as_bytes().to_vec();
    bytes.push(b'}');
    assert_matches!(
        RuntimeData::parse(&bytes),
        Err(RuntimeDataError::NotJson { .. })
    );
}

#[test]
fn runtime_data_without_service_is_refused() {
    assert_matches!(bent("ns/app/web", "app"), RuntimeDataError::Config);
}

#[test]
fn runtime_data_padded_nonce_is_refused() {
    assert_matches!(
        bent(r#""nonce":""#, r#""nonce":"=="#),
        RuntimeDataError::Nonce
    );
}

#[test]
fn runtime_data_other_kem_is_refused() {
    assert_matches!(bent("X-Wing", "X25519"), RuntimeDataError::Kem);
}

#[test]
fn runtime_data_short_key_is_refused() {
    assert_matches!(
        bent(r#""public":"CQkJ"#, r#""public":""#),
        RuntimeDataError::Key
    );
}

#[test]
fn runtime_data_bent_server_is_refused() {
    assert_matches!(
        bent(r#""server":""#, r#""server":"0"#),
        RuntimeDataError::Server
    );
}

#[test]
fn runtime_data_of_5000_bytes_is_too_long() {
    let refused = RuntimeData::parse(&[b' '; 5000]).unwrap_err();
    assert_matches!(refused, RuntimeDataError::TooLong { found_bytes: 5000 });
}
