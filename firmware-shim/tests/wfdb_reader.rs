//! Promises of the WFDB reader: each sample is the one the file holds, and what is not there is missing.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::fs::{self, File};
use std::path::Path;

use tempfile::TempDir;
use wardlink_firmware_shim::reading::Decimal;
use wardlink_firmware_shim::wfdb::{Record, Sample, WfdbError};

#[path = "wfdb/writer.rs"]
mod writer;

use writer::{Group, Stored, write, write_header};

const PLAIN: &str = "200/mV 12 0 0";

/// All samples of a signal; a missing one is nothing.
fn all(record: &mut Record, signal: usize) -> Vec<Option<i32>> {
    let mut samples = vec![Sample::Missing; 10_000];
    let read = record.read(signal, 0, &mut samples).unwrap();
    samples.truncate(read);
    assert_eq!(read as u64, record.signals()[signal].samples);
    samples.into_iter().map(value).collect()
}

fn value(sample: Sample) -> Option<i32> {
    match sample {
        Sample::Value(value) => Some(value),
        Sample::Missing => None,
    }
}

fn some(values: &[i32]) -> Vec<Option<i32>> {
    values.iter().copied().map(Some).collect()
}

fn names(record: &Record) -> Vec<&str> {
    record.signals().iter().map(|s| s.name.as_str()).collect()
}

#[test]
fn bytes_mean_what_the_standard_says() {
    let folder = TempDir::new().unwrap();
    for (format, bytes, expected) in [
        // The first three bytes of MIT-BIH record 100 are 995 and 1011.
        (212, &[0xe3, 0x33, 0xf3][..], &[Some(995), Some(1_011)][..]),
        (212, &[0xff, 0x1f, 0x02], &[Some(-1), Some(0x102)]),
        (212, &[0x01, 0x78, 0xff], &[Some(-2_047), Some(2_047)]),
        (212, &[0x00, 0x88, 0x00], &[None, None]),
        (212, &[0xfe, 0x0f], &[Some(-2)]),
        (16, &[0xff, 0xff, 0x00, 0x80], &[Some(-1), None]),
        (
            16,
            &[0x01, 0x80, 0xff, 0x7f],
            &[Some(-32_767), Some(32_767)],
        ),
        (
            80,
            &[0x00, 0x01, 0x80, 0xff],
            &[None, Some(-127), Some(0), Some(127)],
        ),
    ] {
        fs::write(folder.path().join("bytes.dat"), bytes).unwrap();
        let header = format!("r 1 250 {}\nbytes.dat {format}\n", expected.len());
        let path = write_header(folder.path(), "r", &header);
        let mut record = Record::open(&path).unwrap();
        assert_eq!(all(&mut record, 0), expected, "format {format} {bytes:x?}");
    }
}

#[test]
fn several_samples_per_frame_are_not_read_as_one() {
    let folder = TempDir::new().unwrap();
    let fast: Vec<i32> = (0..20).map(|n| n - 7).collect();
    let slow: Vec<i32> = (0..5).map(|n| -900 - n).collect();
    let slower: Vec<i32> = (0..10).map(|n| 1_000 + n).collect();
    let group = Group::new(
        "other-name.dat",
        212,
        &[
            Stored::new("III", PLAIN, &fast).per_frame(4),
            Stored::new("ABP", "20(-1600)/mmHg 12 0 0", &slow),
            Stored::new("V", PLAIN, &slower).per_frame(2),
        ],
    );
    let path = write(folder.path(), "r-1-2", "125", &[group]);
    let mut record = Record::open(&path).unwrap();
    assert_eq!(names(&record), ["III", "ABP", "V"]);
    assert_eq!(all(&mut record, 0), some(&fast));
    assert_eq!(all(&mut record, 1), some(&slow));
    assert_eq!(all(&mut record, 2), some(&slower));
    let rates: Vec<_> = record
        .signals()
        .iter()
        .map(|s| (s.rate_numerator, s.rate_denominator))
        .collect();
    assert_eq!(rates, [(500, 1), (125, 1), (250, 1)]);
    assert_eq!(record.verify().unwrap(), 3);
}

