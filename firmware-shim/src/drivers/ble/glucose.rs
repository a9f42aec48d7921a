//! GLS glucose measurement. Its concentration is in kg/l or mol/l: mg/dl and mmol/l are powers of ten away.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::{Bytes, Number};
use crate::drivers::numeric;
use crate::reading::{Absence, Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("glucose", 160_184, "mg/dL"),
        numeric::stream("glucose-molar", 160_184, "mmol/L"),
    ]
}

pub(super) fn measurement(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    // The meter's own number of the measurement.
    bytes.u16()?;
    let time = bytes.time()?;
    if flags & 1 != 0 {
        // Minutes between the meter's base time and what its user set: the base time is what was received.
        bytes.i16()?;
    }
    let molar = flags & 1 << 2 != 0;
    let number = if flags & 1 << 1 != 0 {
        let number = bytes.sfloat()?;
        // Kind of sample, and where it was taken.
        bytes.u8()?;
        number.times_ten_to(if molar {
            TO_MILLIMOLE
        } else {
            TO_MILLIGRAM_PER_DECILITRE
        })
    } else {
        Number::None {
            reason: Absence::NotAvailable,
            over: false,
            under: false,
            raw: 0,
        }
    };
    let status = if flags & 1 << 3 != 0 { bytes.u16()? } else { 0 };
    let missing = (status & USELESS != 0).then_some(Absence::BadSignal);
    let quality = Quality {
        over_range: status & TOO_HIGH != 0,
        under_range: status & TOO_LOW != 0,
        questionable: status & DOUBTFUL != 0,
        ..Quality::default()
    };
    let reading = number.reading(usize::from(molar), missing, quality);
    readings.push(Reading {
        device_time: Some(time),
        ..reading
    });
    Some(())
}

const TO_MILLIGRAM_PER_DECILITRE: i8 = 5;
const TO_MILLIMOLE: i8 = 3;
/// Sensor fault, too little blood, strip wrong or badly in, strip pulled out, general fault.
const USELESS: u16 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 10;
const TOO_HIGH: u16 = 1 << 5;
const TOO_LOW: u16 = 1 << 6;
/// Too warm or too cold for the strip.
const DOUBTFUL: u16 = 1 << 7 | 1 << 8;
