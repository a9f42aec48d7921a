//! EDF, EDF+ and CSV files come out of the simulated front end sample for sample.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::format_push_string,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use wardlink_firmware_shim::device::FaultKind;
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, StreamKind, StreamSpec};
use wardlink_firmware_shim::recording::{Recording, Sample};
use wardlink_firmware_shim::sim::{World, frontend, tmp117};

#[path = "recording/edf.rs"]
mod edf;
#[path = "frontend/stage.rs"]
mod stage;

use edf::{Signal, annotations, write};
use stage::{Given, Stage, play, replayed};

#[test]
fn an_edf_file_is_replayed_sample_for_sample_each_signal_at_its_rate() {
    let folder = TempDir::new().unwrap();
    let (ecg, warm) = (ecg(3), warm(3));
    let path = write(folder.path(), "x.EDF", "", "2", &[ecg, warm]);
    let (streams, given) = replay(&path);
    let [lead, temperature] = &streams[..] else {
        panic!("{streams:?}")
    };
    assert_eq!((lead.name.as_str(), lead.code), ("ECG-II", 131_330));
    assert_eq!(
        (lead.unit.as_str(), lead.kind),
        ("uV", StreamKind::Waveform)
    );
    let sampling = lead.sampling.unwrap();
    assert_eq!((sampling.rate_numerator, sampling.rate_denominator), (2, 1));
    // a tenth of a microvolt each, exactly
    assert_eq!(sampling.scale, Decimal::new(1, -1));
    assert_eq!(sampling.offset, Decimal::new(0, 0));
    let sampling = temperature.sampling.unwrap();
    assert_eq!((sampling.rate_numerator, sampling.rate_denominator), (1, 2));
    assert_eq!(sampling.scale, Decimal::new(125, -4));
    assert_eq!(sampling.offset, Decimal::new(300, -1));
    assert_eq!(
        given[0],
        raws(&[-32_768, 1, 2, 3, -32_767, 1, 2, 3, -32_766, 1, 2, 3])
    );
    assert_eq!(given[1], raws(&[528, 529, 530]));
}

#[test]
fn a_value_of_an_edf_file_is_its_decimal() {
    let folder = TempDir::new().unwrap();
    let path = write(folder.path(), "x.edf", "EDF+C", "2", &[warm(2)]);
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), &path);
    let readings = play(&mut *device, &stage, &[Duration::from_secs(1)]);
    let values: Vec<_> = readings
        .iter()
        .map(|reading| match &reading.body {
            Body::Numeric { value, .. } => *value,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        values,
        [Decimal::new(366_000, -4), Decimal::new(366_125, -4)]
    );
}

#[test]
fn annotations_are_skipped_wherever_they_stand() {
    let folder = TempDir::new().unwrap();
    let times = ["+0\x14\x14\0", "+2\x14\x14\0+2.5\x14Lights off\x14\0"];
    let path = write(
        folder.path(),
        "x.edf",
        "EDF+C",
        "2",
        &[annotations(&times), ecg(2), annotations(&times), warm(2)],
    );
    let (streams, given) = replay(&path);
    assert_eq!(streams.len(), 2);
    assert_eq!(given[0], raws(&[-32_768, 1, 2, 3, -32_767, 1, 2, 3]));
    assert_eq!(given[1], raws(&[528, 529]));
}

#[test]
fn the_time_between_records_of_a_discontinuous_file_is_missing() {
    let folder = TempDir::new().unwrap();
    let times = ["+0.5\x14\x14\0", "+2.5\x14\x14\0", "+6.1\x14\x14\0"];
    let signals = [ecg(3), annotations(&times)];
    let path = write(folder.path(), "x.edf", "EDF+D", "2", &signals);
    let (_, given) = replay(&path);
    let mut expected = raws(&[-32_768, 1, 2, 3, -32_767, 1, 2, 3]);
    // from 4 s to 5.6 s at two a second, the third record at the nearest place
    expected.extend([Given::Absent(Absence::MissingSample, None); 3]);
    expected.extend(raws(&[-32_766, 1, 2, 3]));
    assert_eq!(given[0], expected);
    // and from the middle of a gap on
    let mut recording = Recording::open(&path).unwrap();
    let mut out = [Sample::Missing; 4];
    assert_eq!(recording.read(0, 10, &mut out).unwrap(), 4);
    let [missing, rest @ ..] = out;
    assert_eq!(missing, Sample::Missing);
    assert_eq!(rest, [-32_766, 1, 2].map(Sample::Value));
    assert_eq!(recording.read(0, 15, &mut out).unwrap(), 0);
}

