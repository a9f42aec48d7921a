//! The Ivy 450C, against packets in the layout that was read from a real stream.

use std::path::Path;

use wardlink_firmware_shim::drivers::ivy450c::Ivy450c;
use wardlink_firmware_shim::reading::{Absence, Body};

use super::{listen, numbers, whole};

pub(crate) fn packet(rate: &str, spo2: &str) -> Vec<u8> {
    let mut bytes = b"\xfe\xffANSAR-B ".to_vec();
    bytes.extend((0..350_u16).map(|place| u8::try_from(place % 250).unwrap()));
    bytes.extend([0xfb; 50]);
    bytes.extend(
        format!(
            "HR=1;{rate};ECG-II-DIAG;\rRR=1;35;APNEA: 20 SEC;\rETCO2=1;;;\rSPO2=1;{spo2};PR={rate} ;\r\
             NIBP=4;121;75;92;80;;\rP1=3;111;73;88;;\rP2=3;;;;NO TRANSDUCER;\rT1=1;;;\rT2=1;;;\r"
        )
        .into_bytes(),
    );
    bytes
}

#[test]
fn a_packet_gives_its_numbers_and_a_second_of_each_wave() {
    let readings = listen(Ivy450c::default(), &packet("80", "100").repeat(3));
    assert_eq!(numbers(&readings, 0), [whole(80); 3]);
    assert_eq!(numbers(&readings, 1), [whole(35); 3]);
    assert_eq!(numbers(&readings, 2), [whole(100); 3]);
    assert_eq!(numbers(&readings, 3), [whole(80); 3]);
    assert_eq!(numbers(&readings, 4), [whole(111); 3]);
    // One cuff measurement, repeated by the monitor until the next.
    assert_eq!(numbers(&readings, 7), [whole(121)]);
    assert_eq!(numbers(&readings, 9), [whole(92)]);
    let samples = |stream| -> usize {
        let of_stream = readings.iter().filter(|reading| reading.stream == stream);
        of_stream
            .map(|reading| match &reading.body {
                Body::Samples { values, .. } => values.len(),
                _ => 0,
            })
            .sum()
    };
    assert_eq!([11, 12, 13, 14, 15].map(samples), [600, 150, 150, 150, 0]);
    let absent = readings
        .iter()
        .find(|reading| reading.stream == 15)
        .unwrap();
    let Body::Absent {
        reason: Absence::SensorOff,
        ..
    } = absent.body
    else {
        panic!("{absent:?}")
    };
}

#[test]
fn a_packet_that_was_cut_off_lends_no_sample_to_the_next() {
    let good = packet("80", "100");
    for cut in [1, 11, 100, 409, 411, 450] {
        let bytes = [&good[..], &good[..cut], &good[..]].concat();
        let readings = listen(Ivy450c::default(), &bytes);
        let ecg: Vec<_> = readings
            .iter()
            .filter(|reading| reading.stream == 11)
            .collect();
        let samples: Vec<i32> = (0..200).collect();
        let expected = Body::Samples {
            first: 0,
            values: samples.clone(),
        };
        assert_eq!(ecg[0].body, expected, "cut at {cut}");
        // The next packet's samples stand behind a break of unknown length, or behind waves that were whole.
        let last = &ecg.last().unwrap().body;
        let Body::Samples { values, .. } = last else {
            panic!("{last:?}")
        };
        assert_eq!(*values, samples, "cut at {cut}");
    }
}

#[test]
fn an_empty_field_is_no_value_and_dashes_are_none_either() {
    for none in ["", "---"] {
        let readings = listen(Ivy450c::default(), &packet(none, none));
        for stream in [0, 2, 3] {
            assert_eq!(
                numbers(&readings, stream),
                [Err(Absence::NotAvailable)],
                "{none:?}"
            );
        }
    }
}

#[test]
fn a_line_that_was_cut_off_gives_no_number_with_digits_missing() {
    let whole_packet = packet("128", "100");
    for cut in 410..whole_packet.len() {
        let mut bytes = whole_packet[..cut].to_vec();
        bytes.extend(packet("128", "100"));
        let readings = listen(Ivy450c::default(), &bytes);
        assert!(
            numbers(&readings, 0).iter().all(|rate| *rate == whole(128)),
            "cut at {cut}"
        );
        assert!(
            numbers(&readings, 2).iter().all(|spo2| *spo2 == whole(100)),
            "cut at {cut}"
        );
    }
}

/// A real stream, where it lies beside the workspace; without it this test says so and promises nothing.
#[test]
fn the_recorded_stream_of_a_real_monitor_is_decoded_whole() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = workspace.join("../shared/recordings/device-captures/Ivy450C.1.data");
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let readings = listen(Ivy450c::default(), &bytes);
    // 27 whole packets; the stream begins in the middle of one and ends in the middle of another.
    assert_eq!(numbers(&readings, 0), [whole(80); 27]);
    assert_eq!(numbers(&readings, 2), [whole(100); 27]);
    assert_eq!(numbers(&readings, 7), [whole(121)]);
    let ecg: Vec<i32> = readings
        .iter()
        .filter(|reading| reading.stream == 11)
        .flat_map(|reading| match &reading.body {
            Body::Samples { values, .. } => values.clone(),
            _ => panic!("{reading:?}"),
        })
        .collect();
    assert_eq!(ecg.len(), 27 * 200);
    // The layout is right if the ECG's beats agree with the heart rate: 150 samples at 80 a minute.
    let beats: Vec<usize> = (1..ecg.len() - 1)
        .filter(|at| ecg[*at] > 200 && ecg[*at] >= ecg[*at - 1] && ecg[*at] > ecg[*at + 1])
        .collect();
    let gaps: Vec<usize> = beats.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.len() > 30 && gaps.iter().all(|gap| (149..=151).contains(gap)),
        "{gaps:?}"
    );
}
