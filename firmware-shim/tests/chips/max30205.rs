//! MAX30205.

use std::time::Duration;

use embedded_hal::i2c::ErrorKind;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::max30205::{Max30205, convert};
use wardlink_firmware_shim::reading::{Absence, Decimal};

use super::{absent, refused, run, value};

#[test]
fn a_temperature_is_the_registers_exact_decimal() {
    for (register, mantissa) in [
        (0x2500, 3_700_000_000),
        (0x0001, 390_625),
        (-1, -390_625),
        (0x4000, 6_400_000_000),
    ] {
        assert_eq!(convert(register), Decimal::new(mantissa, -8));
    }
}

#[test]
fn each_poll_reads_the_conversion_that_the_poll_before_ordered() {
    let readings = run(
        &[
            set(),
            kept(0x01),
            order(),
            temperature([0x24, 0x99]),
            order(),
            temperature([0x24, 0x9a]),
            order(),
        ],
        3,
        device,
    );
    assert_eq!(
        readings,
        [value(0, 3_659_765_625, -8), value(0, 3_660_156_250, -8)]
    );
}

#[test]
fn a_temperature_that_no_accuracy_is_promised_for_is_marked() {
    let readings = run(
        &[
            set(),
            kept(0x01),
            order(),
            temperature([0x32, 0x01]),
            order(),
        ],
        2,
        device,
    );
    assert!(readings[0].quality.over_range);
}

#[test]
fn a_chip_that_does_not_keep_its_settings_is_another_one() {
    let fault = refused(&[set(), kept(0x00)], device);
    assert_eq!(fault.kind, FaultKind::OtherDevice);
}

#[test]
fn a_stuck_bus_is_one_absence_and_a_fault() {
    let stuck = order().with_error(ErrorKind::Bus);
    let mut bus = Mock::new(&[set(), kept(0x01), stuck]);
    let mut device = device(bus.clone());
    device.start().unwrap();
    let mut readings = Vec::new();
    assert_eq!(device.poll(&mut readings).unwrap_err().kind, FaultKind::Bus);
    assert!(device.poll(&mut readings).is_err());
    assert_eq!(readings, [absent(0, Absence::BusError, None)]);
    bus.done();
}

fn device(bus: Mock) -> impl Device {
    Max30205::new(Ready::new("bus", bus), ADDRESS, Duration::from_secs(1))
}

fn set() -> Transaction {
    Transaction::write(ADDRESS, vec![1, 0x01])
}

fn kept(byte: u8) -> Transaction {
    Transaction::write_read(ADDRESS, vec![1], vec![byte])
}

fn order() -> Transaction {
    Transaction::write(ADDRESS, vec![1, 0x81])
}

fn temperature(bytes: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![0], bytes.to_vec())
}

const ADDRESS: u8 = 0x48;
