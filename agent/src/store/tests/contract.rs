//! What the recorder and the publisher rely on while nothing goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn what_was_appended_is_read_back_across_restarts_until_it_is_acknowledged() {
    let directory = scratch();
    let (store, recovery) = open(directory.path());
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

    let (store, recovery) = open(directory.path());
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

    let (store, _) = open(directory.path());
    assert_eq!(drain(&store, Lane::Vital).len(), 1);
    assert_eq!(drain(&store, Lane::Alarm)[0].bytes, b"alarm");
}

#[test]
fn a_batch_is_read_until_all_of_it_is_acknowledged() {
    let directory = scratch();
    let (store, _) = open(directory.path());
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

#[test]
fn acknowledging_places_that_were_never_given_out_changes_nothing() {
    let directory = scratch();
    let (store, _) = open(directory.path());
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

#[test]
fn batches_must_follow_each_other_and_a_refused_group_leaves_nothing() {
    let directory = scratch();
    let (store, _) = open(directory.path());
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

#[test]
fn places_are_not_given_out_twice_even_when_everything_is_acknowledged_and_recycled() {
    let directory = scratch();
    let mut next = 0;
    for _ in 0..20 {
        let (store, recovery) = open(directory.path());
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
    let kept = segment_files(directory.path()).len();
    assert!(kept <= 4, "{kept} files stay of a drained store");
}

#[test]
fn acknowledgements_in_any_order_free_the_space() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let mut appended = Vec::new();
    for _ in 0..100 {
        appended.push(put(&store, Lane::Vital, 3, &[7; 2000]).unwrap());
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
    let (store, recovery) = open(directory.path());
    assert_eq!(recovery.damage, []);
    assert_eq!(drain(&store, Lane::Vital), []);
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(300));
}

#[test]
fn one_thread_appends_while_another_reads_and_acknowledges() {
    let directory = scratch();
    let (store, _) = open(directory.path());
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

#[test]
fn memory_does_not_hold_the_backlog() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    for _ in 0..400 {
        put(&store, Lane::Vital, 5, &[3; 1000]).unwrap();
    }
    // What grows with the backlog is one line a segment; 400 batches of 1 kB fill some 50 segments.
    let shown = format!("{store:?}").len();
    drop(store);
    let (store, _) = open(directory.path());
    let reopened = format!("{store:?}").len();
    assert!(shown < 40_000 && reopened < 40_000, "{shown}, {reopened}");
    assert_eq!(drain(&store, Lane::Vital).len(), 400);
}
