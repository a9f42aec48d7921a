//! PLX spot-check and continuous measurements.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes::Bytes;
use crate::drivers::numeric;
use crate::reading::{Absence, Quality, Reading, StreamSpec};

pub(super) fn streams() -> Vec<StreamSpec> {
    vec![
        numeric::stream("spo2", 150_456, "%"),
        numeric::stream("pulse-rate", 149_530, "/min"),
        numeric::stream("spo2-fast", 150_456, "%"),
        numeric::stream("pulse-rate-fast", 149_530, "/min"),
        numeric::stream("spo2-slow", 150_456, "%"),
        numeric::stream("pulse-rate-slow", 149_530, "/min"),
        numeric::stream("perfusion-index", 150_488, "%"),
    ]
}

pub(super) fn spot_check(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    let pair = [bytes.sfloat()?, bytes.sfloat()?];
    let time = if flags & 1 != 0 {
        Some(bytes.time()?)
    } else {
        None
    };
    let said = Said::read(bytes, flags & 1 << 1 != 0, flags & 1 << 2 != 0)?;
    let index = if flags & 1 << 3 != 0 {
        Some(bytes.sfloat()?)
    } else {
        None
    };
    let numbers = pair.into_iter().enumerate();
    let numbers = numbers.chain(index.map(|index| (PERFUSION, index)));
    // A clock that was never set says nothing of the time.
    let time = time.filter(|_| flags & 1 << 4 == 0);
    let reading = |(stream, number): (usize, super::bytes::Number)| Reading {
        device_time: time.clone(),
        ..number.reading(stream, said.missing, said.quality)
    };
    readings.extend(numbers.map(reading));
    Some(())
}

pub(super) fn continuous(bytes: &mut Bytes<'_>, readings: &mut Vec<Reading>) -> Option<()> {
    let flags = bytes.u8()?;
    // The normal numbers, the fast and the slow ones; what is not there stays none.
    let mut numbers = [None; 6];
    for (place, slot) in numbers.iter_mut().enumerate() {
        let there = match place {
            0 | 1 => true,
            2 | 3 => flags & 1 << 0 != 0,
            _ => flags & 1 << 1 != 0,
        };
        if there {
            *slot = Some((place, bytes.sfloat()?));
        }
    }
    let said = Said::read(bytes, flags & 1 << 2 != 0, flags & 1 << 3 != 0)?;
    let index = if flags & 1 << 4 != 0 {
        Some((PERFUSION, bytes.sfloat()?))
    } else {
        None
    };
    let reading = |(stream, number): (usize, super::bytes::Number)| {
        number.reading(stream, said.missing, said.quality)
    };
    let numbers = numbers.into_iter().flatten().chain(index);
    readings.extend(numbers.map(reading));
    Some(())
}

/// What the two status fields say.
#[derive(Debug, Default)]
struct Said {
    missing: Option<Absence>,
    quality: Quality,
}

impl Said {
    fn read(bytes: &mut Bytes<'_>, measurement: bool, device: bool) -> Option<Self> {
        let measurement = if measurement { bytes.u16()? } else { 0 };
        let device = if device { bytes.u24()? } else { 0 };
        let any = |word: u32, bits: &[u32]| bits.iter().any(|bit| word & 1 << bit != 0);
        let of_measurement = |bits: &[u32]| any(u32::from(measurement), bits);
        let missing = if any(device, &[11, 13, 15]) {
            Some(Absence::SensorOff)
        } else if of_measurement(&[15]) || any(device, &[1, 3, 14]) {
            Some(Absence::BadSignal)
        } else if of_measurement(&[13]) {
            Some(Absence::NotAvailable)
        } else {
            None
        };
        let quality = Quality {
            questionable: of_measurement(&[6, 14]) || any(device, &[2, 4, 6, 7, 8]),
            artefact: any(device, &[10]),
            low_perfusion: any(device, &[5]),
            calibrating: of_measurement(&[12]),
            demo: of_measurement(&[10, 11]),
            ..Quality::default()
        };
        Some(Self { missing, quality })
    }
}

const PERFUSION: usize = 6;
