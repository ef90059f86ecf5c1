//! Documents past their life: which, in which file, and until when.

use std::path::{Path, PathBuf};

use casque_appraise::{Appraiser, EndorsementsId, Evidence, SnpEvidence};
use casque_core::{EndorsementSource as _, SourceFailure};
use casque_endorse::{
    Document, DocumentId, EndorserSettings, Endorsers, Network, bundle_file, read_documents,
    write_bundle_directory,
};
use casque_testkit::snp::{ReportSpec, SoftwareSnp, software_snp_identity};
use casque_types::{Seconds, SnpSigner, Timestamp};
use tempfile::TempDir;

use crate::support::{A_DAY, DATES, Dates, NOW, Papers, TEE, World, anchors, id, papers};

const SOON: Timestamp = NOW.plus(Seconds(600));
const LATE: Timestamp = NOW.plus(Seconds(601));

/// What ends soon, the kind of its document, and the dates that make it so.
const EACH: [(&str, &str, Dates); 2] = [
    (
        "AMD's revocation list",
        "amd-crl",
        Dates {
            crl_until: SOON,
            ..DATES
        },
    ),
    (
        "AMD's certificate",
        "amd-vcek",
        Dates {
            vcek_until: SOON,
            ..DATES
        },
    ),
];

fn expect_all(failure: &SourceFailure, document: &str, file: &Path) {
    for part in [
        format!("{document} in `{}` expired at {SOON}", file.display()),
        format!("now it is {LATE}"),
    ] {
        assert!(failure.what.contains(&part), "{part}: {failure}");
    }
}

fn documents_in(world: &World) -> Vec<Document> {
    let found = read_documents(world.cache.path()).unwrap();
    found.documents.into_iter().map(|it| it.document).collect()
}

fn offline(bundle: PathBuf) -> EndorserSettings {
    EndorserSettings {
        bundle: Some(bundle),
        network: Network::Offline,
        ..EndorserSettings::default()
    }
}

#[tokio::test]
async fn document_on_disk_past_its_life_is_told_with_file_and_date() {
    for (document, kind, dates) in EACH {
        let world = World::with(papers(dates)).await;
        assert!(world.get(SOON).await.is_ok(), "{document}");
        world.service.bend(|it| it.all(503));
        let all = DocumentId::of_amd(&id());
        let id = all.iter().find(|id| id.kind() == kind).unwrap();
        let file = format!("{kind}-{}.json", id.subject());
        let file = world.cache.path().join(file);
        let failure = world.get(LATE).await.unwrap_err();
        assert_eq!(failure.code, "endorser-refused");
        expect_all(&failure, document, &file);
        let world = world.restarted();
        expect_all(&world.get(LATE).await.unwrap_err(), document, &file);
    }
}

#[tokio::test]
async fn document_in_a_bundle_past_its_life_is_told_with_file_and_date() {
    for (document, kind, dates) in EACH {
        let world = World::with(papers(dates)).await;
        assert!(world.get(NOW).await.is_ok(), "{document}");
        let folder = TempDir::new().unwrap();
        write_bundle_directory(folder.path(), &documents_in(&world)).unwrap();
        let settings = offline(folder.path().to_owned());
        let source = Endorsers::new(&settings, &anchors()).unwrap();
        assert!(source.amd(&id(), SOON).await.is_ok(), "{document}");
        let failure = source.amd(&id(), LATE).await.unwrap_err();
        assert_eq!(failure.code, "endorser-bundle-expired");
        let names = std::fs::read_dir(folder.path()).unwrap();
        let mut files = names.map(|file| file.unwrap().path());
        let is_it = |file: &PathBuf| {
            file.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(kind)
        };
        expect_all(&failure, document, &files.find(is_it).unwrap());
    }
}

/// What AMD has of the software platform itself, whose reports can be judged.
fn papers_of_platform(tee: &SoftwareSnp) -> Papers {
    Papers {
        vcek: tee.certificate(SnpSigner::Vcek).to_vec(),
        ..papers(DATES)
    }
}

/// A server with a network, whose cache becomes the bundle of one without.
#[tokio::test]
async fn bundle_of_a_cache_is_enough_for_an_appraisal_without_a_network() {
    let world = World::with(papers_of_platform(&TEE)).await;
    let spec = ReportSpec::new(software_snp_identity([1; 48].into()), [5; 64]);
    let report = TEE.report(&spec).unwrap();
    let report = Evidence::Snp(SnpEvidence::parse(&report, None).unwrap());
    let needed = report.endorsements_id().unwrap().unwrap();
    let (appraiser, at) = (Appraiser::new(anchors()), NOW.plus(A_DAY));
    let live = world.source.endorsements(&needed, NOW).await.unwrap();
    assert!(appraiser.verify(&report, &live, NOW).is_ok());
    world.source.proved(&needed).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bundle.json");
    std::fs::write(&file, bundle_file(&documents_in(&world))).unwrap();
    let source = Endorsers::new(&offline(file), &anchors()).unwrap();
    let kept = source.endorsements(&needed, at).await.unwrap();
    let verdict = appraiser.verify(&report, &kept, at);
    assert!(verdict.is_ok(), "{verdict:?}");
    let other = EndorsementsId::Amd(id());
    let failure = source.endorsements(&other, at).await.unwrap_err();
    assert_eq!(failure.code, "endorser-bundle-lacks");
}
