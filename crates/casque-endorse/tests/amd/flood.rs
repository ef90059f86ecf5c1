//! Reports with ids that somebody made up, in any number.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use assert_matches::assert_matches;
use casque_appraise::EndorsementsId;
use casque_core::EndorsementSource as _;
use casque_endorse::{DocumentId, EndorserSettings, Endorsers};
use casque_types::Seconds;
use tempfile::TempDir;

use crate::support::{
    A_DAY, DATES, NOW, Service, World, anchors, at_once, id, id_of, papers, settings, until,
};

const REMEMBERED: usize = 1024;
const KEPT: usize = 4096;

/// Of a processor that nobody has.
fn made_up(number: u32) -> DocumentId {
    let chip = format!("{}{number:08x}", "ee".repeat(60));
    DocumentId::parse("amd-vcek", &format!("milan-{chip}-3.0.8.115")).unwrap()
}

#[tokio::test]
async fn strangers_beyond_sixteen_are_refused_at_once_and_keep_nobody_else_waiting() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    world.service.bend(|it| it.hangs = Some("/eeee"));
    let source = Arc::new(world.source);
    let waiting: Vec<_> = (0..16)
        .map(|number| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.document(&made_up(number), NOW).await })
        })
        .collect();
    until(|| world.service.asked("/eeee") == 16).await;
    for number in 16..400 {
        let failure = source.document(&made_up(number), NOW).await.unwrap_err();
        assert_eq!(failure.code, "endorser-busy");
        assert!(failure.retryable);
        assert_eq!(failure.retry_after, Some(Seconds(10)));
        assert!(failure.what.starts_with("16 documents"), "{failure}");
    }
    assert_eq!(world.service.asked("/eeee"), 16);
    // What was refused is not even remembered, and counted.
    let (_, counts) = source.counts();
    assert_eq!((counts.busy, counts.passing, counts.kept), (384, 16, 3));
    // What is known is served, and what is due is refreshed, past those who wait.
    assert_matches!(source.amd(&id(), NOW.plus(A_DAY)).await, Ok(_));
    assert_eq!(world.service.asked("/crl"), 2);
    // Their places are free once they are gone; whoever was refused is let in.
    for stranger in waiting {
        stranger.abort();
        assert!(stranger.await.unwrap_err().is_cancelled());
    }
    world.service.bend(|it| {
        it.hangs = None;
        it.vcek_status = 404;
    });
    let failure = source.document(&made_up(16), NOW).await.unwrap_err();
    assert_eq!(failure.code, "endorser-unknown-platform");
}

/// With AMD's spacing those who wait do so for their turn, and what is known waits for one of them at most.
#[tokio::test]
async fn what_is_known_does_not_stand_behind_strangers() {
    let service = Service::start(papers(DATES)).await;
    let cache = TempDir::new().unwrap();
    let settings = EndorserSettings {
        amd_spacing: std::time::Duration::from_millis(100),
        ..settings(&service.address, cache.path())
    };
    let source = Arc::new(Endorsers::new(&settings, &anchors()).unwrap());
    service.bend(|it| it.vcek_status = 404);
    let strangers: Vec<_> = (0..16)
        .map(|number| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.document(&made_up(number), NOW).await })
        })
        .collect();
    until(|| service.asked("/eeee") == 1).await;
    let list = DocumentId::parse("amd-crl", "milan-vcek").unwrap();
    assert_matches!(source.document(&list, NOW).await, Ok(_));
    assert!(service.asked("/eeee") <= 4, "{}", service.asked("/eeee"));
    for stranger in strangers {
        stranger.abort();
    }
}

#[tokio::test]
async fn processor_that_amd_does_not_know_is_not_asked_for_again_for_five_minutes() {
    let world = World::new().await;
    world.service.bend(|it| it.vcek_status = 404);
    for (after, asked) in [(0, 1), (1, 1), (299, 1), (300, 2)] {
        let now = NOW.plus(Seconds(after));
        let failure = world.source.document(&made_up(0), now).await.unwrap_err();
        assert_eq!(failure.code, "endorser-unknown-platform");
        assert_eq!(world.service.asked("/eeee"), asked, "after {after} s");
    }
    let (_, counts) = world.source.counts();
    assert_eq!((counts.unknown, counts.passing), (2, 1));
}

