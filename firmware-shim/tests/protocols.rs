//! The decoders of serial and network protocols: what makers' bytes become, and what never becomes a value.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "protocols/any_stream.rs"]
mod any_stream;
#[path = "protocols/bluetooth.rs"]
mod bluetooth;
#[path = "protocols/hl7.rs"]
mod hl7;
#[path = "protocols/ivy.rs"]
mod ivy;
#[path = "protocols/listener.rs"]
mod listener;
#[path = "protocols/oximeters.rs"]
mod oximeters;

use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading};

/// What a protocol makes of bytes, with what it holds back.
fn listen(mut protocol: impl Protocol, bytes: &[u8]) -> Vec<Reading> {
    let mut readings = Vec::new();
    protocol.push(bytes, &mut readings);
    protocol.flush(&mut readings);
    readings
}

/// The numbers of a stream, in order: a value, or why there is none.
fn numbers(readings: &[Reading], stream: usize) -> Vec<Result<Decimal, Absence>> {
    let of_stream = readings.iter().filter(|reading| reading.stream == stream);
    of_stream
        .map(|reading| match &reading.body {
            Body::Numeric { value, .. } => Ok(*value),
            Body::Absent { reason, .. } => Err(*reason),
            Body::Samples { .. } | Body::Alarm { .. } => panic!("no number: {reading:?}"),
        })
        .collect()
}

fn whole(mantissa: i64) -> Result<Decimal, Absence> {
    Ok(Decimal::new(mantissa, 0))
}
