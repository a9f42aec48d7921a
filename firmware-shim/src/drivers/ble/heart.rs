//! HRS heart rate measurement. Intervals between beats are not taken: they have no stream of their own.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::{Bytes, Number};
use crate::drivers::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![numeric::stream("heart-rate", 147_842, "/min")]
}

pub(super) fn measurement(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    let rate = if flags & 1 == 0 {
        u16::from(bytes.u8()?)
    } else {
        bytes.u16()?
    };
    if flags & 1 << 3 != 0 {
        // Energy spent.
        bytes.u16()?;
    }
    if flags & 1 << 4 != 0 {
        bytes.rest_of_u16()?;
    }
    let off = flags & CONTACT == CONTACT_SUPPORTED;
    let missing = if off {
        Some(Absence::SensorOff)
    } else if rate == 0 {
        Some(Absence::NotAvailable)
    } else {
        None
    };
    let number = Number::Value(Decimal::new(i64::from(rate), 0));
    readings.push(number.reading(0, missing, Quality::default()));
    Some(())
}

const CONTACT: u8 = 0b110;
/// Contact is looked for, and not there.
const CONTACT_SUPPORTED: u8 = 0b100;
