//! What scenarios do to the simulated monitor, as the listener hears it over a real connection.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::reading::{Absence, Body};
use crate::sim::testing::{Hand, world};
use crate::sim::{Off, Scenario, SimFault, Timed};

#[test]
fn sensors_that_are_off_are_absences_and_temperature_goes_on() {
    let (hand, mut device) = monitor(SimFault::Off(Off::Sensor));
    let readings = heard(&hand, device.as_mut(), 100);
    for reading in &readings {
        let absent = matches!(
            reading.body,
            Body::Absent {
                reason: Absence::NotAvailable,
                ..
            }
        );
        // Four observations a message; temperature is none of heart rate, saturation and pulse rate.
        let temperature = device.streams()[reading.stream].name == "temperature";
        let off = (10..20).contains(&second(reading));
        assert_eq!(absent, off && !temperature, "{reading:?}");
        assert!(reading.quality.demo, "{reading:?}");
    }
}

#[test]
fn garbage_between_messages_is_skipped() {
    let (hand, mut device) = monitor(SimFault::Garbage { bytes: 50 });
    let readings = heard(&hand, device.as_mut(), 100);
    let seconds: Vec<_> = readings.iter().step_by(4).map(second).collect();
    assert_eq!(seconds, (0..25).collect::<Vec<_>>());
}

#[test]
fn a_monitor_that_is_gone_for_a_while_says_nothing_of_that_time_and_comes_back() {
    for fault in [SimFault::Unplugged, SimFault::NoAcknowledge] {
        let (hand, mut device) = monitor(fault);
        let readings = heard(&hand, device.as_mut(), 60);
        let seconds: Vec<_> = readings.iter().step_by(4).map(second).collect();
        let expected: Vec<_> = (0..10).chain(20..25).collect();
        assert_eq!(seconds, expected, "{fault:?}");
    }
}

#[test]
fn a_slow_monitor_says_the_same_later() {
    let (hand, mut device) = monitor(SimFault::Slow {
        by: Duration::from_secs(3),
    });
    let readings = heard(&hand, device.as_mut(), 100);
    let seconds: Vec<_> = readings.iter().step_by(4).map(second).collect();
    assert_eq!(seconds, (0..25).collect::<Vec<_>>());
}

/// A monitor with a fault from the tenth second to the twentieth.
fn monitor(fault: SimFault) -> (Hand, Box<dyn Device>) {
    let hand = Hand::default();
    let mut world = world(&hand);
    world.scenario = Arc::new(Scenario {
        faults: vec![Timed {
            at: Duration::from_secs(10),
            lasting: Duration::from_secs(10),
            what: fault,
        }],
        ..Scenario::default()
    });
    let mut device = hl7(&world);
    device.start().unwrap();
    (hand, device)
}

/// The monitor's second of a reading.
fn second(reading: &Reading) -> u32 {
    let time = reading.device_time.as_deref().unwrap();
    time[12..14].parse().unwrap()
}

/// Moves the clock on until so many readings were heard.
fn heard(hand: &Hand, device: &mut dyn Device, count: usize) -> Vec<Reading> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut readings = Vec::new();
    while readings.len() < count {
        assert!(Instant::now() < deadline, "too few readings: {readings:?}");
        hand.advance(Duration::from_millis(100));
        device.poll(&mut readings).unwrap();
    }
    readings.truncate(count);
    readings
}
