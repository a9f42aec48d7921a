//! Stores as earlier agents wrote them: each format, once released, is read as long as this test is here.

use super::*;

/// Format 2: its bytes are in `fixture-2/`, and are never written again.
#[test]
fn a_store_of_format_2_is_read_as_it_was_written() {
    let directory = scratch();
    for (name, bytes) in FORMAT_2 {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let (store, recovery) = open(directory.path());
    assert_eq!(recovery, Recovery::default());
    let nexts = Lane::ALL.map(|lane| store.next_sequence(lane).0);
    assert_eq!(nexts, [2, 30, 3, 40]);
    let read = |lane| drain(&store, lane);
    let alarms = read(Lane::Alarm);
    assert_eq!(alarms.len(), 2);
    assert_eq!(alarms[1].bytes, b"alarm 1");
    let vitals = read(Lane::Vital);
    assert_eq!(vitals.len(), 5, "the first five are acknowledged");
    assert_eq!(vitals[0].range, range(15, 17));
    assert_eq!(vitals[4].bytes, b"vital 9".repeat(30));
    assert_eq!(read(Lane::Event).len(), 1);
    let waves = read(Lane::Wave);
    let numbers: Vec<_> = waves
        .iter()
        .map(|batch| batch.range.first().0 / 4)
        .collect();
    assert_eq!(
        numbers,
        [0, 1, 2, 3, 5, 6, 7, 8, 9],
        "the batch in the middle is acknowledged"
    );
    assert_eq!(store.take_damage(), []);
    put(&store, Lane::Event, 1, b"goes on").unwrap();
}

const FORMAT_2: [(&str, &[u8]); 4] = [
    ("meta", include_bytes!("fixture-2/meta")),
    ("cursor", include_bytes!("fixture-2/cursor")),
    (
        "segment-0000000000000000.log",
        include_bytes!("fixture-2/segment-0000000000000000.log"),
    ),
    (
        "segment-0000000000000001.log",
        include_bytes!("fixture-2/segment-0000000000000001.log"),
    ),
];
