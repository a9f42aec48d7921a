//! A recording arrives sample for sample: what goes in as a file comes out as a file.

use wardlink_tests::folder::Folder;
use wardlink_tests::monitor::Monitor;
use wardlink_tests::profile;
use wardlink_tests::recording::{File, Signal, write, write_segments};
use wardlink_tests::seed::Seed;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;

#[test]
fn a_recording_of_several_formats_and_rates_arrives_sample_for_sample() {
    let mut seed = Seed::of("formats");
    let folder = Folder::new();
    let frames = 2_500;
    let fast = signal(
        "ECG-II",
        "200(0)/mV 16",
        4,
        samples(&mut seed, 4 * frames, 30_000),
    );
    let slow = signal("Resp", "100/NU 16", 1, samples(&mut seed, frames, 2_000));
    let packed = signal(
        "ABP",
        "20(-1600)/mmHg 12",
        1,
        samples(&mut seed, frames, 2_047),
    );
    let twin = signal(
        "ABP",
        "20(-1600)/mmHg 12",
        2,
        samples(&mut seed, 2 * frames, 2_047),
    );
    let byte = signal("PLETH", "100/NU 8", 1, samples(&mut seed, frames, 127));
    let files = [
        File {
            format: 16,
            offset: 0,
            signals: vec![fast.clone(), slow.clone()],
        },
        File {
            format: 212,
            offset: 24,
            signals: vec![packed.clone(), twin.clone()],
        },
        File {
            format: 80,
            offset: 0,
            signals: vec![byte.clone()],
        },
    ];
    let header = write(folder.path(), "mixed", 125, &files);
    let ward = Ward::open();
    play(&ward, &profile::recording(&header, 10));
    for (stream, signal) in [
        ("ECG-II", fast),
        ("Resp", slow),
        ("ABP", packed),
        ("ABP-2", twin),
        ("PLETH", byte),
    ] {
        assert_exported(&ward.monitor, stream, &lines_of(&signal));
    }
}

#[test]
fn a_recording_of_segments_arrives_with_its_pauses_stated() {
    let mut seed = Seed::of("segments");
    let folder = Folder::new();
    let (first, second) = (
        samples(&mut seed, 2 * 700, 2_000),
        samples(&mut seed, 2 * 900, 2_000),
    );
    let second_slow = samples(&mut seed, 900, 2_000);
    let pressure = |samples: &[Option<i32>]| signal("ABP", "20/mmHg 12", 2, samples.to_vec());
    let breath = |samples: &[Option<i32>]| signal("Resp", "100/NU 12", 1, samples.to_vec());
    let file = |signals: Vec<Signal>| {
        vec![File {
            format: 212,
            offset: 0,
            signals,
        }]
    };
    let header = write_segments(
        folder.path(),
        "parts",
        125,
        &[pressure(&[]), breath(&[])],
        &[
            Ok(file(vec![pressure(&first)])),
            Err(300),
            Ok(file(vec![breath(&second_slow), pressure(&second)])),
        ],
    );
    let ward = Ward::open();
    play(&ward, &profile::recording(&header, 10));
    let pause = |samples: usize| vec![None; samples];
    let pressure = [first, pause(2 * 300), second].concat();
    let breath = [pause(700 + 300), second_slow].concat();
    assert_exported(&ward.monitor, "ABP", &lines(&pressure));
    assert_exported(&ward.monitor, "Resp", &lines(&breath));
}

#[test]
fn a_slow_numeric_arrives_with_every_value_and_zero_is_no_heart_rate() {
    let folder = Folder::new();
    let rates: Vec<_> = (0..40)
        .map(|second| Some(if second % 7 == 3 { 0 } else { 60 + second }))
        .collect();
    let file = File {
        format: 16,
        offset: 0,
        signals: vec![signal("HR", "1/bpm 16", 1, rates.clone())],
    };
    let header = write(folder.path(), "numerics", 1, &[file]);
    let ward = Ward::open();
    play(&ward, &profile::recording(&header, 20));
    let expected: Vec<_> = (0..)
        .zip(&rates)
        .map(|(index, rate)| match rate {
            Some(0) => format!("{index},,not-available+simulated"),
            Some(rate) => format!("{index},{rate},valid+simulated"),
            None => panic!("no rate is missing here"),
        })
        .collect();
    assert_exported(&ward.monitor, "HR", &expected);
}

/// Plays a recording to its end and brings everything to the monitor.
fn play(ward: &Ward, profile: &str) {
    let mut gateway = ward.gateway("gw-1", profile);
    gateway.until("the recording is played to its end", |report| {
        report.devices.iter().all(|device| device.state == "ended")
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[track_caller]
fn assert_exported(monitor: &Monitor, stream: &str, expected: &[String]) {
    let files = monitor.export();
    let name = format!("frontend.{stream}");
    let file = files
        .get(&name)
        .unwrap_or_else(|| panic!("no {name} in {:?}", files.keys()));
    assert_eq!(file.first().map(String::as_str), Some("index,raw,status"));
    for (found, expected) in file.iter().skip(1).zip(expected) {
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(file.len() - 1, expected.len(), "{name}: lines");
    let again = format!("frontend.{stream}.2");
    assert!(
        !files.contains_key(&again),
        "the measurement was cut in two"
    );
}

fn signal(
    name: &'static str,
    calibration: &'static str,
    per_frame: usize,
    samples: Vec<Option<i32>>,
) -> Signal {
    Signal {
        name,
        calibration,
        per_frame,
        samples,
    }
}

/// Random samples from `-most` to `most`; now and then, some in a row are missing.
fn samples(seed: &mut Seed, count: usize, most: i32) -> Vec<Option<i32>> {
    let span = u64::try_from(2 * most + 1).expect("a positive span");
    let mut samples = Vec::with_capacity(count);
    while samples.len() < count {
        if seed.below(50) == 0 {
            let missing = 1 + usize::try_from(seed.below(30)).expect("below thirty");
            samples.extend(std::iter::repeat_n(
                None,
                missing.min(count - samples.len()),
            ));
        } else {
            let value = i32::try_from(seed.below(span)).expect("within an i32") - most;
            samples.push(Some(value));
        }
    }
    samples
}

fn lines_of(signal: &Signal) -> Vec<String> {
    lines(&signal.samples)
}

fn lines(samples: &[Option<i32>]) -> Vec<String> {
    let line = |(index, sample): (usize, &Option<i32>)| match sample {
        Some(raw) => format!("{index},{raw},valid+simulated"),
        None => format!("{index},,missing-sample+simulated"),
    };
    samples.iter().enumerate().map(line).collect()
}
