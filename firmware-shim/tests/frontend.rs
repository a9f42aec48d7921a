//! Promises of the simulated front end: a recording comes out once, whole and in time.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading, StreamKind};
use wardlink_firmware_shim::sim::frontend;

#[path = "frontend/stage.rs"]
mod stage;
#[path = "wfdb/writer.rs"]
mod writer;

use stage::{Given, Stage, play, replayed};
use writer::{Group, Stored, write, write_header};

const PLAIN: &str = "200/mV 12 0 0";

/// A recording of one 10 Hz signal that counts up from 0.
fn counting(folder: &Path, samples: i32) -> std::path::PathBuf {
    let samples: Vec<_> = (0..samples).collect();
    let group = Group::new("r.dat", 16, &[Stored::new("II", PLAIN, &samples)]);
    write(folder, "r", "10", &[group])
}

fn bodies(readings: Vec<Reading>) -> Vec<Body> {
    readings.into_iter().map(|reading| reading.body).collect()
}

fn polled(device: &mut dyn Device) -> (Vec<Body>, Result<(), Fault>) {
    let mut readings = Vec::new();
    let outcome = device.poll(&mut readings);
    (bodies(readings), outcome)
}

fn samples(first: u64, values: impl IntoIterator<Item = i32>) -> Body {
    Body::Samples {
        first,
        values: values.into_iter().collect(),
    }
}

fn absent(reason: Absence, first: u64, count: u64, raw: Option<i32>) -> Body {
    Body::Absent {
        reason,
        first: Some(first),
        count,
        raw,
    }
}

fn kind(outcome: Result<(), Fault>) -> Option<FaultKind> {
    outcome.err().map(|fault| fault.kind)
}

#[test]
fn a_signal_becomes_a_stream_that_says_what_it_is() {
    let folder = TempDir::new().unwrap();
    let waves = [
        Stored::new("III", "2000/mV 12 0 0", &[0; 4]).per_frame(4),
        Stored::new("ABP", "20(-1600)/mmHg 12 0 0", &[0]),
        Stored::new("lead (x)", "2281/furlong 12 0 0", &[0]),
        Stored::new("lead [x]", "200/NU 12 0 0", &[0]),
    ];
    let group = Group::new("w.dat", 212, &waves);
    let path = write(folder.path(), "w", "125", &[group]);
    let stage = Stage::new(1.0);
    let device = frontend(&stage.world(), &path);
    let found: Vec<_> = device
        .streams()
        .iter()
        .map(|s| {
            let sampling = s.sampling.unwrap();
            let rate = (sampling.rate_numerator, sampling.rate_denominator);
            let calibration = (sampling.scale, sampling.offset);
            (
                s.name.as_str(),
                s.code,
                s.unit.as_str(),
                s.kind,
                rate,
                calibration,
            )
        })
        .collect();
    let (decimal, wave) = (Decimal::new, StreamKind::Waveform);
    let zero = decimal(0, 0);
    assert_eq!(
        found,
        [
            ("III", 131_389, "mV", wave, (500, 1), (decimal(5, -4), zero)),
            (
                "ABP",
                150_036,
                "mm[Hg]",
                wave,
                (125, 1),
                (decimal(5, -2), decimal(80, 0))
            ),
            (
                "lead--x-",
                0,
                "{furlong}",
                wave,
                (125, 1),
                (decimal(438_404_208_680, -15), zero)
            ),
            ("lead--x--2", 0, "1", wave, (125, 1), (decimal(5, -3), zero)),
        ]
    );
}

#[test]
fn a_signal_of_one_sample_a_second_or_fewer_is_numeric() {
    let folder = TempDir::new().unwrap();
    let slow = Stored::new("HR", "10/bpm 16 0 0", &[800]);
    let fast = Stored::new("HR", "10/bpm 16 0 0", &[800, 800]).per_frame(2);
    let group = Group::new("n.dat", 16, &[slow, fast]);
    let path = write(folder.path(), "n", "1", &[group]);
    let device = frontend(&Stage::new(1.0).world(), &path);
    let kinds: Vec<_> = device.streams().iter().map(|s| (s.kind, s.code)).collect();
    assert_eq!(
        kinds,
        [(StreamKind::Numeric, 147_842), (StreamKind::Waveform, 0)]
    );
}

