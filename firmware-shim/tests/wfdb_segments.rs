//! Promises of the WFDB reader for records of several segments: joined in time, matched by name.
#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop there"
)]

use tempfile::TempDir;
use wardlink_firmware_shim::reading::Decimal;
use wardlink_firmware_shim::wfdb::Record;

#[path = "wfdb/contents.rs"]
mod contents;
#[path = "wfdb/writer.rs"]
mod writer;

use contents::{all, names, some};
use writer::{write_header, write_segments};

#[test]
fn segments_of_a_fixed_layout_are_joined() {
    let folder = TempDir::new().unwrap();
    write_segments(folder.path());
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
    write_segments(folder.path());
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
    write_segments(folder.path());
    let path = write_header(folder.path(), "x", "x/2 1 125\n~ 2\nx2 3\n");
    let mut record = Record::open(&path).unwrap();
    assert_eq!(all(&mut record, 0), [None, None, Some(-4), None, Some(-6)]);
}

fn numbered(from: i32, to: i32) -> Vec<Option<i32>> {
    (from..=to).map(Some).collect()
}
