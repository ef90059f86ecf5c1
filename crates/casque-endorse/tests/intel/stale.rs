//! Documents past their life: which, in which file, and until when.

use std::path::Path;
use std::sync::Arc;

use casque_appraise::IntelTee;
use casque_appraise::{Appraiser, Endorsements, EndorsementsId, Evidence, SgxQuote, TdxQuote};
use casque_core::EndorsementSource as _;
use casque_endorse::{
    Document, DocumentId, EndorserSettings, Endorsers, Network, bundle_file, read_documents,
    write_bundle_directory,
};
use casque_testkit::sgx::{EndorsementSpec, software_identity};
use casque_testkit::tdx::software_tdx_identity;
use casque_types::{MrEnclave, Seconds, Timestamp};
use tempfile::TempDir;

use crate::support::{A_DAY, Answers, NOW, World, anchors, answers};

const SOON: Timestamp = NOW.plus(Seconds(600));
const LATE: Timestamp = NOW.plus(Seconds(601));

fn soon() -> EndorsementSpec {
    EndorsementSpec {
        next_update: SOON,
        crl_next_update: SOON,
        ..EndorsementSpec::valid_at(NOW)
    }
}

type Take = fn(&mut Answers, Answers);

/// What ends soon, and what a service answers for it.
const EACH: [(&str, Take); 4] = [
    ("Intel's TCB information", |it, soon| it.tcb = soon.tcb),
    ("Intel's QE identity", |it, soon| it.qe = soon.qe),
    ("the revocation list of the PCK authority", |it, soon| {
        it.pck_crl = soon.pck_crl
    }),
    ("the revocation list of Intel's root", |it, soon| {
        it.root_crl = soon.root_crl
    }),
];

/// Whose documents are in force for long, but for one.
async fn world(take: Take) -> World {
    let world = World::new().await;
    let short = answers(&world.tee, &soon());
    world.service.bend(|it| take(it, short));
    world
}

fn expect_all(failure: &casque_core::SourceFailure, document: &str, file: &Path) {
    for part in [
        format!("{document} in `{}` expired at {SOON}", file.display()),
        format!("now it is {LATE}"),
    ] {
        assert!(failure.what.contains(&part), "{part}: {failure}");
    }
}

#[tokio::test]
async fn document_on_disk_past_its_life_is_told_with_file_and_date() {
    for (document, take) in EACH {
        let world = world(take).await;
        assert!(world.get(SOON).await.is_ok(), "{document}");
        world.service.bend(|it| it.all(503));
        let failure = world.get(LATE).await.unwrap_err();
        assert_eq!(failure.code, "endorser-refused");
        assert!(failure.retryable);
        expect_all(&failure, document, &world.cached_file());
        assert!(
            failure.what.contains("; then `http://127.0.0.1:"),
            "{failure}"
        );
        // What it was is remembered, and a restart finds it on disk.
        let again = world.get(LATE).await.unwrap_err();
        assert_eq!(again.what, failure.what);
        let world = world.restarted();
        expect_all(
            &world.get(LATE).await.unwrap_err(),
            document,
            &world.cached_file(),
        );
    }
}

#[tokio::test]
async fn document_in_memory_past_its_life_is_told_with_the_date() {
    let world = world(EACH[0].1).await;
    let settings = EndorserSettings {
        intel: vec![world.service.address.clone()],
        ..EndorserSettings::default()
    };
    let source = Endorsers::new(&settings, &anchors(&world.tee)).unwrap();
    let id = world.tee.endorsements_id();
    assert!(source.intel(id, NOW).await.is_ok());
    world.service.bend(|it| it.all(503));
    let failure = source.intel(id, LATE).await.unwrap_err();
    let told = format!("Intel's TCB information that was fetched before expired at {SOON}");
    assert!(failure.what.starts_with(&told), "{failure}");
}

#[tokio::test]
async fn document_in_a_bundle_past_its_life_is_told_with_file_and_date() {
    for (document, take) in EACH {
        let world = world(take).await;
        assert!(world.get(NOW).await.is_ok(), "{document}");
        let directory = TempDir::new().unwrap();
        let id = DocumentId::Intel(world.tee.endorsements_id());
        write_bundle_directory(directory.path(), &documents_in(&world)).unwrap();
        let source = Endorsers::new(&offline(directory.path()), &anchors(&world.tee)).unwrap();
        assert!(source.document(&id, SOON).await.is_ok());
        let failure = source.document(&id, LATE).await.unwrap_err();
        assert_eq!(failure.code, "endorser-bundle-expired");
        let file = format!("intel-{}.json", id.subject());
        expect_all(&failure, document, &directory.path().join(file));
    }
}

/// What its cache directory holds.
fn documents_in(world: &World) -> Vec<Document> {
    let found = read_documents(world.cache.path()).unwrap();
    found.documents.into_iter().map(|it| it.document).collect()
}

fn offline(bundle: &Path) -> EndorserSettings {
    EndorserSettings {
        bundle: Some(bundle.to_owned()),
        network: Network::Offline,
        ..EndorserSettings::default()
    }
}

/// A server with a network, whose cache becomes the bundle of one without.
#[tokio::test]
async fn bundle_of_a_cache_is_enough_for_an_appraisal_without_a_network() {
    for tee in [IntelTee::Sgx, IntelTee::Tdx] {
        let world = World::with(EndorsementSpec::valid_for(tee, NOW)).await;
        let (quote, id) = (evidence(&world, tee), world.tee.endorsements_id());
        let id = casque_appraise::IntelEndorsementsId { tee, ..id };
        assert_eq!(quote.endorsements_id(), Ok(Some(EndorsementsId::Intel(id))));
        assert!(world.source.intel(id, NOW).await.is_ok());
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("bundle.json");
        std::fs::write(&file, bundle_file(&documents_in(&world))).unwrap();
        let source = Endorsers::new(&offline(&file), &anchors(&world.tee)).unwrap();
        let at = NOW.plus(A_DAY);
        let endorsements = source.endorsements(&EndorsementsId::Intel(id), at).await;
        let verdict = judge(&world, &quote, &endorsements.unwrap(), at);
        assert!(verdict.is_ok(), "{verdict:?}");
        let nothing = Endorsements::default();
        assert!(judge(&world, &quote, &nothing, at).is_err());
    }
}

fn judge(
    world: &World,
    evidence: &Evidence,
    endorsements: &Endorsements,
    at: Timestamp,
) -> Result<(), casque_appraise::AppraiseError> {
    let appraiser = Arc::new(Appraiser::new(anchors(&world.tee)));
    appraiser.verify(evidence, endorsements, at).map(drop)
}

fn evidence(world: &World, tee: IntelTee) -> Evidence {
    match tee {
        IntelTee::Sgx => {
            let identity = software_identity(MrEnclave::from([1; 32]));
            let quote = world.tee.quote(&identity, &[5; 64]).unwrap();
            Evidence::Sgx(SgxQuote::parse(&quote).unwrap())
        }
        IntelTee::Tdx => {
            let identity = software_tdx_identity([7; 48]);
            let quote = world.tee.tdx_quote(&identity, &[5; 64]).unwrap();
            Evidence::Tdx(TdxQuote::parse(&quote).unwrap())
        }
    }
}
