//! BLP blood pressure measurement.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::Bytes;
use crate::drivers::numeric;
use crate::reading::{Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("systolic", 150_021, "mm[Hg]"),
        numeric::stream("diastolic", 150_022, "mm[Hg]"),
        numeric::stream("mean", 150_023, "mm[Hg]"),
        numeric::stream("systolic-kilopascal", 150_021, "kPa"),
        numeric::stream("diastolic-kilopascal", 150_022, "kPa"),
        numeric::stream("mean-kilopascal", 150_023, "kPa"),
        numeric::stream("pulse-rate", 149_546, "/min"),
    ]
}

pub(super) fn measurement(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    let first = if flags & 1 == 0 { 0 } else { KILOPASCAL };
    let pressures = [bytes.sfloat()?, bytes.sfloat()?, bytes.sfloat()?];
    let device_time = if flags & 1 << 1 != 0 {
        Some(bytes.time()?)
    } else {
        None
    };
    let pulse_rate = if flags & 1 << 2 != 0 {
        Some((PULSE_RATE, bytes.sfloat()?))
    } else {
        None
    };
    if flags & 1 << 3 != 0 {
        // Which user of the cuff: identity is not ours to carry.
        bytes.u8()?;
    }
    let status = if flags & 1 << 4 != 0 { bytes.u16()? } else { 0 };
    let quality = Quality {
        artefact: status & MOVED != 0,
        questionable: status & DOUBTFUL != 0,
        ..Quality::default()
    };
    let reading = |(stream, number): (usize, super::bytes::Number)| Reading {
        device_time: device_time.clone(),
        ..number.reading(stream, None, quality)
    };
    let numbers = (first..).zip(pressures).chain(pulse_rate);
    readings.extend(numbers.map(reading));
    Some(())
}

const KILOPASCAL: usize = 3;
const PULSE_RATE: usize = 6;
const MOVED: u16 = 1;
/// The cuff is too loose, or at the wrong height.
const DOUBTFUL: u16 = 1 << 1 | 1 << 5;
