use std::fs;
use std::path::Path;

use super::*;
use crate::device::Device;
use crate::reading::{Absence, Body, Reading};
use crate::sim::testing::{Hand, world};
use crate::sim::{ads1292r, max30102, nonin, tmp117};

#[test]
fn an_ecg_is_held_from_sample_to_sample_and_a_missing_one_is_a_lead_off() {
    let folder = tempfile::tempdir().unwrap();
    // 1 mV, 2 mV, missing, -1 mV: a fifth of a second each
    let mut world = recorded(folder.path(), "200/mV", 5, &[200, 400, -32768, -200]);
    let hand = Hand::default();
    world.clock = crate::sim::testing::world(&hand).clock;
    let readings = play(ads1292r(&world, 250), &hand, Duration::from_secs(2));
    let lead: Vec<_> = readings
        .iter()
        .filter(|reading| reading.stream == 1)
        .collect();
    let [one, off, last] = &lead[..] else {
        panic!("{lead:?}")
    };
    let step = 2420.0 / 6.0 / f64::from((1 << 23) - 1);
    let expected = |place: usize| [1.0, 2.0][place / 50];
    let Body::Samples { first: 0, values } = &one.body else {
        panic!("{one:?}")
    };
    assert_eq!(values.len(), 100);
    for (place, raw) in values.iter().enumerate() {
        assert!(
            (f64::from(*raw) * step - expected(place)).abs() < 0.0001,
            "{place}: {raw}"
        );
    }
    let lost = Body::Absent {
        reason: Absence::LeadOff,
        first: Some(100),
        count: 50,
        raw: None,
    };
    assert_eq!(off.body, lost);
    let Body::Samples { first: 150, values } = &last.body else {
        panic!("{last:?}")
    };
    assert_eq!(values.len(), 50);
    assert!(
        values
            .iter()
            .all(|raw| (f64::from(*raw) * step + 1.0).abs() < 0.0001)
    );
}

#[test]
fn every_device_plays_a_recording_to_its_end_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let temperature = recorded(folder.path(), "100/degC", 1, &[3660, 3661, 3662]);
    let hand = Hand::default();
    let at = |world: &World| World {
        clock: crate::sim::testing::world(&hand).clock,
        ..world.clone()
    };
    let device = tmp117(&at(&temperature), 0x48, Duration::from_secs(1));
    let readings = play(device, &hand, Duration::from_secs(1));
    assert_eq!(readings.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    let pulse = recorded(
        folder.path(),
        "1000/NU",
        50,
        &[0, 500, 1000, 500].repeat(50),
    );
    let readings = play(max30102(&at(&pulse), 100), &hand, Duration::from_secs(1));
    assert_eq!(counted(&readings, 0), 400);
    let readings = play(nonin(&at(&pulse), 2), &hand, Duration::from_secs(1));
    // 12 packets, the last of them never confirmed
    assert_eq!(counted(&readings, 2), 11 * 25);
}

#[test]
fn a_signal_that_is_not_there_or_in_another_unit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = recorded(folder.path(), "100/degC", 1, &[3660]);
    let fault = ads1292r(&world, 250).start().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unopened);
    assert!(fault.detail.contains("signal X is in degC"), "{fault}");
    world.signal = world.signal.map(|(path, _)| (path, Some("Y".to_owned())));
    let fault = nonin(&world, 2).start().unwrap_err();
    assert!(
        fault.detail.contains("no signal Y: choose one of X"),
        "{fault}"
    );
    world.signal = Some((folder.path().join("none.hea"), None));
    let fault = max30102(&world, 100).start().unwrap_err();
    assert!(fault.detail.contains("none.hea"), "{fault}");
}

/// Polls a device, the clock moved by `step` before each poll, until its recording ends.
fn play(mut device: Box<dyn Device>, hand: &Hand, step: Duration) -> Vec<Reading> {
    device.start().unwrap();
    let mut readings = Vec::new();
    // A poll may take as little as one frame of a serial line.
    for _ in 0..20_000 {
        hand.advance(step);
        if let Err(fault) = device.poll(&mut readings) {
            assert_eq!(fault.kind, FaultKind::Ended, "{fault}");
            assert_eq!(device.start().unwrap_err().kind, FaultKind::Ended);
            return readings;
        }
    }
    panic!("no end: {readings:?}");
}

fn counted(readings: &[Reading], stream: usize) -> usize {
    crate::sim::testing::samples(readings, stream).len()
}

/// A world on a record of one signal called X.
fn recorded(folder: &Path, gain: &str, rate: u32, samples: &[i16]) -> World {
    let count = samples.len();
    let header = format!("made 1 {rate} {count}\nmade.dat 16 {gain} 16 0 0 0 0 X\n");
    fs::write(folder.join("made.hea"), header).unwrap();
    let bytes: Vec<_> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    fs::write(folder.join("made.dat"), bytes).unwrap();
    World {
        signal: Some((folder.join("made.hea"), None)),
        ..world(&Hand::default())
    }
}