#[test]
fn a_record_may_have_several_files_of_different_formats() {
    let folder = TempDir::new().unwrap();
    let (a, b, c) = ([1, -2, 3], [-100, 0, 127], [-32_767, 32_767, 0]);
    let groups = [
        Group::new("a.dat", 212, &[Stored::new("a", PLAIN, &a)]).preamble(b"preamble"),
        Group::new("b.dat", 80, &[Stored::new("b", PLAIN, &b)]),
        Group::new("c.dat", 16, &[Stored::new("c", PLAIN, &c)]).preamble(b"x"),
    ];
    let mut record = Record::open(&write(folder.path(), "r", "250", &groups)).unwrap();
    assert_eq!(all(&mut record, 0), some(&a));
    assert_eq!(all(&mut record, 1), some(&b));
    assert_eq!(all(&mut record, 2), some(&c));
    assert_eq!(record.verify().unwrap(), 3);
}

#[test]
fn a_skewed_signal_starts_later_in_the_file_and_misses_its_end() {
    let folder = TempDir::new().unwrap();
    let signals = [
        Stored::new("a", PLAIN, &[0, 1, 2, 3]),
        Stored::new("b", PLAIN, &[10, 11, 12, 13, 14, 15, 16, 17])
            .per_frame(2)
            .skew(1),
        Stored::new("c", PLAIN, &[20, 21, 22, 23]).skew(9),
    ];
    let group = Group::new("r.dat", 16, &signals);
    let mut record = Record::open(&write(folder.path(), "r", "250", &[group])).unwrap();
    assert_eq!(all(&mut record, 0), some(&[0, 1, 2, 3]));
    let mut expected = some(&[12, 13, 14, 15, 16, 17]);
    expected.extend([None, None]);
    assert_eq!(all(&mut record, 1), expected);
    assert_eq!(all(&mut record, 2), [None; 4]);
    // Nothing is stored there, so nothing stands in for it.
    assert_eq!(record.sentinel(1, 6), None);
    assert_eq!(record.sentinel(1, 5), Some(-32_768));
    assert_eq!(
        record.verify().unwrap(),
        3,
        "samples before the skew count too"
    );
}

#[test]
fn the_offset_of_a_file_need_be_given_only_once() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("r.dat"), [9, 9, 9, 1, 0, 2, 0]).unwrap();
    let path = write_header(folder.path(), "r", "r 2 250 1\nr.dat 16+3\nr.dat 16\n");
    let mut record = Record::open(&path).unwrap();
    assert_eq!(all(&mut record, 0), some(&[1]));
    assert_eq!(all(&mut record, 1), some(&[2]));
}

#[test]
fn what_a_header_leaves_out_is_what_the_standard_says() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("d"), [0; 8]).unwrap();
    let text = "\u{feff}# not a byte order mark in a comment\r\n\r\n\
        rec.with-dots 5\r\n\
        # in between\r\n\
        d 80\r\n\
        d 80 0/uV\r\n\
        d\t80  2.5e1   0 -17 4 5 0   lead II,  left \r\n\
        d 80 1000(+3)/mmHg 12 7\r\n\
        d 80 -5(-3) 12 7 0 0 0 II\r\n\
        # info\r\nmore lines than signals are left alone\r\n";
    // A byte order mark is no comment sign, so the text starts after it.
    let text = text.trim_start_matches('\u{feff}');
    let path = write_header(folder.path(), "rec.with-dots", text);
    let record = Record::open(&folder.path().join("rec.with-dots.hea")).unwrap();
    assert_eq!(record.name(), "rec.with-dots");
    let found: Vec<_> = record
        .signals()
        .iter()
        .map(|s| (s.name.as_str(), s.unit.as_str(), s.gain, s.baseline))
        .collect();
    let default = Decimal::new(200, 0);
    assert_eq!(
        found,
        [
            ("signal-0", "mV", default, 0),
            ("signal-1", "uV", default, 0),
            ("lead II,  left", "mV", Decimal::new(25, 0), -17),
            ("signal-3", "mmHg", Decimal::new(1_000, 0), 3),
            ("II", "mV", Decimal::new(-5, 0), -3),
        ]
    );
    let first = &record.signals()[0];
    assert_eq!((first.rate_numerator, first.rate_denominator), (250, 1));
    // The number of samples is not given: five signals in eight bytes are one whole frame.
    assert_eq!(first.samples, 1);
    let bare = path.with_file_name("rec.with-dots");
    assert!(Record::open(&bare).is_ok(), "the extension may be left out");
}

