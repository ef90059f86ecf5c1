//! What is fetched, kept, refused, and how patiently.

use std::fs;
use std::time::Duration;

use assert_matches::assert_matches;
use casque_appraise::{AmdEndorsementsId, EndorsementsId};
use casque_core::{EndorsementSource as _, SourceFailure, SourceKind};
use casque_endorse::{BundleError, DocumentId, EndorserSettings, Endorsers, Found, read_documents};
use casque_testkit::snp::{Authority, RevocationSpec, SoftwareSnp, VekFlaw, VekHolder, VekSpec};
use casque_types::{Seconds, SnpProduct, SnpSigner};
use tempfile::TempDir;

use crate::support::{
    A_DAY, AN_HOUR, Answers, DATES, Dates, NOW, Service, TEE, World, anchors, id, id_of, papers,
    papers_of, settings, vcek_id, vcek_of,
};

// ---- what is served ----

#[tokio::test]
async fn endorsements_are_asked_for_by_product_chip_and_level() {
    let world = World::new().await;
    let endorsements = world.get(NOW).await.unwrap();
    let expected = papers_of(&world);
    assert_eq!(endorsements.vcek, Some(expected.vcek));
    assert_eq!(endorsements.crl, Some(expected.crl));
    assert_eq!(endorsements.chain.len(), 2);
    let chip = "ab".repeat(64);
    let mut asked = world.service.answers.lock().unwrap().asked.clone();
    asked[..2].sort();
    assert_eq!(
        asked,
        [
            "/vcek/v1/Milan/cert_chain".to_owned(),
            "/vcek/v1/Milan/crl".to_owned(),
            format!("/vcek/v1/Milan/{chip}?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115"),
        ]
    );
}

#[tokio::test]
async fn endorsements_of_a_vlek_are_list_and_chain() {
    let world = World::new().await;
    let id = AmdEndorsementsId {
        product: SnpProduct::Milan,
        signer: SnpSigner::Vlek,
        vcek: None,
    };
    let endorsements = world
        .source
        .endorsements(&EndorsementsId::Amd(id), NOW)
        .await;
    assert_eq!(endorsements.unwrap().amd.unwrap().vcek, None);
    let mut asked = world.service.answers.lock().unwrap().asked.clone();
    asked.sort();
    assert_eq!(asked, ["/vlek/v1/Milan/cert_chain", "/vlek/v1/Milan/crl"]);
}

#[tokio::test]
async fn certificate_is_asked_for_once_ever() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    assert_matches!(world.get(NOW.plus(A_DAY)).await, Ok(_));
    let world = world.restarted();
    assert_matches!(world.get(NOW.plus(A_DAY).plus(A_DAY)).await, Ok(_));
    assert_eq!(world.service.asked("?blSPL"), 1);
    // Chain and list are refreshed each day.
    assert_eq!(world.service.asked("cert_chain"), 3);
    assert_eq!(world.service.asked("crl"), 3);
}

#[tokio::test]
async fn endorsements_asked_for_by_many_at_once_are_fetched_once() {
    let world = World::new().await;
    let get = || world.get(NOW);
    let all = tokio::join!(get(), get(), get(), get(), get(), get());
    assert_matches!(all, (Ok(_), Ok(_), Ok(_), Ok(_), Ok(_), Ok(_)));
    assert_eq!(world.service.asked("/"), 3);
}

#[tokio::test]
async fn endorsements_at_hand_are_served_while_the_service_is_down() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    world.service.bend(|it| it.all(500));
    assert_matches!(world.get(NOW.plus(A_DAY)).await, Ok(_));
    // The service is not there at all, and the server was started again.
    let cache = world.cache;
    drop(world.service);
    let settings = settings("http://127.0.0.1:9", cache.path());
    let source = Endorsers::new(&settings, &anchors()).unwrap();
    let endorsements = source
        .amd(&id(), NOW.plus(A_DAY).plus(A_DAY))
        .await
        .unwrap();
    assert_eq!(endorsements.chain.len(), 2);
    assert_matches!(
        source.amd(&id_of(1), NOW.plus(A_DAY)).await,
        Err(SourceFailure {
            code: "endorser-unreachable",
            source_kind: SourceKind::Amd,
            ..
        })
    );
}

