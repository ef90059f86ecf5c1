//! The store keeps the contract of every store, and what it answered is the same after it is opened again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a failed step is a failed test"
)]

mod place;
mod support;

use casque_testkit::store_contract;
use place::Place;

#[tokio::test]
async fn history_follows_the_predecessors() {
    let place = Place::new();
    store_contract::history_follows_the_predecessors(&place.open().unwrap()).await;
    place.open().unwrap();
}

#[tokio::test]
async fn list_is_in_byte_order_by_pages() {
    let place = Place::new();
    store_contract::list_is_in_byte_order_by_pages(&place.open().unwrap()).await;
    place.open().unwrap();
}

#[tokio::test]
async fn list_under_a_name_is_its_descendants() {
    let place = Place::new();
    store_contract::list_under_a_name_is_its_descendants(&place.open().unwrap()).await;
    place.open().unwrap();
}

#[tokio::test]
async fn spend_is_fresh_once() {
    let place = Place::new();
    store_contract::spend_is_fresh_once(&place.open().unwrap()).await;
    let store = place.open().unwrap();
    // Only what was fresh is on record.
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 3);
}

#[tokio::test]
async fn keep_is_compare_and_set() {
    let place = Place::new();
    store_contract::keep_is_compare_and_set(&place.open().unwrap()).await;
    let store = place.open().unwrap();
    // Only what was kept is on record.
    assert_eq!(store.verify_audit_chain().await.unwrap().seq, 3);
}

#[tokio::test]
async fn kept_are_told_apart_and_outlive_versions() {
    let place = Place::new();
    store_contract::kept_are_told_apart_and_outlive_versions(&place.open().unwrap()).await;
    place.open().unwrap();
}

#[tokio::test]
async fn keep_of_a_value_too_long_is_refused() {
    let place = Place::new();
    store_contract::keep_of_a_value_too_long_is_refused(&place.open().unwrap()).await;
    place.open().unwrap();
}
