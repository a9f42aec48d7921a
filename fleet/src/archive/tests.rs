//! What the archive promises: each place once, nothing replaced, nothing claimed that is not there.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::record::{Body, Gap, GapCause, Numeric, Quality, Record};
use wardlink_wire::sequence::{Sequence, SequenceRange};
use wardlink_wire::stream::{Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

use super::*;

const BOOT: BootId = BootId::from_bytes([9; 16]);

fn gateway() -> GatewayId {
    "gw-1".parse().unwrap()
}

fn epoch(number: u8) -> Epoch {
    Epoch::from_bytes([number; 16])
}

fn range(first: u64, last: u64) -> SequenceRange {
    SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
}

fn stream(number: u32) -> Stream {
    Stream {
        number,
        device: "d".parse().unwrap(),
        name: "s".to_owned(),
        code: 0,
        unit: "1".to_owned(),
        kind: StreamKind::Numeric,
        sampling: None,
        simulated: false,
        since_ns: 0,
    }
}

/// What every gateway of these tests measures at a place: its content follows from the place.
fn record(stream: u32, sequence: u64) -> Record {
    let value = i64::try_from(sequence).unwrap();
    Record {
        stream,
        time: Timestamp {
            utc_ns: value,
            monotonic_ns: sequence,
            clock: Clock {
                state: ClockState::Synchronised,
                error_ms: None,
            },
            device: None,
        },
        body: Body::Numeric(Numeric {
            value: Decimal::new(value, 0),
            index: None,
            raw: None,
        }),
        quality: Quality::GOOD,
    }
}

fn batch(epoch_number: u8, first: u64, last: u64) -> Batch {
    // Another number for the stream in every cut: it must not matter.
    let number = u32::try_from(first % 7).unwrap();
    Batch {
        schema: wardlink_wire::SCHEMA,
        gateway: gateway(),
        epoch: epoch(epoch_number),
        lane: Lane::Vital,
        first: Sequence(first),
        boot: BOOT,
        streams: vec![stream(number)],
        records: (first..=last).map(|place| record(number, place)).collect(),
    }
}

fn put(archive: &mut Archive, batch: &Batch) -> Inserted {
    archive.insert(batch, &batch.encode().unwrap(), 1).unwrap()
}

fn values(archive: &Archive) -> BTreeMap<u64, i64> {
    let mut values = BTreeMap::new();
    for stream in archive.streams(None).unwrap() {
        archive
            .each_record::<ArchiveError>(&stream, |held| {
                if let Body::Numeric(numeric) = &held.record.body {
                    let before = values.insert(held.place.sequence.0, numeric.value.mantissa());
                    assert_eq!(before, None, "a place was handed out twice");
                }
                Ok(())
            })
            .unwrap();
    }
    values
}

#[test]
fn a_batch_that_comes_again_is_counted_and_not_stored_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let first = put(&mut archive, &batch(1, 0, 9));
    assert_eq!((first.new, first.duplicate, first.conflicting), (10, 0, 0));
    let again = put(&mut archive, &batch(1, 0, 9));
    assert_eq!((again.new, again.duplicate, again.conflicting), (0, 10, 0));
    let summary = archive.summary().unwrap();
    assert_eq!(
        (summary.delivered, summary.duplicates, summary.conflicts),
        (10, 10, 0)
    );
    // The same places of another store are other records.
    assert_eq!(put(&mut archive, &batch(2, 0, 9)).new, 10);
    assert_eq!(archive.summary().unwrap().delivered, 20);
}

#[test]
fn of_a_batch_cut_anew_only_the_new_places_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    put(&mut archive, &batch(1, 5, 9));
    put(&mut archive, &batch(1, 15, 19));
    let around = put(&mut archive, &batch(1, 3, 22));
    assert_eq!(
        (around.new, around.duplicate, around.conflicting),
        (10, 10, 0)
    );
    let held = values(&archive);
    assert_eq!(held.len(), 20);
    assert!(
        held.iter()
            .all(|(place, value)| i64::try_from(*place) == Ok(*value))
    );
    assert_eq!(archive.held(&gateway()).unwrap()[0].ranges, [range(3, 22)]);
}

#[test]
fn a_place_that_is_held_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    put(&mut archive, &batch(1, 0, 4));
    let mut forged = batch(1, 2, 6);
    forged.records[0].body = Body::Numeric(Numeric {
        value: Decimal::new(-1, 0),
        index: None,
        raw: None,
    });
    let inserted = put(&mut archive, &forged);
    assert_eq!(
        (inserted.new, inserted.duplicate, inserted.conflicting),
        (2, 2, 1)
    );
    assert_eq!(values(&archive)[&2], 2);
    assert_eq!(archive.summary().unwrap().conflicts, 1);
}

