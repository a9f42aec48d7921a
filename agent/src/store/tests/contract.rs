//! The promises that every engine keeps: the conformance suite. Each test here runs with each engine.

mod adversity;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::EngineKind;
use super::*;
use adversity::{
    a_batch_larger_than_a_segment_gets_one_of_its_own,
    a_budget_is_kept_and_goes_on_once_space_is_acknowledged,
    a_key_or_a_gateway_or_an_engine_that_does_not_fit_is_refused_and_changes_nothing,
    a_lost_meta_file_is_made_again_from_a_segment_that_opens,
    a_rotation_leaves_everything_readable_and_old_copies_shut,
    acknowledgements_and_places_survive_a_kill,
    damage_anywhere_loses_only_what_it_names_and_stops_nobody,
    lost_acknowledgements_send_again_and_call_nothing_lost,
    waves_make_room_for_newer_batches_and_every_evicted_place_is_told,
};

fn what_was_appended_is_read_back_across_restarts_until_it_is_acknowledged(engine: EngineKind) {
    let directory = scratch();
    let (store, recovery) = open(engine, directory.path());
    assert!(recovery.created);
    let epoch = store.epoch();
    let group = [
        NewBatch {
            lane: Lane::Alarm,
            range: range(0, 0),
            bytes: b"alarm",
        },
        NewBatch {
            lane: Lane::Vital,
            range: range(0, 9),
            bytes: b"vitals",
        },
        NewBatch {
            lane: Lane::Vital,
            range: range(10, 19),
            bytes: b"more vitals",
        },
    ];
    store.append(&group).unwrap();
    drop(store);

    let (store, recovery) = open(engine, directory.path());
    assert_eq!(recovery, Recovery::default());
    assert_eq!(store.epoch(), epoch);
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(20));
    assert_eq!(store.next_sequence(Lane::Wave), Sequence(0));
    let read = |from| store.read_from(Lane::Vital, Sequence(from)).unwrap();
    assert_eq!(read(0).unwrap().bytes, b"vitals");
    assert_eq!(read(9).unwrap().bytes, b"vitals");
    assert_eq!(read(10).unwrap().bytes, b"more vitals");
    assert_eq!(read(20), None);
    store.acknowledge(Lane::Vital, &[range(0, 9)]).unwrap();
    assert_eq!(read(0).unwrap().range, range(10, 19));
    drop(store);

    let (store, _) = open(engine, directory.path());
    assert_eq!(drain(&store, Lane::Vital).len(), 1);
    assert_eq!(drain(&store, Lane::Alarm)[0].bytes, b"alarm");
}

fn a_batch_is_read_until_all_of_it_is_acknowledged(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    for _ in 0..3 {
        put(&store, Lane::Wave, 10, b"ten").unwrap();
    }
    store.acknowledge(Lane::Wave, &[range(5, 24)]).unwrap();
    let read = |from| store.read_from(Lane::Wave, Sequence(from)).unwrap();
    assert_eq!(read(0).unwrap().range, range(0, 9));
    assert_eq!(read(7).unwrap().range, range(0, 9), "it ends at 9");
    assert_eq!(read(10).unwrap().range, range(20, 29));
    store.acknowledge(Lane::Wave, &[range(0, 4)]).unwrap();
    assert_eq!(read(0).unwrap().range, range(20, 29));
}

fn acknowledging_places_that_were_never_given_out_changes_nothing(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    store
        .acknowledge(Lane::Vital, &[range(0, u64::MAX)])
        .unwrap();
    put(&store, Lane::Vital, 4, b"first").unwrap();
    store
        .acknowledge(Lane::Vital, &[range(4, u64::MAX)])
        .unwrap();
    put(&store, Lane::Vital, 4, b"second").unwrap();
    assert_eq!(drain(&store, Lane::Vital).len(), 2);
}

fn batches_must_follow_each_other_and_a_refused_group_leaves_nothing(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let batch = |first, last| NewBatch {
        lane: Lane::Event,
        range: range(first, last),
        bytes: b"x",
    };
    for wrong in [vec![batch(1, 2)], vec![batch(0, 1), batch(3, 4)]] {
        let error = store.append(&wrong).unwrap_err();
        assert!(matches!(error, StoreError::Place { .. }), "{error}");
    }
    assert_eq!(store.next_sequence(Lane::Event), Sequence(0));
    assert_eq!(drain(&store, Lane::Event), []);
}

fn places_are_not_given_out_twice_even_when_everything_is_acknowledged_and_recycled(
    engine: EngineKind,
) {
    let directory = scratch();
    let mut next = 0;
    for _ in 0..20 {
        let (store, recovery) = open(engine, directory.path());
        assert_eq!(recovery.damage, []);
        assert_eq!(store.next_sequence(Lane::Vital), Sequence(next));
        for _ in 0..5 {
            next = put(&store, Lane::Vital, 7, &[1; 3000]).unwrap().last().0 + 1;
        }
        store
            .acknowledge(Lane::Vital, &[range(0, next - 1)])
            .unwrap();
        assert_eq!(drain(&store, Lane::Vital), []);
    }
    let kept = segments(directory.path());
    assert!(kept <= 4, "{kept} files stay of a drained store");
}

