//! An older copy of the store that is put back is noticed, and no place is given out twice because of it.

use super::super::{Fault, History};
use super::*;

fn watched(directory: &Path, mark: &Path) -> Settings {
    Settings {
        mark: Some(mark.join("store.mark")),
        ..settings(directory)
    }
}

fn open_watched(directory: &Path, mark: &Path) -> (Store, Recovery) {
    Store::open(watched(directory, mark), &gateway(), &key()).unwrap()
}

#[test]
fn an_older_copy_put_back_is_told_and_its_places_are_not_given_out_again() {
    let (directory, elsewhere) = (scratch(), scratch());
    let (store, recovery) = open_watched(directory.path(), elsewhere.path());
    assert_eq!(recovery.history, History::Consistent);
    put(&store, Lane::Vital, 5, b"before the copy").unwrap();
    put(&store, Lane::Wave, 2, b"before the copy").unwrap();
    drop(store);
    let copy = snapshot(directory.path());

    let (store, recovery) = open_watched(directory.path(), elsewhere.path());
    assert_eq!(recovery.history, History::Consistent);
    put(&store, Lane::Vital, 7, b"after the copy").unwrap();
    put(&store, Lane::Alarm, 1, b"after the copy").unwrap();
    drop(store);

    let (store, recovery) = open_watched(copy.path(), elsewhere.path());
    let gone = vec![(Lane::Alarm, range(0, 0)), (Lane::Vital, range(5, 11))];
    assert_eq!(recovery.history, History::TakenBack(gone.clone()));
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(12));
    assert_eq!(store.next_sequence(Lane::Alarm), Sequence(1));
    assert_eq!(store.next_sequence(Lane::Wave), Sequence(2));
    assert_eq!(drain(&store, Lane::Vital).len(), 1);
    let damage = store.take_damage();
    assert_eq!(ranges(&damage), gone);
    assert!(damage.iter().all(|d| d.fault == Fault::TakenBack));
    put(&store, Lane::Event, 1, b"the gaps").unwrap();
    put(&store, Lane::Vital, 1, b"new").unwrap();
    drop(store);

    let (store, recovery) = open_watched(copy.path(), elsewhere.path());
    assert_eq!(recovery.history, History::Consistent);
    assert_eq!(
        (drain(&store, Lane::Vital).len(), store.take_damage()),
        (2, vec![])
    );
}

#[test]
fn a_copy_of_the_running_store_that_a_killed_process_goes_on_with_is_noticed_too() {
    let (directory, elsewhere) = (scratch(), scratch());
    let (store, _) = open_watched(directory.path(), elsewhere.path());
    put(&store, Lane::Vital, 5, b"first").unwrap();
    let copy = snapshot(directory.path());
    put(&store, Lane::Vital, 5, b"second").unwrap();
    let mark = snapshot(elsewhere.path());
    let (_, recovery) = open_watched(copy.path(), mark.path());
    let gone = vec![(Lane::Vital, range(5, 9))];
    assert_eq!(recovery.history, History::TakenBack(gone));
}

#[test]
fn a_store_that_takes_the_place_of_another_says_what_was_here_before() {
    let (directory, other, elsewhere) = (scratch(), scratch(), scratch());
    let (store, _) = open_watched(directory.path(), elsewhere.path());
    put(&store, Lane::Vital, 5, b"first").unwrap();
    let epoch = store.epoch();
    drop(store);
    let (_, recovery) = open_watched(other.path(), elsewhere.path());
    assert!(recovery.created);
    assert_eq!(recovery.history, History::Replaced { epoch, records: 5 });
    let (_, recovery) = open_watched(other.path(), elsewhere.path());
    assert_eq!(recovery.history, History::Consistent);
}

#[test]
fn a_damaged_mark_accuses_nobody_and_a_mark_that_cannot_be_kept_is_told() {
    let (directory, elsewhere) = (scratch(), scratch());
    let (store, _) = open_watched(directory.path(), elsewhere.path());
    put(&store, Lane::Vital, 5, b"first").unwrap();
    drop(store);
    let mark = elsewhere.path().join("store.mark");
    let whole = std::fs::read(&mark).unwrap();
    for offset in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[offset] ^= 1 << (offset % 8);
        std::fs::write(&mark, damaged).unwrap();
        let (_, recovery) = open_watched(directory.path(), elsewhere.path());
        assert_eq!(recovery.history, History::Consistent, "byte {offset}");
    }
    std::fs::remove_file(&mark).unwrap();
    std::fs::create_dir(&mark).unwrap();
    let (store, recovery) = open_watched(directory.path(), elsewhere.path());
    assert!(
        matches!(recovery.history, History::Unwatched(_)),
        "{recovery:?}"
    );
    put(&store, Lane::Vital, 5, b"goes on").unwrap();
}
