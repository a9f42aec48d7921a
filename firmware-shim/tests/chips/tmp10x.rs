//! TMP102 and TMP105.

use std::time::Duration;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::tmp10x::{Part, Tmp10x, convert};
use wardlink_firmware_shim::reading::{Absence, Decimal};

use super::{absent, refused, run, value};

#[test]
fn a_temperature_is_the_registers_exact_decimal() {
    // The data sheets' table of twelve-bit values.
    for (register, mantissa) in [
        (0x7ff0_u16, 1_279_375),
        (0x3200, 500_000),
        (0x0010, 625),
        (0x0000, 0),
        (0xfff0, -625),
        (0xc900, -550_000),
    ] {
        let register = i16::from_be_bytes(register.to_be_bytes());
        assert_eq!(convert(register), Decimal::new(mantissa, -4));
    }
}

#[test]
fn a_tmp105_is_set_to_twelve_bits_before_anything_is_believed() {
    let readings = run(
        &[
            Transaction::write(ADDRESS, vec![1, 0x60]),
            Transaction::write_read(ADDRESS, vec![1], vec![0x60]),
            temperature([0x26, 0x40]),
        ],
        2,
        |bus| device(Part::Tmp105, bus),
    );
    // 38.25 degrees: nine bits would have made 38.0 of it
    assert_eq!(readings, [value(0, 382_500, -4)]);
}

#[test]
fn a_tmp102_is_set_to_twelve_bits_four_times_a_second() {
    let readings = run(
        &[set_102(), kept_102([0x60, 0xa0]), temperature([0x24, 0x90])],
        2,
        |bus| device(Part::Tmp102, bus),
    );
    assert_eq!(readings, [value(0, 365_625, -4)]);
}

#[test]
fn the_zero_that_the_chip_powers_up_with_is_never_read() {
    let readings = run(&[set_102(), kept_102([0x60, 0x80])], 1, |bus| {
        device(Part::Tmp102, bus)
    });
    assert_eq!(readings, []);
}

#[test]
fn a_chip_that_does_not_take_twelve_bits_is_another_one() {
    let fault = refused(
        &[
            Transaction::write(ADDRESS, vec![1, 0x60]),
            Transaction::write_read(ADDRESS, vec![1], vec![0x40]),
        ],
        |bus| device(Part::Tmp105, bus),
    );
    assert_eq!(fault.kind, FaultKind::OtherDevice);
    let fault = refused(&[set_102(), kept_102([0x60, 0x40])], |bus| {
        device(Part::Tmp102, bus)
    });
    assert!(fault.detail.contains("as a Tmp102 does"), "{fault}");
}

#[test]
fn an_unplugged_sensor_is_one_absence_until_it_is_started_again() {
    let unplugged =
        temperature([0, 0]).with_error(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
    let mut bus = Mock::new(&[set_102(), kept_102([0x60, 0xa0]), unplugged]);
    let mut device = device(Part::Tmp102, bus.clone());
    device.start().unwrap();
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    let fault = device.poll(&mut readings).unwrap_err();
    assert!(fault.detail.contains("tmp102 at 0x49 on bus"), "{fault}");
    assert!(device.poll(&mut readings).is_err());
    assert_eq!(readings, [absent(0, Absence::NoResponse, None)]);
    bus.done();
}

fn device(part: Part, bus: Mock) -> impl Device {
    Tmp10x::new(
        part,
        Ready::new("bus", bus),
        ADDRESS,
        Duration::from_secs(1),
    )
}

fn set_102() -> Transaction {
    Transaction::write(ADDRESS, vec![1, 0x60, 0x80])
}

fn kept_102(bytes: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![1], bytes.to_vec())
}

fn temperature(bytes: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![0], bytes.to_vec())
}

const ADDRESS: u8 = 0x49;