#[tokio::test]
async fn flood_of_made_up_processors_evicts_nothing_and_leaves_nothing() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    world.service.bend(|it| it.vcek_status = 404);
    for number in 0..3_000 {
        let failure = world.source.document(&made_up(number), NOW).await;
        assert_matches!(failure, Err(it) if it.code == "endorser-unknown-platform");
    }
    let (_, counts) = world.source.counts();
    assert_eq!((counts.unknown, counts.kept), (3_000, 3));
    assert!(counts.passing <= REMEMBERED, "{counts:?}");
    assert_eq!(fs::read_dir(world.cache.path()).unwrap().count(), 3);
    // From memory: the service is asked for nothing, and the files are gone.
    let asked = world.service.asked("/");
    fs::remove_dir_all(world.cache.path()).unwrap();
    assert_matches!(at_once(world.source.amd(&id(), NOW)), Some(Ok(_)));
    assert_eq!(world.service.asked("/"), asked);
}

/// AMD gives certificates of each level of a processor to anybody: that one is authentic says nothing.
#[tokio::test]
async fn flood_of_real_certificates_evicts_none_that_an_appraisal_used() {
    let world = World::new().await;
    let settings = settings(&world.service.address, world.cache.path());
    let source = Endorsers::dangerous_unverified(&settings).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    source.proved(&EndorsementsId::Amd(id())).await;
    for number in 0..1_500 {
        assert_matches!(source.document(&made_up(number), NOW).await, Ok(_));
    }
    let (_, counts) = source.counts();
    assert_eq!(counts.kept, 3);
    assert!(counts.passing <= REMEMBERED, "{counts:?}");
    assert_eq!(fs::read_dir(world.cache.path()).unwrap().count(), 3);
    let asked = world.service.asked("/");
    fs::remove_dir_all(world.cache.path()).unwrap();
    assert_matches!(at_once(source.amd(&id(), NOW)), Some(Ok(_)));
    assert_eq!(world.service.asked("/"), asked);
}

#[tokio::test]
async fn certificate_is_kept_on_disk_once_an_appraisal_used_it() {
    let world = World::new().await;
    let files = || fs::read_dir(world.cache.path()).unwrap().count();
    assert_matches!(world.source.amd(&id_of(1), NOW).await, Ok(_));
    assert_eq!(files(), 2);
    world.source.proved(&EndorsementsId::Amd(id_of(1))).await;
    assert_eq!(files(), 3);
    // Of what is not there nothing is kept.
    world.source.proved(&EndorsementsId::Amd(id_of(2))).await;
    assert_eq!(files(), 3);
}

#[tokio::test]
async fn documents_in_memory_are_bounded_and_the_least_used_makes_room() {
    let world = World::new().await;
    let settings = EndorserSettings {
        cache_directory: None,
        ..settings(&world.service.address, world.cache.path())
    };
    let source = Endorsers::dangerous_unverified(&settings).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    source.proved(&EndorsementsId::Amd(id())).await;
    for number in 0..4_200 {
        let mut other = id();
        let chip = format!("{}{number:08x}", "ee".repeat(60));
        other.vcek.as_mut().unwrap().chip_id = hex::decode(chip).unwrap();
        assert_matches!(source.amd(&other, NOW).await, Ok(_));
        source.proved(&EndorsementsId::Amd(other)).await;
        assert_matches!(at_once(source.amd(&id(), NOW)), Some(Ok(_)));
    }
    let (_, counts) = source.counts();
    assert!((KEPT..=KEPT + 1).contains(&counts.kept), "{counts:?}");
    assert_matches!(at_once(source.document(&made_up(0), NOW)), None);
    assert_matches!(at_once(source.document(&made_up(4_199), NOW)), Some(Ok(_)));
}

#[tokio::test]
async fn files_on_disk_are_bounded_and_the_oldest_make_room() {
    let world = World::new().await;
    let long_ago = SystemTime::UNIX_EPOCH;
    for number in 0..KEPT + 40 {
        let path = world.cache.path().join(format!("old-{number}.json"));
        let file = fs::File::create(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    assert_matches!(world.get(NOW).await, Ok(_));
    let names = fs::read_dir(world.cache.path()).unwrap();
    let names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), KEPT);
    let ours = names
        .iter()
        .filter(|name| !name.to_string_lossy().starts_with("old-"));
    assert_eq!(ours.count(), 3);
}
