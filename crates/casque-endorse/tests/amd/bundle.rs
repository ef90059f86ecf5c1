//! A bundle in place of the network.

use std::fs;
use std::path::{Path, PathBuf};

use assert_matches::assert_matches;
use casque_appraise::AmdEndorsements;
use casque_endorse::{
    BundleError, EndorserSettings, EndorserSetupError, Endorsers, Network, bundle_file,
    read_bundle, write_bundle_directory,
};
use casque_types::Seconds;
use tempfile::TempDir;

use crate::support::{
    A_DAY, AN_HOUR, DATES, Dates, NOW, World, anchors, documents, documents_of, id, id_of, papers,
    settings,
};

fn offline(bundle: PathBuf) -> EndorserSettings {
    EndorserSettings {
        bundle: Some(bundle),
        network: Network::Offline,
        ..EndorserSettings::default()
    }
}

#[tokio::test]
async fn bundle_in_either_form_is_enough_without_a_network() {
    let directory = TempDir::new().unwrap();
    let documents = documents().await;
    let (file, folder) = (
        directory.path().join("bundle.json"),
        directory.path().join("bundle"),
    );
    fs::write(&file, bundle_file(&documents)).unwrap();
    write_bundle_directory(&folder, &documents).unwrap();
    for bundle in [file, folder] {
        let source = Endorsers::new(&offline(bundle.clone()), &anchors()).unwrap();
        let endorsements = source.amd(&id(), NOW).await.unwrap();
        assert_eq!(endorsements.chain.len(), 2);
        assert_matches!(
            *endorsements,
            AmdEndorsements {
                vcek: Some(_),
                crl: Some(_),
                ..
            }
        );
        let failure = source.amd(&id_of(1), NOW).await.unwrap_err();
        assert_eq!(failure.code, "endorser-bundle-lacks");
        assert!(
            failure.what.contains(&bundle.display().to_string()),
            "{failure}"
        );
        assert!(!failure.retryable);
    }
}

#[tokio::test]
async fn bundle_has_the_same_bytes_for_the_same_documents() {
    let mut documents = documents().await;
    let bytes = bundle_file(&documents);
    documents.reverse();
    documents.push(documents[0].clone());
    assert!(bytes == bundle_file(&documents));
}

#[tokio::test]
async fn bundle_is_used_before_the_network() {
    let world = World::new().await;
    let bundle = world.cache.path().join("bundle");
    write_bundle_directory(&bundle, &documents().await).unwrap();
    let settings = EndorserSettings {
        bundle: Some(bundle),
        ..settings(&world.service.address, world.cache.path())
    };
    let source = Endorsers::new(&settings, &anchors()).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    assert_eq!(world.service.asked("/"), 0);
    // What it lacks, and what has had its day, comes from there.
    assert_matches!(source.amd(&id_of(1), NOW).await, Ok(_));
    assert_eq!(world.service.asked("/"), 1);
}

#[tokio::test]
async fn bundle_past_its_life_is_refused_with_file_and_date() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("bundle");
    write_bundle_directory(&folder, &documents().await).unwrap();
    let source = Endorsers::new(&offline(folder.clone()), &anchors()).unwrap();
    let late = DATES.crl_until.plus(Seconds(1));
    let failure = source.amd(&id(), late).await.unwrap_err();
    assert_eq!(failure.code, "endorser-bundle-expired");
    let file = folder.join("amd-crl-milan-vcek.crl");
    assert!(
        failure.what.contains(&file.display().to_string()),
        "{failure}"
    );
    assert!(
        failure.what.contains(&DATES.crl_until.to_string()),
        "{failure}"
    );
    let source = Endorsers::new(&offline(folder), &anchors()).unwrap();
    let failure = source
        .amd(&id(), NOW.minus(A_DAY).minus(A_DAY))
        .await
        .unwrap_err();
    assert_eq!(failure.code, "endorser-bundle-not-yet-valid");
}

