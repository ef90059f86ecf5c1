//! What is served, fetched, refused, and how patiently.

use std::fs;
use std::sync::Arc;

use assert_matches::assert_matches;
use casque_appraise::{
    Appraiser, Endorsements, Evidence, Identity, IntelEndorsementsId, IntelTee, PckAuthority,
    SgxQuote,
};
use casque_core::{SourceFailure, SourceKind};
use casque_testkit::sgx::{EndorsementSpec, SgxPlatform, SoftwareTee};
use casque_types::{MrEnclave, MrSigner, Seconds, SgxIdentity};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::*;

/// The code with which a bent service's answers are refused.
async fn refusal(bend: impl FnOnce(&mut Answers)) -> SourceFailure {
    let world = World::new().await;
    world.service.bend(bend);
    world.get(NOW).await.unwrap_err()
}

// ---- what is served ----

#[tokio::test]
async fn endorsements_fetched_verify_a_quote_of_their_platform() {
    let world = World::new().await;
    let endorsements = world.get(NOW).await.unwrap();
    let identity = SgxIdentity {
        mr_enclave: MrEnclave::from([1; 32]),
        mr_signer: MrSigner::from([2; 32]),
        product_id: 3,
        svn: 4,
        debug: false,
    };
    let quote = world.tee.quote(&identity, &[5; 64]).unwrap();
    let quote = SgxQuote::parse(&quote).unwrap();
    assert_eq!(quote.endorsements_id(), Ok(world.tee.endorsements_id()));
    let endorsements = Endorsements {
        intel: Some(endorsements),
        amd: None,
    };
    let appraiser = Appraiser::new(anchors(&world.tee));
    let verdict = appraiser.verify(&Evidence::Sgx(quote), &endorsements, NOW);
    assert_eq!(*verdict.unwrap().identity(), Identity::Sgx(identity));
}

#[tokio::test]
async fn endorsements_are_asked_for_by_family_and_authority() {
    let platform = SgxPlatform {
        authority: PckAuthority::Platform,
        fmspc: [0x00, 0xa0, 0x67, 0x11, 0, 0],
        ..SgxPlatform::default()
    };
    let tee = SoftwareTee::generate_platform(platform, NOW).unwrap();
    let service = Service::start(&tee, &EndorsementSpec::valid_at(NOW)).await;
    let cache = TempDir::new().unwrap();
    let source = source(&tee, &service.address, cache.path());
    assert_matches!(source.intel(tee.endorsements_id(), NOW).await, Ok(_));
    let mut asked = service.answers.lock().unwrap().asked.clone();
    asked.sort();
    assert_eq!(
        asked,
        [
            "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
            "/sgx/certification/v4/qe/identity",
            "/sgx/certification/v4/rootcacrl",
            "/sgx/certification/v4/tcb?fmspc=00A067110000",
        ]
    );
}

#[tokio::test]
async fn endorsements_of_an_older_pccs_are_read() {
    let world = World::new().await;
    let expected = world.tee.pcs_documents(&EndorsementSpec::valid_at(NOW));
    let expected = expected.unwrap();
    world.service.bend(|it| {
        it.tcb.headers[0].0 = "SGX-TCB-Info-Issuer-Chain";
        for answer in [&mut it.pck_crl, &mut it.root_crl] {
            let digits: String = answer.body.iter().map(|b| format!("{b:02x}")).collect();
            answer.body = digits.into_bytes();
        }
    });
    let endorsements = world.get(NOW).await.unwrap();
    assert_eq!(
        endorsements.tcb_info_issuer_chain,
        expected.tcb_info_issuer_chain
    );
    assert_matches!(endorsements.validity(), Ok(_));
}

