//! WSS weight measurement.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::{Bytes, Number};
use crate::drivers::numeric;
use crate::reading::{Absence, Decimal, Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("weight", 188_736, "kg"),
        numeric::stream("weight-pounds", 188_736, "[lb_av]"),
    ]
}

pub(super) fn measurement(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    let raw = bytes.u16()?;
    let device_time = if flags & 1 << 1 != 0 {
        Some(bytes.time()?)
    } else {
        None
    };
    if flags & 1 << 2 != 0 {
        // Which user of the scale: identity is not ours to carry.
        bytes.u8()?;
    }
    if flags & 1 << 3 != 0 {
        // Body mass index and height.
        bytes.u16()?;
        bytes.u16()?;
    }
    let pounds = flags & 1 != 0;
    // Steps of 5 g, or of a hundredth of a pound.
    let value = if pounds {
        Decimal::new(i64::from(raw), -2)
    } else {
        Decimal::new(i64::from(raw) * 5, -3)
    };
    let number = if raw == UNSUCCESSFUL {
        Number::None {
            reason: Absence::BadSignal,
            over: false,
            under: false,
            raw: i32::from(raw),
        }
    } else {
        Number::Value(value)
    };
    readings.push(Reading {
        device_time,
        ..number.reading(usize::from(pounds), None, Quality::default())
    });
    Some(())
}

const UNSUCCESSFUL: u16 = 0xffff;