#[test]
fn samples_come_when_they_are_due_and_a_block_at_a_time() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(1.0);
    // The world's clock ran before the device was started.
    stage.advance(Duration::from_secs(9));
    let mut device = frontend(&stage.world(), &counting(folder.path(), 25));
    device.start().unwrap();
    assert_eq!(polled(&mut *device), (vec![], Ok(())));
    stage.advance(Duration::from_millis(899));
    assert_eq!(
        polled(&mut *device),
        (vec![], Ok(())),
        "sample 9 is due at 900 ms"
    );
    stage.advance(Duration::from_millis(1));
    assert_eq!(polled(&mut *device), (vec![samples(0, 0..10)], Ok(())));
    assert_eq!(polled(&mut *device), (vec![], Ok(())));
    stage.advance(Duration::from_millis(1_200));
    assert_eq!(polled(&mut *device), (vec![samples(10, 10..20)], Ok(())));
    stage.advance(Duration::from_millis(300));
    // The recording's last block is short.
    assert_eq!(polled(&mut *device), (vec![samples(20, 20..25)], Ok(())));
    let (bodies, outcome) = polled(&mut *device);
    let ended = outcome.unwrap_err();
    assert_eq!((bodies, ended.kind), (vec![], FaultKind::Ended));
    assert!(ended.detail.contains("`r`"), "{ended}");
    assert_eq!(device.start(), Err(ended), "it does not start over");
}

#[test]
fn the_world_may_run_at_another_speed() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(20.0);
    let mut device = frontend(&stage.world(), &counting(folder.path(), 100));
    device.start().unwrap();
    stage.advance(Duration::from_millis(50));
    assert_eq!(polled(&mut *device), (vec![samples(0, 0..10)], Ok(())));
}

#[test]
fn a_jump_of_the_clock_is_caught_up_in_bounded_steps() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &counting(folder.path(), 1_000));
    device.start().unwrap();
    let usual = device.period();
    stage.advance(Duration::from_secs(3_600));
    let mut next = 0;
    while next < 1_000 {
        let (bodies, outcome) = polled(&mut *device);
        outcome.unwrap();
        assert!((4..=6).contains(&bodies.len()), "{} blocks", bodies.len());
        for body in bodies {
            assert_eq!(
                body,
                samples(
                    next,
                    (0..10).map(|step| i32::try_from(next).unwrap() + step)
                )
            );
            next += 10;
        }
        assert!(
            device.period() < usual,
            "it wants to be polled sooner while behind"
        );
    }
    assert_eq!(kind(polled(&mut *device).1), Some(FaultKind::Ended));
}

#[test]
fn what_is_held_back_comes_out_at_a_flush_and_not_again() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &counting(folder.path(), 30));
    let mut readings = Vec::new();
    device.flush(&mut readings);
    assert_eq!(readings, [], "nothing is due before the start");
    device.start().unwrap();
    stage.advance(Duration::from_millis(1_350));
    device.flush(&mut readings);
    assert_eq!(bodies(readings), [samples(0, 0..10), samples(10, 10..14)]);
    stage.advance(Duration::from_millis(600));
    assert_eq!(polled(&mut *device), (vec![samples(14, 14..20)], Ok(())));
}

#[test]
fn a_missing_sample_leaves_a_hole_of_its_own_size() {
    let folder = TempDir::new().unwrap();
    let values = [1, -2_048, 3, 0, -2_048, -2_048, -2_048, 8, 9, -2_048];
    let group = Group::new("r.dat", 212, &[Stored::new("II", PLAIN, &values)]);
    let path = write(folder.path(), "r", "10", &[group]);
    write_header(folder.path(), "long", "long/3 1 10 25\n~ 3\nr 10\n~ 12\n");
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &path.with_file_name("long"));
    device.start().unwrap();
    stage.advance(Duration::from_secs(3));
    let missing = |first, count, raw| absent(Absence::MissingSample, first, count, raw);
    assert_eq!(
        polled(&mut *device).0,
        [
            // Where nothing was recorded, nothing stands in for it.
            missing(0, 3, None),
            samples(3, [1]),
            missing(4, 1, Some(-2_048)),
            // In a waveform 0 is a value.
            samples(5, [3, 0]),
            missing(7, 3, Some(-2_048)),
            samples(10, [8, 9]),
            missing(12, 1, Some(-2_048)),
            missing(13, 7, None),
            missing(20, 5, None),
        ]
    );
}

