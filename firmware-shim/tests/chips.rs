//! Sensors of slow quantities on I2C: exact bus transactions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "chips/ads1115.rs"]
mod ads1115;
#[path = "chips/max30205.rs"]
mod max30205;
#[path = "chips/mlx90614.rs"]
mod mlx90614;
#[path = "chips/tmp10x.rs"]
mod tmp10x;

use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, Fault};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading};

/// Starts a device and polls it so often; the bus must see exactly these transactions.
fn run<D: Device>(
    transactions: &[Transaction],
    polls: usize,
    device: impl FnOnce(Mock) -> D,
) -> Vec<Reading> {
    let mut bus = Mock::new(transactions);
    let mut device = device(bus.clone());
    device.start().unwrap();
    let mut readings = Vec::new();
    for _ in 0..polls {
        device.poll(&mut readings).unwrap();
    }
    bus.done();
    readings
}

/// Starts a device that must refuse.
fn refused<D: Device>(transactions: &[Transaction], device: impl FnOnce(Mock) -> D) -> Fault {
    let mut bus = Mock::new(transactions);
    let fault = device(bus.clone()).start().unwrap_err();
    bus.done();
    fault
}

fn value(stream: usize, mantissa: i64, exponent: i8) -> Reading {
    let body = Body::Numeric {
        value: Decimal::new(mantissa, exponent),
        index: None,
        raw: None,
    };
    Reading::good(stream, body)
}

fn absent(stream: usize, reason: Absence, raw: Option<i32>) -> Reading {
    let body = Body::Absent {
        reason,
        first: None,
        count: 1,
        raw,
    };
    Reading::good(stream, body)
}