#[tokio::test]
async fn list_past_its_life_is_never_served() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    world.service.bend(|it| it.all(500));
    assert_matches!(world.get(DATES.crl_until).await, Ok(_));
    let late = DATES.crl_until.plus(A_DAY);
    assert_matches!(world.get(late).await, Err(failure) if failure.code == "endorser-refused");
}

#[tokio::test]
async fn chain_that_cannot_be_had_is_left_out() {
    let world = World::new().await;
    world.service.bend(|it| it.chain_status = 404);
    let endorsements = world.get(NOW).await.unwrap();
    assert!(endorsements.chain.is_empty());
}

// ---- what is refused ----

#[tokio::test]
async fn answers_bent_in_one_place_are_refused_by_code() {
    type Bend = fn(&mut Answers);
    let bends: [(&str, &str, Bend); 9] = [
        ("endorser-refused", "status 500", |it| it.vcek_status = 500),
        (
            "endorser-unknown-platform",
            "the Milan processor abababababababab… at level bootloader 3",
            |it| {
                it.vcek_status = 404;
            },
        ),
        ("endorser-throttled", "status 429", |it| {
            it.vcek_status = 429
        }),
        ("endorser-refused", "status 404", |it| it.crl_status = 404),
        ("endorser-malformed", "a certificate in DER or PEM", |it| {
            it.papers.vcek.clear()
        }),
        ("endorser-malformed", "a certificate in DER", |it| {
            it.papers.vcek.truncate(40);
        }),
        ("endorser-malformed", "a certificate in DER", |it| {
            it.papers.vcek.push(0)
        }),
        ("endorser-malformed", "a revocation list in DER", |it| {
            it.papers.crl.clone_from(&it.papers.vcek);
        }),
        ("endorser-malformed", "more than 1048576 bytes", |it| {
            it.papers.crl = vec![0x30; 1024 * 1024 + 1];
        }),
    ];
    for (number, (code, what, bend)) in bends.into_iter().enumerate() {
        let world = World::new().await;
        world.service.bend(bend);
        let failure = world.get(NOW).await.unwrap_err();
        assert_eq!(failure.code, code, "{number}: {failure}");
        assert_eq!(failure.source_kind, SourceKind::Amd);
        assert!(failure.what.contains(what), "{number}: {failure}");
        assert!(!failure.mend.is_empty());
    }
}

#[tokio::test]
async fn documents_served_past_their_life_are_refused_with_the_date() {
    let until = NOW.minus(Seconds(1));
    for (dates, what) in [
        (
            Dates {
                vcek_until: until,
                ..DATES
            },
            "AMD's certificate from",
        ),
        (
            Dates {
                crl_until: until,
                ..DATES
            },
            "AMD's revocation list from",
        ),
    ] {
        let failure = World::with(papers(dates)).await.get(NOW).await.unwrap_err();
        assert_eq!(failure.code, "endorser-expired");
        assert!(failure.what.starts_with(what), "{failure}");
        assert!(failure.what.contains(&until.to_string()), "{failure}");
    }
}