fn acknowledgements_in_any_order_free_the_space(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let mut appended = Vec::new();
    let bytes = vec![7; usize::try_from(store.usage().budget / 600).unwrap()];
    for _ in 0..100 {
        appended.push(put(&store, Lane::Vital, 3, &bytes).unwrap());
    }
    let full = store.usage();
    assert_eq!(full.lanes[1].unacknowledged, 300);
    assert_eq!(full.lanes[1].batches, 100);
    // Live first, then the backlog from its middle outwards.
    let mut random = Random(3);
    while !appended.is_empty() {
        let index = usize::try_from(random.below(u64::try_from(appended.len()).unwrap())).unwrap();
        let range = appended.swap_remove(index);
        store.acknowledge(Lane::Vital, &[range, range]).unwrap();
    }
    let usage = store.usage();
    assert_eq!(usage.lanes[1].unacknowledged, 0);
    assert!(
        usage.used < full.used / 4,
        "{} of {}",
        usage.used,
        full.used
    );
    drop(store);
    let (store, recovery) = open(engine, directory.path());
    assert_eq!(recovery.damage, []);
    assert_eq!(drain(&store, Lane::Vital), []);
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(300));
}

fn one_thread_appends_while_another_reads_and_acknowledges(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let store = Arc::new(store);
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut read = Vec::new();
            loop {
                let finished = done.load(Ordering::SeqCst);
                while let Some(batch) = store.read_from(Lane::Vital, Sequence(0)).unwrap() {
                    store.acknowledge(Lane::Vital, &[batch.range]).unwrap();
                    read.push(batch);
                }
                if finished {
                    return read;
                }
            }
        })
    };
    let mut random = Random(9);
    let mut appended = Vec::new();
    while appended.len() < 1500 {
        let bytes = random.bytes(200 + appended.len() as u64 % 700);
        match put(&store, Lane::Vital, 2, &bytes) {
            Ok(range) => appended.push((range, bytes)),
            Err(StoreError::Full { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    done.store(true, Ordering::SeqCst);
    let read = reader.join().unwrap();
    let read: Vec<_> = read.into_iter().map(|b| (b.range, b.bytes)).collect();
    assert_eq!(read, appended);
    assert_eq!(store.take_damage(), []);
}

fn memory_does_not_hold_the_backlog(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    for _ in 0..400 {
        put(&store, Lane::Vital, 5, &[3; 1000]).unwrap();
    }
    // What grows with the backlog is one line a segment; 400 batches of 1 kB fill some 50 segments.
    let shown = format!("{store:?}").len();
    drop(store);
    let (store, _) = open(engine, directory.path());
    let reopened = format!("{store:?}").len();
    assert!(shown < 40_000 && reopened < 40_000, "{shown}, {reopened}");
    assert_eq!(drain(&store, Lane::Vital).len(), 400);
}

fn open(engine: EngineKind, directory: &Path) -> (Store, Recovery) {
    try_open(engine, directory, "gw-1", 0x42).unwrap()
}

fn try_open(
    engine: EngineKind,
    directory: &Path,
    gateway: &str,
    key: u8,
) -> Result<(Store, Recovery), StoreError> {
    let key = StoreKey::from_bytes([key; 32]);
    Store::open(
        settings_of(engine, directory),
        &gateway.parse().unwrap(),
        &key,
    )
}

fn settings_of(engine: EngineKind, directory: &Path) -> Settings {
    let small = settings(directory);
    match engine {
        EngineKind::Log => small,
        // sled's own segments are not smaller than its default.
        EngineKind::Sled => Settings {
            engine,
            segment: 512 << 10,
            budget: 64 << 20,
            ..small
        },
    }
}

fn ranges_of(store: &Store, lane: Lane) -> Vec<SequenceRange> {
    drain(store, lane)
        .into_iter()
        .map(|batch| batch.range)
        .collect()
}

fn segments(directory: &Path) -> usize {
    let files = files_below(directory).into_iter();
    files
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "log" || end == "head")
        })
        .count()
}

fn bytes_below(directory: &Path) -> u64 {
    let files = files_below(directory).into_iter();
    files
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum()
}

macro_rules! with_each_engine {
    ($($promise:ident)*) => {
        mod log {
            $(#[test] fn $promise() { super::$promise(super::EngineKind::Log) })*
        }
        mod sled {
            $(#[test] fn $promise() { super::$promise(super::EngineKind::Sled) })*
        }
    };
}

with_each_engine! {
    waves_make_room_for_newer_batches_and_every_evicted_place_is_told
    what_was_appended_is_read_back_across_restarts_until_it_is_acknowledged
    a_batch_is_read_until_all_of_it_is_acknowledged
    acknowledging_places_that_were_never_given_out_changes_nothing
    batches_must_follow_each_other_and_a_refused_group_leaves_nothing
    places_are_not_given_out_twice_even_when_everything_is_acknowledged_and_recycled
    acknowledgements_in_any_order_free_the_space
    one_thread_appends_while_another_reads_and_acknowledges
    memory_does_not_hold_the_backlog
    acknowledgements_and_places_survive_a_kill
    a_key_or_a_gateway_or_an_engine_that_does_not_fit_is_refused_and_changes_nothing
    a_batch_larger_than_a_segment_gets_one_of_its_own
    a_budget_is_kept_and_goes_on_once_space_is_acknowledged
    lost_acknowledgements_send_again_and_call_nothing_lost
    a_lost_meta_file_is_made_again_from_a_segment_that_opens
    a_rotation_leaves_everything_readable_and_old_copies_shut
    damage_anywhere_loses_only_what_it_names_and_stops_nobody
}
