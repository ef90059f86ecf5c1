//! Tests of certificates, on AMD's own.

use assert_matches::assert_matches;
use casque_types::{Seconds, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_790_000_000);

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der, CERTIFICATE_BYTES).unwrap()
}

fn ark() -> Certificate {
    certificate(include_bytes!("../../anchors/amd/milan-ark.der"))
}

fn ask() -> Certificate {
    certificate(include_bytes!("../../anchors/amd/milan-ask.der"))
}

fn asvk() -> Certificate {
    certificate(include_bytes!("../../anchors/amd/milan-asvk.der"))
}

#[test]
fn chain_of_amd_holds_for_the_life_of_its_authority() {
    let (ark, ask) = (ark(), ask());
    let window = verify_chain(&[&ask, &ark], NOW).unwrap();
    assert_eq!(window.from, ask.not_before().max(ark.not_before()));
    assert_eq!(window.until, ask.not_after().min(ark.not_after()));
    assert_eq!(ask.subject(), "SEV-Milan");
    assert_eq!(ask.issuer(), "ARK-Milan");
    assert_eq!(ask.serial(), [1, 0, 1]);
}

#[test]
fn chain_before_and_after_its_life_names_certificate_and_date() {
    let (ark, ask) = (ark(), ask());
    let from = ask.not_before();
    let early = verify_chain(&[&ask, &ark], from.minus(Seconds(1))).unwrap_err();
    let late = ark.not_after().max(ask.not_after()).plus(Seconds(1));
    let expired = verify_chain(&[&ask, &ark], late).unwrap_err();
    assert_matches!(early, CertificateError::NotYetValid { subject, from: found, .. }
        if subject == "SEV-Milan" && found == from || subject == "ARK-Milan");
    assert_matches!(expired, CertificateError::Expired { subject, .. } if subject == "ARK-Milan");
}

#[test]
fn chain_to_another_generation_is_refused() {
    let genoa = certificate(include_bytes!("../../anchors/amd/genoa-ark.der"));
    let refused = verify_chain(&[&ask(), &genoa], NOW).unwrap_err();
    assert_matches!(refused, CertificateError::Issuer { expected, found, .. }
        if expected == "ARK-Genoa" && found == "ARK-Milan");
    let (milan, ask) = (ark(), ask());
    let no_path = chain_to(&ask, &[], &genoa).unwrap_err();
    assert_matches!(no_path, CertificateError::NoPath { .. });
    assert_eq!(chain_to(&ask, &[], &milan).unwrap().len(), 2);
}

#[test]
fn certificate_with_any_signed_byte_flipped_is_refused() {
    let (ark, good) = (ark(), ask());
    for at in 0..good.der().len() {
        let mut bent = good.der().to_vec();
        bent[at] ^= 1;
        let Ok(bent) = Certificate::from_der(&bent, CERTIFICATE_BYTES) else {
            continue;
        };
        let refused = verify_chain(&[&bent, &ark], NOW);
        assert!(refused.is_err(), "byte {at}");
    }
}

#[test]
fn chain_with_a_wrong_authority_in_between_is_refused() {
    // ASK must not stand over authorities: its path length is 0.
    let (ark, ask, asvk) = (ark(), ask(), asvk());
    let refused = verify_chain(&[&asvk, &ask, &ark], NOW).unwrap_err();
    assert_matches!(refused, CertificateError::Issuer { .. });
}

#[test]
fn certificate_with_a_byte_behind_it_or_missing_is_malformed() {
    let der = ask().der().to_vec();
    let longer = [der.as_slice(), &[0]].concat();
    for bent in [&longer[..], &der[..der.len() - 1], &[]] {
        let refused = Certificate::from_der(bent, CERTIFICATE_BYTES).unwrap_err();
        assert_matches!(refused, CertificateError::Malformed { .. });
    }
    let refused = Certificate::from_der(&der, 100).unwrap_err();
    assert_matches!(
        refused,
        CertificateError::TooLong {
            limit_bytes: 100,
            ..
        }
    );
}

#[test]
fn bundle_is_bounded_and_keeps_its_order() {
    let pem = |certificate: &Certificate| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(certificate.der());
        format!("subject=x\n-----BEGIN CERTIFICATE-----\r\n{text}\r\n-----END CERTIFICATE-----\n")
    };
    let bundle = pem(&ask()) + &pem(&ark());
    let read = |text: &str, limit| parse_pem_bundle(text.as_bytes(), limit, CERTIFICATE_BYTES);
    assert_eq!(read(&bundle, 2).unwrap(), [ask(), ark()]);
    assert_matches!(
        read(&bundle, 1),
        Err(CertificateError::TooMany { limit: 1 })
    );
    let key = bundle.replace("CERTIFICATE", "PRIVATE KEY");
    assert_matches!(read(&key, 2), Err(CertificateError::Malformed { .. }));
    assert_matches!(read("", 2), Err(CertificateError::Malformed { .. }));
    let cut = bundle.trim_end().trim_end_matches('-');
    assert_matches!(read(cut, 2), Err(CertificateError::Malformed { .. }));
}

