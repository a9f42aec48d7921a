//! What the simulated devices send, read by the real driver.

use std::sync::Arc;

use super::*;
use crate::reading::{Absence, Body, Decimal, Reading};
use crate::sim::testing::{Hand, world};
use crate::sim::{Off, Scenario, SimFault, Timed};

#[test]
fn every_characteristic_is_sent_and_read_with_the_patients_numbers() {
    for (characteristic, expected) in [
        (
            Characteristic::PlxContinuous,
            &[(0, 97, 0), (1, 72, 0), (6, 25, -1)][..],
        ),
        (Characteristic::PlxSpotCheck, &[(0, 97, 0), (1, 72, 0)]),
        (Characteristic::Temperature, &[(0, 36_600, -3)]),
        (
            Characteristic::BloodPressure,
            &[(0, 121, 0), (1, 78, 0), (2, 92, 0), (6, 72, 0)],
        ),
        (Characteristic::HeartRate, &[(0, 72, 0)]),
        (Characteristic::Weight, &[(0, 72_500, -3)]),
        (Characteristic::Glucose, &[(0, 95, 0)]),
    ] {
        let hand = Hand::default();
        let mut device = bluetooth(&world(&hand), characteristic);
        device.start().unwrap();
        hand.advance(Duration::from_secs(30));
        let mut readings = Vec::new();
        device.poll(&mut readings).unwrap();
        let times = if characteristic.is_continuous() {
            30
        } else {
            3
        };
        assert_eq!(
            readings.len(),
            times * expected.len(),
            "{characteristic:?}: {readings:?}"
        );
        for (reading, (stream, mantissa, exponent)) in
            readings.iter().zip(expected.iter().cycle().copied())
        {
            assert_eq!(reading.stream, stream, "{characteristic:?}");
            let value = Decimal::new(mantissa, exponent);
            let is = matches!(reading.body, Body::Numeric { value: said, .. } if said == value);
            assert!(is, "{characteristic:?}: {reading:?}");
        }
    }
}

#[test]
fn a_rate_above_a_byte_is_sent_in_two() {
    let hand = Hand::default();
    let mut world = world(&hand);
    world.patient.heart_rate = 256;
    let mut device = bluetooth(&world, Characteristic::HeartRate);
    device.start().unwrap();
    hand.advance(SECOND);
    let mut readings = Vec::new();
    device.poll(&mut readings).unwrap();
    let [
        Reading {
            body: Body::Numeric { value, .. },
            ..
        },
    ] = readings[..]
    else {
        panic!("{readings:?}")
    };
    assert_eq!(value, Decimal::new(256, 0));
}

#[test]
fn a_sensor_that_is_off_gives_absences_and_never_a_number() {
    for characteristic in Characteristic::ALL {
        let hand = Hand::default();
        let mut device = with(&hand, SimFault::Off(Off::Sensor), characteristic);
        device.start().unwrap();
        hand.advance(Duration::from_secs(10));
        let mut readings = Vec::new();
        device.poll(&mut readings).unwrap();
        assert!(!readings.is_empty(), "{characteristic:?}");
        let absent = |reading: &Reading| matches!(reading.body, Body::Absent { .. });
        assert!(
            readings.iter().all(absent),
            "{characteristic:?}: {readings:?}"
        );
    }
}

#[test]
fn a_link_that_breaks_is_a_fault_and_the_next_start_connects_again() {
    let hand = Hand::default();
    let mut device = with(&hand, SimFault::Unplugged, Characteristic::HeartRate);
    let mut readings = Vec::new();
    // The fault begins after ten seconds and lasts ten.
    device.start().unwrap();
    hand.advance(Duration::from_secs(5));
    device.poll(&mut readings).unwrap();
    assert_eq!(readings.len(), 5);
    hand.advance(Duration::from_secs(6));
    let fault = device.poll(&mut readings).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unopened);
    assert!(fault.detail.contains("has disconnected"), "{fault}");
    let fault = device.start().unwrap_err();
    assert!(fault.detail.contains("does not answer"), "{fault}");
    hand.advance(Duration::from_secs(10));
    device.start().unwrap();
    hand.advance(Duration::from_secs(2));
    readings.clear();
    device.poll(&mut readings).unwrap();
    assert_eq!(readings.len(), 2, "what it measured meanwhile is not kept");
}

#[test]
fn a_slow_device_says_the_same_later() {
    let hand = Hand::default();
    let by = Duration::from_secs(3);
    let mut device = with(&hand, SimFault::Slow { by }, Characteristic::HeartRate);
    device.start().unwrap();
    let mut readings = Vec::new();
    // From the tenth second to the twentieth it is three seconds behind.
    for (advance, heard) in [(9, 9), (3, 9), (2, 11), (6, 20)] {
        hand.advance(SECOND * advance);
        device.poll(&mut readings).unwrap();
        assert_eq!(readings.len(), heard);
    }
}

#[test]
fn an_adapter_that_is_stuck_is_a_fault_of_the_bus_until_it_moves_again() {
    let hand = Hand::default();
    let stuck = SimFault::StuckBus {
        hold: Duration::ZERO,
    };
    let mut device = with(&hand, stuck, Characteristic::Weight);
    device.start().unwrap();
    hand.advance(Duration::from_secs(11));
    let fault = device.poll(&mut Vec::new()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Bus);
    assert_eq!(device.start().unwrap_err().kind, FaultKind::Bus);
    hand.advance(Duration::from_secs(10));
    device.start().unwrap();
}

#[test]
fn a_device_that_measures_all_the_time_and_falls_silent_says_so_once() {
    let hand = Hand::default();
    let mut device = bluetooth(&world(&hand), Characteristic::HeartRate);
    device.start().unwrap();
    hand.advance(SECOND);
    let mut readings = Vec::new();
    // The clock stands still from here on.
    for _ in 0..300 {
        device.poll(&mut readings).unwrap();
    }
    assert_eq!(readings.len(), 2, "{readings:?}");
    let silent = Body::Absent {
        reason: Absence::NoResponse,
        first: None,
        count: 0,
        raw: None,
    };
    assert_eq!(readings[1].body, silent);
}

fn with(hand: &Hand, fault: SimFault, characteristic: Characteristic) -> Box<dyn Device> {
    let mut world = world(hand);
    let begins = match fault {
        SimFault::Off(_) => Duration::ZERO,
        _ => Duration::from_secs(10),
    };
    world.scenario = Arc::new(Scenario {
        faults: vec![Timed {
            at: begins,
            lasting: Duration::from_secs(10),
            what: fault,
        }],
        ..Scenario::default()
    });
    bluetooth(&world, characteristic)
}
