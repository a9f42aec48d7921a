//! An Ivy 450C monitor at byte level: a packet of waves and lines a second.

use std::time::Duration;

use super::World;
use super::pace::steps;
use super::serial::{Schedule, Words, simulated};
use crate::device::Device;
use crate::drivers::ivy450c::Ivy450c;

/// An Ivy 450C on a simulated serial line. All its waves are the pulse wave; the last transducer is missing.
#[must_use]
pub fn ivy450c(world: &World) -> Box<dyn Device> {
    simulated(world, Ivy450c::default(), |world, ending| {
        Ok(Schedule::open(world, ending, 1)?.saying(packet))
    })
}

fn packet(words: &mut Words<'_>) -> Vec<u8> {
    let mut bytes = b"\xfe\xffANSAR-B ".to_vec();
    for samples in [200, 50, 50, 50] {
        for sample in 0..samples {
            let earlier = Duration::from_secs(1) * (samples - 1 - sample) / samples;
            let pulse = words.pulse_before(earlier);
            let sample = pulse.map(|pulse| steps(20.0 + 180.0 * pulse, 0, 250));
            bytes.push(sample.map_or(NO_TRANSDUCER, |sample| u8::try_from(sample).unwrap_or(0)));
        }
    }
    bytes.extend([NO_TRANSDUCER; 50]);
    let on = words.pulse().is_some();
    let said = |number: u32| {
        if on {
            number.to_string()
        } else {
            "---".to_owned()
        }
    };
    let (rate, spo2) = (said(words.patient.heart_rate), said(words.patient.spo2));
    let text = format!(
        "HR=1;{rate};ECG-II-DIAG;\rRR=1;15;APNEA: 20 SEC;\rETCO2=1;;;\rSPO2=1;{spo2};PR={rate} ;\r\
         NIBP=4;121;75;92;{};;\rP1=3;111;73;88;;\rP2=3;;;;NO TRANSDUCER;\rT1=1;;;\rT2=1;;;\r",
        words.patient.heart_rate
    );
    bytes.extend(text.into_bytes());
    bytes
}

const NO_TRANSDUCER: u8 = 0xfb;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::reading::{Absence, Body, Reading};
    use crate::sim::testing::{Hand, world};
    use crate::sim::{Off, Scenario, SimFault, Timed};

    #[test]
    fn sensors_that_are_off_are_absences_in_numbers_and_waves_and_nothing_else_is() {
        let hand = Hand::default();
        let mut world = world(&hand);
        world.scenario = Arc::new(Scenario {
            faults: vec![Timed {
                at: Duration::from_secs(5),
                lasting: Duration::from_secs(5),
                what: SimFault::Off(Off::Sensor),
            }],
            ..Scenario::default()
        });
        let mut device = ivy450c(&world);
        device.start().unwrap();
        hand.advance(Duration::from_secs(20));
        let stream = |name: &str| {
            let mut streams = device.streams().iter();
            streams.position(|stream| stream.name == name).unwrap()
        };
        let (spo2, respiration) = (stream("spo2"), stream("respiration-rate"));
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut readings: Vec<Reading> = Vec::new();
        let of = |readings: &[Reading], stream: usize| {
            let of_stream = readings.iter().filter(|reading| reading.stream == stream);
            of_stream
                .map(|reading| match reading.body {
                    Body::Absent { reason, .. } => Some(reason),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        while of(&readings, spo2).len() < 20 {
            assert!(Instant::now() < deadline, "too little: {readings:?}");
            device.poll(&mut readings).unwrap();
        }
        let off = |second: usize| (5..10).contains(&second).then_some(Absence::NotAvailable);
        let expected: Vec<_> = (0..20).map(off).collect();
        assert_eq!(of(&readings, spo2), expected);
        assert_eq!(of(&readings, respiration), [None; 20]);
        // Whole packets of an ECG of 200 samples.
        let sensor_off = readings.iter().any(|reading| {
            let Body::Absent { reason, count, .. } = reading.body else {
                return false;
            };
            reason == Absence::SensorOff && count == 200
        });
        assert!(sensor_off, "the ECG says so as well");
    }
}