#[test]
fn memory_answers_inside_the_window_and_verifies_outside() {
    let (ark, ask) = (ark(), ask());
    let memory = Memory::default();
    let chain = [&ask, &ark];
    let window = memory.chain(&chain, NOW).unwrap();
    let again = memory.chain(&chain, NOW.plus(Seconds(5))).unwrap();
    assert_eq!(again.from, NOW);
    assert_eq!(again.until, window.until);
    let back = memory.chain(&chain, NOW.minus(Seconds(5))).unwrap();
    assert_eq!(back.from, NOW.minus(Seconds(5)));
    let late = window.until.plus(Seconds(1));
    let refused = memory.chain(&chain, late).unwrap_err();
    assert_matches!(refused, CertificateError::Expired { .. });
}

// ---- chains made for these tests, see fixtures/README.md ----

fn bundle(pem: &str) -> Vec<Certificate> {
    parse_pem_bundle(pem.as_bytes(), BUNDLE_CERTIFICATES, CERTIFICATE_BYTES).unwrap()
}

/// Verifies a whole file: its last certificate is trusted.
fn verify_file(pem: &str) -> Result<Window, CertificateError> {
    let chain = bundle(pem);
    verify_chain(&chain.iter().collect::<Vec<_>>(), NOW)
}

#[test]
fn chain_signed_by_each_accepted_algorithm_holds() {
    let accepted = [
        include_str!("fixtures/rsa-sha256.pem"),
        include_str!("fixtures/rsa-sha384.pem"),
        include_str!("fixtures/rsa-sha512.pem"),
        include_str!("fixtures/pss-sha384.pem"),
        include_str!("fixtures/p256.pem"),
        include_str!("fixtures/p384.pem"),
        include_str!("fixtures/extended-key-usage.pem"),
    ];
    for pem in accepted {
        assert_matches!(verify_file(pem), Ok(_));
    }
}

#[test]
fn chain_signed_by_another_algorithm_is_refused() {
    let refused = [
        include_str!("fixtures/pss-sha256.pem"),
        include_str!("fixtures/pss-sha384-salt-32.pem"),
        include_str!("fixtures/pss-sha384-mgf-sha256.pem"),
        include_str!("fixtures/p521.pem"),
    ];
    for pem in refused {
        assert_matches!(verify_file(pem), Err(CertificateError::Algorithm { .. }));
    }
    // An algorithm that is accepted, by a key that is not for it.
    let of_other_keys = [
        include_str!("fixtures/p384-sha256.pem"),
        include_str!("fixtures/rsa-1024.pem"),
    ];
    for pem in of_other_keys {
        assert_matches!(verify_file(pem), Err(CertificateError::Signature { .. }));
    }
}

#[test]
fn chain_over_somebody_who_is_no_authority_is_refused() {
    let refused = [
        include_str!("fixtures/no-authority.pem"),
        include_str!("fixtures/no-constraints.pem"),
        include_str!("fixtures/no-cert-sign.pem"),
    ];
    for pem in refused {
        assert_matches!(
            verify_file(pem),
            Err(CertificateError::NotAuthority { subject }) if subject == "Authority"
        );
    }
    assert_matches!(
        verify_file(include_str!("fixtures/path-too-long.pem")),
        Err(CertificateError::PathTooLong { subject, limit: 0 }) if subject == "Root"
    );
    assert_matches!(
        verify_file(include_str!("fixtures/name-constraints.pem")),
        Err(CertificateError::CriticalExtension { subject, extension })
            if subject == "Authority" && extension == "2.5.29.30"
    );
}

#[test]
fn chain_with_a_certificate_of_another_key_or_name_is_refused() {
    assert_matches!(
        verify_file(include_str!("fixtures/other-key.pem")),
        Err(CertificateError::Signature { subject, issuer })
            if subject == "Leaf" && issuer == "Authority"
    );
    assert_matches!(
        verify_file(include_str!("fixtures/other-name.pem")),
        Err(CertificateError::Issuer { expected, found, .. })
            if expected == "Somebody" && found == "Authority"
    );
    assert_matches!(
        verify_chain(&[], NOW),
        Err(CertificateError::Malformed { .. })
    );
}

#[test]
fn chain_is_ordered_by_names_from_any_pool() {
    let [leaf, authority, root] = bundle(include_str!("fixtures/p256.pem"))
        .try_into()
        .unwrap();
    let pool = [ask(), root.clone(), authority.clone()];
    let chain = chain_to(&leaf, &pool, &root).unwrap();
    assert_eq!(chain, [&leaf, &authority, &root]);
    assert_matches!(
        chain_to(&leaf, &[ask()], &root),
        Err(CertificateError::NoPath { issuer, .. }) if issuer == "Authority"
    );
}

#[test]
fn extended_key_usages_are_read() {
    let chain = bundle(include_str!("fixtures/extended-key-usage.pem"));
    let code_signing = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
    assert_eq!(chain[0].extended_key_usages(), [code_signing]);
    assert_eq!(chain[1].extended_key_usages(), []);
}