#[test]
fn a_zero_of_a_numeric_that_cannot_be_zero_is_no_value() {
    let folder = TempDir::new().unwrap();
    let stored = |name, calibration: &str| {
        Stored::new(name, &format!("{calibration} 16 0 0"), &[0, 1_013, -32_768])
    };
    let signals = [
        stored("HR", "10/bpm"),
        stored("PULSE", "10/bpm"),
        stored("RESP", "10/pm"),
        stored("SpO2", "10/%"),
        stored("ABPMean", "10/mmHg"),
        stored("CVP", "10/mmHg"),
        stored("PVC", "10/pm"),
        stored("TEMP", "3/degC"),
    ];
    let group = Group::new("n.dat", 16, &signals);
    let path = write(folder.path(), "n", "0.0166666666667", &[group]);
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &path);
    let specs = device.streams().to_vec();
    let found = play(&mut *device, &stage, &[Duration::from_secs(5)]);
    let not_available = absent(Absence::NotAvailable, 0, 1, Some(0));
    let missing = absent(Absence::MissingSample, 2, 1, Some(-32_768));
    let numeric = |index, raw, value| Body::Numeric {
        value,
        index: Some(index),
        raw: Some(raw),
    };
    for (stream, spec) in specs.iter().enumerate() {
        let sampling = spec.sampling.unwrap();
        assert_eq!(
            (sampling.rate_numerator, sampling.rate_denominator),
            (1, 60)
        );
        let (zero, value) = if spec.name == "TEMP" {
            (Some(Decimal::new(0, 0)), Decimal::new(337_666_666_667, -9))
        } else {
            let zero = ["CVP", "PVC"].contains(&spec.name.as_str());
            (zero.then_some(Decimal::new(0, -1)), Decimal::new(1_013, -1))
        };
        let zero = zero.map_or(not_available.clone(), |zero| numeric(0, 0, zero));
        let bodies: Vec<_> = found
            .iter()
            .filter(|reading| reading.stream == stream)
            .map(|reading| reading.body.clone())
            .collect();
        let expected = [zero, numeric(1, 1_013, value), missing.clone()];
        assert_eq!(bodies, expected, "{}", spec.name);
    }
}

#[test]
fn a_recording_that_cannot_be_opened_fails_every_start() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &folder.path().join("gone"));
    assert_eq!(device.streams(), []);
    for _ in 0..2 {
        let fault = device.start().unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unopened);
        assert!(fault.detail.contains("gone.hea"), "{fault}");
    }
    assert_eq!(kind(polled(&mut *device).1), Some(FaultKind::Unopened));
    device.flush(&mut Vec::new());
}

#[test]
fn polled_before_it_was_started_it_says_so() {
    let folder = TempDir::new().unwrap();
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &counting(folder.path(), 10));
    assert_eq!(kind(polled(&mut *device).1), Some(FaultKind::Unopened));
}

#[test]
fn a_file_that_vanishes_costs_its_own_samples_and_no_others() {
    let folder = TempDir::new().unwrap();
    for (name, base) in [("x1", 100), ("x2", 200), ("x3", 300)] {
        let file = |kind| format!("{name}{kind}.dat");
        let values: Vec<_> = (base..base + 20).collect();
        let stored = |name| [Stored::new(name, PLAIN, &values)];
        let groups = [
            Group::new(&file("a"), 16, &stored("I")),
            Group::new(&file("b"), 16, &stored("II")),
        ];
        write(folder.path(), name, "10", &groups);
    }
    let path = write_header(folder.path(), "x", "x/3 2 10 60\nx1 20\nx2 20\nx3 20\n");
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &path);
    fs::remove_file(folder.path().join("x2a.dat")).unwrap();
    device.start().unwrap();
    let mut readings = Vec::new();
    let mut faults = Vec::new();
    loop {
        match device.poll(&mut readings) {
            Ok(()) => {}
            Err(fault) if fault.kind == FaultKind::Ended => break,
            Err(fault) => {
                faults.push(fault);
                device.start().unwrap();
            }
        }
        stage.advance(Duration::from_millis(130));
    }
    assert_eq!(faults.len(), 2, "one for each block that could not be read");
    assert_eq!(faults[0].kind, FaultKind::Bus);
    assert!(faults[0].detail.contains("x2a.dat"), "{}", faults[0]);
    let given = replayed(2, &readings);
    let known = |from: i32| (from..from + 20).map(Given::Raw);
    let lost = std::iter::repeat_n(Given::Absent(Absence::BusError, None), 20);
    let expected: Vec<_> = known(100).chain(lost).chain(known(300)).collect();
    assert_eq!(given[0], expected);
    let expected: Vec<_> = known(100).chain(known(200)).chain(known(300)).collect();
    assert_eq!(given[1], expected);
}

#[test]
fn a_file_cut_short_gives_its_rest_before_the_fault_and_goes_on_when_it_is_whole_again() {
    let folder = TempDir::new().unwrap();
    let path = counting(folder.path(), 40);
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &path);
    device.start().unwrap();
    let whole = fs::read(folder.path().join("r.dat")).unwrap();
    // Cut in the middle of sample 13.
    fs::write(folder.path().join("r.dat"), &whole[..27]).unwrap();
    stage.advance(Duration::from_secs(2));
    let (bodies, outcome) = polled(&mut *device);
    let lost = absent(Absence::BusError, 13, 7, None);
    assert_eq!(bodies, [samples(0, 0..10), samples(10, 10..13), lost]);
    let fault = outcome.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Bus);
    assert!(fault.detail.contains("r.dat holds 27 bytes"), "{fault}");
    fs::write(folder.path().join("r.dat"), &whole).unwrap();
    device.start().unwrap();
    stage.advance(Duration::from_secs(1));
    assert_eq!(polled(&mut *device), (vec![samples(20, 20..30)], Ok(())));
}
