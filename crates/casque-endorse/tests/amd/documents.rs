//! Documents and their names.

use std::fs;
use std::path::{Path, PathBuf};

use assert_matches::assert_matches;
use casque_appraise::TrustAnchors;
use casque_endorse::{
    Document, DocumentError, DocumentId, EndorserSettings, Endorsers, Network,
    write_bundle_directory,
};
use casque_types::Timestamp;
use tempfile::TempDir;

const SGX_FILE: &str = "sgx-dcap/phala-sgx_quote_collateral.json";
const TDX_FILE: &str = "tdx-dcap/collateral_50806f000000.dcap-qvl.json";

fn vectors() -> Option<PathBuf> {
    let vectors = std::env::var_os("CASQUE_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let vectors = vectors.join("evidence");
    if vectors.is_dir() {
        return Some(vectors);
    }
    println!("skipped: no vectors at {}", vectors.display());
    None
}

/// Real documents, where the vectors are at hand.
#[test]
fn documents_of_amd_and_intel_are_read_as_they_are() {
    let Some(vectors) = vectors() else { return };
    let chip = "ab".repeat(64);
    let vcek = format!("milan-{chip}-3.0.8.115");
    let (sgx, tdx) = ("sgx-00a067110000-platform", "tdx-50806f000000-platform");
    for (kind, subject, file, from_until) in [
        (
            "amd-vcek",
            vcek.as_str(),
            "snp/virtee-vcek_milan.der",
            "2023-04-03T19:23:43Z 2030-04-03T19:23:43Z",
        ),
        (
            "amd-vcek",
            vcek.as_str(),
            "snp/genoa_vcek.pem",
            "2026-02-05T02:05:07Z 2033-02-05T02:05:07Z",
        ),
        (
            "amd-chain",
            "milan-vcek",
            "snp/virtee-cert_chain_milan",
            "2020-10-22T18:24:20Z 2045-10-22T17:23:05Z",
        ),
        (
            "amd-chain",
            "turin-vcek",
            "snp/turin_ask_ark_asvk.pem",
            "2023-05-15T21:09:41Z 2048-05-15T20:03:12Z",
        ),
        (
            "intel",
            sgx,
            SGX_FILE,
            "2025-06-19T10:56:11Z 2025-07-19T10:01:18Z",
        ),
        (
            "intel",
            tdx,
            TDX_FILE,
            "2023-06-18T08:42:58Z 2023-07-08T07:24:59Z",
        ),
    ] {
        let id = DocumentId::parse(kind, subject).unwrap();
        let document = Document::from_bytes(id.clone(), &fs::read(vectors.join(file)).unwrap());
        let document = document.unwrap_or_else(|error| panic!("{file}: {error}"));
        let validity = document.validity();
        assert_eq!(
            format!("{} {}", validity.from, validity.until),
            from_until,
            "{file}"
        );
        assert_eq!(
            Document::from_bytes(id, &document.to_bytes()).as_ref(),
            Ok(&document)
        );
    }
}

#[test]
fn documents_of_another_tee_or_family_are_refused() {
    let Some(vectors) = vectors() else { return };
    for (subject, file, platform) in [
        ("tdx-00a067110000-platform", SGX_FILE, "SGX"),
        ("sgx-50806f000000-platform", TDX_FILE, "TDX"),
        ("tdx-50806f000001-platform", TDX_FILE, "50806F000000"),
    ] {
        let id = DocumentId::parse("intel", subject).unwrap();
        assert_matches!(
            Document::from_bytes(id, &fs::read(vectors.join(file)).unwrap()),
            Err(DocumentError::OtherPlatform { found, .. }) if found == platform
        );
    }
}

#[test]
fn ids_are_read_as_they_are_written_and_no_other_way() {
    let turin = format!("turin-{}-1.3.0.8.115", "0c".repeat(8));
    for (kind, subject) in [
        ("intel", "sgx-00906ed50000-processor"),
        ("intel", "tdx-00806f050000-platform"),
        ("amd-vcek", turin.as_str()),
        ("amd-chain", "genoa-vlek"),
        ("amd-crl", "milan-vcek"),
    ] {
        let id = DocumentId::parse(kind, subject).unwrap();
        assert_eq!((id.kind(), id.subject().as_str()), (kind, subject));
    }
    let upper = turin.to_ascii_uppercase();
    for (kind, subject) in [
        ("intel", "sgx-00906ED50000-processor"),
        ("intel", "sgx-00906ed500-processor"),
        ("intel", "sev-00906ed50000-processor"),
        ("intel", "sgx-00906ed50000-root"),
        ("amd-vcek", upper.as_str()),
        ("amd-vcek", "turin-0c-1.3.0.8.115"),
        ("amd-vcek", "turin-0c0c0c0c0c0c0c0c-3.0.8"),
        ("amd-vcek", "turin-0c0c0c0c0c0c0c0c-03.0.8.115"),
        ("amd-vcek", "turin-0c0c0c0c0c0c0c0c-3.0.8.256"),
        ("amd-crl", "milan"),
        ("amd-crl", "rome-vcek"),
        ("amd-crl", "milan-ark"),
        ("nvidia", "milan-vcek"),
    ] {
        assert_eq!(DocumentId::parse(kind, subject), None, "{kind} {subject}");
    }
}

/// Under the vendors' own roots.
#[tokio::test]
async fn documents_of_amd_and_intel_verify_as_they_come() {
    let Some(vectors) = vectors() else { return };
    let documents = [
        ("intel", "sgx-00a067110000-platform", SGX_FILE),
        ("amd-chain", "milan-vcek", "snp/virtee-cert_chain_milan"),
        ("amd-chain", "turin-vcek", "snp/turin_ask_ark_asvk.pem"),
    ]
    .map(|(kind, subject, file)| {
        let id = DocumentId::parse(kind, subject).unwrap();
        Document::from_bytes(id, &fs::read(vectors.join(file)).unwrap()).unwrap()
    });
    let directory = TempDir::new().unwrap();
    write_bundle_directory(directory.path(), &documents).unwrap();
    let settings = EndorserSettings {
        bundle: Some(directory.path().to_owned()),
        network: Network::Offline,
        ..EndorserSettings::default()
    };
    let endorsers = Endorsers::new(&settings, &TrustAnchors::vendors()).unwrap();
    // 2025-07-01
    let then = Timestamp::from_unix_s(1_751_328_000);
    for document in &documents {
        let found = endorsers.document(document.id(), then).await;
        assert_eq!(found.as_deref(), Ok(document));
    }
    let late = endorsers
        .document(documents[0].id(), Timestamp::from_unix_s(1_795_500_000))
        .await;
    assert_matches!(
        late,
        Err(failure) if failure.code == "endorser-bundle-expired" && failure.what.contains("2025-07-19T10:01:18Z")
    );
}