#[tokio::test]
async fn documents_that_are_not_amds_are_refused_and_the_next_source_is_asked() {
    type Bend = fn(&mut Answers);
    let bends: [(&str, Bend); 4] = [
        (
            "`Casque SEV-VCEK`: its signature is not by the key of `Casque SEV-Milan`",
            |it| {
                let flaw = VekSpec {
                    tcb: vcek_id(0xab).tcb,
                    holder: VekHolder::Chip(vec![0xab; 64]),
                    ..VekSpec::vcek(TEE.platform(), NOW)
                };
                let flaw = flaw.with_flaw(VekFlaw::Signature);
                it.papers.vcek = TEE.issue_vek(&flaw).unwrap().certificate;
            },
        ),
        (
            "expected the certificate of the Milan processor and the level",
            |it| {
                it.papers.vcek = vcek_of(1, DATES.vcek_until);
            },
        ),
        (
            "`revocation list`: its signature is not by the key of `Casque ARK-Milan`",
            |it| {
                let forged = RevocationSpec {
                    forged: true,
                    ..RevocationSpec::empty(NOW)
                };
                it.papers.crl = TEE.revocation_list(&forged).unwrap();
            },
        ),
        (
            "`revocation list` is issued by `Casque SEV-Milan`, expected `Casque ARK-Milan`",
            |it| {
                let other = RevocationSpec {
                    signed_by: Authority::Ask,
                    ..RevocationSpec::empty(NOW)
                };
                it.papers.crl = TEE.revocation_list(&other).unwrap();
            },
        ),
    ];
    for (expected, bend) in bends {
        let world = World::new().await;
        world.service.bend(bend);
        let failure = world.get(NOW).await.unwrap_err();
        assert_eq!(
            failure.code, "endorser-not-authentic",
            "{expected}: {failure}"
        );
        assert!(failure.what.contains(expected), "{failure}");
        assert!(failure.what.contains(&world.service.address), "{failure}");
        let good = Service::start(papers(DATES)).await;
        let settings = EndorserSettings {
            amd: vec![world.service.address.clone(), good.address.clone()],
            ..settings(&good.address, world.cache.path())
        };
        let source = Endorsers::new(&settings, &anchors()).unwrap();
        assert_matches!(source.amd(&id(), NOW).await, Ok(_), "{expected}");
        assert_eq!(good.asked("/"), 1, "{expected}");
    }
}

#[tokio::test]
async fn chain_of_another_root_is_left_out() {
    let world = World::new().await;
    let other = SoftwareSnp::generate_apart(TEE.platform().clone(), NOW).unwrap();
    let pem = other.chain_pem(SnpSigner::Vcek);
    world.service.bend(|it| it.papers.chain_pem = pem);
    let endorsements = world.get(NOW).await.unwrap();
    assert!(endorsements.chain.is_empty());
}

// ---- patience ----

#[tokio::test]
async fn service_that_throttles_is_left_alone_by_all() {
    let world = World::new().await;
    world.service.bend(|it| {
        it.all(429);
        it.retry_after = Some(100);
    });
    let failure = world.get(NOW).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(100)));
    assert!(failure.retryable);
    world.service.bend(|it| it.all(200));
    let other = world
        .source
        .amd(&id_of(1), NOW.plus(Seconds(40)))
        .await
        .unwrap_err();
    assert_eq!(other.code, "endorser-throttled");
    assert_eq!(other.retry_after, Some(Seconds(60)));
    let list = DocumentId::parse("amd-crl", "genoa-vcek").unwrap();
    let other = world.source.document(&list, NOW.plus(Seconds(40))).await;
    let other = other.unwrap_err();
    assert_eq!(other.code, "endorser-throttled");
    assert!(
        other.what.contains("asked for fewer requests before"),
        "{other}"
    );
    // Chain and list are asked for at the same time; the answer to one may come before the other was sent.
    let asked = world.service.asked("/");
    assert!((1..=2).contains(&asked), "{asked}");
    assert_matches!(
        world.source.amd(&id_of(1), NOW.plus(Seconds(100))).await,
        Ok(_)
    );
}