#[test]
fn a_fault_of_an_edf_file_is_said_with_its_name() {
    let folder = TempDir::new().unwrap();
    let damaged =
        |name: &str, signals: &[Signal], reserved: &str, damage: &dyn Fn(&mut Vec<u8>)| {
            let path = write(folder.path(), name, reserved, "2", signals);
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            refusal(&path)
        };
    let flat = || Signal {
        digital: ["5", "5"],
        ..warm(1)
    };
    let late = ["+0\x14\x14\0", "+1\x14\x14\0"];
    for (said, expected) in [
        (
            damaged("short.edf", &[ecg(3)], "", &|bytes| {
                bytes.truncate(512 + 23)
            }),
            "promises 3 data records, but the file ends within number 2",
        ),
        (
            damaged("bdf.edf", &[ecg(1)], "", &|bytes| bytes[0] = 0xff),
            "not an EDF file",
        ),
        (
            damaged("few.edf", &[ecg(1)], "", &|bytes| bytes[252] = b'7'),
            "512 bytes long, but 7 signals take 2048",
        ),
        (
            damaged("flat.edf", &[flat()], "", &|_| {}),
            "for samples 5 to 5 is no calibration",
        ),
        (
            damaged(
                "notes.edf",
                &[annotations(&["+0\x14\x14\0"])],
                "EDF+C",
                &|_| {},
            ),
            "annotations only",
        ),
        (
            damaged(
                "overlap.edf",
                &[ecg(2), annotations(&late)],
                "EDF+D",
                &|_| {},
            ),
            "record 1 (from 0) begins before the record before it has ended",
        ),
        (
            damaged(
                "when.edf",
                &[ecg(1), annotations(&["now"])],
                "EDF+D",
                &|_| {},
            ),
            "record 0 (from 0) does not say when it begins",
        ),
        (
            damaged("stub.edf", &[ecg(1)], "", &|bytes| bytes.truncate(99)),
            "cannot be read",
        ),
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let absent = refusal(&folder.path().join("absent.edf"));
    assert!(absent.contains("absent.edf"), "{absent}");
}

#[test]
fn a_table_is_replayed_digit_for_digit_and_an_empty_field_is_missing() {
    let text =
        "# rate = 2\r\nII [mV],temperature [degC]\r\n0.125,36.6\r\n-1,\r\n,36.65\r\n0.5,3.7e1\r\n";
    let (streams, given) = replay_text(text);
    let scales = streams.iter().map(|stream| stream.sampling.unwrap().scale);
    assert!(scales.eq([Decimal::new(1, -3), Decimal::new(1, -2)]));
    assert_eq!((streams[0].code, streams[0].unit.as_str()), (131_330, "mV"));
    assert_eq!(
        (streams[1].name.as_str(), streams[1].unit.as_str()),
        ("temperature", "Cel")
    );
    let missing = Given::Absent(Absence::MissingSample, None);
    let [lead, temperature] = [&given[0], &given[1]];
    assert_eq!(lead[..2], raws(&[125, -1000]));
    assert_eq!(lead[2..], [missing, Given::Raw(500)]);
    assert_eq!(temperature[..2], [Given::Raw(3660), missing]);
    assert_eq!(temperature[2..], raws(&[3665, 3700]));
}

#[test]
fn a_time_column_gives_the_rate_and_with_a_rate_the_rows_left_out() {
    let (streams, given) = replay_text("x [mV],time [ms]\n1,100\n2,104\n3,108\n");
    let sampling = streams[0].sampling.unwrap();
    assert_eq!(
        (sampling.rate_numerator, sampling.rate_denominator),
        (250, 1)
    );
    assert_eq!(given, [raws(&[1, 2, 3])]);
    // 360 a second, written in rounded milliseconds
    let (_, given) = replay_text("# rate = 360\ntime,x [mV]\n0.000,1\n0.003,2\n0.011,5\n0.014,6\n");
    let mut expected = raws(&[1, 2]);
    expected.extend([Given::Absent(Absence::MissingSample, None); 2]);
    expected.extend(raws(&[5, 6]));
    assert_eq!(given, [expected]);
}

#[test]
fn a_fault_of_a_table_is_said_with_its_name_and_line() {
    for (text, expected) in [
        ("", "no line of names"),
        ("a\n1\n", "neither a column `time` nor a line `# rate = N`"),
        ("# rate = fast\na\n1\n", "line 1: rate \"fast\" is no rate"),
        ("# rate = 0\na\n1\n", "line 1: rate \"0\" is no rate"),
        ("# rate = 1\na\n", "no rows"),
        ("# rate = 1\na,b\n1,2\n1\n", "line 4: 1 fields, but 2 names"),
        (
            "# rate = 1\na\n1\nnan\n",
            "line 4: \"nan\" of `a` is no number",
        ),
        (
            "# rate = 1\na\n0.12345678901\n",
            "`a` has values of more digits",
        ),
        (
            "time,a\n0,1\n1,1\n3,1\n4,1\n",
            "row 2 is not where even steps would have it",
        ),
        (
            "# rate = 1\ntime,a\n0,1\n0.1,1\n",
            "row 2 comes at the time of the row before",
        ),
        ("time,a\n0,1\n,1\n", "row 2 has no time"),
        ("time [h],a\n0,1\n1,1\n", "a time in h"),
        ("time\n0\n1\n", "no column besides the time"),
        ("\"a\"\n1\n", "quoted"),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("table.csv");
        fs::write(&path, text).unwrap();
        let said = refusal(&path);
        assert!(
            said.contains(expected) && said.contains("table.csv"),
            "{said}"
        );
    }
}

#[test]
fn the_rate_of_a_table_may_be_said_by_the_profile_and_never_contradicts_the_file() {
    let folder = TempDir::new().unwrap();
    let said = |name: &str, text: &str, rate| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Recording::open_at(&path, Some(rate)).map_err(|error| error.to_string())
    };
    let opened = said("a.csv", "x\n1\n2\n", 4).unwrap();
    let signal = &opened.signals()[0];
    assert_eq!((signal.rate_numerator, signal.rate_denominator), (4, 1));
    said("b.csv", "# rate = 4\nx\n1\n", 4).unwrap();
    let refused = said("c.csv", "# rate = 5\nx\n1\n", 4).unwrap_err();
    assert!(
        refused.contains("says a rate of 5/1 itself, not 4"),
        "{refused}"
    );
    let refused = said("d.hea", "d 1 4\n", 4).unwrap_err();
    assert!(refused.contains("only a .csv takes a rate"), "{refused}");
    // A column `time` and a rate: the rows have their places by the time.
    let opened = said("e.csv", "time,x\n0,1\n0.5,2\n", 4).unwrap();
    assert_eq!(opened.signals()[0].samples, 3);
}

