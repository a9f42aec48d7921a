//! The promises that every engine keeps when something goes wrong, or the key is rotated.

use std::os::unix::fs::PermissionsExt;

use wardlink_wire::sequence::SequenceSet;

use super::super::super::{Fault, FullCause, KeyFile, KeyProvider, Rotation};
use super::*;

pub(super) fn acknowledgements_and_places_survive_a_kill(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let first = put(&store, Lane::Vital, 4, b"first").unwrap();
    put(&store, Lane::Vital, 4, b"second").unwrap();
    store.acknowledge(Lane::Vital, &[first]).unwrap();
    // What a process that is killed now leaves behind: nothing is closed in order.
    let killed = snapshot(directory.path());
    let (again, recovery) = open(engine, killed.path());
    assert_eq!(recovery.damage, []);
    assert_eq!(again.next_sequence(Lane::Vital), Sequence(8));
    let bytes: Vec<_> = drain(&again, Lane::Vital)
        .into_iter()
        .map(|b| b.bytes)
        .collect();
    assert_eq!(bytes, [b"second".to_vec()]);
    assert_eq!(again.take_damage(), []);
}

pub(super) fn a_key_or_a_gateway_or_an_engine_that_does_not_fit_is_refused_and_changes_nothing(
    engine: EngineKind,
) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    put(&store, Lane::Vital, 1, b"kept").unwrap();
    let error = try_open(engine, directory.path(), "gw-1", 0x42).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(store);
    let error = try_open(engine, directory.path(), "gw-1", 0x43).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let error = try_open(engine, directory.path(), "gw-2", 0x42).unwrap_err();
    assert!(matches!(error, StoreError::OtherGateway { .. }), "{error}");
    let others = EngineKind::WORDS.into_iter().map(|(_, kind)| kind);
    for other in others.filter(|other| *other != engine) {
        let error = try_open(other, directory.path(), "gw-1", 0x42).unwrap_err();
        assert!(matches!(error, StoreError::OtherEngine { .. }), "{error}");
    }
    let (store, _) = open(engine, directory.path());
    assert_eq!(drain(&store, Lane::Vital)[0].bytes, b"kept");
}

pub(super) fn a_batch_larger_than_a_segment_gets_one_of_its_own(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let error = put(&store, Lane::Wave, 1, &vec![0; 70 << 20]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    put(&store, Lane::Wave, 1, &[7; 300_000]).unwrap();
    put(&store, Lane::Wave, 1, b"small").unwrap();
    drop(store);
    let (store, _) = open(engine, directory.path());
    let batches = drain(&store, Lane::Wave).into_iter();
    let sizes: Vec<_> = batches.map(|batch| batch.bytes.len()).collect();
    assert_eq!(sizes, [300_000, 5]);
}

pub(super) fn a_budget_is_kept_and_goes_on_once_space_is_acknowledged(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let budget = store.usage().budget;
    let bytes = vec![8; usize::try_from(budget / 500).unwrap()];
    let mut held: Vec<SequenceRange> = Vec::new();
    for _ in 0..4 {
        // Alarms make room for nothing but alarms.
        let refused = loop {
            match put(&store, Lane::Alarm, 3, &bytes) {
                Ok(range) => held.push(range),
                Err(error) => break error,
            }
            let gone: Vec<_> = store.take_damage();
            assert!(
                gone.iter().all(|damage| damage.fault == Fault::Evicted),
                "{gone:?}"
            );
            let missing =
                |range: &SequenceRange| gone.iter().any(|d| d.range.last() >= range.last());
            held.retain(|range| !missing(range));
            if !gone.is_empty() {
                break StoreError::Randomness;
            }
        };
        let cause = FullCause::Budget(budget);
        let full = matches!(&refused, StoreError::Full { cause: c, .. } if *c == cause);
        assert!(
            full || matches!(refused, StoreError::Randomness),
            "{refused}"
        );
        let taken = bytes_below(directory.path());
        assert!(taken <= budget, "{taken} bytes on the medium");
        assert_eq!(ranges_of(&store, Lane::Alarm), held);
        let half = held.len() / 2;
        store.acknowledge(Lane::Alarm, &held[..half]).unwrap();
        held.drain(..half);
    }
    assert_eq!(ranges_of(&store, Lane::Alarm), held);
}

pub(super) fn waves_make_room_for_newer_batches_and_every_evicted_place_is_told(
    engine: EngineKind,
) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let budget = store.usage().budget;
    let bytes = vec![7; usize::try_from(budget / 300).unwrap()];
    let (mut told, mut alarms) = (SequenceSet::new(), Vec::new());
    let mut tell = |damage: Vec<Damage>| {
        for damage in &damage {
            assert_eq!((damage.lane, damage.fault), (Lane::Wave, Fault::Evicted));
            assert!(!told.overlaps(damage.range), "told twice");
            told.insert(damage.range);
        }
        !damage.is_empty()
    };
    for number in 0..400 {
        put(&store, Lane::Wave, 5, &bytes).unwrap();
        if number % 10 == 0 {
            alarms.push(put(&store, Lane::Alarm, 1, b"alarm").unwrap());
        }
        tell(store.take_damage());
        let taken = bytes_below(directory.path());
        assert!(taken <= budget, "{taken} bytes on the medium");
    }
    // The last commit carries the last gaps, and may itself have made room.
    put(&store, Lane::Event, 1, b"gaps").unwrap();
    while tell(store.take_damage()) {
        put(&store, Lane::Event, 1, b"gaps").unwrap();
    }
    // Oldest first, without a hole, and what was not told is there, also after a start.
    let [gone] = told.runs().collect::<Vec<_>>()[..] else {
        panic!("{told:?}")
    };
    assert_eq!(gone.first(), Sequence(0));
    let waves = ranges_of(&store, Lane::Wave);
    assert_eq!(waves[0].first(), gone.last().plus(1));
    assert_eq!(waves.last().unwrap().last(), Sequence(1999));
    assert_eq!(ranges_of(&store, Lane::Alarm), alarms);
    drop(store);
    let (store, recovery) = open(engine, directory.path());
    assert_eq!(recovery.damage, []);
    assert_eq!(ranges_of(&store, Lane::Wave), waves);
    assert_eq!(ranges_of(&store, Lane::Alarm), alarms);
    assert_eq!(store.take_damage(), []);
}

