//! ADS1115.

use std::time::Duration;

use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::ads1115::{Ads1115, convert};
use wardlink_firmware_shim::reading::{Absence, Decimal};

use super::{absent, refused, run, value};

#[test]
fn a_voltage_is_the_codes_exact_decimal() {
    for (code, mantissa) in [(0, 0), (1, 125), (-1, -125), (i16::MAX, 4_095_875)] {
        assert_eq!(convert(code), Decimal::new(mantissa, -3));
    }
}

#[test]
fn each_poll_reads_the_conversion_that_the_poll_before_ordered() {
    let readings = run(
        &[
            set(),
            configuration([0xe3, 0x83]),
            order(),
            configuration([0xe3, 0x83]),
            conversion([0x24, 0xe0]),
            order(),
        ],
        2,
        device,
    );
    // 9440 steps
    assert_eq!(readings, [value(0, 1_180_000, -3)]);
}

#[test]
fn a_conversion_that_is_not_complete_is_an_absence_and_is_asked_for_again() {
    let readings = run(
        &[
            set(),
            configuration([0x63, 0x83]),
            order(),
            configuration([0x63, 0x83]),
            configuration([0xe3, 0x83]),
            conversion([0x00, 0x08]),
            order(),
        ],
        3,
        device,
    );
    assert_eq!(
        readings,
        [absent(0, Absence::NotAvailable, None), value(0, 1_000, -3)]
    );
}

#[test]
fn a_voltage_at_the_end_of_the_range_is_marked() {
    let readings = run(
        &[
            set(),
            configuration([0xe3, 0x83]),
            order(),
            configuration([0xe3, 0x83]),
            conversion([0x7f, 0xff]),
            order(),
        ],
        2,
        device,
    );
    assert!(readings[0].quality.over_range);
}

#[test]
fn a_chip_that_does_not_keep_its_settings_is_another_one() {
    let fault = refused(&[set(), configuration([0x60, 0x80])], device);
    assert_eq!(fault.kind, FaultKind::OtherDevice);
}

fn device(bus: Mock) -> impl Device {
    Ads1115::new(Ready::new("bus", bus), ADDRESS, 2, Duration::from_secs(1))
}

/// Input 2 against ground, 4.096 V, single shot, 128 a second, no comparator.
fn set() -> Transaction {
    Transaction::write(ADDRESS, vec![1, 0x63, 0x83])
}

fn order() -> Transaction {
    Transaction::write(ADDRESS, vec![1, 0xe3, 0x83])
}

fn configuration(word: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![1], word.to_vec())
}

fn conversion(word: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![0], word.to_vec())
}

const ADDRESS: u8 = 0x48;