#[test]
fn a_simulated_chip_measures_what_the_file_says() {
    let folder = TempDir::new().unwrap();
    let edf = write(folder.path(), "x.edf", "", "2", &[ecg(3), warm(3)]);
    let csv = folder.path().join("x.csv");
    fs::write(&csv, "# rate = 0.5\nT [degC]\n36.6\n36.6125\n36.625\n").unwrap();
    for (path, name) in [(edf, Some("Temp rectal".to_owned())), (csv, None)] {
        let stage = Stage::new(1.0);
        let world = World {
            signal: Some((path, name)),
            ..stage.world()
        };
        let mut device = tmp117(&world, 0x48, Duration::from_secs(2));
        device.start().unwrap();
        let mut readings = Vec::new();
        let ended = loop {
            stage.advance(Duration::from_millis(1_500));
            if let Err(fault) = device.poll(&mut readings) {
                break fault;
            }
            assert!(readings.len() < 1_000);
        };
        assert_eq!(ended.kind, FaultKind::Ended, "{ended}");
        let first = readings.first().map(|reading| &reading.body);
        // 36.6 in steps of 1/128 degree, as the chip has them
        let Some(Body::Numeric {
            raw: None, value, ..
        }) = first
        else {
            panic!("{first:?}")
        };
        assert_eq!(*value, Decimal::new(365_937_500 + 78_125, -7));
    }
}

#[test]
fn the_recordings_beside_the_checkout_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    let (edf, csv) = (
        folder.join("edf/test_edfann.edf"),
        folder.join("ppg-csv/heartpy_data2.csv"),
    );
    if edf.is_file() {
        assert!(refusal(&edf).contains("annotations only"));
    } else {
        eprintln!("{} is not there, so nothing was read", edf.display());
    }
    let Ok(text) = fs::read_to_string(&csv) else {
        eprintln!("{} is not there, so nothing was replayed", csv.display());
        return;
    };
    let (names, rows) = text.split_once('\n').unwrap();
    assert_eq!(names.trim(), "timer,hr");
    let expected: Vec<_> = rows
        .lines()
        .map(|row| Given::Raw(row.split_once(',').unwrap().1.parse().unwrap()))
        .collect();
    let (streams, given) = replay_text(&format!("time [ms],PLETH\n{rows}"));
    assert_eq!(streams[0].code, 150_452);
    assert_eq!(given[0].len(), 15_000);
    assert!(given == [expected]);
}

fn ecg(records: i16) -> Signal {
    Signal {
        label: "ECG II",
        unit: "uV",
        physical: ["-3276.8", "3276.7"],
        digital: ["-32768", "32767"],
        records: (0..records)
            .map(|record| vec![-32_768 + record, 1, 2, 3])
            .collect(),
    }
}

fn warm(records: i16) -> Signal {
    Signal {
        label: "Temp rectal",
        unit: "degC",
        physical: ["30", "42.5"],
        digital: ["0", "1000"],
        records: (0..records).map(|record| vec![528 + record]).collect(),
    }
}

fn raws(values: &[i32]) -> Vec<Given> {
    values.iter().copied().map(Given::Raw).collect()
}

fn replay(path: &Path) -> (Vec<StreamSpec>, Vec<Vec<Given>>) {
    let stage = Stage::new(1.0);
    let mut device = frontend(&stage.world(), path);
    let streams = device.streams().to_vec();
    let steps = [0, 13, 999, 250, 703].map(Duration::from_millis);
    let readings = play(&mut *device, &stage, &steps);
    let given = replayed(streams.len(), &readings);
    (streams, given)
}

fn replay_text(text: &str) -> (Vec<StreamSpec>, Vec<Vec<Given>>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("table.csv");
    fs::write(&path, text).unwrap();
    replay(&path)
}

/// What a front end says that is started on this file.
fn refusal(path: &Path) -> String {
    let mut device = frontend(&Stage::new(1.0).world(), path);
    let fault = device.start().unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unopened);
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(fault.detail.contains(&*name), "{fault}");
    fault.detail
}