#[test]
fn the_meaning_of_a_stream_is_part_of_what_a_record_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    put(&mut archive, &batch(1, 0, 0));
    let mut changed = batch(1, 0, 0);
    changed.streams[0].unit = "mm[Hg]".to_owned();
    assert_eq!(put(&mut archive, &changed).conflicting, 1);
}

#[test]
fn holes_are_what_no_gap_record_explains() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    put(&mut archive, &batch(1, 10, 19));
    put(&mut archive, &batch(1, 30, 39));
    assert_eq!(
        archive.summary().unwrap().lanes[0].holes,
        [range(0, 9), range(20, 29)]
    );
    let mut told = batch(1, 40, 41);
    let gap = |range, cause| {
        Body::Gap(Gap {
            lane: Lane::Vital,
            range,
            count: None,
            cause,
        })
    };
    told.records[0].body = gap(Some(range(0, 24)), GapCause::Retention);
    told.records[1].body = gap(Some(range(60, u64::MAX)), GapCause::StoreFull);
    put(&mut archive, &told);
    let summary = archive.summary().unwrap();
    let lane = &summary.lanes[0];
    assert_eq!(lane.holes, [range(25, 29)]);
    assert_eq!(
        (lane.explained, lane.gaps, summary.gaps, summary.holes),
        (15, 2, 2, 5)
    );
    assert_eq!(lane.highest, Some(Sequence(41)));
    assert_eq!(summary.newest_ns, Some(41));
    let said: Vec<_> = archive
        .last_gaps(&gateway(), 9)
        .unwrap()
        .into_iter()
        .map(|gap| (gap.about, gap.range.map(|range| range.first().0), gap.cause))
        .collect();
    assert_eq!(
        said,
        [
            (Lane::Vital, Some(60), "store-full".to_owned()),
            (Lane::Vital, Some(0), "retention".to_owned())
        ],
        "not the newest first"
    );
    assert_eq!(archive.last_gaps(&gateway(), 1).unwrap().len(), 1);
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_what_was_not_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let name = archive.name().unwrap();
    put(&mut archive, &batch(1, 0, 9));
    let mut group = archive.group().unwrap();
    let later = batch(1, 10, 19);
    group.insert(&later, &later.encode().unwrap(), 1).unwrap();
    drop(group);
    drop(archive);
    let mut archive = Archive::open(folder.path()).unwrap();
    assert_eq!(archive.name().unwrap(), name);
    assert_eq!(archive.held(&gateway()).unwrap()[0].ranges, [range(0, 9)]);
    assert_eq!(archive.gateways().unwrap(), [gateway()]);
    assert_eq!(put(&mut archive, &later).new, 10);
}

#[test]
fn one_monitor_writes_and_others_may_read_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Archive::read_only(folder.path()),
        Err(ArchiveError::Missing(_))
    ));
    let mut archive = Archive::open(folder.path()).unwrap();
    assert!(matches!(
        Archive::open(folder.path()),
        Err(ArchiveError::Busy(_))
    ));
    let reader = Archive::read_only(folder.path()).unwrap();
    put(&mut archive, &batch(1, 0, 9));
    assert_eq!(reader.summary().unwrap().delivered, 10);
    let snapshot = reader.snapshot().unwrap();
    assert_eq!(reader.streams(None).unwrap().len(), 1);
    put(&mut archive, &batch(1, 10, 19));
    assert_eq!(values(&reader).len(), 10, "a later change moved a snapshot");
    drop(snapshot);
    assert_eq!(values(&reader).len(), 20);
    let unknown = "gw-2".parse().unwrap();
    assert!(reader.streams(Some(&unknown)).unwrap().is_empty());
}

#[test]
fn a_place_beyond_all_numbers_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let mut far = batch(1, 0, 1);
    for first in [
        u64::MAX - 1,
        i64::MAX.unsigned_abs() - 1,
        i64::MAX.unsigned_abs(),
    ] {
        far.first = Sequence(first);
        let refused = archive.insert(&far, &far.encode().unwrap(), 1).unwrap_err();
        assert!(refused.is_about_content(), "{refused}");
    }
    assert_eq!(archive.summary().unwrap(), Summary::default());
    far.first = Sequence(i64::MAX.unsigned_abs() - 2);
    assert_eq!(put(&mut archive, &far).new, 2);
    assert_eq!(archive.summary().unwrap().delivered, 2);
}