#[test]
fn the_record_line_may_say_more_than_is_needed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("n.dat"), [1, 0, 2, 0]).unwrap();
    for (line, rate) in [
        (
            "s-1-n 1 0.0166666666667/125 2 10:44:18.529 04/05/2704",
            (1, 60),
        ),
        ("s-1-n 1 0.0166666666667/125(-3.5) 2", (1, 60)),
        ("s-1-n 1 3.6e2/360 2", (360, 1)),
        ("s-1-n 1 62.5", (125, 2)),
        ("s-1-n 1 250 0", (250, 1)),
    ] {
        let path = write_header(folder.path(), "x", &format!("{line}\nn.dat 16 10/bpm\n"));
        let mut record = Record::open(&path).unwrap();
        let signal = &record.signals()[0];
        assert_eq!(
            (signal.rate_numerator, signal.rate_denominator),
            rate,
            "{line}"
        );
        assert_eq!(all(&mut record, 0), some(&[1, 2]), "{line}");
    }
}

#[test]
fn signals_of_one_description_can_be_told_apart() {
    let folder = TempDir::new().unwrap();
    let signals = ["II", "II", "V", "II", "II-2"].map(|name| Stored::new(name, PLAIN, &[1]));
    let group = Group::new("r.dat", 16, &signals);
    let record = Record::open(&write(folder.path(), "r", "250", &[group])).unwrap();
    assert_eq!(names(&record), ["II", "II-2", "V", "II-3", "II-2-2"]);
}

/// Three plain records, `x1` with a and b, `x2` with only b, `x3` with b and a, of three frames each.
fn segments(folder: &Path) {
    let a = |samples: &[i32; 6]| Stored::new("a", "100/uV 12 0 0", samples).per_frame(2);
    let b = |samples: &[i32; 3]| Stored::new("b", PLAIN, samples);
    for (name, format, signals) in [
        (
            "x1",
            212,
            vec![a(&[1, 2, 3, 4, 5, -2_048]), b(&[-1, -2, -3])],
        ),
        ("x2", 16, vec![b(&[-4, -32_768, -6])]),
        ("x3", 80, vec![b(&[-7, -8, -9]), a(&[7, 8, 9, 10, 11, 12])]),
    ] {
        let file = format!("{name}.dat");
        write(folder, name, "125", &[Group::new(&file, format, &signals)]);
    }
}

fn numbered(from: i32, to: i32) -> Vec<Option<i32>> {
    (from..=to).map(Some).collect()
}

#[test]
fn segments_of_a_fixed_layout_are_joined() {
    let folder = TempDir::new().unwrap();
    segments(folder.path());
    let text = "x-long/4 2 125 12 8:26:04 26/10/1994\nx1 3\n~ 3\nx2 3\nx3 3\n";
    let mut record = Record::open(&write_header(folder.path(), "x", text)).unwrap();
    assert_eq!(names(&record), ["a", "b"]);
    let mut a = numbered(1, 5);
    a.resize(18, None);
    a.extend(numbered(7, 12));
    assert_eq!(all(&mut record, 0), a);
    let mut b = some(&[-1, -2, -3]);
    b.extend([
        None,
        None,
        None,
        Some(-4),
        None,
        Some(-6),
        Some(-7),
        Some(-8),
        Some(-9),
    ]);
    assert_eq!(all(&mut record, 1), b);
    // What stands for a missing sample is the segment's own; in a null segment nothing does.
    let sentinels: Vec<_> = [0, 3, 7, 9].map(|at| record.sentinel(1, at)).to_vec();
    assert_eq!(sentinels, [Some(-2_048), None, Some(-32_768), Some(-128)]);
    assert_eq!(record.sentinel(0, 12), None, "the segment lacks the signal");
    assert_eq!(record.verify().unwrap(), 5);
}