#[tokio::test]
async fn endorsements_fetched_once_are_served_from_memory() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    let second = world.get(NOW.plus(Seconds(3600))).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_asked_for_by_many_at_once_are_fetched_once() {
    let world = World::new().await;
    let get = || world.get(NOW);
    let all = tokio::join!(get(), get(), get(), get(), get(), get());
    assert_matches!(all, (Ok(_), Ok(_), Ok(_), Ok(_), Ok(_), Ok(_)));
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_outlive_a_restart_on_disk() {
    let world = World::new().await;
    let before = world.get(NOW).await.unwrap();
    world.service.bend(|it| it.all(500));
    let world = world.restarted();
    let after = world.get(NOW).await.unwrap();
    assert!(*before == *after);
    assert_eq!(world.service.fetches(), 1);
}

#[tokio::test]
async fn endorsements_are_fetched_again_after_a_day() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    let second = world.get(NOW.plus(A_DAY)).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn endorsements_in_force_are_served_while_the_service_is_down() {
    let world = World::new().await;
    let first = world.get(NOW).await.unwrap();
    world.service.bend(|it| it.all(500));
    let second = world.get(NOW.plus(A_DAY)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn endorsements_past_their_life_are_never_served() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.crl_next_update = NOW.plus(Seconds(600));
    let world = World::with(spec).await;
    assert_matches!(world.get(NOW.plus(Seconds(600))).await, Ok(_));
    world.service.bend(|it| it.all(500));
    let late = NOW.plus(Seconds(601));
    assert_matches!(world.get(late).await, Err(failure) if failure.code == "endorser-refused");
    let world = world.restarted();
    assert_matches!(world.get(late).await, Err(failure) if failure.code == "endorser-refused");
}

#[tokio::test]
async fn cache_file_damaged_is_replaced() {
    for content in ["", "{}", "[]", "\u{0}", r#"{"version":1}"#] {
        let world = World::new().await;
        assert_matches!(world.get(NOW).await, Ok(_));
        fs::write(world.cached_file(), content).unwrap();
        let world = world.restarted();
        assert_matches!(world.get(NOW).await, Ok(_));
        assert_eq!(world.service.fetches(), 2);
        let replaced = fs::read(world.cached_file()).unwrap();
        assert!(replaced.len() > 1000);
    }
}

#[tokio::test]
async fn cache_file_of_another_platform_is_not_used() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    let file = world.cached_file();
    let text = fs::read_to_string(&file).unwrap();
    let fmspc = "00434153510";
    assert!(text.contains(fmspc), "{text:.300}");
    fs::write(&file, text.replace(fmspc, "00434153511")).unwrap();
    let world = world.restarted();
    assert_matches!(world.get(NOW).await, Ok(_));
    assert_eq!(world.service.fetches(), 2);
}

// ---- what is refused ----

#[tokio::test]
async fn answers_bent_in_one_place_are_refused_by_code() {
    type Bend = fn(&mut Answers);
    let bends: [(&str, Bend); 18] = [
        ("endorser-refused", |it| it.tcb.status = 500),
        ("endorser-refused", |it| it.qe.status = 404),
        ("endorser-refused", |it| it.root_crl.status = 401),
        ("endorser-unknown-platform", |it| it.tcb.status = 404),
        ("endorser-throttled", |it| it.pck_crl.status = 429),
        ("endorser-malformed", |it| it.tcb.headers.clear()),
        ("endorser-malformed", |it| it.qe.headers.clear()),
        ("endorser-malformed", |it| it.pck_crl.headers.clear()),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1 = "%FF".to_owned();
        }),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1 = "x".to_owned();
        }),
        ("endorser-malformed", |it| {
            it.tcb.headers[0].1.push_str(&"A".repeat(16 * 1024));
        }),
        ("endorser-malformed", |it| it.tcb.body.push(b'}')),
        ("endorser-malformed", |it| it.qe.body.clear()),
        ("endorser-malformed", |it| it.qe.body = it.tcb.body.clone()),
        ("endorser-malformed", |it| it.pck_crl.body.truncate(30)),
        ("endorser-malformed", |it| it.root_crl.body = b"zz".to_vec()),
        ("endorser-malformed", |it| {
            it.root_crl.body = vec![b'0'; 1024 * 1024 + 1];
        }),
        ("endorser-malformed", |it| {
            it.tcb.body = br#"{"tcbInfo":{},"signature":"x"}"#.to_vec();
        }),
    ];
    for (number, (code, bend)) in bends.into_iter().enumerate() {
        let failure = refusal(bend).await;
        assert_eq!(failure.code, code, "{number}: {failure}");
        assert_eq!(failure.source_kind, SourceKind::Endorser);
        assert!(failure.what.contains("http://127.0.0.1:"), "{failure}");
        assert!(!failure.mend.is_empty());
    }
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let failure = refusal(|it| {
        it.tcb.status = 302;
        let elsewhere = "/sgx/certification/v4/qe/identity".to_owned();
        it.tcb.headers.push(("location", elsewhere));
    })
    .await;
    assert_eq!(failure.code, "endorser-refused");
}

#[tokio::test]
async fn endorsements_for_another_platform_are_refused() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.fmspc = Some([1, 2, 3, 4, 5, 6]);
    let failure = World::with(spec).await.get(NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-other-platform");
    assert!(failure.what.contains("found 010203040506"), "{failure}");
}

#[tokio::test]
async fn endorsements_served_past_their_life_are_refused_with_document_and_date() {
    let mut spec = EndorsementSpec::valid_at(NOW);
    spec.next_update = NOW.minus(Seconds(1));
    let failure = World::with(spec).await.get(NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-expired");
    assert!(failure.what.contains("TCB information"), "{failure}");
    let date = NOW.minus(Seconds(1)).to_string();
    assert!(failure.what.contains(&date), "{failure}");
}

#[tokio::test]
async fn endorsements_served_before_their_life_are_refused() {
    let world = World::new().await;
    let failure = world.get(NOW.minus(A_DAY)).await.unwrap_err();
    assert_eq!(failure.code, "endorser-not-yet-valid");
}

#[tokio::test]
async fn service_that_is_not_there_is_unreachable() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let source = source(&world.tee, &address, world.cache.path());
    let failure = source.intel(world.tee.endorsements_id(), NOW).await;
    assert_matches!(
        failure,
        Err(SourceFailure {
            code: "endorser-unreachable",
            retryable: true,
            ..
        })
    );
}

