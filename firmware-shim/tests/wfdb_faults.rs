//! Promises of the WFDB reader when something is wrong: it says where and why, and invents nothing.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::fs::{self, File};

use tempfile::TempDir;
use wardlink_firmware_shim::wfdb::{Record, Sample, WfdbError};

#[path = "wfdb/writer.rs"]
mod writer;

use writer::{Group, Stored, write, write_header, write_segments};

const PLAIN: &str = "200/mV 12 0 0";

#[test]
fn a_record_that_cannot_be_read_says_where_and_why() {
    let folder = TempDir::new().unwrap();
    write_segments(folder.path());
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
