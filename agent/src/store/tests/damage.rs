//! Damage loses exactly what is damaged, says so, and stops nobody from starting.

use std::collections::BTreeSet;

use super::super::Fault;
use super::super::log::inspect::{entries, forget_commits, pretend_reboot};
use super::*;

type Places = BTreeSet<(Lane, u64)>;

/// A closed store of some batches of 5 records and 40 bytes in two lanes, one group each.
fn closed_store(batches: u32) -> (TempDir, wardlink_wire::id::Epoch) {
    let directory = scratch();
    let (store, _) = open(directory.path());
    for number in 0..batches {
        let lane = if number % 2 == 0 {
            Lane::Vital
        } else {
            Lane::Wave
        };
        put(&store, lane, 5, &number.to_le_bytes().repeat(10)).unwrap();
    }
    let epoch = store.epoch();
    drop(store);
    (directory, epoch)
}

/// All that a store gives and all that it reports, after opening.
fn contents(directory: &Path) -> (Places, Places, Recovery) {
    let (store, recovery) = open(directory);
    let mut read = BTreeSet::new();
    for lane in Lane::ALL {
        for batch in drain(&store, lane) {
            for place in batch.range.first().0..=batch.range.last().0 {
                assert!(read.insert((lane, place)), "{lane} {place} came twice");
            }
        }
    }
    let mut damage = recovery.damage.clone();
    damage.extend(store.take_damage());
    let mut lost = BTreeSet::new();
    for Damage { lane, range, .. } in damage {
        for place in range.first().0..=range.last().0 {
            assert!(lost.insert((lane, place)), "{lane} {place} reported twice");
        }
    }
    (read, lost, recovery)
}

fn places(lane: Lane, range: SequenceRange) -> Places {
    let places = range.first().0..=range.last().0;
    places.map(|place| (lane, place)).collect()
}

#[test]
fn every_single_bit_flip_in_an_entry_loses_that_batch_and_names_its_places() {
    let (directory, epoch) = closed_store(6);
    let (all, _, _) = contents(directory.path());
    for reboot in [false, true] {
        for seen in entries(directory.path(), epoch) {
            // Padding behind the sealed bytes means nothing.
            for offset in (0..36 + 40 + 16).step_by(3) {
                let copy = snapshot(directory.path());
                if reboot {
                    pretend_reboot(copy.path());
                }
                let file = copy.path().join(seen.file.file_name().unwrap());
                flip(
                    &file,
                    seen.offset + offset,
                    u32::try_from(offset % 8).unwrap(),
                );
                let (read, lost, _) = contents(copy.path());
                let expected = places(seen.lane, seen.range);
                assert_eq!(lost, expected, "offset {offset} of {seen:?}");
                assert_eq!(&all - &read, expected, "offset {offset} of {seen:?}");
            }
        }
    }
}

#[test]
fn every_truncation_loses_the_tail_and_names_its_places() {
    let (directory, epoch) = closed_store(6);
    let (all, _, _) = contents(directory.path());
    let seen = entries(directory.path(), epoch);
    let end = seen.last().unwrap().offset + seen.last().unwrap().size;
    let file = seen[0].file.file_name().unwrap();
    for reboot in [false, true] {
        for length in (8192..=end).step_by(5).chain([end]) {
            let copy = snapshot(directory.path());
            if reboot {
                pretend_reboot(copy.path());
            }
            let file = std::fs::File::options()
                .write(true)
                .open(copy.path().join(file));
            file.unwrap().set_len(length).unwrap();
            let (read, lost, _) = contents(copy.path());
            let cut = seen.iter().filter(|seen| seen.offset + 36 + 56 > length);
            let expected: BTreeSet<_> =
                cut.flat_map(|seen| places(seen.lane, seen.range)).collect();
            assert_eq!(lost, expected, "cut at {length}");
            assert_eq!(&all - &read, expected, "cut at {length}");
        }
    }
}

#[test]
fn a_torn_tail_is_cut_and_reported_and_its_places_stay_taken() {
    let (directory, epoch) = closed_store(4);
    // A power cut: the cursor is older than the commit it interrupted.
    forget_commits(directory.path());
    let seen = entries(directory.path(), epoch);
    let last = seen.last().unwrap();
    // The second half of the last entry never reached the medium.
    let mut bytes = std::fs::read(&last.file).unwrap();
    let from = usize::try_from(last.offset).unwrap() + 60;
    bytes[from..].fill(0);
    std::fs::write(&last.file, bytes).unwrap();

    let (store, recovery) = open(directory.path());
    assert_eq!(recovery.torn_tail_bytes, last.size);
    assert_eq!(ranges(&recovery.damage), [(last.lane, last.range)]);
    assert_eq!(recovery.damage[0].fault, Fault::Checksum);
    assert_eq!(store.next_sequence(last.lane), last.range.last().plus(1));
    assert_eq!(store.take_damage(), [], "it was handed over by opening");
    put(&store, last.lane, 1, b"carries the gap").unwrap();
    drop(store);
    let (_, lost, recovery) = contents(directory.path());
    assert!(lost.is_empty() && recovery.damage.is_empty(), "{lost:?}");
}