#[test]
fn a_layout_header_says_what_a_variable_record_holds() {
    let folder = TempDir::new().unwrap();
    segments(folder.path());
    // The calibration of a layout header is a placeholder.
    let layout = "x_layout 3 125 0\n~ 0 1/mV 8 0 0 0 0 b\n~ 0x2 1/mV 8 0 0 0 0 a\n~ 0 9/NU 8 5 0 0 0 never\n";
    write_header(folder.path(), "x_layout", layout);
    let text = "x/5 3 125 10\nx_layout 0\n~ 1\nx2 3\nx1 3\nx3 3\n";
    let mut record = Record::open(&write_header(folder.path(), "x", text)).unwrap();
    assert_eq!(names(&record), ["b", "a", "never"]);
    assert_eq!(record.signals()[1].gain, Decimal::new(100, 0));
    assert_eq!(record.signals()[1].unit, "uV");
    assert_eq!(record.signals()[2].gain, Decimal::new(9, 0));
    assert_eq!(record.signals()[2].baseline, 5);
    let mut b = vec![None, Some(-4), None, Some(-6)];
    b.extend(some(&[-1, -2, -3, -7, -8, -9]));
    assert_eq!(all(&mut record, 0), b);
    let mut a = vec![None; 8];
    a.extend(numbered(1, 5));
    a.push(None);
    a.extend(numbered(7, 12));
    assert_eq!(all(&mut record, 1), a);
    assert_eq!(all(&mut record, 2), [None; 10]);
}

#[test]
fn a_record_may_begin_with_a_time_without_signals() {
    let folder = TempDir::new().unwrap();
    segments(folder.path());
    let path = write_header(folder.path(), "x", "x/2 1 125\n~ 2\nx2 3\n");
    let mut record = Record::open(&path).unwrap();
    assert_eq!(all(&mut record, 0), [None, None, Some(-4), None, Some(-6)]);
}

#[test]
fn a_record_that_cannot_be_read_says_where_and_why() {
    let folder = TempDir::new().unwrap();
    segments(folder.path());
    fs::write(folder.path().join("d"), [0; 6]).unwrap();
    let inner = "y1 2 125 3\nx1.dat 212x2 99/uV 12 0 0 0 0 a\nx1.dat 212 200/mV 12 0 0 0 0 b\n";
    write_header(folder.path(), "y1", inner);
    write_header(folder.path(), "nested", "nested/1 2 125 3\nx1 3\n");
    for (text, expected) in FAULTS {
        let path = write_header(folder.path(), "r", text);
        let message = Record::open(&path).unwrap_err().to_string();
        assert!(
            message.contains(expected),
            "{text:?} gave {message:?}, not {expected:?}"
        );
        assert!(
            message.starts_with(folder.path().to_str().unwrap()),
            "{message}"
        );
    }
}

#[test]
fn what_is_no_header_is_not_swallowed_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("r.hea");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let message = Record::open(&path).unwrap_err().to_string();
    assert!(message.contains("it is no header"), "{message}");
}

