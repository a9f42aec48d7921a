//! A full budget or a full disk loses nothing, can still acknowledge, and recovers.

use std::fs::File;
use std::io::Write;

use super::super::FullCause;
use super::namespace::{private, system};
use super::*;

#[test]
fn a_group_that_no_budget_can_hold_is_refused_as_such() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let error = put(&store, Lane::Wave, 1, &vec![0; 5 << 20]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    // One beyond the usual length of a segment gets a segment of its own.
    put(&store, Lane::Wave, 1, &[7; 100_000]).unwrap();
    put(&store, Lane::Wave, 1, b"small").unwrap();
    drop(store);
    let (store, _) = open(directory.path());
    let sizes: Vec<_> = drain(&store, Lane::Wave)
        .iter()
        .map(|b| b.bytes.len())
        .collect();
    assert_eq!(sizes, [100_000, 5]);
}

#[test]
fn a_budget_too_small_for_any_store_is_named() {
    let directory = scratch();
    let tiny = Settings {
        budget: 100_000,
        ..settings(directory.path())
    };
    let error = Store::open(tiny, &gateway(), &key()).unwrap_err();
    assert!(error.to_string().contains("give at least"), "{error}");
}

#[test]
fn a_disk_filled_to_the_last_byte_loses_nothing_can_acknowledge_and_recovers() {
    let test = "store::tests::full::a_disk_filled_to_the_last_byte_loses_nothing_can_acknowledge_and_recovers";
    let Some(place) = private(test) else {
        return;
    };
    let disk = place.to_str().unwrap();
    system(
        "mount",
        &["-t", "tmpfs", "-o", "size=1m", "wardlink-test", disk],
    );
    let directory = place.join("store");
    let (store, _) = open(&directory);
    let mut ballast = File::create(place.join("ballast")).unwrap();
    let mut appended = fill(&store);
    while ballast.write(&[0; 4096]).is_ok_and(|count| count > 0) {}
    let error = put(&store, Lane::Vital, 3, &[8; 900]).unwrap_err();
    let cause = FullCause::FileSystem;
    assert!(
        matches!(error, StoreError::Full { cause: c, .. } if c == cause),
        "{error}"
    );
    assert_eq!(ranges_of(&store), appended);
    drop(store);

    let (store, recovery) = open(&directory);
    assert_eq!(recovery.damage, []);
    assert_eq!(ranges_of(&store), appended);
    for _ in 0..3 {
        let half = appended.len() / 2;
        store.acknowledge(Lane::Vital, &appended[..half]).unwrap();
        appended.drain(..half);
        let more = fill(&store);
        assert!(!more.is_empty(), "acknowledged space was not used again");
        appended.extend(more);
        assert_eq!(ranges_of(&store), appended);
    }
    drop(store);
    let (store, recovery) = open(&directory);
    assert_eq!((recovery.damage, ranges_of(&store)), (Vec::new(), appended));
}

/// Appends until the store is full.
fn fill(store: &Store) -> Vec<SequenceRange> {
    let mut appended = Vec::new();
    loop {
        match put(store, Lane::Vital, 3, &[8; 900]) {
            Ok(range) => appended.push(range),
            Err(StoreError::Full { .. }) => return appended,
            Err(error) => panic!("{error}"),
        }
    }
}

fn ranges_of(store: &Store) -> Vec<SequenceRange> {
    drain(store, Lane::Vital).iter().map(|b| b.range).collect()
}

#[test]
fn room_of_removed_files_that_were_being_read_is_used_again_on_a_full_disk() {
    let test = "store::tests::full::room_of_removed_files_that_were_being_read_is_used_again_on_a_full_disk";
    let Some(place) = private(test) else {
        return;
    };
    let disk = place.to_str().unwrap();
    system(
        "mount",
        &["-t", "tmpfs", "-o", "size=1m", "wardlink-test", disk],
    );
    let (store, _) = open(&place.join("store"));
    // Longer than a segment usually is: such a file is removed once it is delivered, not used again.
    for number in 0..20_u8 {
        let range = put(&store, Lane::Wave, 1, &vec![number; 300_000]).unwrap();
        assert_eq!(drain(&store, Lane::Wave).len(), 1, "the reader has it open");
        store.acknowledge(Lane::Wave, &[range]).unwrap();
    }
}
