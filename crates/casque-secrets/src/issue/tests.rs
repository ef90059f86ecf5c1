use std::path::PathBuf;

use assert_matches::assert_matches;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};

use super::*;
use crate::pem::CERTIFICATE;
use crate::testing::{
    ALGORITHMS, BrokenRng, CountingRng, NOW, chain_of, chain_of_three, openssl, pem, request,
};
use crate::{KeyAlgorithm, make_private_key};

fn parsed(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn extension<T: for<'a> der::Decode<'a, Error: std::fmt::Debug> + der::oid::AssociatedOid>(
    certificate: &Certificate,
) -> Option<T> {
    certificate
        .tbs_certificate()
        .get_extension::<T>()
        .unwrap()
        .map(|(_, found)| found)
}

#[test]
fn issue_leaf_says_what_was_asked() {
    let chain = chain_of_three();
    let leaf = parsed(chain.leaf());
    let tbs = leaf.tbs_certificate();
    assert_eq!(tbs.subject().to_string(), "CN=leaf");
    assert_eq!(tbs.issuer().to_string(), "CN=middle");
    assert_eq!(tbs.serial_number().as_bytes().len(), 16);
    let usage: ExtendedKeyUsage = extension(&leaf).unwrap();
    assert_eq!(usage.0.len(), 1);
    assert_eq!(usage.0[0].to_string(), "1.3.6.1.5.5.7.3.1");
    let names: SubjectAltName = extension(&leaf).unwrap();
    assert_eq!(names.0.len(), 4);
    assert!(!extension::<BasicConstraints>(&leaf).unwrap().ca);
    assert!(!extension::<KeyUsage>(&leaf).unwrap().key_cert_sign());
    assert_eq!(
        tbs.validity().not_before.to_unix_duration().as_secs(),
        NOW.as_unix_s() - 300
    );
    let end = tbs.validity().not_after.to_date_time();
    assert_eq!(end.to_string(), "9999-12-31T23:59:59Z");
}

#[test]
fn issue_authority_key_identifier_is_the_issuers() {
    let chain = chain_of_three();
    let (leaf, middle) = (parsed(chain.leaf()), parsed(&chain.certificates[1]));
    let authority: AuthorityKeyIdentifier = extension(&leaf).unwrap();
    let subject: SubjectKeyIdentifier = extension(&middle).unwrap();
    assert_eq!(authority.key_identifier.unwrap(), subject.0);
    assert!(extension::<BasicConstraints>(&middle).unwrap().ca);
    assert!(extension::<KeyUsage>(&middle).unwrap().key_cert_sign());
}

#[test]
fn issue_with_validity_ends_then() {
    let key = make_private_key(KeyAlgorithm::Ed25519).unwrap();
    let mut request = request(&key, "web");
    request.valid_for = Some(Seconds(86_400));
    let chain = issue_certificate(&request, &CountingRng::default()).unwrap();
    let end = parsed(chain.leaf()).tbs_certificate().validity().not_after;
    assert_eq!(end.to_unix_duration().as_secs(), NOW.as_unix_s() + 86_400);
}

#[test]
fn chain_ends_with_whichever_of_its_certificates_ends_first() {
    let (authority_key, key) = (
        make_private_key(KeyAlgorithm::P256).unwrap(),
        make_private_key(KeyAlgorithm::P256).unwrap(),
    );
    for (authority_s, leaf_s) in [(86_400, 3_600), (3_600, 86_400)] {
        let mut asked = request(&authority_key, "authority");
        asked.authority = true;
        asked.valid_for = Some(Seconds(authority_s));
        let authority = issue_certificate(&asked, &CountingRng::default()).unwrap();
        let mut asked = request(&key, "leaf");
        asked.issuer = Some(&authority);
        asked.valid_for = Some(Seconds(leaf_s));
        let chain = issue_certificate(&asked, &CountingRng::default()).unwrap();
        assert_eq!(chain.ends(), Some(NOW.plus(Seconds(3_600))));
        assert_eq!(chain.not_after(), Some(NOW.plus(Seconds(leaf_s))));
    }
    let unreadable = CertificateChain {
        certificates: vec![vec![0]],
        private_key: None,
    };
    assert_eq!(unreadable.ends(), None);
}

#[test]
fn issue_rsa_leaf_may_transport_keys() {
    let key = make_private_key(KeyAlgorithm::Rsa2048).unwrap();
    let chain = issue_certificate(&request(&key, "web"), &CountingRng::default()).unwrap();
    assert!(
        extension::<KeyUsage>(&parsed(chain.leaf()))
            .unwrap()
            .key_encipherment()
    );
}

#[test]
fn issue_ip_address_is_written_as_one() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let mut request = request(&key, "web");
    let names = ["127.0.0.1".to_owned(), "::1".to_owned(), "web".to_owned()];
    request.dns = &names;
    let chain = issue_certificate(&request, &CountingRng::default()).unwrap();
    let names: SubjectAltName = extension(&parsed(chain.leaf())).unwrap();
    use x509_cert::ext::pkix::name::GeneralName;
    assert_matches!(&names.0[..], [GeneralName::IpAddress(v4), GeneralName::IpAddress(v6), GeneralName::DnsName(_)] => {
        assert_eq!((v4.as_bytes().len(), v6.as_bytes().len()), (4, 16));
    });
}

