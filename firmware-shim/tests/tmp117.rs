//! TMP117: exact bus transactions.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::tmp117::{Tmp117, convert};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading};

const ADDRESS: u8 = 0x48;

#[test]
fn a_temperature_is_the_registers_exact_decimal() {
    for (code, mantissa) in [
        (0x0c80, 250_000_000),
        (0x1266, 367_968_750),
        (0x0001, 78_125),
        (-1, -78_125),
        (0, 0),
        (i16::MAX, 2_559_921_875),
    ] {
        assert_eq!(convert(code), Some(Decimal::new(mantissa, -7)));
    }
    assert_eq!(convert(i16::MIN), None);
}

#[test]
fn start_checks_the_id_and_sets_two_conversions_a_period() {
    let readings = run(&[reads(1, [0x22, 0x20]), reads(0, [0x12, 0x66])], 1);
    assert_eq!(
        readings,
        [Reading::good(
            0,
            Body::Numeric {
                value: Decimal::new(367_968_750, -7),
                index: None,
                raw: None
            }
        )]
    );
}

#[test]
fn the_power_up_code_is_an_absence_and_never_minus_256_degrees() {
    let readings = run(&[reads(1, [0x22, 0x20]), reads(0, [0x80, 0x00])], 1);
    assert_eq!(readings, [absent(Absence::DeviceOff, 1, Some(-32768))]);
}

#[test]
fn a_conversion_that_is_overdue_is_an_absence_once_for_each_poll() {
    let not_ready = || reads(1, [0x02, 0x20]);
    let polls = [
        reads(1, [0x22, 0x20]),
        reads(0, [0x12, 0x66]),
        not_ready(),
        not_ready(),
        not_ready(),
    ];
    let readings = run(&polls, 4);
    assert_eq!(
        readings[1..],
        [
            absent(Absence::NotAvailable, 2, None),
            absent(Absence::NotAvailable, 1, None)
        ]
    );
}

#[test]
fn a_temperature_beyond_the_range_is_marked() {
    let readings = run(&[reads(1, [0x22, 0x20]), reads(0, [0x4b, 0x01])], 1);
    assert!(readings[0].quality.over_range);
}

#[test]
fn another_chip_is_refused() {
    let mut bus = Mock::new(&[reads(0x0f, [0x01, 0x90])]);
    let fault = device(&bus).start().unwrap_err();
    assert_eq!(fault.kind, FaultKind::OtherDevice);
    assert!(fault.detail.contains("0x0190"), "{fault}");
    bus.done();
}

#[test]
fn an_unplugged_sensor_is_one_absence_until_it_is_started_again() {
    let unplugged =
        reads(1, [0, 0]).with_error(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
    let mut all = started();
    all.push(unplugged);
    all.extend(started());
    let mut bus = Mock::new(&all);
    let mut device = device(&bus);
    device.start().unwrap();
    let mut readings = Vec::new();
    let fault = device.poll(&mut readings).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoResponse);
    assert!(fault.detail.contains("tmp117 at 0x48 on bus"), "{fault}");
    assert!(device.poll(&mut readings).is_err());
    assert_eq!(readings, [absent(Absence::NoResponse, 1, None)]);
    device.start().unwrap();
    bus.done();
}

fn run(polls: &[Transaction], count: usize) -> Vec<Reading> {
    let mut bus = Mock::new(&[started(), polls.to_vec()].concat());
    let mut device = device(&bus);
    device.start().unwrap();
    let mut readings = Vec::new();
    for _ in 0..count {
        device.poll(&mut readings).unwrap();
    }
    bus.done();
    readings
}

fn device(bus: &Mock) -> impl Device + use<> {
    Tmp117::new(
        Ready::new("bus", bus.clone()),
        ADDRESS,
        Duration::from_secs(1),
    )
}

/// The id, then continuous conversion with a cycle of 500 ms and eight averages.
fn started() -> Vec<Transaction> {
    vec![
        reads(0x0f, [0x11, 0x17]),
        Transaction::write(ADDRESS, vec![0x01, 0x01, 0xa0]),
    ]
}

fn reads(register: u8, word: [u8; 2]) -> Transaction {
    Transaction::write_read(ADDRESS, vec![register], word.to_vec())
}

fn absent(reason: Absence, count: u64, raw: Option<i32>) -> Reading {
    let body = Body::Absent {
        reason,
        first: None,
        count,
        raw,
    };
    Reading::good(0, body)
}
