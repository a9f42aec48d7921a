//! A budget that is used up costs the oldest and least important batches, and says which.

use super::super::{Fault, FullCause};
use super::*;

const BUDGET: u64 = 1 << 20;

fn small(directory: &Path) -> Settings {
    Settings {
        budget: BUDGET,
        segment: 64 << 10,
        ..settings(directory)
    }
}

fn open_small(directory: &Path) -> Store {
    Store::open(small(directory), &gateway(), &key()).unwrap().0
}

fn bytes_on_disk(directory: &Path) -> u64 {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

fn evicted(damage: &[Damage]) -> Vec<(Lane, SequenceRange)> {
    assert!(
        damage.iter().all(|d| d.fault == Fault::Evicted),
        "{damage:?}"
    );
    ranges(damage)
}

fn places(batches: &[StoredBatch]) -> u64 {
    batches.iter().map(|batch| batch.range.count()).sum()
}

#[test]
fn waves_make_room_first_oldest_first_and_every_evicted_place_is_told() {
    let directory = scratch();
    let store = open_small(directory.path());
    let mut told = Vec::new();
    for number in 0..600_u64 {
        put(&store, Lane::Wave, 5, &[7; 3000]).unwrap();
        if number % 10 == 0 {
            put(&store, Lane::Alarm, 1, &number.to_le_bytes()).unwrap();
            put(&store, Lane::Vital, 3, &number.to_le_bytes()).unwrap();
            put(&store, Lane::Event, 2, &number.to_le_bytes()).unwrap();
        }
        told.extend(evicted(&store.take_damage()));
        let used = bytes_on_disk(directory.path());
        assert!(used <= BUDGET, "{used} bytes on the medium");
    }
    assert!(!told.is_empty() && told.iter().all(|(lane, _)| *lane == Lane::Wave));
    // From the oldest on, without a hole, and what was not told is there.
    let mut next = 0;
    for (_, range) in &told {
        assert_eq!(range.first().0, next);
        next = range.last().0 + 1;
    }
    let waves = drain(&store, Lane::Wave);
    assert_eq!(waves[0].range.first().0, next);
    assert_eq!(places(&waves) + next, 3000);
    for (lane, count) in [(Lane::Alarm, 60), (Lane::Vital, 180), (Lane::Event, 120)] {
        let batches = drain(&store, lane);
        assert_eq!(places(&batches), count, "{lane}");
        let numbers = batches.iter().map(|b| b.bytes.clone());
        assert!(
            numbers.eq((0..60_u64).map(|n| (n * 10).to_le_bytes().to_vec())),
            "{lane}"
        );
    }
    let said = store.shortage().expect("the budget is used up").to_string();
    assert!(
        said.contains("is full") && said.contains("waves first"),
        "{said}"
    );
    drop(store);

    let store = open_small(directory.path());
    assert!(drain(&store, Lane::Wave) == waves);
    assert_eq!(
        store.take_damage(),
        [],
        "it was told and carried by a commit"
    );
}

#[test]
fn a_lane_never_makes_room_for_a_less_important_one() {
    let directory = scratch();
    let store = open_small(directory.path());
    let most = |lane| loop {
        match put(&store, lane, 1, &[1; 3000]) {
            Ok(_) if store.take_damage().is_empty() => {}
            Ok(_) => panic!("{lane} evicted something"),
            Err(StoreError::Full { cause, .. }) => {
                assert_eq!(cause, FullCause::Budget(BUDGET));
                return;
            }
            Err(error) => panic!("{error}"),
        }
    };
    // Filled with alarms; nothing else comes in any more, and a newer alarm still does.
    let mut alarms = 0;
    let first = loop {
        put(&store, Lane::Alarm, 1, &[1; 3000]).unwrap();
        alarms += 1;
        let damage = evicted(&store.take_damage());
        if let Some(first) = damage.first().copied() {
            break first;
        }
    };
    assert_eq!((first.0, first.1.first()), (Lane::Alarm, Sequence(0)));
    for lane in [Lane::Wave, Lane::Event, Lane::Vital] {
        most(lane);
    }
    put(&store, Lane::Alarm, 1, b"newest").unwrap();
    let kept = drain(&store, Lane::Alarm);
    assert_eq!(kept.last().unwrap().bytes, b"newest");
    assert!(
        kept.len() + 10 >= alarms / 2,
        "{} of {alarms} alarms stayed",
        kept.len()
    );
}

#[test]
fn what_was_evicted_and_not_yet_told_is_told_by_the_next_start_with_its_cause() {
    let directory = scratch();
    let store = open_small(directory.path());
    for _ in 0..600 {
        put(&store, Lane::Wave, 5, &[7; 3000]).unwrap();
        put(&store, Lane::Vital, 1, b"vital").unwrap();
    }
    // Taken from the store, but no commit carries it: the process ends before.
    let told = evicted(&store.take_damage());
    let killed = snapshot(directory.path());
    drop(store);

    let store = open_small(killed.path());
    assert_eq!(places(&drain(&store, Lane::Vital)), 600);
    let waves = drain(&store, Lane::Wave);
    let again = evicted(&store.take_damage());
    let count = |told: &[(Lane, SequenceRange)]| told.iter().map(|(_, r)| r.count()).sum::<u64>();
    assert_eq!(count(&again), count(&told));
    assert_eq!(places(&waves) + count(&again), 3000);
    // The next commit carries the gaps, and the one after it those that it made itself: then it is over.
    put(&store, Lane::Event, 1, b"gaps").unwrap();
    drop(store.take_damage());
    put(&store, Lane::Event, 1, b"gaps").unwrap();
    let waves = drain(&store, Lane::Wave);
    drop(store);
    let store = open_small(killed.path());
    assert!(drain(&store, Lane::Wave) == waves);
    assert_eq!(store.take_damage(), []);
}

#[test]
fn acknowledged_space_is_used_before_anything_is_evicted() {
    let directory = scratch();
    let store = open_small(directory.path());
    for _ in 0..60 {
        let mut appended = Vec::new();
        for _ in 0..30 {
            appended.push(put(&store, Lane::Vital, 3, &[8; 900]).unwrap());
        }
        store.acknowledge(Lane::Vital, &appended).unwrap();
    }
    assert_eq!(store.take_damage(), []);
    assert!(store.shortage().is_none());
}
