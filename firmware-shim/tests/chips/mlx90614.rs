//! MLX90614: the packet error code decides what is believed.

use std::time::Duration;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::mlx90614::{Error, Mlx90614, checked, convert, pec};
use wardlink_firmware_shim::reading::{Absence, Decimal};

use super::{absent, refused, run, value};

#[test]
fn the_packet_error_code_is_that_of_the_data_sheet() {
    // Its example of an SMBus read: address 0x5a, command 0x07, data 0xd2 0x3a, code 0x30.
    assert_eq!(pec(&[0xb4, 0x07, 0xb5, 0xd2, 0x3a]), 0x30);
    assert_eq!(checked(0x5a, 0x07, [0xd2, 0x3a, 0x30]), Ok(0x3ad2));
    // The check value of this CRC over "123456789".
    assert_eq!(pec(b"123456789"), 0xf4);
}

#[test]
fn every_single_flipped_bit_is_found() {
    let good = [0xd2, 0x3a, 0x30];
    for bit in 0..24 {
        let mut bytes = good;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            matches!(checked(0x5a, 0x07, bytes), Err(Error::Pec { .. })),
            "bit {bit}"
        );
    }
}

#[test]
fn a_temperature_is_exact_and_a_flagged_word_is_none() {
    // 0x3af7 is 301.90 K
    assert_eq!(convert(0x3af7), Ok(Decimal::new(2875, -2)));
    assert_eq!(convert(0x27ad), Ok(Decimal::new(-7_001, -2)));
    assert_eq!(convert(0x8000), Err(Error::Flagged(0x8000)));
}

#[test]
fn object_and_case_are_read_each_poll() {
    let readings = run(
        &[identity(ADDRESS), word(0x07, 0x3c7d), word(0x06, 0x39c5)],
        1,
        device,
    );
    assert_eq!(readings, [value(0, 3_655, -2), value(1, 2_263, -2)]);
}

#[test]
fn a_broken_word_is_an_absence_and_three_in_a_row_are_a_fault() {
    let broken = |register| read(register, [0xd2, 0x3a, 0x00]);
    let mut bus = Mock::new(&[
        identity(ADDRESS),
        broken(0x07),
        word(0x06, 0x39c5),
        broken(0x07),
        broken(0x06),
        broken(0x07),
    ]);
    let mut device = device(bus.clone());
    device.start().unwrap();
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    device.poll(&mut readings).unwrap();
    let fault = device.poll(&mut readings).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Garbled);
    assert!(fault.detail.contains("0x30 is due"), "{fault}");
    let garbled = |stream| absent(stream, Absence::Garbled, None);
    assert_eq!(
        readings,
        [
            garbled(0),
            value(1, 2_263, -2),
            garbled(0),
            garbled(1),
            garbled(0),
            garbled(1)
        ]
    );
    bus.done();
}

#[test]
fn a_flagged_word_is_an_absence_that_says_what_came() {
    let readings = run(
        &[identity(ADDRESS), word(0x07, 0x8001), word(0x06, 0x39c5)],
        1,
        device,
    );
    assert_eq!(readings[0], absent(0, Absence::NotAvailable, Some(0x8001)));
}

#[test]
fn what_does_not_know_its_own_address_is_another_chip() {
    assert_eq!(
        refused(&[identity(0x5b)], device).kind,
        FaultKind::OtherDevice
    );
    assert_eq!(
        refused(&[read(0x2e, [0x5a, 0xbe, 0x00])], device).kind,
        FaultKind::OtherDevice
    );
}

#[test]
fn a_sensor_that_vanishes_between_two_words_costs_the_second() {
    let gone = word(0x06, 0).with_error(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
    let mut bus = Mock::new(&[identity(ADDRESS), word(0x07, 0x3c7d), gone]);
    let mut device = device(bus.clone());
    device.start().unwrap();
    let mut readings = Vec::new();
    assert!(device.poll(&mut readings).is_err());
    assert_eq!(
        readings,
        [value(0, 3_655, -2), absent(1, Absence::NoResponse, None)]
    );
    bus.done();
}

fn device(bus: Mock) -> impl Device {
    Mlx90614::new(Ready::new("bus", bus), ADDRESS, Duration::from_secs(1))
}

/// EEPROM word 0x0e: the address the chip was given.
fn identity(address: u8) -> Transaction {
    word(0x2e, 0xbe00 | u16::from(address))
}

fn word(register: u8, word: u16) -> Transaction {
    let [low, high] = word.to_le_bytes();
    let code = pec(&[ADDRESS << 1, register, ADDRESS << 1 | 1, low, high]);
    read(register, [low, high, code])
}

fn read(register: u8, bytes: [u8; 3]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![register], bytes.to_vec())
}

const ADDRESS: u8 = 0x5a;
