//! What a record holds, in a form that is easy to compare.

#![allow(dead_code, reason = "each test uses its own part")]

use wardlink_firmware_shim::wfdb::{Record, Sample};

/// All samples of a signal; a missing one is nothing.
pub(crate) fn all(record: &mut Record, signal: usize) -> Vec<Option<i32>> {
    let mut samples = vec![Sample::Missing; 10_000];
    let read = record.read(signal, 0, &mut samples).unwrap();
    samples.truncate(read);
    assert_eq!(read as u64, record.signals()[signal].samples);
    samples.into_iter().map(value).collect()
}

pub(crate) fn value(sample: Sample) -> Option<i32> {
    match sample {
        Sample::Value(value) => Some(value),
        Sample::Missing => None,
    }
}

pub(crate) fn some(values: &[i32]) -> Vec<Option<i32>> {
    values.iter().copied().map(Some).collect()
}

pub(crate) fn names(record: &Record) -> Vec<&str> {
    record.signals().iter().map(|s| s.name.as_str()).collect()
}