#[test]
fn issue_by_issuer_that_cannot_is_refused() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let refused = |issuer: &CertificateChain| {
        let mut request = request(&key, "web");
        request.issuer = Some(issuer);
        issue_certificate(&request, &CountingRng::default()).unwrap_err()
    };
    let mut chain = chain_of_three();
    assert_eq!(refused(&chain), MakeError::IssuerNotAuthority);
    chain.private_key = Some(make_private_key(KeyAlgorithm::P256).unwrap());
    assert_eq!(refused(&chain), MakeError::IssuerUnreadable);
    chain.private_key = None;
    assert_eq!(refused(&chain), MakeError::IssuerKeyAbsent);
}

#[test]
fn issue_names_that_cannot_be_written_are_refused() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let refused = |name: &str, dns: &[String]| {
        let mut request = request(&key, name);
        request.dns = dns;
        issue_certificate(&request, &CountingRng::default()).unwrap_err()
    };
    let found_characters = 65;
    assert_eq!(
        refused(&"x".repeat(65), &[]),
        MakeError::CommonName { found_characters }
    );
    let found_characters = 0;
    assert_eq!(refused("", &[]), MakeError::CommonName { found_characters });
    let names = ["ok".to_owned(), "kaffee-ä".to_owned()];
    assert_eq!(
        refused("web", &names),
        MakeError::AlternativeName { position: 2 }
    );
}

#[test]
fn issue_without_randomness_or_key_is_refused() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let refused = issue_certificate(&request(&key, "web"), &BrokenRng).unwrap_err();
    assert_matches!(refused, MakeError::Rng(RngError));
    let no_key = Secret::new(vec![0x30, 0]);
    let refused = issue_certificate(&request(&no_key, "web"), &BrokenRng).unwrap_err();
    assert_eq!(refused, MakeError::SubjectKey);
}

/// A directory that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("casque-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// Each type of keys in every place of the chain, and each under another.
fn chains_of_each_algorithm() -> Vec<CertificateChain> {
    let mut algorithms = ALGORITHMS;
    let mut chains = Vec::new();
    for algorithm in ALGORITHMS {
        algorithms.rotate_left(1);
        let [middle, leaf, ..] = algorithms;
        chains.push(chain_of([algorithm; 3]));
        chains.push(chain_of([algorithm, middle, leaf]));
    }
    chains
}

#[test]
fn issue_chain_of_each_type_of_keys_is_verified_by_openssl() {
    let scratch = Scratch::new("issue-chain");
    for chain in chains_of_each_algorithm() {
        let [leaf, middle, root] = [0, 1, 2].map(|i| {
            let text = pem(CERTIFICATE, &chain.certificates[i]);
            scratch.write(&format!("{i}.pem"), &text)
        });
        let verify = |expected: [&str; 2]| {
            let mut arguments = vec!["verify", "-x509_strict", "-attime", "1795000000"];
            arguments.extend(["-purpose", "sslserver"]);
            arguments.extend(expected);
            arguments.extend(["-CAfile", &root, "-untrusted", &middle, &leaf]);
            openssl(&arguments, b"")
        };
        for (expected, is_named) in [
            (["-verify_hostname", "leaf.example"], true),
            (["-verify_hostname", "any.leaf.example"], true),
            (["-verify_hostname", "one.two.leaf.example"], false),
            (["-verify_ip", "192.0.2.7"], true),
            (["-verify_ip", "2001:db8::7"], true),
            (["-verify_ip", "192.0.2.8"], false),
        ] {
            let Some((succeeded, text)) = verify(expected) else {
                return;
            };
            assert_eq!(succeeded, is_named, "{expected:?}: {text}");
        }
    }
}