#[test]
fn refused_messages_are_all_counted_and_only_the_newest_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let refusal = Refusal {
        reason: "seal",
        detail: "x".repeat(10_000),
    };
    let mut group = archive.group().unwrap();
    for number in 0..1100 {
        group
            .refuse(&"t".repeat(9_000), b"payload", &refusal, number)
            .unwrap();
    }
    group.commit().unwrap();
    let summary = archive.summary().unwrap();
    assert_eq!(
        (summary.refused, summary.refusals),
        (1100, vec![("seal".to_owned(), 1100)])
    );
    let query =
        "SELECT count(*), min(received_ns), max(length(detail)), max(length(topic)) FROM refused";
    let kept: (i64, i64, i64, i64) = archive
        .connection
        .query_row(query, [], |row| row.try_into())
        .unwrap();
    assert_eq!(kept, (1000, 100, 200, 200));
}

#[test]
fn a_record_stored_twice_would_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    put(&mut archive, &batch(1, 0, 9));
    put(&mut archive, &batch(1, 5, 12));
    assert_eq!(archive.stored_twice().unwrap(), 0);
    let loosen = "CREATE TABLE loose AS SELECT * FROM record; DROP TABLE record;
                  ALTER TABLE loose RENAME TO record;
                  INSERT INTO record SELECT * FROM record WHERE sequence IN (3, 4);";
    archive.connection.execute_batch(loosen).unwrap();
    assert_eq!(archive.stored_twice().unwrap(), 2);
}

#[test]
fn a_receipt_stays_small_and_tells_again_what_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let put_at = |archive: &mut Archive, place: u64, now: i64| {
        let batch = batch(1, place, place);
        archive
            .insert(&batch, &batch.encode().unwrap(), now)
            .unwrap();
    };
    for number in 0..700 {
        put_at(&mut archive, number * 2, i64::try_from(number).unwrap());
    }
    let held = archive.held(&gateway()).unwrap();
    assert_eq!(held[0].ranges.len(), 512);
    assert!(!held[0].ranges.contains(&range(0, 0)) && held[0].ranges.contains(&range(1398, 1398)));
    put_at(&mut archive, 0, 700);
    assert!(
        archive.held(&gateway()).unwrap()[0]
            .ranges
            .contains(&range(0, 0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn however_batches_are_cut_repeated_and_ordered_each_place_is_held_once(
        cuts in prop::collection::vec((0_u64..60, 0_u64..12), 1..30),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(folder.path()).unwrap();
        let mut model = wardlink_wire::sequence::SequenceSet::new();
        let mut sent = 0;
        for (first, more) in cuts {
            let run = range(first, first + more);
            let before = model.count();
            model.insert(run);
            let inserted = put(&mut archive, &batch(1, first, first + more));
            sent += run.count();
            prop_assert_eq!(inserted.new, model.count() - before);
            prop_assert_eq!(inserted.conflicting, 0);
        }
        let summary = archive.summary().unwrap();
        prop_assert_eq!(summary.delivered, model.count());
        prop_assert_eq!(summary.duplicates, sent - model.count());
        prop_assert_eq!(&summary.lanes[0].holes, &model.holes());
        let held = archive.held(&gateway()).unwrap();
        prop_assert_eq!(&held[0].ranges, &model.runs().collect::<Vec<_>>());
        let values = values(&archive);
        prop_assert_eq!(u64::try_from(values.len()).unwrap(), model.count());
        prop_assert!(values.keys().all(|place| model.contains(Sequence(*place))));
    }
}

#[test]
fn an_archive_without_audit_heads_is_brought_up_to_date_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let name = Archive::open(folder.path()).unwrap().name().unwrap();
    let file = folder.path().join(FILE);
    let older = Connection::open(&file).unwrap();
    older
        .execute_batch("DROP TABLE audit; PRAGMA user_version = 1;")
        .unwrap();
    drop(older);
    let refused = Archive::read_only(folder.path()).unwrap_err();
    assert!(
        refused.to_string().contains("when its monitor starts"),
        "{refused}"
    );
    assert_eq!(Archive::open(folder.path()).unwrap().name().unwrap(), name);
    let archive = Archive::read_only(folder.path()).unwrap();
    assert_eq!(archive.audit_of(&"gw-1".parse().unwrap()).unwrap(), None);
}