#[tokio::test]
async fn requests_to_a_service_are_spaced() {
    let papers = papers(DATES);
    let service = Service::start(papers).await;
    let cache = TempDir::new().unwrap();
    let settings = EndorserSettings {
        amd_spacing: Duration::from_millis(40),
        ..settings(&service.address, cache.path())
    };
    let source = Endorsers::new(&settings, &anchors()).unwrap();
    let begun = tokio::time::Instant::now();
    let ids: Vec<AmdEndorsementsId> = (0..3).map(id_of).collect();
    let all = tokio::join!(
        source.amd(&ids[0], NOW),
        source.amd(&ids[1], NOW),
        source.amd(&ids[2], NOW)
    );
    assert_matches!(all, (Ok(_), Ok(_), Ok(_)));
    // Three certificates, a list, a chain: four spans between five requests.
    assert_eq!(service.asked("/"), 5);
    assert!(begun.elapsed() >= Duration::from_millis(160));
}

#[tokio::test]
async fn sources_are_asked_in_their_order_until_one_gives() {
    let stale = Dates {
        crl_until: NOW.minus(Seconds(1)),
        ..DATES
    };
    let (first, second) = (
        Service::start(papers(stale)).await,
        Service::start(papers(DATES)).await,
    );
    first.bend(|it| it.vcek_status = 404);
    let cache = TempDir::new().unwrap();
    let settings = EndorserSettings {
        amd: vec![first.address.clone(), second.address.clone()],
        ..settings(&first.address, cache.path())
    };
    let source = Endorsers::new(&settings, &anchors()).unwrap();
    let endorsements = source.amd(&id(), NOW).await.unwrap();
    assert_eq!(
        endorsements.crl.as_ref(),
        Some(&second.answers.lock().unwrap().papers.crl)
    );
    assert_eq!((first.asked("/"), second.asked("/")), (3, 2));
    second.bend(|it| it.all(500));
    let failure = source.amd(&id_of(1), NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-refused");
    let told = [
        first.address.as_str(),
        "does not know",
        "; then",
        second.address.as_str(),
        "500",
    ];
    assert!(
        told.iter().all(|part| failure.what.contains(part)),
        "{failure}"
    );
    assert!(failure.retryable);
}

// ---- disk ----

#[tokio::test]
async fn cache_that_cannot_be_written_does_no_harm() {
    let world = World::new().await;
    fs::remove_dir_all(world.cache.path()).unwrap();
    fs::write(world.cache.path(), "a file where the directory was").unwrap();
    assert_matches!(world.get(NOW).await, Ok(_));
    assert_matches!(world.get(NOW.plus(AN_HOUR)).await, Ok(_));
    assert_eq!(world.service.asked("/"), 3);
    fs::remove_file(world.cache.path()).unwrap();
}

#[tokio::test]
async fn cache_file_of_another_document_is_not_used() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    let file = |chip: &str| {
        let name = format!("amd-vcek-milan-{}-3.0.8.115.json", chip.repeat(64));
        world.cache.path().join(name)
    };
    fs::copy(file("ab"), file("01")).unwrap();
    assert_matches!(world.source.amd(&id_of(1), NOW).await, Ok(_));
    assert_eq!(world.service.asked("?blSPL"), 2);
}

#[tokio::test]
async fn cache_directory_can_be_read_as_a_whole() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    fs::write(world.cache.path().join("broken.json"), "{}").unwrap();
    let Found { documents, damaged } = read_documents(world.cache.path()).unwrap();
    let kinds: Vec<&str> = documents.iter().map(|it| it.document.id().kind()).collect();
    assert_eq!(kinds, ["amd-chain", "amd-crl", "amd-vcek"]);
    assert_matches!(damaged.as_slice(), [BundleError::Malformed { path, .. }] if path.ends_with("broken.json"));
}

// ---- setup ----

#[tokio::test]
async fn vendor_without_a_source_says_so() {
    let settings = EndorserSettings {
        amd: Vec::new(),
        ..EndorserSettings::default()
    };
    let failure = Endorsers::new(&settings, &anchors())
        .unwrap()
        .amd(&id(), NOW)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "endorser-no-source");
    assert!(failure.mend.contains("endorsements.amd"), "{failure}");
}