#[test]
fn a_record_far_larger_than_memory_is_read_at_any_place() {
    let folder = TempDir::new().unwrap();
    let data = File::create(folder.path().join("r.dat")).unwrap();
    let frames = 1_u64 << 38;
    data.set_len(frames * 4).unwrap();
    let path = write_header(
        folder.path(),
        "r",
        &format!("r 2 500 {frames}\nr.dat 16\nr.dat 16\n"),
    );
    let mut record = Record::open(&path).unwrap();
    let mut out = [Sample::Missing; 8];
    assert_eq!(record.read(1, frames - 3, &mut out).unwrap(), 3);
    assert_eq!(out[..3], [Sample::Value(0); 3]);
    assert_eq!(record.read(1, frames, &mut out).unwrap(), 0);
    assert_eq!(record.read(1, u64::MAX, &mut out).unwrap(), 0);
}

#[test]
fn a_file_cut_after_opening_gives_what_is_left_and_then_says_so() {
    let folder = TempDir::new().unwrap();
    let group = Group::new("r.dat", 212, &[Stored::new("a", PLAIN, &[1, 2, 3, 4, 5])]);
    let mut record = Record::open(&write(folder.path(), "r", "250", &[group])).unwrap();
    let data = File::options()
        .write(true)
        .open(folder.path().join("r.dat"));
    data.unwrap().set_len(5).unwrap();
    let mut out = [Sample::Missing; 5];
    assert_eq!(record.read(0, 0, &mut out).unwrap(), 3);
    assert_eq!(out[..3], [1, 2, 3].map(Sample::Value));
    let error = record.read(0, 3, &mut out).unwrap_err();
    assert!(
        matches!(error, WfdbError::Short { found: 5, .. }),
        "{error}"
    );
}

#[test]
fn a_file_gone_after_opening_is_an_error() {
    let folder = TempDir::new().unwrap();
    let group = Group::new("r.dat", 16, &[Stored::new("a", PLAIN, &[1, 2, 3])]);
    let mut record = Record::open(&write(folder.path(), "r", "250", &[group])).unwrap();
    fs::remove_file(folder.path().join("r.dat")).unwrap();
    let error = record.read(0, 0, &mut [Sample::Missing]).unwrap_err();
    assert!(error.to_string().contains("r.dat: "), "{error}");
}

#[test]
fn a_signal_that_does_not_exist_is_an_error() {
    let folder = TempDir::new().unwrap();
    let group = Group::new("r.dat", 16, &[Stored::new("a", PLAIN, &[1])]);
    let mut record = Record::open(&write(folder.path(), "r", "250", &[group])).unwrap();
    let error = record.read(1, 0, &mut []).unwrap_err();
    assert_eq!(
        error.to_string(),
        "signal 1 of 1 does not exist; they count from 0"
    );
    assert_eq!(record.sentinel(1, 0), None);
}

#[test]
fn a_changed_sample_breaks_the_checksum() {
    let folder = TempDir::new().unwrap();
    let signals = [[30_000; 4], [-30_000; 4]].map(|samples| Stored::new("a", PLAIN, &samples));
    let path = write(
        folder.path(),
        "r",
        "250",
        &[Group::new("r.dat", 16, &signals)],
    );
    assert_eq!(Record::open(&path).unwrap().verify().unwrap(), 2);
    let data = folder.path().join("r.dat");
    let mut bytes = fs::read(&data).unwrap();
    bytes[14] ^= 1;
    fs::write(&data, bytes).unwrap();
    let error = Record::open(&path).unwrap().verify().unwrap_err();
    assert!(
        matches!(error, WfdbError::Checksum { line: 3, .. }),
        "{error}"
    );
}

