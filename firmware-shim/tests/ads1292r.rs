//! ADS1292R: exact bus transactions, and what becomes of conversions that nobody read in time.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use embedded_hal_mock::eh1::spi::{Mock, Transaction};
use wardlink_firmware_shim::device::{Device, Fault, FaultKind};
use wardlink_firmware_shim::drivers::Ready;
use wardlink_firmware_shim::drivers::ads1292r::{Ads1292r, DataReady, Error, convert, signed};
use wardlink_firmware_shim::reading::{Absence, Body, Reading};

#[test]
fn twenty_four_bits_keep_their_sign() {
    for (bytes, value) in [
        ([0x00, 0x00, 0x00], 0),
        ([0x00, 0x00, 0x01], 1),
        ([0xff, 0xff, 0xff], -1),
        ([0x7f, 0xff, 0xff], 8_388_607),
        ([0x80, 0x00, 0x00], -8_388_608),
    ] {
        assert_eq!(signed(bytes), value);
    }
}

#[test]
fn the_step_is_the_datasheets_to_the_last_digit_that_matters() {
    let mut bus = Mock::new(&[]);
    let device = device(&bus, &[]);
    bus.done();
    let step = device.streams()[0].sampling.unwrap().scale;
    // 2.42 V / 6 at full scale
    let full = i128::from(step.mantissa) * 8_388_607;
    let truth = 2420 * 10_i128.pow(17) / 6;
    assert_eq!(step.exponent, -17);
    assert!((full - truth).abs() < 10_i128.pow(8), "{full} for {truth}");
}

#[test]
fn each_electrode_belongs_to_its_lead() {
    for (status, one, two) in [
        ([0xc0, 0x00, 0], true, true),
        ([0xc0, 0x80, 0], false, true), // IN1P
        ([0xc1, 0x00, 0], false, true), // IN1N
        ([0xc2, 0x00, 0], true, false), // IN2P
        ([0xc4, 0x00, 0], true, false), // IN2N
        ([0xc8, 0x60, 0], true, true),  // RLD, GPIO
        ([0xc7, 0x80, 0], false, false),
    ] {
        let [s2, s1, s0] = status;
        let frame = convert([s2, s1, s0, 0, 0, 1, 0, 0, 2]).unwrap();
        assert_eq!(frame.channels, [one.then_some(1), two.then_some(2)]);
    }
    assert_eq!(convert([0; 9]), Err(Error::Pattern(0)));
}

#[test]
fn conversions_become_samples_of_both_leads() {
    let readings = run(
        &[frame([0xc0, 0], 1, -1), frame([0xc0, 0], 2, -2)],
        &[1, 0, 1, 0, 0],
    );
    assert_eq!(readings, [samples(0, 0, &[1, 2]), samples(1, 0, &[-1, -2])]);
}

#[test]
fn conversions_that_were_overwritten_are_absent_in_their_place() {
    let readings = run(
        &[frame([0xc0, 0], 1, -1), frame([0xc0, 0], 5, -5)],
        &[1, 0, 4, 0, 0],
    );
    for (stream, sign) in [(0, 1), (1, -1)] {
        let of_stream: Vec<_> = readings
            .iter()
            .filter(|r| r.stream == stream)
            .cloned()
            .collect();
        let expected = [
            samples(stream, 0, &[sign]),
            absent(stream, Absence::Overrun, 1, 3),
            samples(stream, 4, &[5 * sign]),
        ];
        assert_eq!(of_stream, expected);
    }
}

#[test]
fn a_conversion_that_completes_during_the_reading_makes_the_reading_void() {
    let readings = run(
        &[frame([0xc0, 0], 1, 1), frame([0xc0, 0], 2, 2)],
        &[1, 1, 0, 0],
    );
    let of_stream: Vec<_> = readings.iter().filter(|r| r.stream == 0).cloned().collect();
    assert_eq!(
        of_stream,
        [absent(0, Absence::Overrun, 0, 1), samples(0, 1, &[2])]
    );
}

