//! Any record that can be written reads back sample for sample, from any place.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;
use wardlink_firmware_shim::wfdb::{Record, Sample};

#[path = "wfdb/writer.rs"]
mod writer;

use writer::{Group, Stored, write, write_header};

/// A file of signals with samples of its format's whole range, the sentinel often among them.
fn group(frames: usize) -> impl Strategy<Value = Group> {
    (
        prop::sample::select(vec![16_u32, 80, 212]),
        vec(0_u8..=255, 0..6),
    )
        .prop_flat_map(move |(format, preamble)| {
            let (lowest, highest) = range(format);
            let sample = prop_oneof![8 => lowest..=highest, 1 => Just(lowest)];
            let signal = (1_usize..4, 0_usize..5).prop_flat_map(move |(per_frame, skew)| {
                vec(sample.clone(), frames * per_frame).prop_map(move |samples| {
                    Stored::new("same", "200(7)/mV 12 0 0", &samples)
                        .per_frame(per_frame)
                        .skew(skew)
                })
            });
            (vec(signal, 1..5), Just(format), Just(preamble))
        })
        .prop_map(|(signals, format, preamble)| {
            Group::new("", format, &signals).preamble(&preamble)
        })
}

/// A plain record: some files of equally many frames.
fn groups() -> impl Strategy<Value = Vec<Group>> {
    (1_usize..80)
        .prop_flat_map(|frames| vec(group(frames), 1..4))
        .prop_map(|mut groups| {
            for (index, group) in groups.iter_mut().enumerate() {
                group.file = format!("file-{index}.dat");
            }
            groups
        })
}

/// The lowest and the highest sample of a format; the lowest is its sign for a missing one.
fn range(format: u32) -> (i32, i32) {
    match format {
        16 => (-32_768, 32_767),
        80 => (-128, 127),
        _ => (-2_048, 2_047),
    }
}

/// What reading must give: shifted by the skew, missing where the sentinel stands or the file has ended.
fn expected(groups: &[Group]) -> Vec<Vec<Sample>> {
    let signals = groups
        .iter()
        .flat_map(|group| group.signals.iter().map(|signal| (group.format, signal)));
    signals
        .map(|(format, signal)| {
            let from = (signal.skew * signal.per_frame).min(signal.samples.len());
            let stored = signal.samples[from..].iter().map(|sample| match *sample {
                lowest if lowest == range(format).0 => Sample::Missing,
                value => Sample::Value(value),
            });
            let mut samples: Vec<_> = stored.collect();
            samples.resize(signal.samples.len(), Sample::Missing);
            samples
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sample_comes_back(groups in groups(), step in 1_usize..40) {
        let folder = TempDir::new().unwrap();
        let path = write(folder.path(), "r", "125", &groups);
        let mut record = Record::open(&path).unwrap();
        for (signal, expected) in expected(&groups).iter().enumerate() {
            prop_assert_eq!(record.signals()[signal].samples, expected.len() as u64);
            let mut found = Vec::new();
            let mut out = vec![Sample::Value(i32::MAX); step];
            while let read @ 1.. = record.read(signal, found.len() as u64, &mut out).unwrap() {
                prop_assert_eq!(read, step.min(expected.len() - found.len()));
                found.extend_from_slice(&out[..read]);
            }
            prop_assert_eq!(&found, expected);
        }
        let signals = groups.iter().map(|group| group.signals.len() as u64).sum::<u64>();
        prop_assert_eq!(record.verify().unwrap(), signals);
    }

    #[test]
    fn every_place_can_be_read_in_any_order(
        groups in groups(),
        places in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..50), 20),
    ) {
        let folder = TempDir::new().unwrap();
        let mut record = Record::open(&write(folder.path(), "r", "125", &groups)).unwrap();
        let expected = expected(&groups);
        for (signal, first, length) in places {
            let signal = signal.index(expected.len());
            let first = first.index(expected[signal].len());
            let mut out = vec![Sample::Value(i32::MAX); length];
            let read = record.read(signal, first as u64, &mut out).unwrap();
            prop_assert_eq!(read, length.min(expected[signal].len() - first));
            prop_assert_eq!(&out[..read], &expected[signal][first..first + read]);
        }
    }

    /// Segments with their own files, formats and choice of signals, and times without any between them.
    #[test]
    fn segments_come_back_in_their_order(
        plan in vec(prop_oneof![
            1 => (1_usize..20).prop_map(|frames| (frames, None)),
            4 => (1_usize..20).prop_flat_map(|frames| {
                let samples = vec((any::<bool>(), vec(-127_i32..=127, frames)), 3);
                let format = prop::sample::select(vec![16_u32, 80, 212]);
                (Just(frames), (format, samples).prop_map(Some))
            }),
        ], 1..8),
        step in 1_usize..60,
    ) {
        let folder = TempDir::new().unwrap();
        let names = ["I", "II", "long name"];
        let mut layout = "r_layout 3 125 0\n".to_owned();
        for name in names {
            layout += &format!("~ 0 200/mV 12 0 0 0 0 {name}\n");
        }
        write_header(folder.path(), "r_layout", &layout);
        let total: usize = plan.iter().map(|(frames, _)| frames).sum();
        let mut master = format!("r/{} 3 125 {total}\nr_layout 0\n", plan.len() + 1);
        let mut expected = vec![Vec::new(); 3];
        for (index, (frames, segment)) in plan.iter().enumerate() {
            let mut stored = Vec::new();
            if let Some((_, signals)) = segment {
                for ((present, samples), name) in signals.iter().zip(names) {
                    if *present {
                        stored.push(Stored::new(name, "200/mV 12 0 0", samples));
                    }
                }
                // Another order than the layout's.
                stored.reverse();
            }
            for (name, expected) in names.iter().zip(&mut expected) {
                match stored.iter().find(|stored| stored.description == *name) {
                    Some(stored) => expected.extend(stored.samples.iter().copied().map(Sample::Value)),
                    None => expected.extend(vec![Sample::Missing; *frames]),
                }
            }
            let name = match segment {
                Some((format, _)) if !stored.is_empty() => {
                    let name = format!("r_{index}");
                    let group = Group::new(&format!("{name}.dat"), *format, &stored);
                    write(folder.path(), &name, "125", &[group]);
                    name
                }
                _ => "~".to_owned(),
            };
            master += &format!("{name} {frames}\n");
        }
        let mut record = Record::open(&write_header(folder.path(), "r", &master)).unwrap();
        for (signal, expected) in expected.iter().enumerate() {
            let mut found = Vec::new();
            let mut out = vec![Sample::Value(i32::MAX); step];
            while let read @ 1.. = record.read(signal, found.len() as u64, &mut out).unwrap() {
                found.extend_from_slice(&out[..read]);
            }
            prop_assert_eq!(&found, expected);
        }
    }
}