#[test]
fn issue_chain_without_its_middle_is_not_verified_by_openssl() {
    let scratch = Scratch::new("issue-gap");
    let chain = chain_of_three();
    let [leaf, root] = [0, 2].map(|i| {
        let text = pem(CERTIFICATE, &chain.certificates[i]);
        scratch.write(&format!("{i}.pem"), &text)
    });
    let arguments = ["verify", "-no_check_time", "-CAfile", &root, &leaf];
    let Some((succeeded, text)) = openssl(&arguments, b"") else {
        return;
    };
    assert!(!succeeded, "{text}");
}

#[test]
fn issue_dates_are_read_from_the_chain() {
    let key = make_private_key(KeyAlgorithm::P256).unwrap();
    let mut request = request(&key, "web");
    request.valid_for = Some(Seconds(86_400));
    let chain = issue_certificate(&request, &CountingRng::default()).unwrap();
    assert_eq!(chain.not_before(), Some(NOW.minus(CLOCK_DIFFERENCE)));
    assert_eq!(chain.not_after(), Some(NOW.plus(Seconds(86_400))));
    request.valid_for = None;
    let chain = issue_certificate(&request, &CountingRng::default()).unwrap();
    assert_eq!(chain.not_after(), Some(END_OF_TIME));
    let mut cut = chain;
    cut.certificates[0].pop();
    assert_eq!((cut.not_before(), cut.not_after()), (None, None));
    cut.certificates.clear();
    assert_eq!((cut.not_before(), cut.not_after()), (None, None));
}

#[test]
fn issue_self_signed_leaf_is_verified_by_openssl() {
    let key = make_private_key(KeyAlgorithm::P384).unwrap();
    let chain = issue_certificate(&request(&key, "web"), &CountingRng::default()).unwrap();
    assert_eq!(chain.certificates.len(), 1);
    let scratch = Scratch::new("issue-self");
    let web = scratch.write("web.pem", &pem(CERTIFICATE, chain.leaf()));
    let arguments = ["verify", "-attime", "1795000000", "-CAfile", &web, &web];
    let Some((succeeded, text)) = openssl(&arguments, b"") else {
        return;
    };
    assert!(succeeded, "{text}");
}

#[test]
fn issue_under_openssl_authority_with_long_name_is_verified_by_openssl() {
    let scratch = Scratch::new("issue-foreign");
    let key = scratch.0.join("key.pem").to_str().unwrap().to_owned();
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        &key,
        "-days",
        "20000",
        "-subj",
        "/C=DE/O=Some Org/OU=Unit/CN=Foreign Root",
        "-addext",
        "keyUsage=critical,keyCertSign",
    ];
    let Some((true, root)) = openssl(&arguments, b"") else {
        return;
    };
    let both = std::fs::read_to_string(&key).unwrap() + &root;
    let read = crate::SecretValue::from_given(
        casque_types::SecretKind::X509Ca,
        &crate::testing::secret(&both),
    );
    assert_matches!(read, Ok(crate::SecretValue::X509Ca(authority)) => {
        let key = make_private_key(KeyAlgorithm::P256).unwrap();
        let mut request = request(&key, "web");
        request.issuer = Some(&authority);
        let chain = issue_certificate(&request, &CountingRng::default()).unwrap();
        let root = scratch.write("root.pem", &pem(CERTIFICATE, &chain.certificates[1]));
        let leaf = scratch.write("leaf.pem", &pem(CERTIFICATE, chain.leaf()));
        let arguments = ["verify", "-x509_strict", "-no_check_time", "-CAfile", &root, &leaf];
        let (succeeded, text) = openssl(&arguments, b"").unwrap();
        assert!(succeeded, "{text}");
    });
}

#[test]
fn issue_under_authority_whose_name_repeats_a_part_is_refused() {
    let scratch = Scratch::new("issue-repeats");
    let key = scratch.0.join("key.pem").to_str().unwrap().to_owned();
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &key,
        "-subj",
        "/OU=One/OU=Two/CN=Root",
    ];
    let Some((true, root)) = openssl(&arguments, b"") else {
        return;
    };
    let both = std::fs::read_to_string(&key).unwrap() + &root;
    let read = crate::SecretValue::from_given(
        casque_types::SecretKind::X509Ca,
        &crate::testing::secret(&both),
    );
    assert_matches!(read, Ok(crate::SecretValue::X509Ca(authority)) => {
        let key = make_private_key(KeyAlgorithm::P256).unwrap();
        let mut request = request(&key, "web");
        request.issuer = Some(&authority);
        let refused = issue_certificate(&request, &CountingRng::default()).unwrap_err();
        assert_eq!(refused, MakeError::IssuerName);
    });
}