/// Headers that cannot be used, and part of what is said of each.
const FAULTS: &[(&str, &str)] = &[
    ("", "r.hea: no record line; the file is empty"),
    ("# only\n\n", "no record line"),
    ("r\n", "line 1: no number of signals"),
    (
        "r one\n",
        "line 1: number of signals `one` is not a whole number",
    ),
    ("r -1\n", "line 1: number of signals `-1`"),
    ("\nr 1 fast\nd 16\n", "line 2: sampling frequency `fast`"),
    ("r 1 0\nd 16\n", "line 1: sampling frequency `0`"),
    ("r 1 250 1.5\nd 16\n", "line 1: number of samples `1.5`"),
    (
        "r 2 250 1\nd 16\n",
        "line 1: promises 2 signal lines, but only 1 follow",
    ),
    ("r 1 250 1\nd\n", "line 2: no format after the file name"),
    (
        "r 1 250 1\nd 8\n",
        "line 2: format 8 is not supported; 16, 80 and 212 are read",
    ),
    ("r 1 250 1\nd 516\n", "line 2: format 516 is not supported"),
    (
        "r 1 250 1\nd 16x\n",
        "line 2: number of samples per frame ``",
    ),
    (
        "r 1 250 1\nd 16x0\n",
        "line 2: number of samples per frame is 0",
    ),
    ("r 1 250 1\nd 16:-1\n", "line 2: skew `-1`"),
    ("r 1 250 1\nd 16+q\n", "line 2: byte offset `q`"),
    (
        "r 1 250 1\nd 16 high\n",
        "line 2: ADC gain `high` is not a decimal number",
    ),
    ("r 1 250 1\nd 16 200(1/mV\n", "line 2: `)` missing"),
    ("r 1 250 1\nd 16 200(a)/mV\n", "line 2: baseline `a`"),
    ("r 1 250 1\nd 16 200 II\n", "line 2: ADC resolution `II`"),
    ("r 1 250 1\nd 16 200 12 II\n", "line 2: ADC zero `II`"),
    ("r 1 250 1\nd 16 200 12 0 0 x\n", "line 2: checksum `x`"),
    ("r 1 250 1\n- 16\n", "line 2: samples from standard input"),
    (
        "r 2 250 1\nd 16\nd 80\n",
        "line 3: all signals of `d` must have one format",
    ),
    (
        "r 2 250 1\nd 16+1\nd 16+2\n",
        "line 3: all signals of `d` must have one byte offset",
    ),
    (
        "r 3 250 1\nd 16\nx1.dat 16\nd 16\n",
        "line 4: the signals of `d` must be on consecutive",
    ),
    ("r 1 250 4\nd 16\n", "d holds 6 bytes, but line 2 of"),
    ("r 1 250 4\nd 212+1\n", "promises at least 7"),
    ("r 1 250 5\nd 212\n", "promises at least 8"),
    (
        "r 1 250 9223372036854775807\nd 16\n",
        "line 2: more samples than a file can hold",
    ),
    ("r 1 250 1\ngone.dat 16\n", "gone.dat: "),
    (
        "r 2 250\nd 16\nx1.dat 16\n",
        "line 1: the number of samples is not given and",
    ),
    ("r/0 1 125\n", "line 1: number of segments is 0"),
    (
        "r/2 2 125\nx1 3\n",
        "line 1: promises 2 segment lines, but only 1",
    ),
    (
        "r/1 2 125\nx1\n",
        "line 2: no number of samples after the segment name",
    ),
    ("r/1 2 125\ngone 3\n", "gone.hea: "),
    (
        "r/1 2 125\nx1 4\n",
        "line 2: segment `x1` is 3 samples long by its own header, but 4 here",
    ),
    (
        "r/1 2 250\nx1 3\n",
        "line 2: segment `x1` has another sampling frequency",
    ),
    (
        "r/1 3 125\nx1 3\n",
        "line 1: promises 3 signals, but its first segment has 2",
    ),
    (
        "r/2 1 125\nx2 3\nx1 3\n",
        "line 3: the segment has a signal `a` that is not among",
    ),
    (
        "r/2 2 125\nx1 3\ny1 3\n",
        "line 3: signal `a` has another gain, baseline or unit",
    ),
    (
        "r/1 2 125 4\nx1 3\n",
        "line 1: promises 4 samples, but the segments have 3",
    ),
    (
        "r/1 2 125\nnested 3\n",
        "line 2: segment `nested` has segments of its own",
    ),
    (
        "r/1 2 125\n~ 3\n",
        "line 1: no segment says what the signals are",
    ),
];
