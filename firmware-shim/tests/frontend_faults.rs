//! What a scenario does to the simulated front end: what is lost is stated sample by sample, the rest is exact.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use wardlink_firmware_shim::device::FaultKind;
use wardlink_firmware_shim::reading::Absence;
use wardlink_firmware_shim::sim::{Off, Scenario, SimFault, Timed, World, frontend};

#[path = "frontend/stage.rs"]
mod stage;
#[path = "wfdb/writer.rs"]
mod writer;

use stage::{Given, Stage, play, replayed};
use writer::{Group, Stored, write};

const PLAIN: &str = "200/mV 12 0 0";
const SECOND: Duration = Duration::from_secs(1);

/// Leads I and II at 10 Hz for 20 seconds, which count up from 0 and from 1000.
fn two_leads(folder: &Path) -> std::path::PathBuf {
    let (first, second): (Vec<_>, Vec<_>) = (0..200).map(|sample| (sample, 1000 + sample)).unzip();
    let signals = [
        Stored::new("I", PLAIN, &first),
        Stored::new("II", PLAIN, &second),
    ];
    write(folder, "r", "10", &[Group::new("r.dat", 16, &signals)])
}

fn with(stage: &Stage, faults: &[(u64, u64, SimFault)]) -> World {
    let faults = faults.iter().map(|(at, lasting, what)| Timed {
        at: Duration::from_secs(*at),
        lasting: Duration::from_secs(*lasting),
        what: *what,
    });
    World {
        scenario: Arc::new(Scenario {
            faults: faults.collect(),
            ..Scenario::default()
        }),
        ..stage.world()
    }
}

#[test]
fn what_is_off_or_overflows_is_absent_in_its_place_and_nothing_else_is() {
    let folder = TempDir::new().unwrap();
    let path = two_leads(folder.path());
    let stage = Stage::new(1.0);
    let world = with(
        &stage,
        &[
            (3, 2, SimFault::Off(Off::LeadI)),
            (8, 1, SimFault::Overflow),
            (12, 3, SimFault::Off(Off::Sensor)),
        ],
    );
    let mut device = frontend(&world, &path);
    let steps = [Duration::from_millis(130), Duration::from_millis(1700)];
    let given = replayed(2, &play(device.as_mut(), &stage, &steps));
    for (lead, zero) in [(0, 0), (1, 1000)] {
        assert_eq!(given[lead].len(), 200);
        for (place, given) in given[lead].iter().enumerate() {
            let lost = match place / 10 {
                3 | 4 if lead == 0 => Some(Absence::LeadOff),
                8 => Some(Absence::Overrun),
                12..15 => Some(Absence::SensorOff),
                _ => None,
            };
            let raw = Given::Raw(zero + i32::try_from(place).unwrap());
            let expected = lost.map_or(raw, |reason| Given::Absent(reason, None));
            assert_eq!(*given, expected, "lead {lead}, sample {place}");
        }
    }
}

#[test]
fn one_that_is_unplugged_is_a_fault_and_loses_what_was_due_meanwhile() {
    for (fault, kind, lost) in [
        (
            SimFault::Unplugged,
            FaultKind::NoResponse,
            Some(Absence::DeviceOff),
        ),
        // One that does not answer for a while still has everything.
        (SimFault::NoAcknowledge, FaultKind::NoResponse, None),
        (
            SimFault::StuckBus {
                hold: Duration::ZERO,
            },
            FaultKind::Bus,
            None,
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let path = two_leads(folder.path());
        let stage = Stage::new(1.0);
        let mut device = frontend(&with(&stage, &[(5, 4, fault)]), &path);
        device.start().unwrap();
        let mut readings = Vec::new();
        for second in 1..=20 {
            stage.advance(SECOND);
            let told = device.poll(&mut readings).map_err(|fault| fault.kind);
            match second {
                5..9 => {
                    assert_eq!(told, Err(kind), "second {second}");
                    assert_eq!(device.start().unwrap_err().kind, kind);
                }
                9 => {
                    device.start().unwrap();
                    device.poll(&mut readings).unwrap();
                }
                _ => assert_eq!(told, Ok(()), "second {second}"),
            }
        }
        device.flush(&mut readings);
        let given = replayed(2, &readings);
        assert_eq!(given[0].len(), 200);
        for (place, given) in (0..).zip(&given[0]) {
            let expected = match lost {
                Some(reason) if (50..90).contains(&place) => Given::Absent(reason, None),
                _ => Given::Raw(place),
            };
            assert_eq!(*given, expected, "{fault:?}: sample {place}");
        }
    }
}

#[test]
fn a_fast_clock_plays_the_recording_in_less_time() {
    let folder = TempDir::new().unwrap();
    let path = two_leads(folder.path());
    for (ppm, due) in [(0, 101), (10_000, 102), (-10_000, 100)] {
        let stage = Stage::new(1.0);
        let mut world = stage.world();
        world.scenario = Arc::new(Scenario {
            drift_ppm: ppm,
            ..Scenario::default()
        });
        let mut device = frontend(&world, &path);
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..10 {
            stage.advance(SECOND);
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        assert_eq!(replayed(2, &readings)[0].len(), due, "{ppm}");
    }
}

#[test]
fn a_lead_that_the_recording_does_not_have_cannot_come_off() {
    let folder = TempDir::new().unwrap();
    let signals = [Stored::new("II", PLAIN, &[0; 20])];
    let path = write(
        folder.path(),
        "r",
        "10",
        &[Group::new("r.dat", 16, &signals)],
    );
    let stage = Stage::new(1.0);
    let world = with(&stage, &[(1, 1, SimFault::Off(Off::LeadI))]);
    let fault = frontend(&world, &path).start().unwrap_err();
    assert!(fault.detail.contains("takes off lead I,"), "{fault}");
}
