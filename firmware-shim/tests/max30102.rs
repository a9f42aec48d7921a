//! MAX30102: exact bus transactions.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use embedded_hal::i2c::ErrorKind;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::max30102::{Max30102, convert};
use wardlink_firmware_shim::reading::{Absence, Body, Reading};

const ADDRESS: u8 = 0x57;

#[test]
fn a_sample_is_eighteen_bits() {
    assert_eq!(convert([0x03, 0xff, 0xff]), 262_143);
    assert_eq!(convert([0xfd, 0x00, 0x01]), 65_537);
    assert_eq!(convert([0, 0, 0]), 0);
}

#[test]
fn samples_go_to_their_streams_in_order() {
    let readings = run(
        &[pointers(0, 2, 0, 0), fifo(&[[1000, 2000], [1001, 2001]])],
        1,
    );
    assert_eq!(
        readings,
        [samples(0, 0, &[1000, 1001]), samples(1, 0, &[2000, 2001])]
    );
}

#[test]
fn pointers_that_wrapped_and_an_empty_fifo_are_understood() {
    let polls = [
        pointers(0, 1, 0, 30),
        fifo(&[[5, 6]; 3]),
        pointers(0, 1, 0, 1),
    ];
    let readings = run(&polls, 2);
    assert_eq!(readings, [samples(0, 0, &[5; 3]), samples(1, 0, &[6; 3])]);
}

#[test]
fn an_overflow_that_the_chip_cannot_count_any_further_is_an_unknown_number() {
    let polls = [
        pointers(FULL, 4, 31, 4),
        fifo(&[[5, 6]; 32]),
        pointers(0, 5, 0, 4),
        fifo(&[[8, 9]]),
    ];
    let readings = run(&polls, 1);
    let red: Vec<_> = readings.into_iter().filter(|r| r.stream == 0).collect();
    assert_eq!(
        red,
        [
            samples(0, 0, &[5; 32]),
            absent(0, Absence::Overrun, 32, 31),
            absent(0, Absence::Overrun, 63, 0),
            samples(0, 63, &[8]),
        ]
    );
}

#[test]
fn an_overflow_is_an_absence_of_as_many_after_the_samples_that_were_kept() {
    let polls = [
        pointers(FULL, 4, 7, 4),
        fifo(&[[5, 6]; 32]),
        pointers(0, 5, 0, 4),
        fifo(&[[8, 9]]),
    ];
    let readings = run(&polls, 1);
    assert_eq!(
        readings,
        [
            samples(0, 0, &[5; 32]),
            samples(1, 0, &[6; 32]),
            absent(0, Absence::Overrun, 32, 7),
            absent(1, Absence::Overrun, 32, 7),
            samples(0, 39, &[8]),
            samples(1, 39, &[9]),
        ]
    );
}

#[test]
fn a_fifo_that_is_just_full_is_not_taken_for_empty() {
    let polls = [
        pointers(FULL, 4, 0, 4),
        fifo(&[[5, 6]; 32]),
        pointers(0, 4, 0, 4),
    ];
    let readings = run(&polls, 1);
    assert_eq!(readings, [samples(0, 0, &[5; 32]), samples(1, 0, &[6; 32])]);
}

#[test]
fn samples_that_the_bus_lost_are_counted_and_the_break_is_said() {
    let failed = fifo(&[[5, 6]; 3]).with_error(ErrorKind::Bus);
    let mut bus = Mock::new(&[started(), vec![pointers(0, 3, 0, 0), failed]].concat());
    let mut device = device(&bus);
    device.start().unwrap();
    let mut readings = Vec::new();
    let fault = device.poll(&mut readings).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Bus);
    assert_eq!(
        readings,
        [
            absent(0, Absence::BusError, 0, 3),
            absent(0, Absence::BusError, 3, 0),
            absent(1, Absence::BusError, 0, 3),
            absent(1, Absence::BusError, 3, 0),
        ]
    );
    bus.done();
}

#[test]
fn light_at_the_end_of_the_range_is_marked() {
    let readings = run(&[pointers(0, 1, 0, 0), fifo(&[[262_143, 7]])], 1);
    assert!(readings[0].quality.over_range && !readings[1].quality.over_range);
}

#[test]
fn another_chip_is_refused() {
    let mut bus = Mock::new(&[Transaction::write_read(ADDRESS, vec![0xff], vec![0x11])]);
    let fault = device(&bus).start().unwrap_err();
    assert_eq!(fault.kind, FaultKind::OtherDevice);
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
    device.flush(&mut readings);
    bus.done();
    readings
}

fn device(bus: &Mock) -> impl Device + use<> {
    Max30102::new(Ready::new("bus", bus.clone()), 100)
}

/// Id, reset, interrupt for a full FIFO, FIFO cleared, no rollover, 100 Hz at 18 bits, currents, mode.
fn started() -> Vec<Transaction> {
    vec![
        Transaction::write_read(ADDRESS, vec![0xff], vec![0x15]),
        Transaction::write(ADDRESS, vec![0x09, 0x40]),
        Transaction::write_read(ADDRESS, vec![0x09], vec![0x40]),
        Transaction::write_read(ADDRESS, vec![0x09], vec![0x00]),
        Transaction::write(ADDRESS, vec![0x02, 0x80]),
        Transaction::write(ADDRESS, vec![0x04, 0, 0, 0]),
        Transaction::write(ADDRESS, vec![0x08, 0x00]),
        Transaction::write(ADDRESS, vec![0x0a, 0b0010_0111]),
        Transaction::write(ADDRESS, vec![0x0c, 0x24, 0x24]),
        Transaction::write(ADDRESS, vec![0x09, 0x03]),
    ]
}

/// The interrupt flag of a full FIFO.
const FULL: u8 = 0x80;

fn pointers(status: u8, write: u8, overflow: u8, read: u8) -> Transaction {
    let registers = vec![status, 0, 0x80, 0, write, overflow, read];
    Transaction::write_read(ADDRESS, vec![0x00], registers)
}

fn fifo(samples: &[[u32; 2]]) -> Transaction {
    let words = samples.iter().flatten();
    let bytes = words.flat_map(|word| word.to_be_bytes()[1..].to_vec());
    Transaction::write_read(ADDRESS, vec![0x07], bytes.collect())
}

fn samples(stream: usize, first: u64, values: &[i32]) -> Reading {
    let values = values.to_vec();
    Reading::good(stream, Body::Samples { first, values })
}

fn absent(stream: usize, reason: Absence, first: u64, count: u64) -> Reading {
    let body = Body::Absent {
        reason,
        first: Some(first),
        count,
        raw: None,
    };
    Reading::good(stream, body)
}
