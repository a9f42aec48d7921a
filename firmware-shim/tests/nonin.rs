//! Nonin data format 2: what bytes on the line become.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::line::{ByteSource, Listener};
use wardlink_firmware_shim::drivers::nonin::{Layout, Packets};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Quality, Reading};

const ARTEFACT: u8 = 0x20;
const OUT_OF_TRACK: u8 = 0x10;
const SENSOR_ALARM: u8 = 0x08;
const RED: u8 = 0x04;
const DISCONNECTED: u8 = 0x40;

#[test]
fn heart_rates_on_both_sides_of_a_bit_border_are_right() {
    for rate in [127, 128, 255, 256] {
        let readings = listen(&packet(rate, 97, 0));
        assert_eq!(body(&readings, 1), &number(i64::from(rate)));
        assert_eq!(body(&readings, 0), &number(97));
    }
}

#[test]
fn the_words_for_none_are_never_values() {
    let readings = listen(&packet(511, 127, 0));
    assert_eq!(
        body(&readings, 0),
        &absent(Absence::NotAvailable, Some(127))
    );
    assert_eq!(
        body(&readings, 1),
        &absent(Absence::NotAvailable, Some(511))
    );
    let readings = listen(&packet(511, 127, OUT_OF_TRACK));
    assert_eq!(body(&readings, 0), &absent(Absence::BadSignal, Some(127)));
}

#[test]
fn a_sensor_that_is_off_gives_no_value_in_any_stream() {
    for (status, reason) in [
        (DISCONNECTED, Absence::SensorOff),
        (SENSOR_ALARM, Absence::BadSignal),
    ] {
        let readings = listen(&packet(72, 97, status));
        assert_eq!(body(&readings, 0), &absent(reason, Some(97)));
        assert_eq!(body(&readings, 1), &absent(reason, Some(72)));
        let pleth = Body::Absent {
            reason,
            first: Some(0),
            count: 25,
            raw: None,
        };
        assert_eq!(body(&readings, 2), &pleth);
    }
}

#[test]
fn doubts_are_marked_on_the_values_they_concern() {
    let readings = listen(&packet(72, 97, ARTEFACT | OUT_OF_TRACK | RED));
    let wave = Quality {
        artefact: true,
        questionable: true,
        ..Quality::default()
    };
    let vital = Quality {
        low_perfusion: true,
        ..wave
    };
    for reading in &readings {
        assert_eq!(
            reading.quality,
            if reading.stream == 2 { wave } else { vital }
        );
    }
}

#[test]
fn a_frame_with_a_wrong_sum_is_one_absent_sample_and_the_rest_keeps_its_place() {
    let mut bytes = [packet(72, 97, 0), packet(72, 97, 0)].concat();
    bytes[5 * 2 + 2] ^= 0x10; // the saturation's frame of the first packet
    let readings = listen(&bytes);
    assert_eq!(body(&readings, 0), &absent(Absence::Garbled, None));
    assert_eq!(body(&readings, 1), &number(72));
    let wave: Vec<_> = readings
        .iter()
        .filter(|r| r.stream == 2)
        .map(|r| &r.body)
        .collect();
    let samples = |first: u64, values: Vec<i32>| Body::Samples { first, values };
    let lost = Body::Absent {
        reason: Absence::Garbled,
        first: Some(2),
        count: 1,
        raw: None,
    };
    let after = (3..25).chain(0..25).collect();
    assert_eq!(wave, [&samples(0, vec![0, 1]), &lost, &samples(3, after)]);
}

#[test]
fn a_second_of_pulse_wave_is_one_block() {
    let bytes = [packet(72, 97, 0), packet(72, 97, 0), packet(72, 97, 0)].concat();
    let mut device = device(vec![[bytes, sync()].concat()]);
    device.start().unwrap();
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    let Body::Samples { first: 0, values } = body(&readings, 2) else {
        panic!("{readings:?}")
    };
    assert_eq!(values.len(), 75);
}

#[test]
fn a_silent_line_is_no_response_and_absent_values() {
    let (fault, readings) = until_fault(Vec::new());
    assert_eq!(fault.kind, FaultKind::NoResponse);
    assert_eq!(body(&readings, 0), &absent(Absence::NoResponse, None));
}

#[test]
fn bytes_in_another_format_are_said_to_be_that() {
    let (fault, readings) = until_fault(vec![vec![0x55; 400]; 10]);
    assert_eq!(fault.kind, FaultKind::Garbled);
    assert!(fault.detail.contains("data format 2"), "{fault}");
    assert_eq!(body(&readings, 1), &absent(Absence::Garbled, None));
}

fn until_fault(script: Vec<Vec<u8>>) -> (Fault, Vec<Reading>) {
    let mut device = device(script);
    device.start().unwrap();
    let mut readings = Vec::new();
    for _ in 0..100 {
        if let Err(fault) = device.poll(&mut readings) {
            return (fault, readings);
        }
    }
    panic!("no fault in 100 polls: {readings:?}");
}

/// What the device makes of bytes that begin with a packet; the last packet is confirmed by a sync.
fn listen(bytes: &[u8]) -> Vec<Reading> {
    let mut device = device(vec![[bytes, &sync()].concat()]);
    device.start().unwrap();
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    device.flush(&mut readings);
    readings
}

fn device(script: Vec<Vec<u8>>) -> impl Device {
    Listener::new(
        Ready::new("line", Script(script)),
        Packets::new(Layout::Format2),
    )
}

/// Gives its pieces one by one, then nothing.
#[derive(Clone)]
struct Script(Vec<Vec<u8>>);

impl ByteSource for Script {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let mut piece = self.0.remove(0);
        let count = piece.len().min(buffer.len());
        let rest = piece.split_off(count);
        buffer[..count].copy_from_slice(&piece);
        if !rest.is_empty() {
            self.0.insert(0, rest);
        }
        Ok(count)
    }
}

fn packet(heart_rate: u16, spo2: u8, status: u8) -> Vec<u8> {
    let [high, low] = heart_rate.to_be_bytes();
    let mut bytes = Vec::new();
    for place in 0..25 {
        let other = match place {
            0 => high << 1 | low >> 7,
            1 => low & 0x7f,
            2 => spo2,
            _ => 0,
        };
        bytes.extend(frame(status | u8::from(place == 0), place, other));
    }
    bytes
}

fn sync() -> Vec<u8> {
    frame(1, 0, 0).to_vec()
}

fn frame(status: u8, pleth: u8, other: u8) -> [u8; 5] {
    let status = status | 0x80;
    let sum = [1, status, pleth, other]
        .into_iter()
        .fold(0, u8::wrapping_add);
    [1, status, pleth, other, sum]
}

fn body(readings: &[Reading], stream: usize) -> &Body {
    let found = readings.iter().find(|reading| reading.stream == stream);
    &found
        .unwrap_or_else(|| panic!("nothing in {stream}: {readings:?}"))
        .body
}

fn number(mantissa: i64) -> Body {
    Body::Numeric {
        value: Decimal::new(mantissa, 0),
        index: None,
        raw: None,
    }
}

fn absent(reason: Absence, raw: Option<i32>) -> Body {
    Body::Absent {
        reason,
        first: None,
        count: 1,
        raw,
    }
}