#[test]
fn damage_is_told_again_until_a_commit_carries_its_gap() {
    let (directory, epoch) = closed_store(6);
    let seen = entries(directory.path(), epoch)[2].clone();
    flip(&seen.file, seen.offset + 50, 0);
    for _ in 0..3 {
        let (_, lost, _) = contents(directory.path());
        assert_eq!(lost, places(seen.lane, seen.range));
    }
    let (store, _) = open(directory.path());
    drain(&store, seen.lane);
    assert_eq!(ranges(&store.take_damage()), [(seen.lane, seen.range)]);
    assert_eq!(store.usage().damaged, 1);
    put(&store, Lane::Event, 1, b"gap").unwrap();
    drop(store);
    let (_, lost, _) = contents(directory.path());
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn one_damaged_header_copy_loses_nothing() {
    let (directory, _) = closed_store(6);
    let (all, _, _) = contents(directory.path());
    for copy in [0, 4096] {
        let damaged = snapshot(directory.path());
        flip(&segment_files(damaged.path())[0], copy + 100, 3);
        let (read, lost, _) = contents(damaged.path());
        assert_eq!((read, lost), (all.clone(), BTreeSet::new()));
    }
}

#[test]
fn a_segment_without_header_loses_its_batches_names_them_and_no_others() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let epoch = store.epoch();
    for number in 0..90_u32 {
        let lane = [Lane::Vital, Lane::Wave, Lane::Alarm][number as usize % 3];
        put(&store, lane, 3, &[9; 700]).unwrap();
    }
    drop(store);
    let (all, _, _) = contents(directory.path());
    let files = segment_files(directory.path());
    assert!(files.len() > 4);
    for (index, reboot) in (0..files.len()).flat_map(|i| [(i, false), (i, true)]) {
        let copy = snapshot(directory.path());
        if reboot {
            pretend_reboot(copy.path());
        }
        let file = copy.path().join(files[index].file_name().unwrap());
        flip(&file, 20, 1);
        flip(&file, 4096 + 20, 1);
        let inside = entries(copy.path(), epoch);
        let inside = inside.iter().filter(|seen| seen.file == file);
        let expected: BTreeSet<_> = inside
            .flat_map(|seen| places(seen.lane, seen.range))
            .collect();
        let (read, lost, recovery) = contents(copy.path());
        assert_eq!(lost, expected, "segment {index}");
        assert_eq!(&all - &read, expected, "segment {index}");
        assert!(
            !recovery.damage.is_empty() || expected.is_empty(),
            "told at opening"
        );
        let (store, _) = open(copy.path());
        assert_eq!(store.next_sequence(Lane::Vital), Sequence(90));
        put(&store, Lane::Vital, 1, b"goes on").unwrap();
    }
}

#[test]
fn a_segment_file_that_vanished_is_named() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let epoch = store.epoch();
    for _ in 0..60 {
        put(&store, Lane::Vital, 3, &[9; 700]).unwrap();
    }
    drop(store);
    for victim in segment_files(directory.path()) {
        let copy = snapshot(directory.path());
        let file = copy.path().join(victim.file_name().unwrap());
        let seen = entries(copy.path(), epoch);
        let seen = seen.iter().filter(|seen| seen.file == file);
        let expected: BTreeSet<_> = seen
            .flat_map(|seen| places(seen.lane, seen.range))
            .collect();
        std::fs::remove_file(file).unwrap();
        let (read, lost, _) = contents(copy.path());
        assert_eq!(lost, expected);
        assert_eq!(read.len() + lost.len(), 180);
    }
}

#[test]
fn a_lost_cursor_sends_again_and_calls_nothing_lost() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let mut appended = Vec::new();
    for _ in 0..120 {
        appended.push(put(&store, Lane::Vital, 3, &[9; 700]).unwrap());
    }
    // Whole segments at the beginning and in the middle, so that their files go.
    store.acknowledge(Lane::Vital, &appended[..40]).unwrap();
    store.acknowledge(Lane::Vital, &appended[60..90]).unwrap();
    for _ in 0..40 {
        appended.push(put(&store, Lane::Vital, 3, &[9; 700]).unwrap());
    }
    drop(store);
    std::fs::write(directory.path().join("cursor"), [0xff; 40_000]).unwrap();
    let (read, lost, recovery) = contents(directory.path());
    assert!(recovery.acknowledgements_lost);
    assert_eq!(lost, BTreeSet::new());
    for range in appended[40..60].iter().chain(&appended[90..]) {
        assert!(read.is_superset(&places(Lane::Vital, *range)), "{range:?}");
    }
    let (store, _) = open(directory.path());
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(480));
}

