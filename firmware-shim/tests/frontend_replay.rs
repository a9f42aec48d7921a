//! Any recording comes out of the simulated front end once, whole and in time.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use wardlink_firmware_shim::reading::Absence;
use wardlink_firmware_shim::sim::frontend;

#[path = "frontend/stage.rs"]
mod stage;
#[path = "wfdb/writer.rs"]
mod writer;

use stage::{Given, Stage, play, replayed};
use writer::{Group, Stored, write};

const PLAIN: &str = "200/mV 12 0 0";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the rates, the holes and the moments of polling: each index once, in order, as recorded,
    /// and never before its time.
    #[test]
    fn a_replay_is_the_recording(
        rate in prop::sample::select(vec!["0.0166666666667", "0.3", "1", "1.5", "7", "62.4725", "250"]),
        signals in (1_usize..200).prop_flat_map(|frames| {
            vec((1_usize..4).prop_flat_map(move |per_frame| {
                let sample = prop_oneof![6 => -2_047_i32..=2_047, 1 => Just(0), 1 => Just(-2_048)];
                (Just(per_frame), vec(sample, frames * per_frame))
            }), 1..5)
        }),
        steps in vec(0_u64..3_000, 1..12),
        speed in prop::sample::select(vec![1.0, 0.5, 60.0]),
    ) {
        let folder = TempDir::new().unwrap();
        let stored: Vec<_> = signals
            .iter()
            .map(|(per_frame, samples)| Stored::new("CVP", PLAIN, samples).per_frame(*per_frame))
            .collect();
        let path = write(folder.path(), "r", rate, &[Group::new("r.dat", 212, &stored)]);
        let stage = Stage::new(speed);
        let mut device = frontend(&stage.world(), &path);
        let steps: Vec<_> = steps.into_iter().map(Duration::from_millis).collect();
        let readings = play(&mut *device, &stage, &steps);
        for ((_, samples), given) in signals.iter().zip(replayed(signals.len(), &readings)) {
            let expected: Vec<_> = samples
                .iter()
                .map(|sample| match *sample {
                    -2_048 => Given::Absent(Absence::MissingSample, Some(-2_048)),
                    raw => Given::Raw(raw),
                })
                .collect();
            prop_assert_eq!(given, expected);
        }
    }
}
