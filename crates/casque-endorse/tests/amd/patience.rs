//! A service that hangs, while what it gave before is in force.

use std::sync::Arc;
use std::time::Duration;

use assert_matches::assert_matches;
use casque_endorse::{EndorserSettings, Endorsers};
use casque_types::Seconds;
use tokio::time::Instant;

use crate::support::{
    A_DAY, DATES, Dates, NOW, Service, World, anchors, at_once, id, papers, settings, until,
};

const PATIENCE: Duration = Duration::from_millis(300);
/// Far less than the 20 s of an exchange, far more than a busy machine needs.
const SOON: Duration = Duration::from_secs(5);

fn impatient(world: &World) -> EndorserSettings {
    EndorserSettings {
        refresh_patience: PATIENCE,
        ..settings(&world.service.address, world.cache.path())
    }
}

#[tokio::test]
async fn one_caller_refreshes_and_waits_a_moment_and_the_others_do_not_wait() {
    let world = World::new().await;
    let late = NOW.plus(A_DAY);
    let source = Arc::new(Endorsers::new(&impatient(&world), &anchors()).unwrap());
    let before = source.amd(&id(), NOW).await.unwrap();
    world.service.bend(|it| it.hangs = Some("/"));
    let begun = Instant::now();
    let first = tokio::spawn({
        let source = Arc::clone(&source);
        async move { source.amd(&id(), late).await }
    });
    until(|| world.service.asked("/crl") == 2).await;
    for _ in 0..100 {
        let other = at_once(source.amd(&id(), late)).unwrap();
        assert_eq!(other.unwrap(), before);
    }
    assert_eq!(first.await.unwrap().unwrap(), before);
    assert!(begun.elapsed() >= PATIENCE);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    // Then the service is left alone for a while, and nobody waits.
    for after in [0, 9] {
        let at = late.plus(Seconds(after));
        assert_matches!(at_once(source.amd(&id(), at)), Some(Ok(_)));
    }
    assert_eq!(world.service.asked("/crl"), 2);
    world.service.bend(|it| it.hangs = None);
    assert_matches!(source.amd(&id(), late.plus(Seconds(10))).await, Ok(_));
    assert_eq!(world.service.asked("/crl"), 3);
}

#[tokio::test]
async fn after_a_restart_one_caller_waits_and_the_others_read_the_disk() {
    let world = World::new().await;
    assert_matches!(world.get(NOW).await, Ok(_));
    world.service.bend(|it| it.hangs = Some("/"));
    let late = NOW.plus(A_DAY);
    // Of endless patience: whoever waits for the first one never ends.
    let settings = EndorserSettings {
        refresh_patience: Duration::from_secs(600),
        ..impatient(&world)
    };
    let source = Arc::new(Endorsers::new(&settings, &anchors()).unwrap());
    let first = tokio::spawn({
        let source = Arc::clone(&source);
        async move { source.amd(&id(), late).await }
    });
    until(|| world.service.asked("/crl") == 2 && world.service.asked("cert_chain") == 2).await;
    let other = tokio::time::timeout(SOON, source.amd(&id(), late)).await;
    assert_matches!(other, Ok(Ok(_)));
    first.abort();
}

#[tokio::test]
async fn source_after_one_that_hangs_refreshes() {
    let world = World::new().await;
    let second = Service::start(papers(DATES)).await;
    let settings = EndorserSettings {
        amd: vec![world.service.address.clone(), second.address.clone()],
        ..impatient(&world)
    };
    let source = Endorsers::new(&settings, &anchors()).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    world.service.bend(|it| it.hangs = Some("/"));
    assert_matches!(source.amd(&id(), NOW.plus(A_DAY)).await, Ok(_));
    assert_eq!((second.asked("/crl"), second.asked("cert_chain")), (1, 1));
    assert_matches!(at_once(source.amd(&id(), NOW.plus(A_DAY))), Some(Ok(_)));
}

/// What was tried in haste does not count once there is nothing to be had otherwise.
#[tokio::test]
async fn document_that_ends_after_a_hasty_refresh_is_fetched_with_patience() {
    let late = NOW.plus(A_DAY);
    let short = Dates {
        crl_until: late.plus(Seconds(2)),
        ..DATES
    };
    let world = World::with(papers(short)).await;
    let source = Endorsers::new(&impatient(&world), &anchors()).unwrap();
    assert_matches!(source.amd(&id(), NOW).await, Ok(_));
    world.service.bend(|it| it.hangs = Some("/"));
    assert_matches!(source.amd(&id(), late).await, Ok(_));
    world.service.bend(|it| {
        it.hangs = None;
        it.papers = papers(DATES);
    });
    let later = late.plus(Seconds(3));
    assert_matches!(source.amd(&id(), later).await, Ok(_));
}