#[tokio::test]
async fn endorsements_changed_after_they_were_signed_are_refused_and_not_kept() {
    let mut tcb = EndorsementSpec::valid_at(NOW);
    tcb.tcb_info_changed = true;
    let mut qe = EndorsementSpec::valid_at(NOW);
    qe.qe_identity_changed = true;
    for (document, spec) in [("the TCB information", tcb), ("the QE identity", qe)] {
        let world = World::with(spec).await;
        let failure = world.get(NOW).await.unwrap_err();
        assert_eq!(failure.code, "endorser-not-authentic");
        assert!(failure.what.contains(document), "{failure}");
        assert!(failure.what.contains(&world.service.address), "{failure}");
        // Once the service is mended, nothing stands in the way.
        let mended = answers(&world.tee, &EndorsementSpec::valid_at(NOW));
        world.service.bend(|it| *it = mended);
        assert_matches!(world.get(NOW.plus(Seconds(10))).await, Ok(_));
    }
}

#[tokio::test]
async fn endorsements_under_another_root_are_refused() {
    let world = World::new().await;
    let other = SoftwareTee::generate(NOW).unwrap();
    let source = source(&other, &world.service.address, world.cache.path());
    let failure = source
        .intel(world.tee.endorsements_id(), NOW)
        .await
        .unwrap_err();
    assert_eq!(failure.code, "endorser-not-authentic");
    assert!(
        failure.what.contains("signature is not by the key of"),
        "{failure}"
    );
}

#[tokio::test]
async fn endorsements_of_another_root_on_disk_are_fetched_anew() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    let other = SoftwareTee::generate(NOW).unwrap();
    let answers = answers(&other, &EndorsementSpec::valid_at(NOW));
    world.service.bend(|it| *it = answers);
    let source = source(&other, &world.service.address, world.cache.path());
    assert_matches!(source.intel(world.tee.endorsements_id(), NOW).await, Ok(_));
    assert_eq!(world.service.fetches(), 1);
}

// ---- patience ----

#[tokio::test]
async fn failure_is_remembered_for_a_span_that_doubles() {
    let world = World::new().await;
    world.service.bend(|it| it.all(503));
    let asked_at = [0, 9, 10, 29, 30, 69, 70];
    let fetches = [1, 1, 2, 2, 3, 3, 4];
    for (after, expected) in asked_at.into_iter().zip(fetches) {
        let failure = world.get(NOW.plus(Seconds(after))).await.unwrap_err();
        assert_eq!(failure.code, "endorser-refused");
        assert!(failure.retryable);
        assert_eq!(world.service.fetches(), expected, "after {after} s");
    }
}

#[tokio::test]
async fn failure_says_how_long_it_is_remembered() {
    let world = World::new().await;
    world.service.bend(|it| it.all(503));
    let failure = world.get(NOW).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(10)));
    let failure = world.get(NOW.plus(Seconds(4))).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(6)));
}

#[tokio::test]
async fn throttled_source_waits_as_long_as_the_service_says() {
    let world = World::new().await;
    world.service.bend(|it| {
        it.all(429);
        for answer in [&mut it.tcb, &mut it.qe, &mut it.pck_crl, &mut it.root_crl] {
            answer.headers.push(("retry-after", "100".to_owned()));
        }
    });
    let failure = world.get(NOW).await.unwrap_err();
    assert_eq!(failure.retry_after, Some(Seconds(100)));
    assert_matches!(world.get(NOW.plus(Seconds(99))).await, Err(_));
    assert_eq!(world.service.fetches(), 1);
    assert_matches!(world.get(NOW.plus(Seconds(100))).await, Err(_));
    assert_eq!(world.service.fetches(), 2);
}

#[tokio::test]
async fn service_that_recovers_is_used_again() {
    let world = World::new().await;
    world.service.bend(|it| it.tcb.status = 503);
    assert_matches!(world.get(NOW).await, Err(_));
    world.service.bend(|it| it.tcb.status = 200);
    assert_matches!(world.get(NOW.plus(Seconds(10))).await, Ok(_));
}

#[tokio::test]
async fn families_that_failed_make_room_for_others() {
    let world = World::new().await;
    world.service.bend(|it| it.all(404));
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let id = IntelEndorsementsId {
            tee: IntelTee::Sgx,
            fmspc: [0xff, 0, 0, 0, high, low],
            authority: PckAuthority::Processor,
        };
        let failure = world.source.intel(id, NOW).await.unwrap_err();
        assert_ne!(failure.code, "endorser-throttled");
    }
}
