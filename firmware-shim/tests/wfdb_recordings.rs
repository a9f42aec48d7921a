//! Real recordings, where they lie beside the workspace: read and replayed as the reference reader reads
//! them. The expected figures are from wfdb 4.3.1 for Python (`rdrecord(physical=False,
//! smooth_frames=False)`); without the recordings these tests say so and promise nothing.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use wardlink_firmware_shim::reading::{Absence, Body};
use wardlink_firmware_shim::sim::frontend;
use wardlink_firmware_shim::wfdb::{Record, Sample};

#[path = "frontend/stage.rs"]
mod stage;

use stage::{Given, Stage, play, replayed};

/// A recording as the reference reader sees it.
struct Known {
    record: &'static str,
    /// How many checksums its headers give.
    checksums: u64,
    signals: &'static [Signal],
}

struct Signal {
    name: &'static str,
    rate: (u64, u64),
    samples: usize,
    missing: usize,
    /// What the converter gave first.
    starts: [i32; 3],
    /// FNV-1a over all samples as little-endian 32-bit integers, missing ones as the file marks them.
    hash: u64,
}

const fn signal(
    name: &'static str,
    rate: (u64, u64),
    extent: (usize, usize),
    starts: [i32; 3],
    hash: u64,
) -> Signal {
    let (samples, missing) = extent;
    Signal {
        name,
        rate,
        samples,
        missing,
        starts,
        hash,
    }
}

#[test]
fn every_sample_is_the_reference_readers() {
    for (known, path) in recordings() {
        let mut record = Record::open(&path).unwrap();
        assert_eq!(
            record.verify().unwrap(),
            known.checksums,
            "{}",
            known.record
        );
        assert_eq!(record.signals().len(), known.signals.len());
        for (index, expected) in known.signals.iter().enumerate() {
            let found = record.signals()[index].clone();
            assert_eq!(found.name, expected.name);
            assert_eq!(
                (found.rate_numerator, found.rate_denominator),
                expected.rate
            );
            let raw = raw(&mut record, index);
            assert_eq!(
                raw.len(),
                expected.samples,
                "{} of {}",
                found.name,
                known.record
            );
            assert_eq!(
                raw[..3],
                expected.starts,
                "{} of {}",
                found.name,
                known.record
            );
            assert_eq!(
                hash(&raw),
                expected.hash,
                "{} of {}",
                found.name,
                known.record
            );
        }
    }
}

#[test]
fn missing_samples_are_as_many_as_the_reference_readers() {
    for (known, path) in recordings() {
        let mut record = Record::open(&path).unwrap();
        for (index, expected) in known.signals.iter().enumerate() {
            let mut samples = vec![Sample::Value(0); expected.samples];
            assert_eq!(
                record.read(index, 0, &mut samples).unwrap(),
                expected.samples
            );
            let missing = samples.iter().filter(|s| **s == Sample::Missing).count();
            assert_eq!(
                missing, expected.missing,
                "{} of {}",
                expected.name, known.record
            );
        }
    }
}

#[test]
fn a_replay_at_odd_times_is_the_recording() {
    let steps = [0, 13, 999, 1_001, 250, 4_703].map(Duration::from_millis);
    for (known, path) in recordings() {
        let mut record = Record::open(&path).unwrap();
        let stage = Stage::new(7.3);
        let mut device = frontend(&stage.world(), &path);
        let readings = play(&mut *device, &stage, &steps);
        let replayed = replayed(known.signals.len(), &readings);
        for (index, (expected, given)) in known.signals.iter().zip(replayed).enumerate() {
            let given: Vec<_> = given
                .iter()
                .map(|given| match given {
                    Given::Raw(raw) => *raw,
                    Given::Absent(reason, raw) => {
                        assert_ne!(*reason, Absence::BusError);
                        raw.unwrap()
                    }
                })
                .collect();
            assert_eq!(
                given,
                raw(&mut record, index),
                "{} of {}",
                expected.name,
                known.record
            );
        }
    }
}

#[test]
fn no_zero_of_the_numerics_becomes_a_measurement() {
    let Some((_, path)) = recordings().find(|(known, _)| known.record == NUMERICS) else {
        return;
    };
    let stage = Stage::new(60.0);
    let mut device = frontend(&stage.world(), &path);
    let streams = device.streams().len();
    let readings = play(&mut *device, &stage, &[Duration::from_secs(1)]);
    let mut values = vec![0; streams];
    let mut not_available = vec![0; streams];
    let mut missing = vec![0; streams];
    for reading in &readings {
        match &reading.body {
            Body::Numeric { value, .. } => {
                assert!(value.mantissa > 0, "{reading:?}");
                values[reading.stream] += 1;
            }
            Body::Absent { reason, count, .. } if *reason == Absence::NotAvailable => {
                not_available[reading.stream] += count;
            }
            Body::Absent { reason, count, .. } => {
                assert_eq!(*reason, Absence::MissingSample);
                missing[reading.stream] += count;
            }
            other @ (Body::Samples { .. } | Body::Alarm { .. }) => {
                panic!("{other:?} in a record of numerics")
            }
        }
    }
    assert_eq!(not_available, [28, 8, 5, 11, 0, 0, 0]);
    assert_eq!(missing, [0, 0, 0, 0, 54, 54, 51]);
    assert_eq!(values, [44, 64, 67, 61, 18, 18, 21]);
}