#[test]
fn an_electrode_that_is_off_makes_its_lead_absent_and_the_other_not() {
    let readings = run(
        &[frame([0xc0, 0x80], 9, 1), frame([0xc1, 0x80], 9, 2)],
        &[1, 0, 1, 0, 0],
    );
    assert_eq!(
        readings,
        [absent(0, Absence::LeadOff, 0, 2), samples(1, 0, &[1, 2])]
    );
}

#[test]
fn data_out_of_step_are_a_fault_and_an_absence() {
    let mut bus = Mock::new(&[started(), frame([0x00, 0x00], 1, 1)].concat());
    let mut device = device(&bus, &[1]);
    device.start().unwrap();
    let mut readings = Vec::new();
    let fault = device.poll(&mut readings).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Garbled);
    assert!(readings.contains(&absent(0, Absence::Garbled, 0, 1)));
    assert!(readings.contains(&absent(1, Absence::Garbled, 1, 0)));
    bus.done();
}

#[test]
fn another_chip_is_refused() {
    let mut transactions = started();
    transactions.truncate(14);
    transactions[12] = Transaction::read_vec(vec![0x53]);
    let mut bus = Mock::new(&transactions);
    let fault = device(&bus, &[]).start().unwrap_err();
    assert_eq!(fault.kind, FaultKind::OtherDevice);
    bus.done();
}

fn run(frames: &[Vec<Transaction<u8>>], edges: &[u64]) -> Vec<Reading> {
    let mut bus = Mock::new(&[started(), frames.concat()].concat());
    let mut device = device(&bus, edges);
    device.start().unwrap();
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    device.flush(&mut readings);
    bus.done();
    readings
}

fn device(bus: &Mock<u8>, edges: &[u64]) -> impl Device + use<> {
    let edges = Edges(Arc::new(Mutex::new(edges.iter().copied().collect())));
    Ads1292r::new(
        Ready::new("bus", bus.clone()),
        Ready::new("line", edges),
        250,
    )
}

/// Answers as scripted, to both questions.
#[derive(Clone)]
struct Edges(Arc<Mutex<VecDeque<u64>>>);

impl DataReady for Edges {
    fn begin(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn next(&mut self) -> Result<u64, Fault> {
        Ok(self.0.lock().unwrap().pop_front().unwrap())
    }

    fn meanwhile(&mut self) -> Result<u64, Fault> {
        self.next()
    }
}

fn started() -> Vec<Transaction<u8>> {
    const SETTINGS: [u8; 10] = [0x01, 0xe0, 0x10, 0, 0, 0x2f, 0x0f, 0, 0x02, 0x03];
    let transaction = |inner: Vec<Transaction<u8>>| {
        let mut all = vec![Transaction::transaction_start()];
        all.extend(inner);
        all.push(Transaction::transaction_end());
        all
    };
    let mut live = SETTINGS.to_vec();
    live[7] = 0x0f;
    [
        transaction(vec![Transaction::write_vec(vec![0x11])]),
        transaction(vec![
            Transaction::write_vec(vec![0x06]),
            Transaction::delay(72_000),
        ]),
        transaction(vec![Transaction::write_vec(vec![0x11])]),
        transaction(vec![
            Transaction::write_vec(vec![0x20, 0]),
            Transaction::read_vec(vec![0x73]),
        ]),
        transaction(vec![Transaction::write_vec(
            [&[0x41, 9], &SETTINGS[..]].concat(),
        )]),
        transaction(vec![
            Transaction::write_vec(vec![0x21, 9]),
            Transaction::read_vec(live),
        ]),
        transaction(vec![
            Transaction::delay(60_000_000),
            Transaction::delay(60_000_000),
        ]),
        transaction(vec![Transaction::write_vec(vec![0x08])]),
    ]
    .concat()
}

fn frame([s2, s1]: [u8; 2], one: i32, two: i32) -> Vec<Transaction<u8>> {
    let channel = |value: i32| value.to_be_bytes()[1..].to_vec();
    let bytes = [vec![s2, s1, 0], channel(one), channel(two)].concat();
    vec![
        Transaction::transaction_start(),
        Transaction::write_vec(vec![0x12]),
        Transaction::read_vec(bytes),
        Transaction::transaction_end(),
    ]
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