#[tokio::test]
async fn bundle_that_is_replaced_is_read_again() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("bundle.json");
    let old = Dates {
        crl_until: NOW.plus(AN_HOUR),
        ..DATES
    };
    fs::write(&file, bundle_file(&documents_of(papers(old)).await)).unwrap();
    let source = Endorsers::new(&offline(file.clone()), &anchors()).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    let late = NOW.plus(A_DAY);
    assert_matches!(source.amd(&id(), late).await, Err(_));
    let mut documents = documents().await;
    documents.pop();
    fs::write(&file, bundle_file(&documents)).unwrap();
    assert_matches!(source.amd(&id(), late.plus(AN_HOUR)).await, Ok(_));
}

type Bend = fn(&Path);

fn replace_in(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

const BENDS: [(&str, Bend); 9] = [
    ("the digest that `sha256` says", |folder| {
        fs::write(folder.join("amd-crl-milan-vcek.crl"), "x").unwrap();
    }),
    ("`version` 1", |folder| {
        replace_in(
            &folder.join("manifest.json"),
            "\"version\": 1",
            "\"version\": 2",
        );
    }),
    ("JSON with `version` and `documents`", |folder| {
        replace_in(&folder.join("manifest.json"), "\"kind\"", "\"kin\"");
    }),
    ("`kind` and `id` of a document", |folder| {
        replace_in(&folder.join("manifest.json"), "milan-vcek", "monza-vcek");
    }),
    ("the dates that the document itself states", |folder| {
        replace_in(
            &folder.join("manifest.json"),
            "\"not_after\": \"202",
            "\"not_after\": \"203",
        );
    }),
    ("a document as its `kind` and `id` say", |folder| {
        replace_in(
            &folder.join("manifest.json"),
            "\"amd-chain\"",
            "\"amd-crl\"",
        );
    }),
    ("the name of a file in the same directory", |folder| {
        replace_in(
            &folder.join("manifest.json"),
            "\"file\": \"",
            "\"file\": \"../",
        );
    }),
    ("`content`", |folder| {
        replace_in(
            &folder.join("manifest.json"),
            "\"file\": \"amd-chain-milan-vcek.pem\"",
            "\"file\": null",
        );
    }),
    ("at most 4096 documents", |folder| {
        let text = fs::read_to_string(folder.join("manifest.json")).unwrap();
        let (begin, rest) = text.split_once('[').unwrap();
        let (entry, end) = rest.split_once("},").unwrap();
        let many = format!(
            "{begin}[{}{entry}}},{end}",
            format!("{entry}}},").repeat(4096)
        );
        fs::write(folder.join("manifest.json"), many).unwrap();
    }),
];
#[tokio::test]
async fn bundle_bent_in_one_place_is_refused_when_it_is_set_up() {
    let documents = documents().await;
    for (expected, bend) in BENDS {
        let directory = TempDir::new().unwrap();
        write_bundle_directory(directory.path(), &documents).unwrap();
        assert_matches!(read_bundle(directory.path()), Ok(all) if all.len() == 3);
        bend(directory.path());
        assert_matches!(
            Endorsers::new(&offline(directory.path().to_owned()), &anchors()),
            Err(EndorserSetupError::Bundle(BundleError::Malformed { expected: found, .. }))
                if found.contains(expected),
            "{expected}"
        );
    }
}

#[tokio::test]
async fn bundle_that_is_absent_unreadable_or_too_long_is_refused() {
    let directory = TempDir::new().unwrap();
    let absent = directory.path().join("absent.json");
    assert_matches!(
        Endorsers::new(&offline(absent), &anchors()),
        Err(EndorserSetupError::Bundle(BundleError::Read {
            kind: std::io::ErrorKind::NotFound,
            ..
        }))
    );
    write_bundle_directory(directory.path(), &documents().await).unwrap();
    let long = fs::File::create(directory.path().join("amd-crl-milan-vcek.crl")).unwrap();
    long.set_len(9 * 1024 * 1024).unwrap();
    assert_matches!(
        read_bundle(directory.path()),
        Err(BundleError::TooLong { .. })
    );
}

#[tokio::test]
async fn bundle_that_goes_away_is_told() {
    let directory = TempDir::new().unwrap();
    write_bundle_directory(directory.path(), &documents().await).unwrap();
    let source = Endorsers::new(&offline(directory.path().to_owned()), &anchors()).unwrap();
    fs::remove_file(directory.path().join("manifest.json")).unwrap();
    let failure = source.amd(&id(), NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-bundle-damaged");
    assert!(failure.what.contains("manifest.json"), "{failure}");
}