/// All samples of a signal as the file holds them.
fn raw(record: &mut Record, signal: usize) -> Vec<i32> {
    let mut raw = Vec::new();
    let mut out = [Sample::Missing; 997];
    while let read @ 1.. = record.read(signal, raw.len() as u64, &mut out).unwrap() {
        for sample in &out[..read] {
            raw.push(match sample {
                Sample::Value(value) => *value,
                Sample::Missing => record.sentinel(signal, raw.len() as u64).unwrap(),
            });
        }
    }
    raw
}

fn hash(samples: &[i32]) -> u64 {
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The known recordings that are there, with their headers.
fn recordings() -> impl Iterator<Item = (&'static Known, PathBuf)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = workspace.join("../shared/recordings/wfdb");
    KNOWN.iter().filter_map(move |known| {
        let header = folder.join(format!("{}.hea", known.record));
        if header.is_file() {
            return Some((known, header));
        }
        eprintln!(
            "recording {} is not there, so nothing was compared",
            known.record
        );
        None
    })
}

const NUMERICS: &str = "s25047-2704-05-04-10-44n";
const MINUTE: (u64, u64) = (1, 60);

#[rustfmt::skip]
const KNOWN: &[Known] = &[
    Known { record: "100", checksums: 2, signals: &[
        signal("MLII", (360, 1), (650_000, 0), [995, 995, 995], 0xbcdb_6cec_296d_fb4b),
        signal("V5", (360, 1), (650_000, 0), [1011, 1011, 1011], 0xc03f_6dbf_df06_b40f),
    ] },
    Known { record: "v102s", checksums: 4, signals: &[
        signal("II", (250, 1), (75_000, 3), [-26, -18, 13], 0xaea1_502b_b536_1f61),
        signal("V", (250, 1), (75_000, 2), [340, 471, 505], 0x1571_fd95_aac3_d04d),
        signal("PLETH", (250, 1), (75_000, 17), [-46, 1410, 1545], 0xc087_bed2_0f03_f765),
        signal("RESP", (250, 1), (75_000, 1), [339, 462, 477], 0x4fef_0975_41ab_bbc7),
    ] },
    Known { record: "041s", checksums: 14, signals: &[
        signal("III", (500, 1), (8_000, 0), [168, 168, 166], 0x28f5_140e_be4c_4200),
        signal("I", (500, 1), (8_000, 1), [2, -20, -64], 0xb5b9_1160_af51_9167),
        signal("V", (500, 1), (8_000, 0), [155, 133, 133], 0xac2b_adea_7280_41be),
        signal("ABP", (125, 1), (2_000, 0), [-242, -188, -134], 0x4881_dc63_a600_2697),
        signal("PAP", (125, 1), (2_000, 0), [706, 743, 781], 0xb917_cb84_fcc3_7bbd),
        signal("PLETH", (125, 1), (2_000, 0), [-841, -841, -832], 0xe231_2479_cd7f_301e),
        signal("RESP", (125, 1), (2_000, 0), [401, 400, 398], 0xa2a5_a607_db96_8d55),
    ] },
    Known { record: NUMERICS, checksums: 7, signals: &[
        signal("HR", MINUTE, (72, 0), [1013, 1030, 895], 0x50ee_6413_7825_366d),
        signal("PULSE", MINUTE, (72, 0), [0, 0, 885], 0x0b69_10c2_f7a7_7213),
        signal("RESP", MINUTE, (72, 0), [165, 205, 212], 0xbe61_aa90_76bd_c050),
        signal("SpO2", MINUTE, (72, 0), [0, 0, 957], 0x35d5_d900_04d7_f80d),
        signal("NBPSys", MINUTE, (72, 54), [-32768, -32768, 87], 0xa91a_7d68_441e_87a0),
        signal("NBPDias", MINUTE, (72, 54), [-32768, -32768, 46], 0x059e_6a73_74ed_848c),
        signal("NBPMean", MINUTE, (72, 51), [-32768, -32768, 62], 0xf618_8e8b_879e_a7a1),
    ] },
];
