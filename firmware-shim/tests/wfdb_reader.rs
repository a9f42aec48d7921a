//! Promises of the WFDB reader for plain records: each sample is the one the file holds.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use std::fs::{self, File};

use tempfile::TempDir;
use wardlink_firmware_shim::reading::Decimal;
use wardlink_firmware_shim::wfdb::{Record, Sample};

#[path = "wfdb/contents.rs"]
mod contents;
#[path = "wfdb/writer.rs"]
mod writer;

use contents::{all, names, some};
use writer::{Group, Stored, write, write_header};

const PLAIN: &str = "200/mV 12 0 0";

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
