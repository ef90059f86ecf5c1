use assert_matches::assert_matches;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use casque_attester::certificate_pem as pem_of;

use super::*;

/// As little as has a certificate's form, with `filling` in it.
fn der(filling: u8, count: usize) -> Vec<u8> {
    let inside = [
        of(SEQUENCE, &vec![filling; count]),
        of(SEQUENCE, &[5, 0]),
        of(BIT_STRING, &[0, 1]),
    ];
    of(SEQUENCE, &inside.concat())
}

fn of(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match length {
        [0, low @ ..0x80] => vec![low],
        [0, low] => vec![0x81, low],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag][..], &length, content].concat()
}

fn block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Vec<u8>, SettingsError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("certificates");
    std::fs::write(&path, bytes).unwrap();
    read_intermediates(&path)
}

fn found_in(bytes: impl AsRef<[u8]>) -> &'static str {
    match read(bytes) {
        Err(SettingsError::NoAkIntermediates { found, .. }) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn certificates_are_written_anew_and_the_text_around_them_is_left_out() {
    let (one, two) = (der(1, 3), der(2, 300));
    let text = format!(
        "subject=CN=one\n{}some secret\r\n{}behind",
        block("CERTIFICATE", &one),
        block("CERTIFICATE", &two).replace('\n', "\r\n"),
    );
    let written = read(text).unwrap();
    assert_eq!(written, [pem_of(&one), pem_of(&two)].concat());
    let lines = String::from_utf8(written).unwrap();
    assert!(lines.lines().all(|line| line.len() <= 64), "{lines}");
    assert!(
        !lines.contains("secret") && !lines.contains('\r'),
        "{lines}"
    );
}

#[test]
fn one_certificate_in_der_is_written_as_pem() {
    for count in [3, 0x7F - 4, 0x7F, 0x80, 0xFF, 0x100, 0x2000] {
        let one = der(7, count);
        assert_eq!(read(&one).unwrap(), pem_of(&one), "{count}");
    }
    assert_eq!(
        String::from_utf8(read(der(7, 3)).unwrap()).unwrap(),
        "-----BEGIN CERTIFICATE-----\nMA0wAwcHBzACBQADAgAB\n-----END CERTIFICATE-----\n"
    );
}

#[test]
fn certificate_of_a_public_key_infrastructure_is_read() {
    let platform = casque_testkit::snp::SoftwareSnp::generate(
        casque_types::SnpProduct::Milan,
        casque_types::Timestamp::from_unix_s(1_795_500_000),
    );
    let chain = platform.unwrap().chain_pem(casque_types::SnpSigner::Vcek);
    let written = String::from_utf8(read(&chain).unwrap()).unwrap();
    let text = |pem: &str| pem.split_whitespace().collect::<String>();
    assert_eq!(text(&written), text(&chain));
}

#[test]
fn up_to_four_certificates_are_taken() {
    let four = block("CERTIFICATE", &der(1, 3)).repeat(4);
    assert_eq!(read(&four).unwrap(), pem_of(&der(1, 3)).repeat(4));
    assert_eq!(
        found_in(block("CERTIFICATE", &der(1, 3)).repeat(5)),
        "more than 4"
    );
}

#[test]
fn file_without_certificates_is_refused() {
    for bytes in [
        &b""[..],
        b"\n",
        b"root:x:0:0:root:/root:/bin/bash\n",
        &[0xFF; 64],
    ] {
        assert_eq!(found_in(bytes), "none");
    }
}

#[test]
fn other_blocks_are_refused_beside_certificates_and_alone() {
    let certificate = block("CERTIFICATE", &der(1, 3));
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PUBLIC KEY",
        "X509 CRL",
        "PKCS7",
        "TRUSTED CERTIFICATE",
    ] {
        let other = block(label, &der(2, 3));
        let found = "PEM with a block that is no `CERTIFICATE`";
        for text in [
            other.clone(),
            format!("{certificate}{other}"),
            format!("{other}{certificate}"),
        ] {
            assert_eq!(found_in(text), found, "{label}");
        }
    }
}

#[test]
fn damaged_pem_is_refused() {
    let whole = block("CERTIFICATE", &der(1, 3));
    for text in [
        whole.replace("MA0", "MA?"),
        whole.replace("-----END", "-----EMD"),
        whole.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE---"),
    ] {
        assert_eq!(found_in(&text), "PEM that is damaged", "{text}");
    }
    // Begun twice, ended once.
    let twice = format!("-----BEGIN CERTIFICATE-----\n{whole}");
    assert_eq!(found_in(twice), "PEM with a block that is no `CERTIFICATE`");
}

#[test]
fn der_that_is_no_certificate_is_refused() {
    let good = der(1, 3);
    let behind = [&good[..], &[0]].concat();
    let cut = &good[..good.len() - 1];
    // The forms of PKCS #8, of an encrypted key, of PKCS #7, and a certificate with something behind inside.
    let key = of(SEQUENCE, &[2, 1, 0, 0x30, 0, 4, 1, 1]);
    let encrypted = of(SEQUENCE, &[0x30, 0, 4, 1, 1]);
    let pkcs7 = of(SEQUENCE, &[6, 1, 1, 0xA0, 0]);
    let more = of(SEQUENCE, &[&good[2..], &[5, 0]].concat());
    // Lengths that take more bytes than they need, and one without an end.
    let longer = [&[0x30, 0x81][..], &good[1..]].concat();
    let longest = [&[0x30, 0x82, 0][..], &good[1..]].concat();
    let endless = [&[0x30, 0x80][..], &good[2..], &[0, 0]].concat();
    for bytes in [
        &behind, cut, &key, &encrypted, &pkcs7, &more, &longer, &longest, &endless,
    ] {
        assert_eq!(found_in(bytes), "none", "{bytes:02x?}");
        let found = "a `CERTIFICATE` block without a certificate in it";
        assert_eq!(found_in(block("CERTIFICATE", bytes)), found, "{bytes:02x?}");
    }
}

#[test]
fn file_that_is_too_long_is_refused() {
    let certificate = block("CERTIFICATE", &der(1, 3));
    let room = MAX_BYTES - certificate.len();
    let longest = format!("{}{certificate}", "\n".repeat(room));
    assert_eq!(read(&longest).unwrap(), pem_of(&der(1, 3)));
    assert_eq!(found_in(format!("\n{longest}")), "more than 32768 bytes");
}

#[test]
fn file_that_is_not_there_is_named() {
    let path = Path::new("/nonexistent/certificates");
    assert_matches!(
        read_intermediates(path),
        Err(SettingsError::AkIntermediates { path: named, source })
            if named == path && source.kind() == io::ErrorKind::NotFound
    );
}

#[test]
fn refusal_names_the_file_what_it_should_hold_and_what_to_do() {
    let refused = SettingsError::NoAkIntermediates {
        path: "/etc/shadow".into(),
        found: "none",
    };
    assert_eq!(
        refused.to_string(),
        "expected 1 to 4 certificates in `/etc/shadow`, in PEM without other blocks or one in DER, of at most 32768 bytes together, found none: `--ak-intermediates` takes the authorities between the TPM's attestation key and Azure's root, which are where `caIssuers` of the key's certificate says"
    );
}