pub(super) fn lost_acknowledgements_send_again_and_call_nothing_lost(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let mut appended = Vec::new();
    for _ in 0..120 {
        appended.push(put(&store, Lane::Vital, 3, &[9; 2000]).unwrap());
    }
    store.acknowledge(Lane::Vital, &appended[..90]).unwrap();
    drop(store);
    std::fs::write(directory.path().join("cursor"), [0xff; 40_000]).unwrap();
    let (store, recovery) = open(engine, directory.path());
    assert!(recovery.acknowledgements_lost);
    assert_eq!(recovery.damage, []);
    let read = ranges_of(&store, Lane::Vital);
    assert!(read.ends_with(&appended[90..]), "{read:?}");
    assert_eq!(store.take_damage(), []);
    assert_eq!(store.next_sequence(Lane::Vital), Sequence(360));
}

pub(super) fn a_lost_meta_file_is_made_again_from_a_segment_that_opens(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let epoch = store.epoch();
    put(&store, Lane::Vital, 1, b"kept").unwrap();
    drop(store);
    std::fs::write(directory.path().join("meta"), [0xaa; 9000]).unwrap();
    let error = try_open(engine, directory.path(), "gw-1", 0x43).unwrap_err();
    assert!(matches!(error, StoreError::Unrecognised { .. }), "{error}");
    let (store, recovery) = open(engine, directory.path());
    assert_eq!((store.epoch(), recovery.created), (epoch, false));
    assert_eq!(drain(&store, Lane::Vital)[0].bytes, b"kept");
}

pub(super) fn a_rotation_leaves_everything_readable_and_old_copies_shut(engine: EngineKind) {
    let directory = scratch();
    let keys = scratch();
    let file = keys.path().join("store.key");
    std::fs::write(&file, "42".repeat(32)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let provider = KeyFile::at(&file);
    let settings = settings_of(engine, directory.path());
    let open = || Store::open(settings.clone(), &gateway(), &provider).unwrap();
    let (store, _) = open();
    let early = put(&store, Lane::Vital, 2, &[1; 3000]).unwrap();
    drop(store);
    let old = snapshot(directory.path());
    let (store, _) = open();
    put(&store, Lane::Vital, 2, b"kept").unwrap();
    store.acknowledge(Lane::Vital, &[early]).unwrap();
    drop(store);

    provider.draw_next().unwrap();
    let (store, recovery) = open();
    assert_eq!(recovery.rotation, Rotation::Finished);
    assert_eq!(drain(&store, Lane::Vital)[0].bytes, b"kept");
    drop(store);
    let (store, recovery) = open();
    assert_eq!(recovery.rotation, Rotation::None);
    assert_eq!(drain(&store, Lane::Vital)[0].bytes, b"kept");
    drop(store);
    let error = try_open(engine, directory.path(), "gw-1", 0x42).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let settings = settings_of(engine, old.path());
    let error = Store::open(settings, &gateway(), &provider).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
}

pub(super) fn damage_anywhere_loses_only_what_it_names_and_stops_nobody(engine: EngineKind) {
    let directory = scratch();
    let (store, _) = open(engine, directory.path());
    let mut all = Vec::new();
    for number in 0..60_u32 {
        let lane = [Lane::Vital, Lane::Wave][number as usize % 2];
        let range = put(&store, lane, 3, &number.to_le_bytes().repeat(600)).unwrap();
        all.push((lane, range));
    }
    drop(store);
    let mut seed = Random(11);
    for round in 0..40 {
        let copy = snapshot(directory.path());
        let files: Vec<_> = files_below(copy.path())
            .into_iter()
            .filter(|path| !path.ends_with("lock"))
            .collect();
        let file = seed.pick(&files).unwrap();
        let mut bytes = std::fs::read(file).unwrap();
        for _ in 0..seed.below(4).min(u64::try_from(bytes.len()).unwrap()) + 1 {
            if let Some(length) = u64::try_from(bytes.len()).ok().filter(|length| *length > 0) {
                bytes[usize::try_from(seed.below(length)).unwrap()] ^= 1 << seed.below(8);
            }
        }
        std::fs::write(file, bytes).unwrap();
        let (store, recovery) = open(engine, copy.path());
        let (mut read, mut lost) = (Vec::new(), recovery.damage);
        for lane in [Lane::Vital, Lane::Wave] {
            read.extend(
                drain(&store, lane)
                    .into_iter()
                    .map(|batch| (lane, batch.range)),
            );
        }
        lost.extend(store.take_damage());
        for (lane, range) in &all {
            let here = read.contains(&(*lane, *range));
            let named = lost.iter().any(|damage| {
                damage.lane == *lane
                    && damage.range.first() <= range.first()
                    && range.last() <= damage.range.last()
            });
            assert!(
                here != named,
                "round {round}, {}: {lane} {range:?}",
                file.display()
            );
        }
        // And it goes on, with places that nobody had.
        let (next, _) = (
            store.next_sequence(Lane::Vital),
            put(&store, Lane::Vital, 1, b"on"),
        );
        assert_eq!(next, Sequence(90), "round {round}, {}", file.display());
    }
}
