//! HTS temperature measurement.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::Bytes;
use crate::drivers::numeric;
use crate::reading::{Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("temperature", numeric::MDC_TEMP_BODY, "Cel"),
        numeric::stream("temperature-fahrenheit", numeric::MDC_TEMP_BODY, "[degF]"),
    ]
}

pub(super) fn measurement(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    let number = bytes.float()?;
    let device_time = if flags & 1 << 1 != 0 {
        Some(bytes.time()?)
    } else {
        None
    };
    if flags & 1 << 2 != 0 {
        // Where on the body it was taken.
        bytes.u8()?;
    }
    let stream = usize::from(flags & 1);
    readings.push(Reading {
        device_time,
        ..number.reading(stream, None, Quality::default())
    });
    Some(())
}