#[test]
fn a_lost_meta_file_is_made_again_from_any_segment_that_opens() {
    let (directory, epoch) = closed_store(6);
    let (all, _, _) = contents(directory.path());
    let meta = directory.path().join("meta");
    for damage in [vec![], vec![0xaa; 9000]] {
        std::fs::write(&meta, damage).unwrap();
        let other = StoreKey::from_bytes([1; 32]);
        let error = Store::open(settings(directory.path()), &gateway(), &other).unwrap_err();
        assert!(error.to_string().contains("no segment opens"), "{error}");
        let other: GatewayId = "gw-2".parse().unwrap();
        Store::open(settings(directory.path()), &other, &key()).unwrap_err();
        let (read, lost, recovery) = contents(directory.path());
        assert_eq!(
            (read, lost, recovery.created),
            (all.clone(), BTreeSet::new(), false)
        );
        assert_eq!(open(directory.path()).0.epoch(), epoch);
    }
    flip(&meta, 30, 2);
    assert_eq!(contents(directory.path()).0, all);
    flip(&meta, 4096 + 30, 2);
    assert_eq!(
        contents(directory.path()).0,
        all,
        "the first copy was made again"
    );
}

#[test]
fn a_store_whose_data_was_deleted_by_hand_begins_a_new_epoch() {
    let (directory, epoch) = closed_store(6);
    for file in segment_files(directory.path()) {
        std::fs::remove_file(file).unwrap();
    }
    let (store, recovery) = open(directory.path());
    assert_eq!(store.epoch(), epoch, "the cursor still knows the places");
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(15));
    assert_eq!(recovery.damage.len(), 2);
    drop(store);
    std::fs::remove_file(directory.path().join("cursor")).unwrap();
    let (store, recovery) = open(directory.path());
    assert!(recovery.created);
    assert_ne!(store.epoch(), epoch);
}

#[test]
fn entries_of_an_earlier_life_of_a_segment_never_come_back() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let mut last = range(0, 0);
    for _ in 0..200 {
        last = put(&store, Lane::Vital, 3, &[9; 700]).unwrap();
        store.acknowledge(Lane::Vital, &[last]).unwrap();
    }
    // One small commit in a file that is otherwise full of acknowledged entries.
    drop(store);
    let (store, _) = open(directory.path());
    put(&store, Lane::Vital, 3, b"new").unwrap();
    let copy = snapshot(directory.path());
    pretend_reboot(copy.path());
    let (read, lost, recovery) = contents(copy.path());
    assert_eq!(
        read,
        places(Lane::Vital, range(last.last().0 + 1, last.last().0 + 3))
    );
    assert_eq!((lost, recovery.torn_tail_bytes), (BTreeSet::new(), 0));
}

/// The bytes of a commit that was refused may be on the medium all the same; the caller then stores the
/// same records again, and they must come once.
#[test]
fn what_a_refused_commit_left_behind_does_not_count_beside_its_repetition() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    put(&store, Lane::Vital, 3, b"before").unwrap();
    let without = snapshot(directory.path());
    put(&store, Lane::Vital, 3, b"refused").unwrap();
    let left_behind = segment_files(directory.path()).remove(0);

    let (again, _) = open(without.path());
    put(&again, Lane::Vital, 3, b"repeated").unwrap();
    put(&again, Lane::Vital, 3, b"after").unwrap();
    drop(again);
    let target = without.path().join(left_behind.file_name().unwrap());
    std::fs::copy(left_behind, target).unwrap();
    for reboot in [false, true] {
        if reboot {
            pretend_reboot(without.path());
        }
        let (store, _) = open(without.path());
        let read: Vec<_> = drain(&store, Lane::Vital)
            .into_iter()
            .map(|b| b.bytes)
            .collect();
        assert_eq!(
            read,
            [b"before".to_vec(), b"repeated".to_vec(), b"after".to_vec()]
        );
        assert_eq!(store.take_damage(), []);
    }
}

/// The same, where the beginning of the refused commit is torn and what was stored before it is damaged:
/// the search for the damaged batch meets the rest of the refused commit, and must not take it for the
/// end of the hole.
#[test]
fn what_a_refused_commit_left_behind_does_not_widen_a_hole() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let epoch = store.epoch();
    put(&store, Lane::Vital, 3, b"before").unwrap();
    let without = snapshot(directory.path());
    let refused = |first| NewBatch {
        lane: Lane::Vital,
        range: range(first, first + 2),
        bytes: b"refused",
    };
    store.append(&[refused(3), refused(6)]).unwrap();
    let seen = entries(directory.path(), epoch);
    flip(&seen[0].file, seen[0].offset + 9, 1);
    flip(&seen[1].file, seen[1].offset + 9, 1);

    let (again, _) = open(without.path());
    put(&again, Lane::Vital, 3, b"repeated").unwrap();
    put(&again, Lane::Vital, 3, b"after").unwrap();
    drop(again);
    let target = without.path().join(seen[0].file.file_name().unwrap());
    std::fs::copy(&seen[0].file, target).unwrap();
    let (read, lost, _) = contents(without.path());
    assert_eq!(lost, places(Lane::Vital, range(0, 2)));
    assert_eq!(read, places(Lane::Vital, range(3, 8)));
}
